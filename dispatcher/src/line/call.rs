//! Calls on a line: what an isolate asks of a binding, and what comes back.
//!
//! A call belongs to an event and ends with it: whatever carries it out is dropped then. Only so
//! many calls of an event wait for their replies at once; an isolate keeps the others back, and
//! one that does not is no honest isolate. What a slot stands for is looked up here, in what the
//! version declared: a frame names a number only.

use std::borrow::Cow;
use std::sync::Arc;

use bindery_wire::flat;
use bindery_wire::frame::{self, BODY_INLINE_BYTES_MAX, Body, Down, Operation, Outgoing};
use bindery_wire::limits::{CALL_COUNT_MAX, HEADERS_BYTES_MAX, URL_BYTES_MAX};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http_body_util::BodyExt;
use tokio::sync::oneshot;

use super::body::{Download, Intake, Metered};
use super::event::{RequestBody, Sending, State};
use super::hear::{Heard, take_unread};
use super::{About, Cut, Line, RequestId, Table, Upload, Violation};
use crate::code::{Code, Slot};
use crate::trace::{Span, TRACEPARENT, Trace};

/// Bytes of a method; those that HTTP knows are shorter.
const METHOD_BYTES_MAX: usize = 64;

/// Carries out the calls of isolates.
pub trait Outside: Send + Sync {
    /// Sends a request. Cancel-safe: dropped, it has no connection left.
    fn fetch(&self, call: Call) -> BoxFuture<'static, Result<Fetched, Refused>>;
}

/// A request of a worker, on its way out.
pub struct Call {
    /// What made it.
    pub code: Arc<Code>,
    /// The client's request that led to it.
    pub request: RequestId,
    /// The trace that the event belongs to.
    pub trace: Trace,
    /// How many workers lie between that request and this one.
    pub hops: u32,
    /// How many subrequests the event has left for redirects.
    pub redirects_max: u32,
    /// The method.
    pub method: Box<str>,
    /// The whole URL.
    pub url: Box<str>,
    /// Headers in the flat form, as the worker gave them.
    pub headers: Bytes,
    /// Whether a redirect is followed, or is the response.
    pub follow: bool,
    /// The body.
    pub body: RequestBody,
}

/// A response from outside.
pub struct Fetched {
    /// The status.
    pub status: u16,
    /// What stands behind the status.
    pub status_text: Cow<'static, str>,
    /// The URL that answered, if redirects led to another one.
    pub url: Option<String>,
    /// How many redirects led there.
    pub redirects: u32,
    /// Headers in the flat form.
    pub headers: Vec<u8>,
    /// The body.
    pub body: FetchedBody,
}

/// The body of a response from outside.
pub enum FetchedBody {
    /// There is none.
    None,
    /// All of it.
    Inline(Bytes),
    /// It is read when somebody wants it.
    Stream {
        /// Where it comes from.
        from: Unread,
        /// How long it is as it was sent, if known.
        length: Option<u64>,
    },
}

/// A body that nobody has read from.
pub enum Unread {
    /// Its bytes are what it says.
    Plain(Upload),
    /// Its headers name an encoding.
    Encoded(Box<dyn Encoded>),
}

/// A body with an encoding: a worker that reads it gets what it says, and whoever it is passed on
/// to gets what was sent.
pub trait Encoded: Send {
    /// What it is encoded with.
    fn encoding(&self) -> &[u8];
    /// The bytes that were sent.
    fn as_sent(self: Box<Self>) -> Upload;
    /// What they say.
    fn decoded(self: Box<Self>) -> Upload;
}

impl Unread {
    /// The bytes that were sent.
    pub fn as_sent(self) -> Upload {
        match self {
            Self::Plain(upload) => upload,
            Self::Encoded(body) => body.as_sent(),
        }
    }

    /// What they say.
    pub(super) fn decoded(self) -> Upload {
        match self {
            Self::Plain(upload) => upload,
            Self::Encoded(body) => body.decoded(),
        }
    }

    /// The bytes for whoever is told of an encoding by these headers, and whether they are those
    /// that were sent.
    pub(super) fn under(self, headers: &[u8]) -> (Upload, bool) {
        match self {
            Self::Encoded(body) if !names(headers, body.encoding()) => (body.decoded(), false),
            other => (other.as_sent(), true),
        }
    }
}

/// Why there is no response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Whether the call itself was wrong.
    pub wrong: bool,
    /// What the worker is told.
    pub message: Cow<'static, str>,
}

