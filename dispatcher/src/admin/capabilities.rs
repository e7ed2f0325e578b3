//! What this server can do: limits, bindings and compatibility dates, from the tables that
//! enforce them.

use bindery_wire::compat;
use serde_json::{Map, Value, json};

use super::answer::{Answer, json as answer};
use crate::limit;

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
    let limits = limit::all().into_iter().map(|limit| {
        let set_by = limit.set.map_or(&[][..], |set| set.levels);
        let shown = json!({
            "value": limit.value,
            "unit": limit.unit.as_str(),
            "setting": limit.set.map(|set| set.key),
            "set_by": set_by,
            "what": limit.what,
            "at": limit.at,
            "advice": limit.advice,
        });
        (limit.name.to_owned(), shown)
    });
    let limits: Map<String, Value> = limits.collect();
    let mut capabilities = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "compatibility": { "newest": compat::NEWEST, "flags": flags },
        "bindings": super::upload::BINDING_TYPES,
        "modules": super::upload::CONTENT_TYPES.map(|(content_type, _)| content_type),
        "limits": limits,
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
