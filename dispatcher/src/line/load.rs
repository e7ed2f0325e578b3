//! How busy an isolate is, as its cordon says: what the choice between several rests on.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use super::Line;
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
