//! Events that are begun by hand: the shape of each kind, and what came of it.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use bindery_logic::settle::{Fate, fates};
use bindery_wire::Outcome;
use bindery_wire::event::{Batch, Decision, Message, MessageBody, Settled, Verdict};
use bindery_wire::frame::EventKind;
use bindery_wire::limits::{BATCH_COUNT_MAX, MESSAGE_BYTES_MAX};
use chacha20poly1305::aead::OsRng;
use chacha20poly1305::aead::rand_core::RngCore;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::Admin;
use super::answer::{Answer, Refusal, json as answer};
use super::fields::{self, Faults, Fields};
use crate::code::Code as Loaded;
use crate::event::{Ended, Error};
use crate::placement::Failed;
use crate::problem::{Code, Fault, Problem};
use crate::tail::Kind;

/// Bytes of an event.
const BODY_BYTES_MAX: usize = 1 << 20;
/// Bytes of a name or an expression.
const NAME_BYTES_MAX: usize = 256;
/// Exceptions that an answer holds.
const EXCEPTION_COUNT_MAX: usize = 10;

/// Which code an event is given to.
struct Target {
    entrypoint: Option<String>,
    version: Option<String>,
}

/// A message as it was sent.
struct Sent<'a> {
    id: String,
    sent_ms: u64,
    attempts: u32,
    body: Content<'a>,
}

enum Content<'a> {
    Json(&'a str),
    Text(String),
    Bytes(Vec<u8>),
}

pub(super) async fn run(
    State(admin): State<Admin>,
    Path((tenant, worker)): Path<(String, String)>,
    body: Body,
) -> Answer {
    let body = fields::body_within(body, BODY_BYTES_MAX).await?;
    let mut faults = Faults::default();
    let Some(mut fields) = Fields::read("", &body, &mut faults) else {
        faults.pass()?;
        return Err(Problem::new(Code::Invalid, "expected an object").into());
    };
    let target = Target {
        entrypoint: name(&mut fields, "entrypoint", &mut faults),
        version: name(&mut fields, "version", &mut faults),
    };
    let now_ms = admin.parts.runner.now().0;
    let kind: Option<String> = fields.need("type", "scheduled, queue or tail", &mut faults);
    match kind.as_deref() {
        Some("scheduled") => {
            let cron = name(&mut fields, "cron", &mut faults).unwrap_or_default();
            let at = fields.take("scheduled_time", "milliseconds since 1970", &mut faults);
            fields.finish(&mut faults);
            faults.pass()?;
            let kind = EventKind::Scheduled { at_ms: at.unwrap_or(now_ms), cron: &cron };
            finish(&admin, (&tenant, &worker), target, (kind, &[])).await
        }
        Some("queue") => {
            let queue: String =
                fields.need("queue", "a queue's name", &mut faults).unwrap_or_default();
            let sent = messages(&mut fields, now_ms, &mut faults);
            fields.finish(&mut faults);
            faults.pass()?;
            let kind = EventKind::Queue(batch(&queue, &sent));
            finish(&admin, (&tenant, &worker), target, (kind, &sent)).await
        }
        Some("tail") => {
            let items = items(&mut fields, &mut faults).unwrap_or("[]");
            fields.finish(&mut faults);
            faults.pass()?;
            finish(&admin, (&tenant, &worker), target, (EventKind::Tail { items }, &[])).await
        }
        Some(_) => {
            faults.add("type", "expected scheduled, queue or tail");
            faults.pass()?;
            Err(Problem::new(Code::Invalid, "an unknown type").into())
        }
        None => {
            faults.pass()?;
            Err(Problem::new(Code::Invalid, "no type is given").into())
        }
    }
}

fn name(fields: &mut Fields<'_>, name: &str, faults: &mut Faults) -> Option<String> {
    let text: String = fields.take(name, "a text", faults)?;
    if text.len() > NAME_BYTES_MAX {
        let message = format!("{} bytes; the limit is {NAME_BYTES_MAX}", text.len());
        faults.add(fields.path(name), message);
    }
    Some(text)
}

