//! Calls on a line: what an isolate asks of `fetch` or of a binding, and what comes back.
//!
//! A call belongs to an event and ends with it: whatever carries it out is dropped then. Only so
//! many calls of an event wait for their replies at once; an isolate keeps the others back, and
//! one that does not is no honest isolate. What a slot stands for is looked up here, in what the
//! version declared: a frame names a number only.

use std::future::Future;
use std::sync::Arc;

use bindery_wire::binding::HEAD_BYTES_MAX;
use bindery_wire::flat;
use bindery_wire::frame::{
    self, BODY_COUNT_MAX, BODY_INLINE_BYTES_MAX, Body, Down, METHOD_BYTES_MAX, Operation, Outgoing,
    UNREAD_BYTES,
};
use bindery_wire::limits::{CALL_COUNT_MAX, HEADERS_BYTES_MAX, URL_BYTES_MAX};
use bindery_wire::value::Handed;
use bytes::Bytes;
use futures_util::future::TryFutureExt;
use http_body_util::BodyExt;
use tokio::sync::oneshot;

use super::body::Download;
use super::event::{RequestBody, Sending, State};
use super::hear::{Heard, take_unread};
use super::methods::{First, Made, Place, Remote};
use super::outside::{Answer, Ask, Call, Fetched, FetchedBody, Refused, Unread};
use super::slots::{Owner, To};
use super::{About, Cut, Line, RequestId, Table, Upload, Violation};
use crate::rpc::Capability;
use crate::trace::{Span, TRACEPARENT, Trace};

/// A call under way. Dropped, it is canceled; no table may be locked then.
pub(super) struct Calling {
    event: u32,
    _cancel: Option<oneshot::Sender<()>>,
    method: Option<Box<Method>>,
}

/// A call of a method.
struct Method {
    remote: Remote,
    first: Option<First>,
    /// How often it was made anew.
    attempt: u32,
}

/// What a call that was taken in is carried out with.
struct Admitted {
    request: RequestId,
    trace: Trace,
    hops: u32,
    calls_left: u32,
    to: To,
    body: RequestBody,
    decoded: bool,
    attached: Vec<Capability>,
    canceled: oneshot::Receiver<()>,
}

/// What came of a call.
enum Carried {
    Fetched(Fetched),
    Answered(Answer),
}

impl Carried {
    /// How many subrequests it took beside the call itself.
    fn redirects(&self) -> u32 {
        match self {
            Self::Fetched(fetched) => fetched.redirects,
            Self::Answered(_) => 0,
        }
    }
}

/// A body that was given to an event.
pub(super) enum Given {
    None,
    Inline(Bytes),
    Stream { body: u32, length: Option<u64> },
}

impl Given {
    pub(super) fn frame(&self) -> Body<'_> {
        match self {
            Self::None => Body::None,
            Self::Inline(bytes) => Body::Inline(bytes),
            Self::Stream { body, length } => Body::Stream { body: *body, length: *length },
        }
    }
}

/// Refuses an operation that is larger than it may be.
fn check(operation: &Operation<'_>) -> Heard {
    let too_large = match operation {
        Operation::Fetch(Outgoing { method, url, headers, .. }) => {
            let too_long = method.len() > METHOD_BYTES_MAX || url.len() > URL_BYTES_MAX;
            too_long || headers.len() > HEADERS_BYTES_MAX
        }
        Operation::Bound(bound) => bound.head.len() > HEAD_BYTES_MAX,
        Operation::Rpc(_) => false,
    };
    if too_large { Err(Violation::Order("a call that is larger than it may be")) } else { Ok(()) }
}

/// Whether what a slot stands for knows an operation.
fn knows(to: &To, operation: &Operation<'_>) -> bool {
    match operation {
        Operation::Fetch(_) => matches!(to, To::Outbound | To::Service(_)),
        Operation::Bound(_) => matches!(to, To::Declared | To::Held(..)),
        Operation::Rpc(_) => matches!(to, To::Service(_) | To::Export(_)),
    }
}

impl Table {
    /// Keeps a body until the event asks for it.
    pub(super) fn hold(&mut self, event: u32, body: u32, from: Unread, length: Option<u64>) {
        self.bodies.insert(body, Sending { event, state: State::Held { from, length } });
        if let Some(exchange) = self.events.get_mut(&event) {
            if exchange.bodies.len() >= BODY_COUNT_MAX {
                exchange.bodies.retain(|known| self.bodies.contains_key(known));
            }
            exchange.bodies.push(body);
        }
    }

