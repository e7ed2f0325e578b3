//! The bindings of an upload.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use bindery_wire::limits::{BINDING_COUNT_MAX, DELAY_S_MAX};
use bindery_wire::manifest::Binding;
use bindery_wire::name::{check_binding, check_resource};
use serde_json::value::RawValue;

use super::metadata::Known;
use super::services;
use crate::admin::fields::{Faults, Fields, shown};
use crate::limit;
use crate::registry::SECRET_BYTES_MAX;

/// The types of binding that a version may have.
pub(in crate::admin) const BINDING_TYPES: [&str; 9] = [
    "plain_text",
    "json",
    "secret_text",
    "kv_namespace",
    "queue",
    "dynamic_kv",
    "dynamic_queue",
    "service",
    "worker_loader",
];
/// Types that a later release owns.
const NOT_YET: [&str; 11] = [
    "durable_object_namespace",
    "workflow",
    "d1",
    "r2_bucket",
    "ai",
    "dynamic_workflow",
    "dynamic_object",
    "dynamic_d1",
    "dynamic_r2",
    "dynamic_ai",
    "dynamic_mcp",
];

/// The bindings of a version, and the secrets that are set with it.
#[derive(Debug, Default)]
pub(super) struct Bindings {
    pub(super) bindings: BTreeMap<String, Binding>,
    pub(super) secrets: BTreeMap<String, String>,
}

/// Reads the list of bindings.
pub(super) fn read(list: &[&RawValue], known: &Known, faults: &mut Faults) -> Bindings {
    let mut read = Bindings::default();
    if list.len() > BINDING_COUNT_MAX {
        let message = format!("{} bindings; {}", list.len(), limit::BINDINGS.fixed());
        faults.add("bindings", message);
        return read;
    }
    for (at, json) in list.iter().enumerate() {
        let Some(mut fields) = Fields::read(&format!("bindings[{at}]"), json.get(), faults) else {
            continue;
        };
        let name: Option<String> = fields.need("name", "a string", faults);
        let kind: Option<String> = fields.need("type", "a string", faults);
        if let Some(name) = &name {
            faults.check(fields.path("name"), check_binding(name));
            if read.bindings.contains_key(name) {
                faults.add(fields.path("name"), "another binding has this name");
            }
        }
        let name = name.unwrap_or_default();
        let binding = kind.and_then(|kind| one(&kind, &name, (fields, known), &mut read, faults));
        // A binding that is not good keeps its name: a second one of it is a problem too.
        read.bindings.insert(name, binding.unwrap_or(Binding::SecretText));
    }
    read
}

fn one(
    kind: &str,
    name: &str,
    (mut fields, known): (Fields<'_>, &Known),
    read: &mut Bindings,
    faults: &mut Faults,
) -> Option<Binding> {
    let binding = match kind {
        "plain_text" => {
            fields.need("text", "a string", faults).map(|text| Binding::PlainText { text })
        }
        "json" => fields.value("json", faults).map(|json| Binding::Json { json: json.to_owned() }),
        "secret_text" => {
            secret(name, &mut fields, (known, read), faults);
            Some(Binding::SecretText)
        }
        "kv_namespace" => {
            let namespace = resource("namespace_id", &mut fields, faults);
            namespace.map(|namespace| Binding::KvNamespace { namespace })
        }
        "queue" => {
            let queue = resource("queue_name", &mut fields, faults);
            let delivery_delay = within("delivery_delay", 0..=DELAY_S_MAX, &mut fields, faults);
            queue.map(|queue| Binding::Queue { queue, delivery_delay })
        }
        "dynamic_kv" => Some(Binding::DynamicKv),
        "dynamic_queue" => Some(Binding::DynamicQueue),
        "worker_loader" => Some(Binding::WorkerLoader),
        "service" => services::binding(&mut fields, faults),
        kind => {
            let message = if NOT_YET.contains(&kind) {
                format!("{kind} is not supported yet")
            } else {
                format!("unknown binding type \"{}\"", shown(kind))
            };
            faults.add(fields.path("type"), message);
            return None;
        }
    };
    fields.finish(faults);
    binding
}

/// The name of something that the tenant keeps.
pub(super) fn resource(
    field: &str,
    fields: &mut Fields<'_>,
    faults: &mut Faults,
) -> Option<String> {
    let name: String = fields.need(field, "a name", faults)?;
    faults.check(fields.path(field), check_resource(&name));
    Some(name)
}

/// A number between two others, both included, if it is there.
pub(super) fn within(
    field: &str,
    range: RangeInclusive<u32>,
    fields: &mut Fields<'_>,
    faults: &mut Faults,
) -> Option<u32> {
    let (least, most) = (range.start(), range.end());
    let expected = format!("a number from {least} to {most}");
    let number = fields.take(field, &expected, faults)?;
    if range.contains(&number) {
        return Some(number);
    }
    faults.add(fields.path(field), format!("expected {expected}"));
    None
}

/// A secret with a text is set; without one it must be there.
fn secret(
    name: &str,
    fields: &mut Fields<'_>,
    (known, read): (&Known, &mut Bindings),
    faults: &mut Faults,
) {
    let path = fields.path("text");
    let sent = fields.raw("text");
    match sent.map(serde_json::from_str::<String>) {
        Some(Ok(text)) if text.len() > SECRET_BYTES_MAX => {
            let told = limit::SECRET.fixed();
            faults.add(path, format!("{} bytes; {told}", text.len()));
        }
        Some(Ok(text)) => drop(read.secrets.insert(name.to_owned(), text)),
        Some(Err(_)) => faults.add(path, "expected a string"),
        None if known.secrets.contains(name) => {}
        None => {
            let message = format!("is missing: the worker has no secret `{}`", shown(name));
            faults.add(path, message);
        }
    }
}
