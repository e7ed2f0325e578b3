//! Events on a line: from the request that is sent to the reply that comes back.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bindery_logic::blame::Blame;
use bindery_wire::Outcome;
use bindery_wire::event::{Decision, Handler};
use bindery_wire::frame::{self, Down, EventKind};
use bindery_wire::limits::Lower;
use bindery_wire::log::Spent;
use bytes::Bytes;
use tokio::sync::oneshot;

use super::body::{Download, Outflow};
use super::methods::Methods;
use super::outside::Unread;
use super::told::{self, Told};
use super::upload::{Cut, Upload};
use super::{Line, Permit, Table};
use crate::code::Code;
use crate::rpc::Props;
use crate::trace::Trace;

/// Names one request of a client, in logs and in the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RequestId(pub u64);

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "req_{:016x}", self.0)
    }
}

/// What the tail says of an event.
#[derive(Clone, Debug)]
pub struct About {
    /// The request, or what stands for one.
    pub request: RequestId,
    /// The trace that the request belongs to.
    pub trace: Trace,
    /// The handler that runs.
    pub handler: Handler,
    /// The request's method; GET where there is no request.
    pub method: http::Method,
    /// The path of its URL, shortened if it is long. Of a scheduled event the expression, of
    /// messages their queue.
    pub path: Box<str>,
    /// The status of the answer; 0 before there is one.
    pub status: u16,
    /// How many workers have passed the request on to each other.
    pub hops: u32,
}

/// Bytes of a path or of a method's name that the tail keeps.
const PATH_BYTES_MAX: usize = 512;

impl About {
    /// As much of a path as the tail keeps.
    pub fn clip(path: &str) -> &str {
        path.get(..path.floor_char_boundary(PATH_BYTES_MAX)).unwrap_or_default()
    }
}

/// A request as the isolate sees it, without its body.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    /// The export whose handler runs; absent for `default`.
    pub entrypoint: Option<&'a str>,
    /// The method.
    pub method: &'a str,
    /// The whole URL.
    pub url: &'a str,
    /// Headers in the flat form.
    pub headers: &'a [u8],
    /// `request.cf` as JSON.
    pub cf: &'a str,
    /// What `ctx.props` is.
    pub props: &'a Props,
    /// Limits of the event, lower than the worker's.
    pub limits: &'a Lower,
}

/// The body of a request.
pub enum RequestBody {
    /// There is none.
    None,
    /// All of it.
    Inline(Bytes),
    /// It is read when the isolate wants it.
    Stream {
        /// Where it comes from.
        from: Upload,
        /// How long it is, if known.
        length: Option<u64>,
    },
}

impl RequestBody {
    /// The same once more, if it is not a stream.
    pub fn again(&self) -> Option<Self> {
        match self {
            Self::None => Some(Self::None),
            Self::Inline(bytes) => Some(Self::Inline(bytes.clone())),
            Self::Stream { .. } => None,
        }
    }
}

/// How often whoever has an event looks for an isolate that still takes it.
pub const MOVE_COUNT_MAX: u32 = 8;

/// Why a line does not take an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    /// It takes no events any more; another isolate may.
    #[error("the isolate takes no more events")]
    Closed,
    /// As many wait as may.
    #[error("too many events wait for the isolate")]
    Full,
    /// The event does not fit into a frame.
    #[error("the event does not fit into a frame")]
    TooLarge,
}

/// What came of an event.
#[derive(Debug)]
pub enum Reply {
    /// The head of a response.
    Head {
        /// The status, as the worker gave it.
        status: u16,
        /// Headers in the flat form, as the worker gave them.
        headers: Bytes,
        /// The body.
        body: ReplyBody,
    },
    /// The event ended without a response.
    Ended(Spent),
    /// An event that has no response ended, and what its handler decided.
    Handled(Spent, Option<Decision>),
    /// The isolate died.
    Lost(Blame),
    /// The isolate took no more events when this one came: nothing of it has run. The body, if
    /// it was one to be streamed.
    NotTaken(Option<RequestBody>),
    /// The request's body broke off, or is too long.
    Cut(Cut),
}

/// The body of a response.
pub enum ReplyBody {
    /// There is none.
    None,
    /// All of it.
    Inline(Bytes),
    /// It follows from the isolate.
    Stream(Download),
    /// It is a body that the isolate was given and has not read.
    Passed {
        /// Where it comes from.
        from: Upload,
        /// How long it is, if known.
        length: Option<u64>,
    },
}

