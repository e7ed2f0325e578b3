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
    /// Messages that were sent.
    pub(crate) sends: BTreeSet<String>,
    /// Messages that somebody began to send: whether they were kept is not known of all.
    pub(crate) begun: BTreeSet<String>,
}

impl Ledger {
    /// The entries as they are.
    pub(crate) fn entries(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How much was acknowledged.
    pub(crate) fn count(&self) -> usize {
        let entries = self.entries();
        entries.puts.len() + entries.sends.len()
    }
}

/// Whether a message is one that its consumer never takes.
pub(crate) fn is_poison(id: &str) -> bool {
    id.ends_with("-poison")
}
