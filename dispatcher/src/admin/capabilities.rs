//! What this server can do: limits, bindings and compatibility dates, from the tables that
//! enforce them.

use bindery_logic::egress::redirect::REDIRECT_COUNT_MAX;
use bindery_wire::{compat, limits, name};
use serde_json::{Value, json};

use super::answer::{Answer, json as answer};
use crate::registry;

pub(super) async fn show() -> Answer {
    answer(capabilities())
}

/// What this server can do.
pub fn capabilities() -> Value {
    let flags: Vec<Value> = compat::FLAGS
        .iter()
        .map(
            |f| json!({ "enable": f.enable, "disable": f.disable, "since": f.since, "doc": f.doc }),
        )
        .collect();
    let mut capabilities = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "compatibility": { "newest": compat::NEWEST, "flags": flags },
        "bindings": super::upload::BINDING_TYPES,
        "modules": super::upload::CONTENT_TYPES.map(|(content_type, _)| content_type),
        "limits": {
            "defaults": limits::DEFAULT,
            "modules_bytes_max": limits::MODULES_BYTES_MAX,
            "module_count_max": limits::MODULE_COUNT_MAX,
            "module_name_bytes_max": name::MODULE_NAME_BYTES_MAX,
            "env_bytes_max": limits::ENV_BYTES_MAX,
            "binding_count_max": limits::BINDING_COUNT_MAX,
            "binding_name_bytes_max": name::BINDING_NAME_BYTES_MAX,
            "secret_bytes_max": registry::SECRET_BYTES_MAX,
            "request_bytes_max": limits::REQUEST_BYTES_MAX,
            "header_count_max": limits::HEADER_COUNT_MAX,
            "headers_bytes_max": limits::HEADERS_BYTES_MAX,
            "redirect_count_max": REDIRECT_COUNT_MAX,
            "queued_event_count_max": limits::QUEUED_EVENT_COUNT_MAX,
            "worker_count_max": registry::WORKER_COUNT_MAX,
            "version_count_max": registry::VERSION_COUNT_MAX,
            "deployment_count_max": registry::DEPLOYMENT_COUNT_MAX,
            "token_count_max": registry::TOKEN_COUNT_MAX,
            "domain_count_max": registry::DOMAIN_COUNT_MAX,
        },
    });
    // One order, whichever map the build's features choose.
    capabilities.sort_all_objects();
    capabilities
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_capabilities_are_frozen() {
        let mut text = serde_json::to_string_pretty(&super::capabilities()).expect("plain data");
        text.push('\n');
        expect_test::expect_file!["../../golden/capabilities.json"].assert_eq(&text);
    }
}
