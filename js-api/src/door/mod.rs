//! The door of an isolate: the only way out of its JavaScript.
//!
//! Ops write frames into a buffer, which the host sends when the isolate yields; what comes back
//! enters through the functions that `bootstrap.js` gives the host. Nothing here waits, and no
//! op panics: what JavaScript gets wrong is an error that it can catch.

use std::cell::{RefCell, RefMut};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use bindery_wire::codec;
use bindery_wire::frame::Up;
use bindery_wire::limits::{self, Limits};
use bindery_wire::rpc::Loopback;
use bindery_wire::value::Attached;

mod body;
pub mod call;
pub(crate) mod decision;
mod error;
mod event;
mod log;
pub mod ops;
mod own;
mod timers;

pub use body::{DownBody, Source, UpBody};
pub use error::Error;
pub use event::Event;
pub use log::{MODULE_ROOT, clip, own_frames};
pub(crate) use ops::with_bytes;
pub use timers::Timers;

use log::Logged;
use own::Own;

/// Bytes of frames beyond which they do not wait for the end of a completion.
const SEND_BYTES: usize = 128 << 10;

/// Sends frames, and leaves none behind.
pub type Sender = Box<dyn FnMut(&mut Vec<u8>)>;

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
    pub sender: Option<Sender>,
    /// Timers that have not fired.
    pub timers: Timers,
    /// Events that have not ended.
    pub events: HashMap<u32, Event>,
    /// Bodies that this isolate is sending.
    pub up: HashMap<u32, UpBody>,
    /// Bodies that this isolate is receiving.
    pub down: HashMap<u32, DownBody>,
    /// Calls that have no reply yet, each with its event.
    pub calls: HashMap<u32, u32>,
    /// Exports of its own that this isolate holds.
    own: Own,
    /// What goes with the call that is made next.
    attached: Vec<Attached<'static>>,
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
            calls: HashMap::new(),
            own: Own::default(),
            attached: Vec::new(),
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

    /// Has a slot stand for an export of this worker.
    pub(crate) fn hold_own(&mut self, loopback: Loopback<'_>) -> Result<(), Error> {
        self.own.add(&loopback)?;
        let slot = loopback.slot;
        let sent = self.try_send(&Up::Loopback(loopback));
        if sent.is_err() {
            self.own.release(slot);
        }
        sent
    }

    /// Lets go of what a slot holds.
    pub(crate) fn release(&mut self, slot: u32) {
        self.own.release(slot);
        self.send(&Up::Release { slot });
    }

    /// Appends a frame that is bounded where it is made; one that is too long for the line is
    /// dropped.
    pub fn send(&mut self, frame: &Up<'_>) {
        let sent = self.try_send(frame);
        debug_assert!(sent.is_ok(), "frames are bounded where they are made");
    }

    /// Appends a frame whose parts are bounded and may still be too long together.
    pub(crate) fn try_send(&mut self, frame: &Up<'_>) -> Result<(), Error> {
        codec::write(&mut self.out, frame, codec::UP_BYTES_MAX).map_err(|_| Error::FrameTooLong)?;
        if self.out.len() >= SEND_BYTES
            && let Some(sender) = &mut self.sender
        {
            sender(&mut self.out);
        }
        Ok(())
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
