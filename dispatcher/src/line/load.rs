//! How busy an isolate is, as its cordon says: what the choice between several rests on.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use super::Line;
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
