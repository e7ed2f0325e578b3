//! How an event enters JavaScript: its parts as the arguments of an entry.

use bindery_wire::event::{Batch, Decision, Message, MessageBody, Settled};
use bindery_wire::frame::{Body, Event, EventKind, Request};
use bindery_wire::rpc::{Invocation, Target};
use bindery_wire::value::Props;
use deno_core::v8;

use super::entry::{self, Entries, Entry};
use super::modules;

/// Kinds of a message's body; the numbers are `queue.js`'s.
mod kind {
    pub(super) const JSON: u32 = 0;
    pub(super) const TEXT: u32 = 1;
    pub(super) const BYTES: u32 = 2;
    pub(super) const V8: u32 = 3;
}

type Value<'s> = v8::Local<'s, v8::Value>;

/// What stands of an event that is decided on, if its handler says nothing.
pub(super) fn undecided(kind: &EventKind<'_>) -> Option<Decision> {
    match kind {
        EventKind::Scheduled { .. } => Some(Decision::Scheduled { no_retry: false }),
        EventKind::Queue(batch) => Some(Decision::Queue(Settled::unsaid(batch.messages.len()))),
        EventKind::Fetch(_) | EventKind::Tail { .. } | EventKind::Rpc(_) => None,
    }
}

/// The bodies that come with an event in chunks.
pub(super) fn bodies(kind: &EventKind<'_>) -> Vec<u32> {
    match kind {
        EventKind::Fetch(request) => stream(&request.body).into_iter().collect(),
        EventKind::Rpc(invocation) => invocation_bodies(invocation),
        _ => Vec::new(),
    }
}

/// The bodies that come with an invocation in chunks.
pub(super) fn invocation_bodies(invocation: &Invocation<'_>) -> Vec<u32> {
    let handed = invocation.handed.iter().filter_map(entry::handed_body);
    stream(&invocation.arguments).into_iter().chain(handed).collect()
}

fn stream(body: &Body<'_>) -> Option<u32> {
    if let Body::Stream { body, .. } = *body { Some(body) } else { None }
}

/// Calls the entry of an event. `None` if something was thrown.
pub(super) fn begin(
    scope: &mut v8::PinScope<'_, '_>,
    entries: &Entries,
    event: &Event<'_>,
) -> Option<()> {
    let id = entry::number(scope, event.event);
    let entrypoint = match event.entrypoint {
        Some(name) => text(scope, name)?,
        None => v8::undefined(scope).into(),
    };
    let props = match &event.props {
        Props::None => v8::undefined(scope).into(),
        Props::Json(json) => text(scope, json)?,
        Props::Value(value) => entry::value(scope, value)?,
    };
    if let EventKind::Fetch(request) = &event.kind {
        return fetch(scope, entries, [id, entrypoint, props], request);
    }
    if let EventKind::Rpc(invocation) = &event.kind {
        let mut arguments = vec![id, entrypoint, props];
        arguments.extend(invocation_parts(scope, invocation)?);
        return entries.call(scope, Entry::Rpc, &arguments).map(|_| ());
    }
    let handler = text(scope, event.kind.handler().as_str())?;
    let mut arguments = vec![id, entrypoint, props, handler];
    match &event.kind {
        EventKind::Fetch(_) | EventKind::Rpc(_) => {}
        EventKind::Scheduled { at_ms, cron } => {
            arguments.extend([time(scope, *at_ms), text(scope, cron)?]);
        }
        EventKind::Queue(batch) => {
            let queue = text(scope, batch.queue)?;
            arguments.extend([queue, messages(scope, batch)?, metrics(scope, batch)]);
        }
        EventKind::Tail { items } => arguments.push(text(scope, items)?),
    }
    entries.call(scope, Entry::Handler, &arguments).map(|_| ())
}