    /// The same under a new number. `None` if there is none left: it is kept until the line ends, as
    /// it is not to be dropped while the table is locked.
    pub(super) fn hold_new(
        &mut self,
        event: u32,
        from: Unread,
        length: Option<u64>,
    ) -> Option<u32> {
        let body = self.next_number;
        let Some(next) = body.checked_add(1) else {
            self.unsent.push(from);
            return None;
        };
        self.next_number = next;
        self.hold(event, body, from, length);
        Some(body)
    }
}

/// A worker's headers, with the trace that its request belongs to unless it names one itself.
fn traced(headers: &[u8], trace: Trace) -> Bytes {
    // What can not be read is left for whoever refuses it.
    let named = flat::parse(headers).map_or(true, |parsed| {
        parsed.iter().any(|(name, _)| name.eq_ignore_ascii_case(TRACEPARENT.as_bytes()))
    });
    if named {
        return Bytes::copy_from_slice(headers);
    }
    let value = trace.outgoing(Span::random());
    let mut all = Vec::with_capacity(headers.len() + TRACEPARENT.len() + value.len() + 2);
    all.extend_from_slice(headers);
    flat::push(&mut all, TRACEPARENT.as_bytes(), value.as_bytes());
    all.into()
}

impl Calling {
    pub(super) fn of_method(event: u32) -> Self {
        let method = Method { remote: Remote::Soon(Vec::new()), first: None, attempt: 0 };
        Self { event, _cancel: None, method: Some(Box::new(method)) }
    }

    /// How far it is, if it is one of a method.
    pub(super) fn remote(&self) -> Option<&Remote> {
        self.method.as_ref().map(|method| &method.remote)
    }

    /// What waits for it to have begun, while it has not.
    pub(super) fn queue(&mut self) -> Option<&mut Vec<(u32, Made)>> {
        match &mut self.method.as_mut()?.remote {
            Remote::Soon(queue) => Some(queue),
            Remote::At(_) => None,
        }
    }

    /// It has begun there; what has waited for that.
    pub(super) fn begun(&mut self, place: Place) -> Vec<(u32, Made)> {
        let queue = self.queue().map(std::mem::take).unwrap_or_default();
        if let Some(method) = &mut self.method {
            method.remote = Remote::At(place);
        }
        queue
    }

    /// Keeps the event that this attempt has begun. Gives it back if there was another one since,
    /// and says whether more may be made of the result there.
    pub(super) fn hold(&mut self, first: First, attempt: u32) -> Result<bool, First> {
        match &mut self.method {
            Some(method) if method.attempt == attempt => {
                method.first = Some(first);
                Ok(matches!(method.remote, Remote::Soon(_)))
            }
            _ => Err(first),
        }
    }

    /// It is made anew: the number of that attempt, and the event that has not taken it.
    pub(super) fn again(&mut self) -> Option<(u32, Option<First>)> {
        let method = self.method.as_mut()?;
        method.attempt += 1;
        Some((method.attempt, method.first.take()))
    }

    /// It has an answer; what has waited for it to begin.
    pub(super) fn answered(mut self) -> Vec<(u32, Made)> {
        let queue = self.queue().map(std::mem::take).unwrap_or_default();
        if let Some(first) = self.method.take().and_then(|method| method.first) {
            first.returned();
        }
        queue
    }

    pub(super) fn event(&self) -> u32 {
        self.event
    }
}

