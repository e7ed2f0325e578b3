//! How busy an isolate is, as its cordon says: what the choice between several rests on.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use super::{Line, State};
use crate::clock::Clock;
use crate::tasks::Tasks;

/// What the cordon said last.
#[derive(Debug, Default)]
pub(super) struct Load {
    held: AtomicBool,
    busy_permille: AtomicU32,
}

impl Line {
    /// Whether code of one event holds the isolate: what else is sent to it waits.
    pub fn is_held(&self) -> bool {
        self.load.held.load(Ordering::Relaxed)
    }

    /// Its share of a core, in thousandths.
    pub fn busy_permille(&self) -> u32 {
        self.load.busy_permille.load(Ordering::Relaxed)
    }

    /// Events that run, or whose work goes on after the answer.
    pub fn event_count(&self) -> usize {
        self.table().events.len()
    }

    /// Events that ended, ever.
    pub fn ended_count(&self) -> u64 {
        self.events_ended.load(Ordering::Relaxed)
    }

    /// Since when nothing runs here, in milliseconds of the clock's elapsed time; absent while
    /// something runs or waits.
    pub fn idle_since_ms(&self) -> Option<u64> {
        let table = self.table();
        let idle = table.state == State::Serving && table.events.is_empty() && table.waiting == 0;
        idle.then(|| self.used_ms.load(Ordering::Relaxed))
    }

    /// Events that run here or wait for it.
    pub fn pending_count(&self) -> usize {
        let table = self.table();
        table.events.len() + table.waiting
    }

    pub(super) fn touch(&self) {
        self.used_ms.store(elapsed_ms(&self.host.clock), Ordering::Relaxed);
    }

    /// What runs its tasks.
    pub fn tasks(&self) -> &Tasks {
        &self.host.tasks
    }

    pub(crate) fn set_held(&self, held: bool) {
        self.load.held.store(held, Ordering::Relaxed);
    }

    pub(crate) fn set_busy_permille(&self, permille: u32) {
        self.load.busy_permille.store(permille, Ordering::Relaxed);
    }
}

/// The clock's elapsed time in milliseconds.
pub(super) fn elapsed_ms(clock: &Clock) -> u64 {
    u64::try_from(clock.elapsed().as_millis()).unwrap_or(u64::MAX)
}
