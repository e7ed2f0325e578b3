//! The dispatcher's end of a line: the socket pair between it and one isolate.
//!
//! [`Line`] is the handle that any thread may use; [`Io`] is the one task that reads and writes
//! the socket, on the thread that started the isolate. Frames are written into a shared buffer
//! and leave with one send per turn of that thread; whatever one read brings is handed out in
//! one go. Everything that arrives is untrusted: a frame that an honest isolate would not send
//! ends the line.

mod again;
mod body;
mod call;
#[cfg(test)]
mod call_tests;
mod end;
mod event;
#[cfg(test)]
mod frames_tests;
mod handled;
mod hear;
mod invoke;
mod io;
mod load;
mod methods;
#[cfg(test)]
mod methods_tests;
mod outbox;
mod outside;
mod permit;
mod slots;
#[cfg(test)]
mod slots_tests;
#[cfg(test)]
mod tests;
mod told;
mod upload;

pub use body::{Broken, Download};
pub use call::too_many;
pub use end::Sweep;
pub use event::{
    About, Begun, Event, MOVE_COUNT_MAX, NotTaken, Reply, ReplyBody, RequestBody, RequestId,
};
pub use hear::Violation;
pub use io::{End, Io};
pub use outside::{Answer, Ask, Call, Encoded, Fetched, FetchedBody, Outside, Refused, Unread};
pub use permit::Permit;
pub(crate) use slots::SLOT_COUNT_MAX;
#[cfg(test)]
pub(crate) use tests::test_code;
pub(crate) use told::TOLD_COUNT_MAX;
pub use told::{Item, Tails};
pub use upload::{Cut, Upload};

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bindery_logic::blame::Blame;
use bindery_wire::frame::{Down, Start, Started};
use bindery_wire::log::{Exception, Spent};
use bindery_wire::{IsolateNumber, codec};
use tokio::sync::{Semaphore, oneshot};

use crate::clock::Clock;
use crate::code::Code;
use crate::tail::Ring;
use crate::tasks::Tasks;
use crate::usage::Meter;
use body::Intake;
use call::Calling;
use event::{Exchange, Sending};
use load::elapsed_ms;
use outbox::Outbox;
use slots::{Owner, Slots};

/// Keeps compiled code: of what, the module's name and the code.
pub type Keep = Arc<dyn Fn(&Code, &str, &[u8]) + Send + Sync>;

/// What a line needs of the host.
#[derive(Clone)]
pub struct Host {
    /// Runs the pumps of bodies, on the line's own thread.
    pub tasks: Tasks,
    /// The time.
    pub clock: Clock,
    /// Keeps compiled code.
    pub keep: Keep,
    /// Counts what the tenant uses.
    pub meter: Arc<Meter>,
    /// Carries out calls.
    pub outside: Arc<dyn Outside>,
}

/// How a start ended.
#[derive(Debug)]
pub enum Begin {
    /// Events may come.
    Started(Started),
    /// The modules were not evaluated.
    Refused(Spent, Exception),
    /// The isolate died.
    Lost(Blame),
}

/// One isolate, as the rest of the dispatcher sees it.
pub struct Line {
    number: IsolateNumber,
    code: Arc<Code>,
    ring: Arc<Ring>,
    host: Host,
    outbox: Outbox,
    table: Mutex<Table>,
    /// A permit for each event that the isolate may run at once; closed when it takes no more.
    slots: Semaphore,
    /// When the last event began or ended, in milliseconds of the clock's elapsed time.
    used_ms: AtomicU64,
    events_ended: AtomicU64,
    load: load::Load,
    /// Bytes of its calls of methods that wait to begin, or may have to be made anew.
    soon: Arc<AtomicUsize>,
    /// Bytes of the windows of bodies of its calls that are read.
    windows: Arc<AtomicUsize>,
}

struct Table {
    state: State,
    /// The next number of an event or of a body of the dispatcher's: both are never used again.
    next_number: u32,
    waiting: usize,
    begin: Option<oneshot::Sender<Begin>>,
    events: HashMap<u32, Exchange>,
    /// The isolate's bodies, which are read here.
    intakes: HashMap<u32, Arc<Intake>>,
    /// The dispatcher's bodies, until all is sent or nobody wants the rest.
    bodies: HashMap<u32, Sending>,
    calls: HashMap<u32, Calling>,
    /// What the isolate was handed.
    slots: Slots,
    /// Bodies for which no number was left.
    unsent: Vec<Unread>,
    /// The exports and the handlers of each, once it has started.
    entrypoints: Option<Vec<(String, Vec<String>)>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Starting,
    Serving,
    Condemned,
    Ended,
}

impl Line {
    /// The line of a new isolate. The receiver tells how the start that [`Line::start`] sends
    /// ended.
    pub fn new(
        number: IsolateNumber,
        code: Arc<Code>,
        ring: Arc<Ring>,
        host: Host,
    ) -> (Arc<Self>, oneshot::Receiver<Begin>) {
        let (begin, begun) = oneshot::channel();
        let table = Table {
            state: State::Starting,
            next_number: 0,
            waiting: 0,
            begin: Some(begin),
            events: HashMap::new(),
            intakes: HashMap::new(),
            bodies: HashMap::new(),
            calls: HashMap::new(),
            slots: Slots::default(),
            unsent: Vec::new(),
            entrypoints: None,
        };
        let slots = Semaphore::new(code.limits.event_count_max.max(1) as usize);
        let line = Self {
            number,
            code,
            ring,
            used_ms: AtomicU64::new(elapsed_ms(&host.clock)),
            host,
            outbox: Outbox::default(),
            table: Mutex::new(table),
            slots,
            events_ended: AtomicU64::new(0),
            load: load::Load::default(),
            soon: Arc::default(),
            windows: Arc::default(),
        };
        (Arc::new(line), begun)
    }

    /// The isolate's number.
    pub fn number(&self) -> IsolateNumber {
        self.number
    }

    /// What the isolate runs.
    pub fn code(&self) -> &Arc<Code> {
        &self.code
    }

    /// Sends the code: the first frame. What goes with its `env` becomes the isolate's.
    pub fn start(&self, start: Start<'_>) -> Result<(), codec::Error> {
        let code = &self.code;
        let env = code.env.as_deref().map(|env| {
            let mut table = self.table();
            table.hand_value(code, env, Owner::Isolate)
        });
        let env_value = env
            .transpose()
            .map_err(|_| codec::Error::TooLong { got: SLOT_COUNT_MAX + 1, max: SLOT_COUNT_MAX })?;
        self.outbox.push(&Down::Start(Start { env_value, ..start }))
    }

    /// Whether new events are taken.
    pub fn is_open(&self) -> bool {
        matches!(self.table().state, State::Starting | State::Serving)
    }

    /// Writes a frame that fits in any case; a line that has ended swallows it. An isolate that has let
    /// too much wait has its line ended.
    pub(crate) fn send(&self, frame: &Down<'_>) {
        if self.outbox.is_over() {
            tracing::warn!(isolate = %self.number, "an isolate does not read what it is sent");
            return self.sever();
        }
        if let Err(error) = self.outbox.push(frame) {
            tracing::error!(isolate = %self.number, %error, "a frame was not sent");
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
