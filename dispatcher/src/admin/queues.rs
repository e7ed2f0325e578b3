//! Queues by hand: shown, sent to, pulled from, emptied, sent back and deleted.
//!
//! Messages are pulled in the form that Cloudflare's own calls have: a text as it is, anything else in
//! base64, its kind beside it.

use axum::body::Body;
use axum::extract::{Path, State};
use bindery_storage::tables::{self, Content};
use bindery_wire::TenantId;
use bindery_wire::limits::{BATCH_BYTES_MAX, BATCH_COUNT_MAX, DELAY_S_MAX, MESSAGE_BYTES_MAX};
use bindery_wire::name::check_resource;
use data_encoding::{BASE64, HEXLOWER};
use http::Uri;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::Admin;
use super::answer::{Answer, Refusal, done, json as answer};
use super::fields::{self, Faults, Fields};
use crate::problem::{Code, Problem};
use crate::queue::{Error, PULL_COUNT_MAX, Pulled, QueueShown, Sent, VISIBILITY_MS_MAX};
use crate::registry::PAGE_COUNT_MAX;

/// Bytes of messages as they are sent, bytes among them in base64.
const BODY_BYTES_MAX: usize = 2 * BATCH_BYTES_MAX;
/// Items of a page, where nothing is said.
const PAGE_COUNT: usize = 100;
/// Messages of one pull, where nothing is said.
const PULL_COUNT: usize = 5;
/// Milliseconds for which they are had, where nothing is said.
const VISIBILITY_MS: u64 = 30_000;
/// Leases that are settled in one call.
const ACK_COUNT_MAX: usize = 1_000;

/// The tenant and the queue that a path names.
type Named = Path<(String, String)>;

async fn tenant(admin: &Admin, name: &str) -> Result<TenantId, Refusal> {
    Ok(admin.parts.registry.tenant_id(name).await?)
}

pub(super) async fn list(State(admin): State<Admin>, Path(name): Path<String>, uri: Uri) -> Answer {
    let mut query = fields::query(&uri, &["limit", "cursor"])?;
    let mut faults = Faults::default();
    let count_max = query.remove("limit").map_or(Some(PAGE_COUNT), |limit| limit.parse().ok());
    let count_max = count_max.filter(|count| (1..=PAGE_COUNT_MAX).contains(count));
    if count_max.is_none() {
        faults.add("query.limit", format!("expected a number from 1 to {PAGE_COUNT_MAX}"));
    }
    let after = query.remove("cursor").map(|cursor| parse_cursor(&cursor));
    if after == Some(None) {
        faults.add("query.cursor", "not a cursor that was given out");
    }
    faults.pass()?;
    let (count_max, after) = (count_max.unwrap_or(PAGE_COUNT), after.flatten());
    let id = tenant(&admin, &name).await?;
    let queues = admin.parts.queues.list(id, after.as_deref(), count_max).await?;
    let last = queues.last().filter(|_| queues.len() == count_max);
    let cursor = last.map(|queue| HEXLOWER.encode(queue.name.as_bytes()));
    answer(json!({ "queues": queues.iter().map(shown).collect::<Vec<_>>(), "cursor": cursor }))
}

/// A cursor is the last name of the page before, in digits: it says where to go on in a list,
/// never in whose.
fn parse_cursor(cursor: &str) -> Option<String> {
    String::from_utf8(HEXLOWER.decode(cursor.as_bytes()).ok()?).ok()
}

pub(super) async fn show(State(admin): State<Admin>, Path((name, queue)): Named) -> Answer {
    let id = tenant(&admin, &name).await?;
    answer(shown(&admin.parts.queues.show((id, &queue)).await?))
}

pub(super) async fn delete(State(admin): State<Admin>, Path((name, queue)): Named) -> Answer {
    let id = tenant(&admin, &name).await?;
    admin.parts.queues.delete((id, &queue)).await?;
    done()
}

fn shown(queue: &QueueShown) -> Value {
    let QueueShown { name, queue, backlog_count, backlog_bytes, oldest_ms } = queue;
    let consumer = queue.consumer.as_ref().map(|consumer| {
        json!({
            "worker": consumer.recipe.worker,
            "entrypoint": consumer.recipe.entrypoint,
            "declared": consumer.declared,
            "max_batch_size": consumer.batch_count_max,
            "max_batch_timeout": consumer.batch_wait_s,
            "max_retries": consumer.retry_count_max,
            "retry_delay": consumer.retry_delay_s,
            "dead_letter_queue": consumer.dead_letter_queue,
            "max_concurrency": consumer.concurrency_max,
        })
    });
    json!({
        "name": name,
        "created_ms": queue.created_ms,
        "backlog_count": backlog_count,
        "backlog_bytes": backlog_bytes,
        "oldest_ms": oldest_ms,
        "delivery_delay": queue.delivery_delay_s,
        "message_retention_period": queue.retention_s,
        "consumer": consumer,
    })
}