/// A call under way. Dropped, it is canceled.
pub(super) struct Calling {
    event: u32,
    _cancel: oneshot::Sender<()>,
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

/// Whether flat headers have this content-encoding.
fn names(headers: &[u8], encoding: &[u8]) -> bool {
    let parsed = flat::parse(headers).unwrap_or_default();
    parsed.iter().any(|(name, value)| {
        name.eq_ignore_ascii_case(b"content-encoding") && value.eq_ignore_ascii_case(encoding)
    })
}

impl Calling {
    pub(super) fn event(&self) -> u32 {
        self.event
    }
}

impl Line {
    pub(super) fn hear_call(self: &Arc<Self>, call: frame::Call<'_>) -> Heard {
        let frame::Call { call: id, event, slot, operation: Operation::Fetch(outgoing) } = call;
        let Some(Slot::Outbound) = self.code.slot(slot) else {
            return Err(Violation::Order("a call of a slot that it does not have"));
        };
        let Outgoing { method, url, headers, .. } = &outgoing;
        let too_long = method.len() > METHOD_BYTES_MAX || url.len() > URL_BYTES_MAX;
        if too_long || headers.len() > HEADERS_BYTES_MAX {
            return Err(Violation::Order("a call that is larger than it may be"));
        }
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
        let body = self.call_body(&mut table, event, &outgoing.body)?;
        let Table { events, calls, .. } = &mut *table;
        let exchange = events.get_mut(&event).ok_or(NO_EVENT)?;
        let Some(left) = left else {
            // The body goes after the table is free: it may be one of this line's.
            drop(table);
            self.send_refusal(id, &self.too_many());
            return Ok(());
        };
        exchange.calls_left = left;
        self.host.meter.subrequests(1);
        exchange.calls_waiting += 1;
        let About { request, trace, hops, .. } = exchange.about;
        calls.insert(id, Calling { event, _cancel: cancel });
        drop(table);
        let Outgoing { method, url, headers, follow, .. } = outgoing;
        let fetch = self.host.outside.fetch(Call {
            code: self.code.clone(),
            request,
            trace,
            hops,
            redirects_max: left,
            method: method.into(),
            url: url.into(),
            headers: traced(headers, trace),
            follow,
            body,
        });
        let line = self.clone();
        self.host.tasks.spawn("call", async move {
            tokio::select! {
                biased;
                _ = canceled => {}
                result = fetch => line.reply(id, result),
            }
        });
        Ok(())
    }

    /// The body of a call's request.
    fn call_body(
        self: &Arc<Self>,
        table: &mut Table,
        event: u32,
        body: &Body<'_>,
    ) -> Result<RequestBody, Violation> {
        let Table { events, intakes, bodies, .. } = table;
        let exchange = events.get_mut(&event).ok_or(NO_EVENT)?;
        Ok(match *body {
            Body::None => RequestBody::None,
            Body::Inline(bytes) if bytes.len() <= BODY_INLINE_BYTES_MAX => {
                self.host.meter.bytes_out(bytes.len());
                RequestBody::Inline(Bytes::copy_from_slice(bytes))
            }
            Body::Inline(_) => return Err(Violation::Order("an inline body over the limit")),
            Body::Passed { body } => {
                // A request's body has no encoding that its sender knows of.
                let (from, length) = take_unread(bodies, event, body)?;
                let length = length.filter(|_| matches!(from, Unread::Plain(_)));
                let from = Metered::upload(from.decoded(), &self.host.meter);
                RequestBody::Stream { from, length }
            }
            Body::Stream { body, length } => {
                let intake = Arc::new(Intake::new());
                if intakes.insert(body, intake.clone()).is_some() {
                    return Err(Violation::Order("a body number twice"));
                }
                exchange.intakes.push(body);
                let max = self.code.limits.response_bytes_max;
                let download = Download::new(self, intake, (None, body), (length, max));
                let from: Upload = Box::pin(download.map_err(|_| Cut::Unfinished));
                RequestBody::Stream { from, length }
            }
        })
    }

    /// Nobody waits for a call any more.
    pub(super) fn hear_abort(&self, call: u32) {
        let mut table = self.table();
        // One that has just been answered is not there any more.
        let Some(calling) = table.calls.remove(&call) else { return };
        if let Some(exchange) = table.events.get_mut(&calling.event) {
            exchange.calls_waiting -= 1;
        }
    }

    /// Tells the isolate what came of a call.
    fn reply(&self, id: u32, result: Result<Fetched, Refused>) {
        let mut table = self.table();
        let Some(calling) = table.calls.remove(&id) else { return };
        let number = table.next_number;
        let Table { events, bodies, next_number, .. } = &mut *table;
        let Some(exchange) = events.get_mut(&calling.event) else { return };
        exchange.calls_waiting -= 1;
        let fetched = match result {
            Ok(fetched) => fetched,
            Err(refused) => {
                drop(table);
                return self.send_refusal(id, &refused);
            }
        };
        let Fetched { status, status_text, url, redirects, headers, body } = fetched;
        exchange.calls_left = exchange.calls_left.saturating_sub(redirects);
        self.host.meter.subrequests(redirects);
        let inline;
        let body = match body {
            FetchedBody::None => Body::None,
            FetchedBody::Inline(bytes) => {
                inline = bytes;
                self.host.meter.bytes_in(inline.len());
                Body::Inline(&inline)
            }
            FetchedBody::Stream { from, length } => {
                let state = State::Held { from, length };
                bodies.insert(number, Sending { event: calling.event, state });
                exchange.bodies.push(number);
                *next_number = number.wrapping_add(1);
                Body::Stream { body: number, length }
            }
        };
        drop(table);
        let (status_text, url) = (&*status_text, url.as_deref());
        let response = frame::Response { status, status_text, url, headers: &headers, body };
        self.send(&Down::Reply(frame::Reply { call: id, result: Ok(response) }));
    }

    fn send_refusal(&self, call: u32, refused: &Refused) {
        let refusal = frame::Refusal { wrong: refused.wrong, message: &refused.message };
        self.send(&Down::Reply(frame::Reply { call, result: Err(refusal) }));
    }

    fn too_many(&self) -> Refused {
        too_many(self.code.limits.subrequest_count_max)
    }
}

const NO_EVENT: Violation = Violation::Order("a call of no event of its");

/// What a worker is told whose event has no subrequest left.
pub fn too_many(max: u32) -> Refused {
    let message = format!(
        "Too many subrequests. One event may make {max}, redirects included (`limits.subrequests`): \
         make fewer, or have the limit raised."
    );
    Refused { wrong: false, message: message.into() }
}