fn messages<'a>(fields: &mut Fields<'a>, now_ms: u64, faults: &mut Faults) -> Vec<Sent<'a>> {
    let list: Option<Vec<&RawValue>> = fields.need("messages", "a list of messages", faults);
    let list = list.unwrap_or_default();
    if list.len() > BATCH_COUNT_MAX {
        let message = format!("{} messages; the limit is {BATCH_COUNT_MAX}", list.len());
        faults.add("messages", message);
        return Vec::new();
    }
    let sent = |(at, json): (usize, &&'a RawValue)| message(at, json.get(), now_ms, faults);
    list.iter().enumerate().filter_map(sent).collect()
}

fn message<'a>(at: usize, json: &'a str, now_ms: u64, faults: &mut Faults) -> Option<Sent<'a>> {
    let mut fields = Fields::read(&format!("messages[{at}]"), json, faults)?;
    let id = name(&mut fields, "id", faults);
    let sent_ms = fields.take("timestamp", "milliseconds since 1970", faults);
    let attempts = fields.take("attempts", "a number", faults);
    let kind: Option<String> = fields.take("content_type", "json, text or bytes", faults);
    let path = fields.path("body");
    let raw = fields.value("body", faults)?;
    fields.finish(faults);
    if raw.len() > MESSAGE_BYTES_MAX {
        faults.add(&path, format!("{} bytes; the limit is {MESSAGE_BYTES_MAX}", raw.len()));
    }
    let text = || serde_json::from_str::<String>(raw).ok();
    let bytes = || data_encoding::BASE64.decode(text()?.as_bytes()).ok();
    let body = match kind.as_deref() {
        None | Some("json") => Some(Content::Json(raw)),
        Some("text") => text().map(Content::Text),
        Some("bytes") => bytes().map(Content::Bytes),
        Some(_) => {
            faults.add(fields_path(at, "content_type"), "expected json, text or bytes");
            None
        }
    };
    if body.is_none() {
        faults.add(path, "expected a text, for bytes in base64");
    }
    Some(Sent {
        id: id.unwrap_or_else(|| format!("{:016x}{:016x}", OsRng.next_u64(), OsRng.next_u64())),
        sent_ms: sent_ms.unwrap_or(now_ms),
        attempts: attempts.unwrap_or(1),
        body: body?,
    })
}

fn fields_path(at: usize, name: &str) -> String {
    format!("messages[{at}].{name}")
}

fn batch<'a>(queue: &'a str, sent: &'a [Sent<'a>]) -> Batch<'a> {
    let message = |Sent { id, sent_ms, attempts, body }: &'a Sent<'a>| {
        let body = match body {
            Content::Json(json) => MessageBody::Json(json),
            Content::Text(text) => MessageBody::Text(text),
            Content::Bytes(bytes) => MessageBody::Bytes(bytes),
        };
        Message { id, sent_ms: *sent_ms, attempts: *attempts, body }
    };
    let messages = sent.iter().map(message).collect();
    Batch { queue, messages, backlog_count: 0, backlog_bytes: 0, oldest_ms: None }
}

/// The trace items, which must be objects.
fn items<'a>(fields: &mut Fields<'a>, faults: &mut Faults) -> Option<&'a str> {
    let json = fields.value("events", faults)?;
    match serde_json::from_str::<Vec<Map<String, Value>>>(json) {
        Ok(_) => Some(json),
        Err(_) => {
            faults.add("events", "expected a list of objects");
            None
        }
    }
}

async fn finish(
    admin: &Admin,
    (tenant, worker): (&str, &str),
    target: Target,
    (kind, sent): (EventKind<'_>, &[Sent<'_>]),
) -> Answer {
    let code = admin.parts.registry.code(tenant, worker, target.version.as_deref()).await?;
    let ended = admin.parts.runner.run(code.clone(), target.entrypoint.as_deref(), kind).await;
    let ended = ended.map_err(refusal)?;
    let mut shown = json!({
        "requestId": ended.request.to_string(),
        "outcome": ended.outcome.as_str(),
        "cpuUs": ended.cpu_us,
        "wallUs": ended.wall_us,
        "exceptions": exceptions(admin, &code, &ended).await,
    });
    match &ended.decision {
        Some(Decision::Scheduled { no_retry }) => shown["noRetry"] = (*no_retry).into(),
        Some(Decision::Queue(settled)) => settle(&mut shown, settled, ended.outcome, sent),
        None if !sent.is_empty() => {
            settle(&mut shown, &Settled::unsaid(sent.len()), ended.outcome, sent);
        }
        None => {}
    }
    answer(shown)
}

