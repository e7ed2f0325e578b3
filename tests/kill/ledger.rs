//! What the clients of a server were told is durable, kept where no kill reaches it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What was asked for and what was acknowledged. Clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Ledger(Arc<Mutex<Entries>>);

/// The entries, by their ids.
#[derive(Default)]
pub(crate) struct Entries {
    /// Keys that were put.
    pub(crate) puts: BTreeSet<String>,
}

impl Ledger {
    /// The entries as they are.
    pub(crate) fn entries(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How much was acknowledged.
    pub(crate) fn count(&self) -> usize {
        self.entries().puts.len()
    }
}
