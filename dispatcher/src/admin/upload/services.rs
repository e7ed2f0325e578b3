//! What an upload says of other workers that it calls.

use bindery_wire::manifest::{Binding, Outbound};
use bindery_wire::name::{BINDING_NAME_BYTES_MAX, check_label};

use crate::admin::fields::{Faults, Fields};

/// Where `fetch` goes, from the field of the metadata.
pub(super) fn outbound(fields: &mut Fields<'_>, faults: &mut Faults) -> Outbound {
    match fields.raw("outbound") {
        None | Some(r#""public""#) => Outbound::Public,
        Some(r#""none""#) => Outbound::None,
        Some(json) if json.starts_with('{') => {
            let fields = Fields::read(&fields.path("outbound"), json, faults);
            let Some(mut fields) = fields else { return Outbound::Public };
            let (service, entrypoint) = callee(&mut fields, faults);
            fields.finish(faults);
            Outbound::Service { service: service.unwrap_or_default(), entrypoint }
        }
        Some(_) => {
            let message = "expected \"public\", \"none\" or {\"service\": WORKER}";
            faults.add(fields.path("outbound"), message);
            Outbound::Public
        }
    }
}

/// A binding of the type `service`.
pub(super) fn binding(fields: &mut Fields<'_>, faults: &mut Faults) -> Option<Binding> {
    let (service, entrypoint) = callee(fields, faults);
    let props = fields.raw("props").map(str::to_owned);
    if props.as_ref().is_some_and(|json| !json.starts_with('{')) {
        faults.add(fields.path("props"), "expected an object");
    }
    Some(Binding::Service { service: service?, entrypoint, props })
}

/// A worker that need not be there yet, because its name is looked up at each call; and an export of
/// it.
fn callee(fields: &mut Fields<'_>, faults: &mut Faults) -> (Option<String>, Option<String>) {
    let service: Option<String> = fields.need("service", "a worker's name", faults);
    if let Some(service) = &service {
        faults.check(fields.path("service"), check_label(service));
    }
    let entrypoint: Option<String> = fields.take("entrypoint", "an export's name", faults);
    let bytes = entrypoint.as_ref().map_or(0, String::len);
    if bytes > BINDING_NAME_BYTES_MAX {
        let message = format!("{bytes} bytes; the limit is {BINDING_NAME_BYTES_MAX}");
        faults.add(fields.path("entrypoint"), message);
    }
    (service, entrypoint.filter(|name| !matches!(name.as_str(), "" | "default")))
}