fn fetch<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    entries: &Entries,
    [id, entrypoint, props]: [Value<'s>; 3],
    request: &Request<'_>,
) -> Option<()> {
    let [body, length] = entry::body(scope, &request.body)?;
    let arguments = [
        id,
        entrypoint,
        props,
        text(scope, request.method)?,
        text(scope, request.url)?,
        entry::latin1(scope, request.headers)?,
        text(scope, request.cf)?,
        body,
        length,
    ];
    entries.call(scope, Entry::Fetch, &arguments).map(|_| ())
}

/// Has an event do something more.
pub(super) fn invoke(
    scope: &mut v8::PinScope<'_, '_>,
    entries: &Entries,
    event: u32,
    invocation: &Invocation<'_>,
) -> Option<()> {
    let mut arguments = vec![entry::number(scope, event)];
    arguments.extend(invocation_parts(scope, invocation)?);
    entries.call(scope, Entry::Invoke, &arguments).map(|_| ())
}

/// Kinds of what an invocation is made of; the numbers are `serve.js`'s.
mod target {
    pub(super) const ENTRYPOINT: u32 = 0;
    pub(super) const EXPORT: u32 = 1;
    pub(super) const RESULT: u32 = 2;
}

/// Its number, what it is made of, the path, whether it is a call, and the arguments.
fn invocation_parts<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    invocation: &Invocation<'_>,
) -> Option<[Value<'s>; 8]> {
    let (kind, number) = match invocation.target {
        Target::Entrypoint => (target::ENTRYPOINT, 0),
        Target::Export(export) => (target::EXPORT, export),
        Target::Result(result) => (target::RESULT, result),
    };
    let mut path = Vec::with_capacity(invocation.path.len());
    for name in &invocation.path {
        path.push(text(scope, name)?);
    }
    let [body, length] = entry::body(scope, &invocation.arguments)?;
    Some([
        entry::number(scope, invocation.invocation),
        entry::number(scope, kind),
        entry::number(scope, number),
        v8::Array::new_with_elements(scope, &path).into(),
        v8::Boolean::new(scope, invocation.calls).into(),
        body,
        length,
        entry::handed(scope, &invocation.handed)?,
    ])
}

/// Five values for each message, one after the other.
fn messages<'s>(scope: &mut v8::PinScope<'s, '_>, batch: &Batch<'_>) -> Option<Value<'s>> {
    let mut values = Vec::with_capacity(batch.messages.len() * 5);
    for Message { id, sent_ms, attempts, body } in &batch.messages {
        let (kind, body) = match body {
            MessageBody::Json(json) => (kind::JSON, text(scope, json)?),
            MessageBody::Text(body) => (kind::TEXT, text(scope, body)?),
            MessageBody::Bytes(bytes) => (kind::BYTES, entry::bytes(scope, bytes)?),
            MessageBody::V8(bytes) => (kind::V8, entry::bytes(scope, bytes)?),
        };
        let (attempts, kind) = (entry::number(scope, *attempts), entry::number(scope, kind));
        values.extend([text(scope, id)?, time(scope, *sent_ms), attempts, kind, body]);
    }
    Some(v8::Array::new_with_elements(scope, &values).into())
}

fn metrics<'s>(scope: &mut v8::PinScope<'s, '_>, batch: &Batch<'_>) -> Value<'s> {
    let oldest = batch.oldest_ms.map_or(-1.0, |at_ms| at_ms as f64);
    let values = [
        v8::Number::new(scope, batch.backlog_count as f64).into(),
        v8::Number::new(scope, batch.backlog_bytes as f64).into(),
        v8::Number::new(scope, oldest).into(),
    ];
    v8::Array::new_with_elements(scope, &values).into()
}

fn time<'s>(scope: &mut v8::PinScope<'s, '_>, at_ms: u64) -> Value<'s> {
    v8::Number::new(scope, at_ms as f64).into()
}

fn text<'s>(scope: &mut v8::PinScope<'s, '_>, text: &str) -> Option<Value<'s>> {
    modules::string(scope, text.as_bytes()).map(Into::into)
}
