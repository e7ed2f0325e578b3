//! What an event of an isolate has handed over: it lasts for as long as the event, and the isolate is
//! told when nobody holds it any more.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use bindery_wire::frame::Down;
use bindery_wire::{IsolateNumber, Outcome};

use crate::line::Line;

/// Something that an event has handed over. It is not cloned but shared: the isolate is told when
/// the last holder lets go, so that no table may be locked where one is dropped that locks again;
/// this one does not.
pub struct Export {
    pub(crate) line: Weak<Line>,
    pub(crate) event: u32,
    pub(crate) export: u32,
    pub(crate) session: Arc<Session>,
}

/// What is held of one event from outside, and who wants to know of its end.
#[derive(Default)]
pub(crate) struct Session {
    held: AtomicUsize,
    ended: OnceLock<Box<str>>,
    watchers: Mutex<Watchers>,
}

/// Those who are told, by their line and the slot in which they hold something of it.
#[derive(Default)]
struct Watchers {
    all: HashMap<(IsolateNumber, u32), Watcher>,
    /// How many came while there was no room.
    missed: usize,
}

struct Watcher {
    line: Weak<Line>,
    event: u32,
}

/// Watchers of one event: those of ended events are forgotten when there are more.
const WATCHER_COUNT_MAX: usize = 1_000;

impl fmt::Debug for Export {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Export({}, {})", self.event, self.export)
    }
}

impl Export {
    /// One more that is held.
    pub(crate) fn new(
        line: Weak<Line>,
        (event, export): (u32, u32),
        session: &Arc<Session>,
    ) -> Self {
        session.held.fetch_add(1, Ordering::Relaxed);
        Self { line, event, export, session: session.clone() }
    }
}

impl Drop for Export {
    fn drop(&mut self) {
        self.session.held.fetch_sub(1, Ordering::Relaxed);
        if self.session.ended.get().is_none()
            && let Some(line) = self.line.upgrade()
        {
            line.send(&Down::Released { event: self.event, export: self.export });
        }
    }
}

impl Session {
    /// Whether something of the event is held.
    pub(crate) fn is_held(&self) -> bool {
        self.held.load(Ordering::Relaxed) > 0
    }

    /// Why nothing of the event can be called any more, once that is so.
    pub(crate) fn ended(&self) -> Option<&str> {
        self.ended.get().map(|why| &**why)
    }

    /// The event has ended: whoever watches is told. No table may be locked.
    pub(crate) fn end(&self, why: &str) {
        let _ = self.ended.set(why.into());
        let watchers = std::mem::take(&mut *self.watchers());
        watchers.all.iter().for_each(|((_, slot), watcher)| watcher.tell(*slot, why));
    }

    /// Has the holder of a slot told of the event's end.
    pub(crate) fn watch(&self, line: &Arc<Line>, (event, slot): (u32, u32)) {
        let watcher = Watcher { line: Arc::downgrade(line), event };
        self.watchers().add((line.number(), slot), watcher);
        // It may have ended in between.
        if let Some(why) = self.ended.get() {
            self.end(why);
        }
    }

    fn watchers(&self) -> MutexGuard<'_, Watchers> {
        self.watchers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watchers {
    fn add(&mut self, key: (IsolateNumber, u32), watcher: Watcher) {
        if self.all.len() >= WATCHER_COUNT_MAX && !self.all.contains_key(&key) {
            // To look at all of them costs as much as so many that come.
            if self.missed.is_multiple_of(WATCHER_COUNT_MAX) {
                self.all.retain(|_, known| known.waits());
            }
            self.missed = self.missed.wrapping_add(1);
            if self.all.len() >= WATCHER_COUNT_MAX {
                return;
            }
        }
        self.all.insert(key, watcher);
    }
}

impl Watcher {
    fn waits(&self) -> bool {
        self.line.upgrade().is_some_and(|line| line.runs(self.event))
    }

    fn tell(&self, slot: u32, why: &str) {
        if let Some(line) = self.line.upgrade() {
            line.send(&Down::Broken { slot, message: why });
        }
    }
}

/// What a caller is told whose callee has ended.
pub(crate) fn why(worker: &str, outcome: Outcome) -> String {
    match outcome {
        Outcome::ExceededCpu => "Worker exceeded CPU time limit.".into(),
        Outcome::ExceededMemory => "Worker exceeded memory limit.".into(),
        Outcome::ExceededWallTime => "Worker exceeded its time limit.".into(),
        Outcome::Hung => HUNG.into(),
        Outcome::Lost => format!("The isolate of the worker `{worker}` was lost."),
        outcome => format!(
            "The execution context of the worker `{worker}` which hosts this callback is no longer \
             running: it ended with the outcome {outcome}."
        ),
    }
}

const HUNG: &str = "The Workers runtime canceled this request because it detected that your \
    Worker's code had hung and would never generate a response.";