pub(super) async fn send(
    State(admin): State<Admin>,
    Path((name, queue)): Named,
    body: Body,
) -> Answer {
    let body = fields::body_within(body, BODY_BYTES_MAX).await?;
    let mut faults = Faults::default();
    faults.check("queue", check_resource(&queue));
    let mut sent = Vec::new();
    if let Some(mut fields) = Fields::read("", &body, &mut faults) {
        let list: Option<Vec<&RawValue>> =
            fields.need("messages", "a list of messages", &mut faults);
        let list = list.unwrap_or_default();
        if !(1..=BATCH_COUNT_MAX).contains(&list.len()) {
            let count = list.len();
            faults.add("messages", format!("{count} messages; expected 1 to {BATCH_COUNT_MAX}"));
        }
        let some = list.iter().take(BATCH_COUNT_MAX).enumerate();
        sent = some.filter_map(|(at, json)| message(at, json.get(), &mut faults)).collect();
        fields.finish(&mut faults);
    }
    let total: usize = sent.iter().map(|sent| sent.body.bytes.len()).sum();
    if total > BATCH_BYTES_MAX {
        faults.add("messages", format!("{total} bytes; {}", crate::limit::BATCH_BYTES.fixed()));
    }
    faults.pass()?;
    let id = tenant(&admin, &name).await?;
    let ids = admin.parts.queues.send((id, &queue), &sent).await?;
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    answer(json!({ "ids": ids }))
}

fn message(at: usize, json: &str, faults: &mut Faults) -> Option<Sent> {
    let mut fields = Fields::read(&format!("messages[{at}]"), json, faults)?;
    let kind: Option<String> = fields.take("content_type", "json, text or bytes", faults);
    let delay_s = delay("delay_seconds", &mut fields, faults);
    let path = fields.path("body");
    let raw = fields.value("body", faults)?;
    let text = || serde_json::from_str::<String>(raw).ok();
    let body = match kind.as_deref() {
        None | Some("json") => Some((Content::Json, raw.as_bytes().to_vec())),
        Some("text") => text().map(|text| (Content::Text, text.into_bytes())),
        Some("bytes") => text()
            .and_then(|text| BASE64.decode(text.as_bytes()).ok())
            .map(|bytes| (Content::Bytes, bytes)),
        Some(_) => {
            faults.add(fields.path("content_type"), "expected json, text or bytes");
            return None;
        }
    };
    fields.finish(faults);
    let Some((content, bytes)) = body else {
        faults.add(path, "expected a text, for bytes in base64");
        return None;
    };
    if bytes.len() > MESSAGE_BYTES_MAX {
        faults.add(path, format!("{} bytes; {}", bytes.len(), crate::limit::MESSAGE.fixed()));
    }
    Some(Sent { body: tables::Body { content, bytes: bytes.into() }, delay_s })
}

fn delay(name: &str, fields: &mut Fields<'_>, faults: &mut Faults) -> Option<u32> {
    let expected = format!("a number from 0 to {DELAY_S_MAX}");
    let delay_s = fields.take(name, &expected, faults)?;
    if delay_s > DELAY_S_MAX {
        faults.add(fields.path(name), format!("expected {expected}"));
    }
    Some(delay_s)
}

pub(super) async fn pull(
    State(admin): State<Admin>,
    Path((name, queue)): Named,
    body: Body,
) -> Answer {
    let body = fields::body(body).await?;
    let mut faults = Faults::default();
    let (mut count, mut visibility_ms) = (PULL_COUNT, VISIBILITY_MS);
    let body = if body.trim().is_empty() { "{}" } else { &body };
    if let Some(mut fields) = Fields::read("", body, &mut faults) {
        if let Some(given) = fields.take("batch_size", "a number", &mut faults) {
            count = given;
        }
        if let Some(given) = fields.take("visibility_timeout_ms", "a number", &mut faults) {
            visibility_ms = given;
        }
        fields.finish(&mut faults);
    }
    if !(1..=PULL_COUNT_MAX).contains(&count) {
        faults.add("batch_size", format!("expected a number from 1 to {PULL_COUNT_MAX}"));
    }
    if !(1..=VISIBILITY_MS_MAX).contains(&visibility_ms) {
        let expected = format!("expected a number from 1 to {VISIBILITY_MS_MAX}");
        faults.add("visibility_timeout_ms", expected);
    }
    faults.pass()?;
    let id = tenant(&admin, &name).await?;
    let of = (id, queue.as_str());
    let pulled = admin.parts.queues.pull(of, (count, visibility_ms)).await?;
    let left = admin.parts.queues.show(of).await?.backlog_count;
    let messages: Vec<Value> = pulled.iter().map(shown_message).collect();
    answer(json!({ "messages": messages, "message_backlog_count": left }))
}

