//! The routes of an upload.
//!
//! A route whose host is not granted is kept, with a warning: whether the operator grants the
//! host before or after a deployment makes no difference, and takes hold at once.

use bindery_logic::pattern::Pattern;
use bindery_wire::limit;
use bindery_wire::limits::ROUTE_COUNT_MAX;
use serde_json::value::RawValue;

use crate::admin::answer::Refusal;
use crate::admin::fields::{Faults, Fields, shown};
use crate::registry::Registry;

/// What a route is.
const EXPECTED: &str =
    "expected a pattern such as \"shop.example.com/*\", or {\"pattern\": \"...\"}";

/// Reads the list of routes: patterns in their one form, each once.
pub(super) fn read(
    fields: &mut Fields<'_>,
    domain: &str,
    (faults, warnings): (&mut Faults, &mut Vec<String>),
) -> Vec<String> {
    let path = fields.path("routes");
    let list: Vec<&RawValue> = fields.take("routes", "a list", faults).unwrap_or_default();
    if list.len() > ROUTE_COUNT_MAX {
        let message = format!("{} routes; {}", list.len(), limit::ROUTES.fixed());
        faults.add(path, message);
        return Vec::new();
    }
    let mut patterns = Vec::new();
    for (at, json) in list.iter().enumerate() {
        let path = format!("{path}[{at}]");
        let Some((path, text)) = pattern(path, json.get(), (&mut *faults, &mut *warnings)) else {
            continue;
        };
        match Pattern::parse(&text) {
            Ok(pattern) if pattern.is_under(domain) => {
                let message = format!(
                    "names under {domain} are the server's own: the worker is reached under its \
                     name there, and routes take hosts that the operator granted"
                );
                faults.add(path, message);
            }
            Ok(pattern) => {
                let pattern = pattern.to_string();
                if !text.split_once("://").map_or(&*text, |(_, rest)| rest).contains('/') {
                    warnings.push(format!(
                        "route `{}` takes the path / alone: write `{pattern}*` to take every path",
                        shown(&text)
                    ));
                }
                if !patterns.contains(&pattern) {
                    patterns.push(pattern);
                }
            }
            Err(error) => faults.add(path, error.to_string()),
        }
    }
    patterns
}

/// The pattern of one item of the list, with its path.
fn pattern(
    path: String,
    json: &str,
    (faults, warnings): (&mut Faults, &mut Vec<String>),
) -> Option<(String, String)> {
    if let Ok(text) = serde_json::from_str::<String>(json) {
        return Some((path, text));
    }
    if !json.starts_with('{') {
        faults.add(path, EXPECTED);
        return None;
    }
    let mut fields = Fields::read(&path, json, faults)?;
    let text: Option<String> = fields.need("pattern", "a string", faults);
    let whole: bool = fields.take("custom_domain", "true or false", faults).unwrap_or_default();
    for name in ["zone_id", "zone_name", "enabled", "previews_enabled"] {
        if fields.raw(name).is_some() {
            warnings.push(format!("`{}` has no meaning here and is ignored", fields.path(name)));
        }
    }
    let at = fields.path("pattern");
    fields.finish(faults);
    match text {
        Some(host) if whole && (host.contains(['/', '*'])) => {
            faults.add(at, "a custom domain is a host name alone: it takes every path");
            None
        }
        Some(host) if whole => Some((at, format!("{host}/*"))),
        text => text.map(|text| (at, text)),
    }
}

/// A warning for each route that takes no host yet.
pub(super) async fn ungranted(
    registry: &Registry,
    tenant: &str,
    patterns: &[String],
) -> Result<Vec<String>, Refusal> {
    if patterns.is_empty() {
        return Ok(Vec::new());
    }
    let hosts = registry.list_domains(tenant).await?;
    let warning = |text: &String| {
        let pattern = Pattern::parse(text).ok()?;
        if hosts.iter().any(|(host, _)| pattern.takes_host(host)) {
            return None;
        }
        let host = pattern.host().unwrap_or("HOST");
        Some(format!(
            "route `{text}` takes no request until the operator grants its host: \
             bindery tenants domains put {tenant} {host}"
        ))
    };
    Ok(patterns.iter().filter_map(warning).collect())
}