impl fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Inline(bytes) => write!(f, "Inline({} bytes)", bytes.len()),
            Self::Stream { .. } => f.write_str("Stream"),
        }
    }
}

impl fmt::Debug for ReplyBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Inline(bytes) => write!(f, "Inline({} bytes)", bytes.len()),
            Self::Stream(_) => f.write_str("Stream"),
            Self::Passed { .. } => f.write_str("Passed"),
        }
    }
}

/// An event on a line, until its end.
pub(super) struct Exchange {
    pub(super) about: About,
    /// Who waits for the reply, until there is one.
    pub(super) reply: Option<oneshot::Sender<Reply>>,
    /// Numbers of bodies that the isolate was given, also of those that are gone.
    pub(super) bodies: Vec<u32>,
    /// Numbers of bodies that the isolate sends, also of those that are gone.
    pub(super) intakes: Vec<u32>,
    /// Slots that it was handed, but for those that it has let go.
    pub(super) slots: Vec<u32>,
    /// What is to be told of it, when it has ended.
    pub(super) told: Option<Box<Told>>,
    /// What it has to do with methods, if anything.
    pub(super) methods: Option<Box<Methods>>,
    /// What it may use is lowered to this: so it is for what it calls of its own worker.
    pub(super) limits: Lower,
    /// Subrequests that it may still make.
    pub(super) calls_left: u32,
    /// Subrequests that it may make in all.
    pub(super) calls_max: u32,
    /// Calls that have no reply yet.
    pub(super) calls_waiting: usize,
    pub(super) client: Client,
    pub(super) since: Duration,
    /// What its handler decided, or what stands if it says nothing; absent if there is nothing to
    /// decide.
    pub(super) decision: Option<Decision>,
}

/// A body on its way to the isolate.
pub(super) struct Sending {
    /// The event that it belongs to.
    pub(super) event: u32,
    pub(super) state: State,
}

impl Sending {
    /// Nobody wants the rest.
    pub(super) fn close(&self) {
        if let State::Pumped(flow) = &self.state {
            flow.close();
        }
    }
}

/// How far a body is.
pub(super) enum State {
    /// Nobody has asked for it.
    Held { from: Unread, length: Option<u64> },
    /// It is being moved.
    Pumped(Arc<Outflow>),
}

/// Whether somebody waits for an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Client {
    /// Somebody does.
    Listens,
    /// Nobody does; its work may go on until then.
    Gone(Duration),
    /// It was told to end, and has until then to say that it did.
    Ended(Duration),
}

impl Exchange {
    /// An event that has just been sent.
    pub(super) fn new(
        about: About,
        reply: oneshot::Sender<Reply>,
        code: &Code,
        (client, since): (Client, Duration),
    ) -> Self {
        Self { reply: Some(reply), ..Self::without_reply(about, code, (client, since)) }
    }

    /// An event to which nobody waits for a reply.
    pub(super) fn without_reply(
        about: About,
        code: &Code,
        (client, since): (Client, Duration),
    ) -> Self {
        Self {
            about,
            reply: None,
            bodies: Vec::new(),
            intakes: Vec::new(),
            slots: Vec::new(),
            told: None,
            methods: None,
            limits: Lower::NONE,
            calls_left: code.limits.subrequest_count_max,
            calls_max: code.limits.subrequest_count_max,
            calls_waiting: 0,
            client,
            since,
            decision: None,
        }
    }

    /// Lowers what the event may use.
    pub(super) fn lower(&mut self, limits: &Lower) {
        self.calls_left = self.calls_left.min(limits.subrequests.unwrap_or(u32::MAX));
        self.calls_max = self.calls_left;
        self.limits = limits.clone();
    }

    /// Tells whoever waits that the isolate is gone.
    pub(super) fn lost(self, blame: Blame) -> About {
        if let Some(reply) = self.reply {
            let _ = reply.send(Reply::Lost(blame));
        }
        self.about
    }
}

/// An event that was sent. Dropped before the reply, it is canceled.
pub struct Begun {
    pub(super) line: Arc<Line>,
    pub(super) event: u32,
    pub(super) reply: oneshot::Receiver<Reply>,
    pub(super) replied: bool,
}