/// What the event threw, as far as the tail still has it.
async fn exceptions(admin: &Admin, code: &Arc<Loaded>, ended: &Ended) -> Vec<Value> {
    if ended.outcome == Outcome::Ok {
        return Vec::new();
    }
    let request = ended.request.to_string();
    let mut items = admin.parts.tail.read(code.tenant, Some(&code.worker), None);
    items.retain(|item| {
        item.request_id.as_deref() == Some(&request) && matches!(item.kind, Kind::Exception { .. })
    });
    items.truncate(EXCEPTION_COUNT_MAX);
    admin.source_maps.map_items(code.tenant, &mut items).await;
    let shown = |item: &crate::tail::Item| match &item.kind {
        Kind::Exception { name, message, stack } => {
            Some(json!({ "name": name, "message": message, "stack": stack }))
        }
        _ => None,
    };
    items.iter().filter_map(shown).collect()
}

/// What the handler said, in the form that workers themselves are told it, and what it comes to.
fn settle(shown: &mut Value, settled: &Settled, outcome: Outcome, sent: &[Sent<'_>]) {
    let retry = |mut shown: Value, delay_s: Option<u32>| {
        if let Some(seconds) = delay_s {
            shown["delaySeconds"] = seconds.into();
        }
        shown
    };
    shown["ackAll"] = (settled.batch == Verdict::Ack).into();
    shown["retryBatch"] = match settled.batch {
        Verdict::Retry { delay_s } => retry(json!({ "retry": true }), delay_s),
        Verdict::Ack | Verdict::Unsaid => json!({ "retry": false }),
    };
    let said = || sent.iter().zip(&settled.messages);
    let acked = said().filter(|(_, said)| **said == Verdict::Ack).map(|(sent, _)| sent.id.as_str());
    shown["explicitAcks"] = acked.collect();
    let retried = said().filter_map(|(sent, said)| match said {
        Verdict::Retry { delay_s } => Some(retry(json!({ "msgId": sent.id }), *delay_s)),
        Verdict::Ack | Verdict::Unsaid => None,
    });
    shown["retryMessages"] = retried.collect();
    let fates = fates(settled, outcome);
    let messages = sent.iter().zip(fates).map(|(sent, fate)| match fate {
        Fate::Acked => json!({ "id": sent.id, "fate": "ack" }),
        Fate::Retried { delay_s } => retry(json!({ "id": sent.id, "fate": "retry" }), delay_s),
    });
    shown["messages"] = messages.collect();
}

fn refusal(error: Error) -> Refusal {
    let message = error.to_string();
    let problem = match error {
        Error::NoHandler { .. } => Problem::invalid(vec![Fault::new("type", message)]),
        Error::TooLarge => Problem::new(Code::TooLarge, message),
        Error::Full => Problem::new(Code::Overloaded, message).retry_after(1),
        Error::NotStarted(failed) => match failed {
            Failed::Refused(_, exception) => {
                let message = format!("{message}: {}: {}", exception.name, exception.message);
                Problem::new(Code::StartupFailed, message)
            }
            Failed::Lost(_) => Problem::new(Code::IsolateLost, message).retry_after(1),
            Failed::Overloaded { after_ms } => {
                let seconds = u32::try_from(after_ms.div_ceil(1_000)).unwrap_or(u32::MAX);
                Problem::new(Code::Overloaded, message).retry_after(seconds.max(1))
            }
            Failed::Host(_) => Problem::internal(&failed),
        },
    };
    problem.into()
}
