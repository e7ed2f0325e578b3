//! Tenants, as the operator sees and sets them.

use axum::body::Body;
use axum::extract::{Path, State};
use bindery_storage::tables::Quotas;
use bindery_wire::name::check_label;
use http::Uri;
use serde_json::json;

use super::Admin;
use super::answer::{Answer, Refusal, done, json as answer};
use super::fields::{self, Faults, Fields};
use super::upload::without_effect;
use crate::problem::Problem;
use crate::registry::{PAGE_COUNT_MAX, Settings};

/// Rows of a page, where nobody says how many.
const PAGE_COUNT: usize = 100;

pub(super) async fn list(State(admin): State<Admin>, uri: Uri) -> Answer {
    let page = Page::read(&uri, &["prefix", "limit", "cursor"])?;
    let tenants = admin
        .parts
        .registry
        .list_tenants(&page.prefix, page.after.as_deref(), page.count_max)
        .await?;
    let cursor = page.cursor(tenants.len(), tenants.last().map(|tenant| tenant.name.as_str()));
    answer(json!({ "tenants": tenants, "cursor": cursor }))
}

pub(super) async fn put(
    State(admin): State<Admin>,
    Path(name): Path<String>,
    uri: Uri,
    body: Body,
) -> Answer {
    fields::query(&uri, &[])?;
    let settings = read(&name, &fields::body(body).await?)?;
    let registry = &admin.parts.registry;
    let warnings = without_effect(&settings.limits, registry.server_limits());
    let shown = registry.put_tenant(&name, settings).await?;
    let mut shown = serde_json::to_value(shown).map_err(|error| Problem::internal(&error))?;
    if !warnings.is_empty() {
        shown["warnings"] = warnings.into();
    }
    answer(shown)
}

pub(super) async fn show(State(admin): State<Admin>, Path(name): Path<String>) -> Answer {
    answer(admin.parts.registry.get_tenant(&name).await?)
}

pub(super) async fn delete(State(admin): State<Admin>, Path(name): Path<String>) -> Answer {
    admin.parts.registry.delete_tenant(&name).await?;
    done()
}

/// What is to be set; an empty body sets what a new tenant has.
fn read(name: &str, body: &str) -> Result<Settings, Problem> {
    let mut faults = Faults::default();
    faults.check("tenant", check_label(name));
    let mut settings = Settings::default();
    let body = if body.trim().is_empty() { "{}" } else { body };
    if let Some(mut fields) = Fields::read("", body, &mut faults) {
        if let Some(tier) = fields.take::<String>("tier", "a name", &mut faults) {
            faults.check("tier", check_label(&tier));
            settings.tier = tier;
        }
        settings.quotas = quotas(&mut fields, &mut faults);
        settings.limits = fields.limits("limits", &mut faults);
        settings.suspended =
            fields.take("suspended", "true or false", &mut faults).unwrap_or_default();
        fields.finish(&mut faults);
    }
    faults.pass().map(|()| settings)
}

fn quotas(fields: &mut Fields<'_>, faults: &mut Faults) -> Quotas {
    let quotas = fields.raw("quotas").and_then(|json| Fields::read("quotas", json, faults));
    let Some(mut quotas) = quotas else {
        return Quotas::default();
    };
    let workers = quotas.take("workers", "a number", faults);
    let stored_bytes = quotas.take("stored_bytes", "a number", faults);
    let stored_rows = quotas.take("stored_rows", "a number", faults);
    let operations_per_minute = quotas.take("operations_per_minute", "a number", faults);
    quotas.finish(faults);
    Quotas { workers, stored_bytes, stored_rows, operations_per_minute }
}

/// Which part of a list is asked for. A cursor is the last name of the page before: it says
/// where to go on in a list, never in whose.
pub(super) struct Page {
    pub(super) prefix: String,
    pub(super) after: Option<String>,
    pub(super) count_max: usize,
}

impl Page {
    pub(super) fn read(uri: &Uri, known: &[&str]) -> Result<Self, Refusal> {
        let mut query = fields::query(uri, known)?;
        let mut faults = Faults::default();
        let prefix = query.remove("prefix").unwrap_or_default();
        let letters = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if prefix.len() > 63 || !prefix.bytes().all(letters) {
            faults.add("query.prefix", "no name begins like this");
        }
        let after = query.remove("cursor");
        if after.as_deref().is_some_and(|after| check_label(after).is_err()) {
            faults.add("query.cursor", "not a cursor that was given out");
        }
        let count_max = query.remove("limit").map(|limit| limit.parse::<usize>());
        let count_max = match count_max {
            None => PAGE_COUNT,
            Some(Ok(count)) if (1..=PAGE_COUNT_MAX).contains(&count) => count,
            Some(_) => {
                faults.add("query.limit", format!("expected a number from 1 to {PAGE_COUNT_MAX}"));
                PAGE_COUNT
            }
        };
        faults.pass()?;
        Ok(Self { prefix, after, count_max })
    }

    /// Where the next page begins, if this one is full.
    pub(super) fn cursor<'a>(&self, count: usize, last: Option<&'a str>) -> Option<&'a str> {
        last.filter(|_| count >= self.count_max)
    }
}
