//! What a tenant used, and what it keeps.

use axum::extract::{Path, State};
use bindery_storage::tables::Figures;
use http::Uri;
use serde_json::{Map, Value, json};

use super::Admin;
use super::answer::{Answer, json as answer};
use super::fields::{self, Faults};
use crate::problem::Problem;
use crate::usage::{FIGURES, HOUR_MS};

/// Hours of one answer.
const HOUR_COUNT_MAX: usize = 1_000;
/// Hours that are shown where nobody says from when.
const HOURS: u64 = 24;

pub(super) async fn read(
    State(admin): State<Admin>,
    Path(tenant): Path<String>,
    uri: Uri,
) -> Answer {
    let mut query = fields::query(&uri, &["from", "to"])?;
    let mut faults = Faults::default();
    let mut time = |name: &str| {
        let given = query.remove(name).map(|text| text.parse::<u64>());
        if matches!(given, Some(Err(_))) {
            faults.add(format!("query.{name}"), "expected milliseconds since 1970");
        }
        given.and_then(Result::ok)
    };
    let (from, to) = (time("from"), time("to"));
    faults.pass()?;
    let id = admin.parts.registry.tenant_id(&tenant).await?;
    let end = to.map_or(admin.parts.usage.hour() + 1, |to| to.div_ceil(HOUR_MS));
    let start = from.map_or(end.saturating_sub(HOURS), |from| from / HOUR_MS);
    let hours = admin.parts.usage.read(id, start..end, HOUR_COUNT_MAX).await;
    let hours = hours.map_err(crate::registry::Error::from)?;
    // A full answer may not be the whole one: the next begins behind its last hour.
    let last = hours.last().filter(|_| hours.len() >= HOUR_COUNT_MAX);
    let next = last.map(|(hour, _)| (hour + 1) * HOUR_MS);
    let hours: Vec<Value> = hours.iter().map(|(hour, figures)| shown(*hour, figures)).collect();
    let stored = admin.parts.kv.stored(id).await.map_err(|error| Problem::internal(&error))?;
    let stored = json!({ "bytes": stored.bytes, "rows": stored.rows });
    answer(json!({ "usage": hours, "nextFrom": next, "stored": stored }))
}

/// One hour; a figure that has no row is 0.
fn shown(hour: u64, figures: &Figures) -> Value {
    let mut shown = Map::from_iter([("hourMs".to_owned(), json!(hour * HOUR_MS))]);
    let mut outcomes = Map::new();
    for figure in FIGURES {
        let value = figures.get(figure).copied().unwrap_or(0);
        match figure.strip_prefix("outcome.") {
            Some(outcome) if value > 0 => {
                outcomes.insert(outcome.to_owned(), value.into());
            }
            Some(_) => {}
            None => {
                shown.insert(camel_case(figure), value.into());
            }
        }
    }
    shown.insert("outcomes".to_owned(), outcomes.into());
    shown.into()
}

fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let mut joined = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut letters = word.chars();
        joined.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        joined.push_str(letters.as_str());
    }
    joined
}