impl Line {
    pub(super) fn hear_call(self: &Arc<Self>, call: frame::Call<'_>) -> Heard {
        if let Operation::Rpc(invoke) = &call.operation {
            return self.hear_invoke((call.call, call.event, call.slot), invoke, &call.attached);
        }
        check(&call.operation)?;
        let Some(admitted) = self.admit(&call)? else { return Ok(()) };
        let Admitted { request, trace, hops, calls_left, to, canceled, .. } = admitted;
        let Admitted { body, decoded, attached, .. } = admitted;
        let frame::Call { call: id, slot, operation, .. } = call;
        let code = self.code.clone();
        match operation {
            Operation::Fetch(Outgoing { method, url, headers, follow, .. }) => {
                let fetch = self.host.outside.fetch(Call {
                    code,
                    service: if let To::Service(service) = to { Some(service) } else { None },
                    request,
                    trace,
                    hops,
                    redirects_max: calls_left,
                    method: method.into(),
                    url: url.into(),
                    headers: traced(headers, trace),
                    follow,
                    body,
                });
                self.carry_out(id, canceled, fetch.map_ok(Carried::Fetched));
            }
            Operation::Bound(frame::Bound { head, .. }) => {
                self.host.meter.operation();
                let head = Bytes::copy_from_slice(head);
                let held = if let To::Held(of, rights) = to { Some((of, rights)) } else { None };
                let ask = Ask { code, slot, held, trace, head, body, decoded, attached };
                let answer = self.host.outside.ask(ask);
                self.carry_out(id, canceled, answer.map_ok(Carried::Answered));
            }
            Operation::Rpc(_) => {}
        }
        Ok(())
    }

    /// Takes a call in and counts it. `None` if the event has none left: then it is refused.
    fn admit(self: &Arc<Self>, call: &frame::Call<'_>) -> Result<Option<Admitted>, Violation> {
        let frame::Call { call: id, event, slot, operation, attached } = call;
        let (id, event) = (*id, *event);
        let (cancel, canceled) = oneshot::channel();
        let mut table = self.table();
        let Table { events, calls, .. } = &mut *table;
        let exchange = events.get(&event).ok_or(NO_EVENT)?;
        if exchange.calls_waiting >= CALL_COUNT_MAX {
            return Err(Violation::Order("more calls at once than may be"));
        }
        if calls.contains_key(&id) {
            return Err(Violation::Order("a call number twice"));
        }
        let left = exchange.calls_left.checked_sub(1);
        let to = table.to(&self.code, (event, *slot)).filter(|to| knows(to, operation));
        let to = to.ok_or(Violation::Order("a call of a slot that it does not have"))?;
        let attached = table.held_by(&self.code, Some(event), attached)?;
        let (body, decoded) = self.call_body(&mut table, event, operation.body())?;
        let Table { events, calls, .. } = &mut *table;
        let exchange = events.get_mut(&event).ok_or(NO_EVENT)?;
        let Some(calls_left) = left else {
            // The body goes after the table is free: it may be one of this line's.
            let refused = too_many(exchange.calls_max);
            drop(table);
            self.send_refusal(id, &refused);
            return Ok(None);
        };
        exchange.calls_left = calls_left;
        self.host.meter.subrequests(1);
        exchange.calls_waiting += 1;
        let About { request, trace, hops, .. } = exchange.about;
        calls.insert(id, Calling { event, _cancel: Some(cancel), method: None });
        Ok(Some(Admitted {
            request,
            trace,
            hops,
            calls_left,
            to,
            body,
            decoded,
            attached,
            canceled,
        }))
    }

    /// Answers a call when it is carried out, unless it is canceled before.
    fn carry_out(
        self: &Arc<Self>,
        id: u32,
        canceled: oneshot::Receiver<()>,
        answer: impl Future<Output = Result<Carried, Refused>> + Send + 'static,
    ) {
        let line = self.clone();
        self.host.tasks.spawn("call", async move {
            tokio::select! {
                biased;
                _ = canceled => {}
                answer = answer => line.reply(id, answer),
            }
        });
    }

    /// The body of a call's request, and whether it was taken out of an encoding.
    pub(super) fn call_body(
        self: &Arc<Self>,
        table: &mut Table,
        event: u32,
        body: &Body<'_>,
    ) -> Result<(RequestBody, bool), Violation> {
        let body = match *body {
            Body::None => RequestBody::None,
            Body::Inline(bytes) if bytes.len() <= BODY_INLINE_BYTES_MAX => {
                self.host.meter.bytes_out(bytes.len());
                RequestBody::Inline(Bytes::copy_from_slice(bytes))
            }
            Body::Inline(_) => return Err(Violation::Order("an inline body over the limit")),
            Body::Passed { body } => {
                // A request's body has no encoding that its sender knows of.
                let (from, length) = take_unread(&mut table.bodies, event, body)?;
                let decoded = matches!(from, Unread::Encoded(_));
                let length = length.filter(|_| !decoded);
                let from = from.decoded().passed(&self.host.meter);
                return Ok((RequestBody::Stream { from, length }, decoded));
            }
            Body::Stream { body, length } => {
                let intake = table.receive((event, body), UNREAD_BYTES)?;
                let max = self.code.limits.response_bytes_max;
                let download = Download::new(self, intake, (None, body), (length, max));
                let from = Upload::new(download.map_err(|_| Cut::Unfinished));
                RequestBody::Stream { from, length }
            }
        };
        Ok((body, false))
    }

