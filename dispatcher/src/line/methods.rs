//! Methods that are called over lines: what a call of one isolate is to another.
//!
//! A call of a service begins an event; one of something that a live event has handed over, or of
//! what one of its invocations results in, goes to that event, at once and in the order in which it
//! was made. A call that is made of the result of one that has not begun yet waits for it here. No
//! two tables are locked at once.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use bindery_wire::event::Handler;
use bindery_wire::frame::{self, Body, Down, EventKind};
use bindery_wire::rpc::{self, How, Invocation, Target};
use bindery_wire::value::Handed;

use super::again::Again;
use super::event::{Client, Exchange};
use super::outside::{FetchedBody, Refused, Unread};
use super::{About, Line, NotTaken, Permit, RequestBody, State, Table};
use crate::limit::RPC_CALLS;
use crate::rpc::{Capability, Service, Session};

/// What an event has to do with methods.
#[derive(Default)]
pub(super) struct Methods {
    /// What others hold of it.
    pub(super) session: Arc<Session>,
    /// Invocations that have not returned, with who waits for each.
    pub(super) invocations: HashMap<u32, Waiting>,
    /// Those that have returned something of which more can be made here, until all of it is.
    pub(super) kept: HashSet<u32>,
    next: u32,
    /// What it was first called for, until it has returned that.
    pub(super) again: Option<Box<Again>>,
    /// Where the results are of calls that may still be built on.
    pub(super) finishing: HashMap<u32, Place>,
    /// Calls that have no answer.
    pub(super) waiting: usize,
    /// It has returned what it was first called for.
    pub(super) returned: bool,
    /// Nobody holds anything of it any more.
    pub(super) idle: bool,
}

/// Who waits for an invocation.
pub(super) struct Waiting {
    line: Weak<Line>,
    call: u32,
    /// The invocation of whose result it is made, if it is of one.
    of_result: Option<u32>,
}

/// An invocation of some event.
#[derive(Clone)]
pub(super) struct Place {
    line: Weak<Line>,
    event: u32,
    invocation: u32,
}

/// How far a call of a method is.
pub(super) enum Remote {
    /// It has not begun: what is to be made of its result waits.
    Soon(Vec<(u32, Made)>),
    /// It runs there.
    At(Place),
}

/// An invocation as its maker has it.
pub(super) struct Made {
    pub(super) path: Vec<Box<str>>,
    pub(super) calls: bool,
    pub(super) arguments: RequestBody,
    pub(super) with: Vec<With>,
    /// What it takes of what may wait, until nobody keeps it to make it anew either.
    pub(super) soon: Arc<Soon>,
}

/// Bytes of a call that waits to begin, or may have to be made anew, until it is dropped.
pub(super) struct Soon {
    of: Arc<AtomicUsize>,
    bytes: usize,
}

/// Bytes of such calls of one isolate: as many as one event's have that are all in their
/// frames, with names of a usual length.
pub(super) const SOON_BYTES_MAX: usize =
    rpc::CALL_COUNT_MAX * (frame::BODY_INLINE_BYTES_MAX + 1_024);
/// Bytes that each name of a path takes, and each that goes with a call.
const PART_BYTES: usize = 64;

impl Soon {
    /// Counts a call. `None` if too much waits already.
    pub(super) fn count(
        of: &Arc<AtomicUsize>,
        (path, arguments, with): (&[&str], &RequestBody, &[With]),
    ) -> Option<Self> {
        let names: usize = path.iter().map(|name| name.len()).sum();
        let inline = match arguments {
            RequestBody::Inline(bytes) => bytes.len(),
            RequestBody::None | RequestBody::Stream { .. } => 0,
        };
        let bytes = names + inline + PART_BYTES * (path.len() + with.len());
        let before = of.fetch_add(bytes, Ordering::Relaxed);
        // Dropped, it is not counted any more.
        let soon = Self { of: of.clone(), bytes };
        (before.saturating_add(bytes) <= SOON_BYTES_MAX).then_some(soon)
    }

    /// What the caller is told if too much waits.
    pub(super) fn refused() -> Refused {
        let mib = SOON_BYTES_MAX >> 20;
        Refused::failed(format!(
            "The arguments of calls that have not ended are more than {mib} MiB: wait for some of \
             them."
        ))
    }
}