impl Begun {
    /// Sends an event, for which `permit` was given. On an error nothing was sent and the body is
    /// given back.
    pub fn begin(
        permit: Permit,
        request: Event<'_>,
        body: RequestBody,
        about: About,
    ) -> Result<Self, (NotTaken, RequestBody)> {
        let Some(line) = permit.line().cloned() else { return Err((NotTaken::Closed, body)) };
        let mut table = line.table();
        if table.state != super::State::Serving {
            return Err((NotTaken::Closed, body));
        }
        let event = table.next_number;
        let Some(next) = event.checked_add(1) else { return Err((NotTaken::Closed, body)) };
        let (sender, reply) = oneshot::channel();
        let since = line.host.clock.elapsed();
        let mut exchange = Exchange::new(about, sender, &line.code, (Client::Listens, since));
        exchange.lower(request.limits);
        if line.code.tails.is_some() {
            let Event { entrypoint, method, url, headers, cf, .. } = request;
            let what = told::request(method, url, headers, cf);
            exchange.told = Some(line.told(entrypoint, what));
        }
        table.events.insert(event, exchange);
        if let Err(reason) = push(&line, &mut table, (event, request), &body) {
            let left = table.take_back(event);
            drop(table);
            drop(left);
            return Err((reason, body));
        }
        table.next_number = next;
        if let RequestBody::Inline(bytes) = &body {
            line.host.meter.bytes_in(bytes.len());
        }
        if let RequestBody::Stream { from, length } = body {
            let state = State::Held { from: Unread::Plain(from), length };
            table.bodies.insert(event, Sending { event, state });
        }
        drop(table);
        // From here on the event's end gives the permit back.
        let _ = permit.take();
        Ok(Self { line, event, reply, replied: false })
    }

    /// The line that runs it.
    pub fn line(&self) -> &Arc<Line> {
        &self.line
    }

    /// Waits for the reply. Dropped before, the event is canceled.
    pub async fn reply(mut self) -> Reply {
        let reply = (&mut self.reply).await;
        self.replied = true;
        // A sender that is dropped without a reply belongs to a line that is gone.
        reply.unwrap_or(Reply::Lost(Blame::Nobody))
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        if !self.replied {
            self.line.client_gone(self.event);
        }
    }
}

/// Writes the frame. The body of a stream has the number of its event.
fn push(
    line: &Line,
    table: &mut Table,
    (event, request): (u32, Event<'_>),
    body: &RequestBody,
) -> Result<(), NotTaken> {
    let body = match body {
        RequestBody::None => frame::Body::None,
        RequestBody::Inline(bytes) => frame::Body::Inline(bytes),
        RequestBody::Stream { length, .. } => frame::Body::Stream { body: event, length: *length },
    };
    let Event { entrypoint, method, url, headers, cf, props, limits } = request;
    let props = table.hand_props(&line.code, props, event).map_err(|_| NotTaken::Full)?;
    let kind = EventKind::Fetch(frame::Request { method, url, headers, cf, body });
    let cpu_ms_max = limits.cpu_ms;
    let frame = Down::Event(frame::Event { event, entrypoint, props, cpu_ms_max, kind });
    line.outbox.ask(&frame)
}

impl Line {
    /// Nobody waits for the event any more: it is told, and has a while to finish.
    pub(super) fn client_gone(&self, event: u32) {
        if self.linger(event) {
            self.send(&Down::Cancel { event, outcome: Outcome::Canceled });
        }
    }

    /// The whole answer is out; the event has a while to finish.
    pub(super) fn answered(&self, event: u32) {
        self.linger(event);
    }

    fn linger(&self, event: u32) -> bool {
        let after = Duration::from_millis(self.code.limits.after_client_ms_max.into());
        let until = self.host.clock.elapsed() + after;
        match self.table().events.get_mut(&event) {
            Some(exchange) if exchange.client == Client::Listens => {
                exchange.client = Client::Gone(until);
                true
            }
            _ => false,
        }
    }

    /// Nobody wants the rest of a body of the isolate's.
    pub(super) fn unwanted(&self, body: u32) {
        if self.table().intakes.remove(&body).is_some() {
            self.send(&Down::Unwanted { body });
        }
    }
}