    /// Nobody waits for a call any more.
    pub(super) fn hear_abort(&self, call: u32) {
        let mut table = self.table();
        // One that has just been answered is not there any more.
        let Some(calling) = table.calls.remove(&call) else { return };
        if let Some(exchange) = table.events.get_mut(&calling.event) {
            match (&calling.method, &mut exchange.methods) {
                (None, _) => exchange.calls_waiting -= 1,
                (Some(_), Some(methods)) => methods.waiting = methods.waiting.saturating_sub(1),
                (Some(_), None) => {}
            }
        }
        drop(table);
        drop(calling);
    }

    /// Tells the isolate what came of a call.
    fn reply(&self, id: u32, answer: Result<Carried, Refused>) {
        let mut table = self.table();
        let Some(Calling { event, .. }) = table.calls.remove(&id) else { return };
        let Some(exchange) = table.events.get_mut(&event) else { return };
        exchange.calls_waiting -= 1;
        let answer = match answer {
            Ok(answer) => answer,
            Err(refused) => {
                drop(table);
                return self.send_refusal(id, &refused);
            }
        };
        let redirects = answer.redirects();
        exchange.calls_left = exchange.calls_left.saturating_sub(redirects);
        self.host.meter.subrequests(redirects);
        match answer {
            Carried::Fetched(Fetched { status, status_text, url, headers, body, .. }) => {
                let given = self.give_locked(&mut table, event, body);
                let (status_text, url) = (&*status_text, url.as_deref());
                let (headers, body) = (&headers[..], given.frame());
                let response = frame::Response { status, status_text, url, headers, body };
                self.send_answer(id, frame::Answer::Response(response), Vec::new());
            }
            Carried::Answered(Answer { head, body, handed: capabilities }) => {
                let handed = table.hand(&self.code, &capabilities, Owner::Event(event));
                let handed = match handed {
                    Ok(handed) => handed,
                    Err(refused) => {
                        drop(table);
                        return self.send_refusal(id, &refused);
                    }
                };
                let given = self.give_locked(&mut table, event, body);
                let bound = frame::Bound { head: &head, body: given.frame() };
                self.send_answer(id, frame::Answer::Bound(bound), handed);
            }
        }
    }

    /// Gives a body to an event: one that is to be streamed gets a number.
    pub(super) fn give_locked(&self, table: &mut Table, event: u32, body: FetchedBody) -> Given {
        match body {
            FetchedBody::None => Given::None,
            FetchedBody::Inline(bytes) => {
                self.host.meter.bytes_in(bytes.len());
                Given::Inline(bytes)
            }
            FetchedBody::Stream { from, length } => {
                let body = table.hold_new(event, from, length);
                body.map_or(Given::None, |body| Given::Stream { body, length })
            }
        }
    }

    pub(super) fn send_answer(
        &self,
        call: u32,
        answer: frame::Answer<'_>,
        handed: Vec<Handed<'_>>,
    ) {
        self.send(&Down::Reply(frame::Reply { call, result: Ok(answer), handed }));
    }

    pub(super) fn send_refusal(&self, call: u32, refused: &Refused) {
        let refusal = frame::Refusal { wrong: refused.wrong, message: &refused.message };
        let (result, handed) = (Err(refusal), Vec::new());
        self.send(&Down::Reply(frame::Reply { call, result, handed }));
    }
}

pub(super) const NO_EVENT: Violation = Violation::Order("a call of no event of its");

/// What a worker is told whose event has no subrequest left.
pub fn too_many(max: u32) -> Refused {
    let message = format!(
        "Too many subrequests. One event may make {max}, redirects included (`limits.subrequests`): \
         make fewer, or have the limit raised."
    );
    Refused::failed(message)
}
