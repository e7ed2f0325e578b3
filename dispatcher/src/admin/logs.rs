//! What a tenant's events did: as far as it is remembered, or as it happens.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::IntoResponse;
use axum::response::sse::{Event, KeepAlive, Sse};
use bindery_wire::TenantId;
use bindery_wire::name::check_label;
use futures_util::{StreamExt, stream};
use http::Uri;
use serde_json::json;

use super::Admin;
use super::answer::{Answer, json as answer};
use super::fields::{self, Faults};
use super::workers::flag;
use crate::tail::Item;

/// How often a follower hears that the connection lives.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

pub(super) async fn read(
    State(admin): State<Admin>,
    Path(tenant): Path<String>,
    uri: Uri,
) -> Answer {
    let mut query = fields::query(&uri, &["follow", "worker", "after"])?;
    let mut faults = Faults::default();
    let worker = query.remove("worker");
    if let Some(worker) = &worker {
        faults.check("query.worker", check_label(worker));
    }
    let after = query.remove("after").map(|after| after.parse::<u64>());
    if matches!(after, Some(Err(_))) {
        faults.add("query.after", "expected the number of a record");
    }
    faults.pass()?;
    let after = after.and_then(Result::ok);
    let id = admin.parts.registry.tenant_id(&tenant).await?;
    if flag(query.remove("follow"), "query.follow")? != Some(true) {
        let mut items = admin.parts.tail.read(id, worker.as_deref(), after);
        admin.source_maps.map_items(id, &mut items).await;
        return answer(json!({ "records": items }));
    }
    let pass = admin.followers.enter(&tenant)?;
    follow(&admin, id, (worker, after), pass)
}

/// Sends what is remembered after a record, if one is named, then what comes.
fn follow(
    admin: &Admin,
    tenant: TenantId,
    (worker, after): (Option<String>, Option<u64>),
    pass: super::gate::Pass,
) -> Answer {
    let tail = &admin.parts.tail;
    // What comes is followed first, so that nothing falls between the two.
    let coming = tail.follow(tenant, worker.clone());
    let past = match after {
        Some(after) => tail.read(tenant, worker.as_deref(), Some(after)),
        None => Vec::new(),
    };
    let last = past.last().map_or(0, |item| item.seq);
    let coming = coming.filter(move |item| std::future::ready(item.seq > last));
    let mut serving = admin.parts.serving.clone();
    let stopped = async move {
        // A sender that is gone means the same as `false`.
        let _ = serving.wait_for(|serving| !serving).await;
    };
    let maps = admin.source_maps.clone();
    let items = stream::iter(past).chain(coming).then(move |mut item| {
        let maps = maps.clone();
        async move {
            maps.map_item(tenant, &mut item).await;
            item
        }
    });
    let events = items.take_until(Box::pin(stopped)).map(move |item| {
        let _held = &pass;
        Ok::<_, Infallible>(event(&item))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response())
}

fn event(item: &Item) -> Event {
    let event = Event::default().event(item.event_name()).id(item.seq.to_string());
    event.json_data(item).unwrap_or_default()
}