fn shown_message(pulled: &Pulled) -> Value {
    let Pulled { id, sent_ms, attempts, body, lease } = pulled;
    let text = match body.content {
        Content::Text => String::from_utf8_lossy(&body.bytes).into_owned(),
        Content::Json | Content::Bytes | Content::V8 => BASE64.encode(&body.bytes),
    };
    json!({
        "id": id,
        "timestamp_ms": sent_ms,
        "attempts": attempts,
        "body": text,
        "metadata": { "CF-Content-Type": body.content.as_str() },
        "lease_id": lease,
    })
}

pub(super) async fn ack(
    State(admin): State<Admin>,
    Path((name, queue)): Named,
    body: Body,
) -> Answer {
    let body = fields::body(body).await?;
    let mut faults = Faults::default();
    let (mut acks, mut retries) = (Vec::new(), Vec::new());
    if let Some(mut fields) = Fields::read("", &body, &mut faults) {
        acks = leases("acks", &mut fields, &mut faults);
        retries = leases("retries", &mut fields, &mut faults);
        fields.finish(&mut faults);
    }
    if acks.len() + retries.len() > ACK_COUNT_MAX {
        faults.add("acks", format!("more than {ACK_COUNT_MAX} leases"));
    }
    faults.pass()?;
    let acks: Vec<String> = acks.into_iter().map(|(lease, _)| lease).collect();
    let id = tenant(&admin, &name).await?;
    let acked = admin.parts.queues.ack((id, &queue), &acks, &retries).await?;
    answer(
        json!({ "ack_count": acked.acked, "retry_count": acked.retried, "late_count": acked.late }),
    )
}

/// A list of leases; with those of `retries` may stand a delay.
fn leases(name: &str, fields: &mut Fields<'_>, faults: &mut Faults) -> Vec<(String, Option<u32>)> {
    let list: Option<Vec<&RawValue>> = fields.take(name, "a list of leases", faults);
    let lease = |(at, json): (usize, &&RawValue)| {
        let mut fields = Fields::read(&format!("{name}[{at}]"), json.get(), faults)?;
        let lease = fields.need("lease_id", "a lease that was pulled", faults);
        let delay_s = match name {
            "retries" => delay("delay_seconds", &mut fields, faults),
            _ => None,
        };
        fields.finish(faults);
        Some((lease?, delay_s))
    };
    list.unwrap_or_default().iter().take(ACK_COUNT_MAX + 1).enumerate().filter_map(lease).collect()
}

pub(super) async fn purge(State(admin): State<Admin>, Path((name, queue)): Named) -> Answer {
    let id = tenant(&admin, &name).await?;
    let (count, more) = admin.parts.queues.purge((id, &queue)).await?;
    answer(json!({ "purged": count, "more": more }))
}

pub(super) async fn redrive(
    State(admin): State<Admin>,
    Path((name, queue)): Named,
    body: Body,
) -> Answer {
    let body = fields::body(body).await?;
    let mut faults = Faults::default();
    let (mut to, mut count_max): (Option<String>, Option<usize>) = (None, None);
    if let Some(mut fields) = Fields::read("", &body, &mut faults) {
        to = fields.need("to", "a queue's name", &mut faults);
        count_max = fields.take("limit", "a number", &mut faults);
        fields.finish(&mut faults);
    }
    if let Some(to) = &to {
        faults.check("to", check_resource(to));
    }
    faults.pass()?;
    let (to, count_max) = (to.unwrap_or_default(), count_max.unwrap_or(usize::MAX));
    let id = tenant(&admin, &name).await?;
    let (count, more) = admin.parts.queues.redrive((id, &queue), &to, count_max).await?;
    answer(json!({ "moved": count, "more": more }))
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        match error {
            Error::Wrong(_) => Self::new(Code::Invalid, message),
            Error::NotFound | Error::NoTenant => Self::new(Code::NotFound, message),
            Error::Conflict(_) => Self::new(Code::Conflict, message),
            Error::OverQuota(_) | Error::Quota(_) => Self::new(Code::Quota, message),
            Error::Busy => Self::new(Code::Overloaded, message).retry_after(1),
            Error::Table(_) | Error::Storage(_) => Self::internal(&error),
            Error::Registry(error) => error.into(),
        }
    }
}