impl Drop for Soon {
    fn drop(&mut self) {
        self.of.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// What goes with a value.
pub(super) enum With {
    Capability(Capability),
    /// A body; none once it was handed over.
    Body(RequestBody),
}

/// The first invocation of an event that it was begun for. Dropped before it has returned, the
/// event is canceled. No table may be locked then.
pub(super) struct First {
    line: Arc<Line>,
    event: u32,
    returned: bool,
}

/// What a call was answered with.
pub(super) struct Came {
    pub(super) how: How,
    pub(super) value: RequestBody,
    pub(super) with: Vec<With>,
}

impl Came {
    /// Whether something goes with it for which its maker keeps it.
    pub(super) fn is_kept(&self) -> bool {
        !self.with.is_empty()
    }
}

impl Waiting {
    /// For a call of a service or of a stub.
    pub(super) fn new(line: &Arc<Line>, call: u32) -> Self {
        Self { line: Arc::downgrade(line), call, of_result: None }
    }

    /// Whose call it is, if anybody's still.
    pub(super) fn caller(&self) -> Option<(Arc<Line>, u32)> {
        Some((self.line.upgrade()?, self.call))
    }

    /// Nothing will come of it: it can not be made here.
    pub(super) fn refuse(&self, why: &str) {
        if let Some(line) = self.line.upgrade() {
            line.refuse_call(self.call, &Refused::failed(why.to_owned()));
        }
    }

    /// It has not begun, and its callee is not there any more.
    pub(super) fn not_begun(&self, why: &str) {
        match (self.line.upgrade(), self.of_result) {
            // If that result has gone to the caller, it says the rest.
            (Some(line), Some(_)) => line.late(self.call),
            _ => self.refuse(why),
        }
    }

    /// Its event has ended, which keeps these results: one of a stub in such a result may have been
    /// made here, and is not to be made again.
    pub(super) fn event_ended(&self, kept: &HashSet<u32>, why: &str) {
        match self.of_result.is_some_and(|of| kept.contains(&of)) {
            true => self.refuse(why),
            false => self.not_begun(why),
        }
    }

    /// The answer has come. No table may be locked.
    pub(super) fn answer(&self, came: Came, place: Place) {
        match self.line.upgrade() {
            Some(line) => line.answer_call(self.call, came, place),
            None => place.finish_if(came.is_kept()),
        }
    }
}

impl Place {
    pub(super) fn new(line: &Arc<Line>, event: u32, invocation: u32) -> Self {
        Self { line: Arc::downgrade(line), event, invocation }
    }

    /// Makes something of its result.
    pub(super) fn invoke(&self, made: Made, waiting: Waiting) -> Option<Self> {
        let waiting = Waiting { of_result: Some(self.invocation), ..waiting };
        let Some(line) = self.line.upgrade() else {
            waiting.not_begun(ENDED);
            return None;
        };
        line.invoke((self.event, Target::Result(self.invocation)), made, waiting)
    }

    /// Nothing more will be made of its result. No table may be locked.
    pub(super) fn finish(&self) {
        if let Some(line) = self.line.upgrade() {
            let (event, invocation) = (self.event, self.invocation);
            if let Some(methods) =
                line.table().events.get_mut(&event).and_then(|e| e.methods.as_mut())
            {
                methods.kept.remove(&invocation);
            }
            line.send(&Down::Finished { event, invocation });
        }
    }

    pub(super) fn finish_if(&self, is_kept: bool) {
        if is_kept {
            self.finish();
        }
    }
}

impl First {
    pub(super) fn place(&self) -> Place {
        Place::new(&self.line, self.event, 0)
    }

    pub(super) fn returned(mut self) {
        self.returned = true;
    }
}

impl Drop for First {
    fn drop(&mut self) {
        if !self.returned {
            self.line.client_gone(self.event);
        }
    }
}

/// Begins an event that a method is called in, for which `permit` was given.
pub(super) fn begin(
    permit: Permit,
    service: &Arc<Service>,
    mut made: Made,
    (about, waiting): (About, Waiting),
) -> Result<First, Box<(NotTaken, Made)>> {
    let Some(line) = permit.line().cloned() else {
        return Err(Box::new((NotTaken::Closed, made)));
    };
    let mut table = line.table();
    let bodies = u32::try_from(made.with.len()).unwrap_or(u32::MAX);
    let next = table.next_number.checked_add(2).and_then(|next| next.checked_add(bodies));
    let Some(next) = next.filter(|_| table.state == State::Serving) else {
        return Err(Box::new((NotTaken::Closed, made)));
    };
    let event = table.next_number;
    let since = line.host.clock.elapsed();
    let mut exchange = Exchange::without_reply(about, &line.code, (Client::Listens, since));
    exchange.lower(&service.limits);
    let again = Some(Box::new(Again::of(service, &made)));
    exchange.methods = Some(Box::new(Methods { next: 1, again, ..Methods::default() }));
    table.events.insert(event, exchange);
    table.next_number = next;
    if let Err(refused) = push_first(&line, &mut table, event, (&**service, &mut made)) {
        let left = table.take_back(event);
        drop(table);
        drop(left);
        return Err(Box::new((refused, made)));
    }
    if let RequestBody::Stream { from, length } = made.arguments {
        // Its number was told.
        table.hold(event, event + 1, Unread::Plain(from), length);
    }
    if let Some(methods) = table.events.get_mut(&event).and_then(|e| e.methods.as_mut()) {
        methods.invocations.insert(0, waiting);
    }
    drop(table);
    // From here on the event's end gives the permit back.
    let _ = permit.take();
    Ok(First { line, event, returned: false })
}

fn push_first(
    line: &Line,
    table: &mut Table,
    event: u32,
    (service, made): (&Service, &mut Made),
) -> Result<(), NotTaken> {
    let full = |_| NotTaken::Full;
    let props = table.hand_props(&line.code, &service.props, event).map_err(full)?;
    let handed = table.hand_with(&line.code, &mut made.with, event).map_err(full)?;
    let arguments = match &made.arguments {
        RequestBody::None => Body::None,
        RequestBody::Inline(bytes) => Body::Inline(bytes),
        RequestBody::Stream { length, .. } => Body::Stream { body: event + 1, length: *length },
    };
    let invocation = made.invocation((0, Target::Entrypoint), arguments, handed);
    let (entrypoint, kind) = (service.entrypoint.as_deref(), EventKind::Rpc(invocation));
    let frame = Down::Event(frame::Event {
        event,
        entrypoint,
        props,
        cpu_ms_max: service.limits.cpu_ms,
        kind,
    });
    line.outbox.ask(&frame)
}

impl Made {
    fn invocation<'a>(
        &'a self,
        (invocation, target): (u32, Target),
        arguments: Body<'a>,
        handed: Vec<Handed<'a>>,
    ) -> Invocation<'a> {
        let path = self.path.iter().map(|name| &**name).collect();
        Invocation { invocation, target, path, calls: self.calls, arguments, handed }
    }
}

