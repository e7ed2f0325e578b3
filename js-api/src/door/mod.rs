//! The door of an isolate: the only way out of its JavaScript.
//!
//! Ops write frames into a buffer, which the host sends when the isolate yields; what comes back
//! enters through the functions that `bootstrap.js` gives the host. Nothing here waits, and no
//! op panics: what JavaScript gets wrong is an error that it can catch.

use std::cell::{RefCell, RefMut};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use bindery_wire::frame::Up;
use bindery_wire::limits::{self, Limits};
use bindery_wire::log::{Exception, Level, Record};
use bindery_wire::{Outcome, codec};

mod body;
mod error;
pub mod ops;
mod timers;

pub use body::{DownBody, Source, UpBody};
pub use error::Error;
pub use timers::Timers;

/// Bytes of frames beyond which they do not wait for the end of a completion.
const SEND_BYTES: usize = 128 << 10;

/// The door, shared by the ops of an isolate and its host loop, on one thread.
#[derive(Clone)]
pub struct Shared(Rc<RefCell<Door>>);

impl Shared {
    /// Wraps a door.
    pub fn new(door: Door) -> Self {
        Self(Rc::new(RefCell::new(door)))
    }

    /// The door, for a moment: no borrow outlives a call into JavaScript.
    pub fn open(&self) -> Result<RefMut<'_, Door>, Error> {
        self.0.try_borrow_mut().map_err(|_| Error::Busy)
    }
}

/// What an isolate has under way.
pub struct Door {
    /// Frames that wait to be sent.
    pub out: Vec<u8>,
    /// Sends what waits, and empties it: called when much does, so that a body is on its way
    /// while the rest of it is made.
    pub sender: Option<Box<dyn FnMut(&mut Vec<u8>)>>,
    /// Timers that have not fired.
    pub timers: Timers,
    /// Events that have not ended.
    pub events: HashMap<u32, Event>,
    /// Bodies that this isolate is sending.
    pub up: HashMap<u32, UpBody>,
    /// Bodies that this isolate is receiving.
    pub down: HashMap<u32, DownBody>,
    /// What the isolate and its events may use.
    pub limits: Limits,
    /// The time that JavaScript sees.
    pub now: Now,
    /// Events that have ended, and of which the line does not know yet.
    pub ended: Vec<u32>,
    /// What was logged under no event that runs, since the last one began.
    stray: Logged,
    next_body: u32,
}

/// The time between two completions: JavaScript can not see it pass.
#[derive(Clone, Copy)]
pub struct Now {
    /// Milliseconds since 1970; 0 while modules are evaluated.
    pub wall_ms: f64,
    /// Milliseconds since the isolate began to serve.
    pub monotonic_ms: f64,
    origin: Option<Instant>,
}

/// One event under way.
pub struct Event {
    /// When it began.
    pub began: Instant,
    /// CPU time charged to it, in nanoseconds.
    pub cpu_ns: u64,
    /// Whether the head of its response is out.
    pub answered: bool,
    /// Whether nobody waits for it any more.
    pub canceled: bool,
    /// How it ended, once it has.
    pub ended: Option<Outcome>,
    /// An exception that nobody caught makes this of an outcome of `Ok`.
    pub threw: bool,
    logged: Logged,
}

/// Bytes of the log that are used up.
#[derive(Clone, Copy, Default)]
struct Logged {
    console: u32,
    exceptions: u32,
}

impl Door {
    /// The door of an isolate that runs no code yet.
    pub fn new() -> Self {
        Self {
            out: Vec::new(),
            sender: None,
            timers: Timers::default(),
            events: HashMap::new(),
            up: HashMap::new(),
            down: HashMap::new(),
            limits: limits::DEFAULT,
            now: Now { wall_ms: 0.0, monotonic_ms: 0.0, origin: None },
            ended: Vec::new(),
            stray: Logged::default(),
            next_body: 0,
        }
    }

    /// Lets JavaScript see the present: called once before each completion.
    pub fn tick(&mut self, now: Instant) {
        let origin = *self.now.origin.get_or_insert(now);
        self.now.monotonic_ms = now.duration_since(origin).as_micros() as f64 / 1000.0;
        self.now.wall_ms = wall_ms() as f64;
    }

    /// Whether events may run: while modules are evaluated, nothing may wait for anything.
    pub fn serves(&self) -> bool {
        self.now.origin.is_some()
    }

    /// Begins an event.
    pub fn begin(&mut self, event: u32, now: Instant) {
        let state = Event {
            began: now,
            cpu_ns: 0,
            answered: false,
            canceled: false,
            ended: None,
            threw: false,
            logged: Logged::default(),
        };
        self.events.insert(event, state);
        self.stray = Logged::default();
    }

    /// Whether something is under way that another side will go on with.
    pub fn waits(&self) -> bool {
        !self.timers.is_empty()
            || self.down.values().any(|body| body.credit > 0)
            || self.up.values().any(UpBody::waits)
    }