impl Line {
    /// Has an event do something more; where its result will be. `None` if the event has ended:
    /// then whoever waits was told.
    pub(super) fn invoke(
        self: &Arc<Self>,
        (event, target): (u32, Target),
        mut made: Made,
        waiting: Waiting,
    ) -> Option<Place> {
        match self.invoke_locked((event, target), &mut made, waiting) {
            Ok(place) => return Some(place),
            Err((Some(why), waiting)) => waiting.refuse(&why),
            Err((None, waiting)) => waiting.not_begun(ENDED),
        }
        None
    }

    /// Else why not, and whoever waits; nothing is said if the event has ended.
    fn invoke_locked(
        self: &Arc<Self>,
        (event, target): (u32, Target),
        made: &mut Made,
        waiting: Waiting,
    ) -> Result<Place, (Option<String>, Waiting)> {
        let mut table = self.table();
        let Some(exchange) = table.events.get_mut(&event) else {
            return Err((None, waiting));
        };
        let methods = exchange.methods.get_or_insert_default();
        if methods.invocations.len() >= rpc::CALL_COUNT_MAX {
            let why = format!("Too many calls in one event at once. ({})", RPC_CALLS.fixed());
            return Err((Some(why), waiting));
        }
        if self.outbox.is_full() {
            return Err((Some(UNREAD.into()), waiting));
        }
        let number = methods.next;
        methods.next = number.wrapping_add(1);
        let handed = table.hand_with(&self.code, &mut made.with, event);
        let handed = match handed {
            Ok(handed) => handed,
            Err(refused) => return Err((Some(refused.message.into()), waiting)),
        };
        let arguments = std::mem::replace(&mut made.arguments, RequestBody::None);
        let given = self.give_locked(&mut table, event, arguments.into());
        let invocation = made.invocation((number, target), given.frame(), handed);
        self.send(&Down::Invoke { event, invocation });
        if let Some(methods) = table.events.get_mut(&event).and_then(|e| e.methods.as_mut()) {
            methods.invocations.insert(number, waiting);
        }
        Ok(Place::new(self, event, number))
    }

    /// Whether an event has not ended.
    pub(crate) fn runs(&self, event: u32) -> bool {
        self.table().events.contains_key(&event)
    }
}

/// What is said where no reason is known any more.
pub(super) const ENDED: &str = "The execution context which hosts this stub is no longer running.";

/// What is said when an isolate does not read what it is asked.
const UNREAD: &str = "The called isolate is too busy to take more calls now; try again.";

impl From<RequestBody> for FetchedBody {
    fn from(body: RequestBody) -> Self {
        match body {
            RequestBody::None => Self::None,
            RequestBody::Inline(bytes) => Self::Inline(bytes),
            RequestBody::Stream { from, length } => {
                Self::Stream { from: Unread::Plain(from), length }
            }
        }
    }
}

impl Exchange {
    /// What others know of an event of methods has gone, or its first call has: how long it may
    /// still go on.
    pub(super) fn tend(&mut self, now: Duration, after_client: Duration) {
        let Some(methods) = &mut self.methods else { return };
        let at_rest = methods.invocations.is_empty() && !methods.session.is_held();
        if self.about.handler != Handler::Rpc || !methods.returned || methods.idle || !at_rest {
            return;
        }
        methods.idle = true;
        if let Client::Gone(until) = self.client {
            self.client = Client::Gone(until.min(now + after_client));
        }
    }
}