    /// Ends an event: its timers are dropped and its bodies cut. The host says so on the line
    /// once the CPU time of the present completion is known.
    pub fn end(&mut self, event: u32, outcome: Outcome) {
        let Some(state) = self.events.get_mut(&event).filter(|state| state.ended.is_none()) else {
            return;
        };
        let threw = state.threw && outcome == Outcome::Ok;
        state.ended = Some(if threw { Outcome::Exception } else { outcome });
        self.ended.push(event);
        self.timers.drop_event(event);
        let cut: Vec<u32> =
            self.up.iter().filter(|(_, body)| body.event == event).map(|(id, _)| *id).collect();
        for body in cut {
            self.up.remove(&body);
            self.send(&Up::End { body, whole: false });
        }
        let unread: Vec<u32> =
            self.down.iter().filter(|(_, body)| body.event == event).map(|(id, _)| *id).collect();
        for body in unread {
            self.down.remove(&body);
            self.send(&Up::Unwanted { body });
        }
    }

    /// Appends a frame. One that is too long for the line is dropped: each caller has bounded
    /// what it sends before.
    pub fn send(&mut self, frame: &Up<'_>) {
        let sent = codec::write(&mut self.out, frame, codec::UP_BYTES_MAX);
        debug_assert!(sent.is_ok(), "frames are bounded where they are made");
        if self.out.len() >= SEND_BYTES
            && let Some(sender) = &mut self.sender
        {
            sender(&mut self.out);
        }
    }

    /// Sends a console message, within the limit of its event.
    fn console(&mut self, event: u32, level: Level, message: &str) {
        let owner = self.events.contains_key(&event).then_some(event);
        if self.may_log(owner, message.len(), |logged| &mut logged.console) {
            self.record(owner, Record::Console { level, message: message.into() });
        }
    }

    /// Sends an exception that the worker reports, within the limit of its event.
    fn reported(&mut self, event: u32, exception: Exception) {
        let owner = self.events.contains_key(&event).then_some(event);
        let text = exception.name.len() + exception.message.len() + exception.stack.len();
        let bytes = text + size_of::<Exception>();
        if self.may_log(owner, bytes, |logged| &mut logged.exceptions) {
            self.exception(owner, exception);
        } else if let Some(state) = self.events.get_mut(&event) {
            state.threw = true;
        }
    }

    /// Counts bytes of the log, and says whether they may be sent. The first that may not leave
    /// a word about it.
    fn may_log(
        &mut self,
        event: Option<u32>,
        bytes: usize,
        of: impl FnOnce(&mut Logged) -> &mut u32,
    ) -> bool {
        let bytes_max = self.limits.log_bytes_max;
        let state = event.and_then(|event| self.events.get_mut(&event));
        let used = of(state.map_or(&mut self.stray, |state| &mut state.logged));
        let before = *used;
        *used = before.saturating_add(u32::try_from(bytes).unwrap_or(u32::MAX));
        if *used <= bytes_max {
            return true;
        }
        if before <= bytes_max {
            *used = u32::MAX;
            self.record(event, Record::ConsoleFull { bytes_max });
        }
        false
    }

    /// Sends an exception that nobody caught.
    pub fn exception(&mut self, event: Option<u32>, exception: Exception) {
        if let Some(state) = event.and_then(|event| self.events.get_mut(&event)) {
            state.threw = true;
        }
        self.record(event, Record::Exception(exception));
    }

    fn record(&mut self, event: Option<u32>, record: Record) {
        self.send(&Up::Record { event, at_ms: wall_ms(), record });
    }

    fn new_body(&mut self) -> u32 {
        self.next_body = self.next_body.wrapping_add(1);
        self.next_body
    }
}

impl Default for Door {
    fn default() -> Self {
        Self::new()
    }
}

#[expect(clippy::disallowed_methods, reason = "the isolate's clock starts here")]
fn wall_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// An exception as the log keeps it: each part bounded, module names without our scheme.
pub fn clip(name: &str, message: &str, stack: &str) -> Exception {
    Exception {
        name: clipped(name, 256),
        message: clipped(&message.replace(MODULE_ROOT, ""), 8 << 10),
        stack: clipped(&own_frames(stack), 16 << 10),
    }
}

/// Where a version's modules stand: `worker:///index.js`.
pub const MODULE_ROOT: &str = "worker:///";

/// The frames of a stack that are the tenant's: those of our own scripts say nothing to it.
fn own_frames(stack: &str) -> String {
    let lines = stack.lines().filter(|line| !line.contains("(ext:") && !line.contains("at ext:"));
    lines.collect::<Vec<_>>().join("\n").replace(MODULE_ROOT, "")
}

fn clipped(text: &str, bytes_max: usize) -> String {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default().into()
}
