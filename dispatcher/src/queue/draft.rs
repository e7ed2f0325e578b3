//! A commit in the making: what must hold, what is written, and which queues are to be looked at
//! afterwards.

use bindery_storage::engine::{Batch, Check, Committed, Write};
use bindery_storage::tables::{Due, Kind};
use bindery_wire::TenantId;

use super::error::Result;
use super::{Inner, Of, chance};

/// Times of entries are whole ones of so many milliseconds, so that a queue has few of them.
const GRAIN_MS: u64 = 1_000;

/// A commit in the making.
#[derive(Default)]
pub(super) struct Draft {
    batch: Batch,
    /// How many of the checks are its maker's own: if one of them fails, there is nothing to do.
    fence: usize,
    /// Checks of entries under which queues are attended.
    entries: Vec<(usize, TenantId, String, Due)>,
    /// Queues that something comes to.
    looks: Vec<(TenantId, String)>,
}

/// What became of a commit.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Drafted {
    /// It is durable.
    Done,
    /// What it was made for is no longer there.
    Fenced,
    /// Something changed meanwhile: it is to be made anew.
    Again,
}

impl Draft {
    /// One that is made for this to hold.
    pub(super) fn fenced(checks: impl IntoIterator<Item = Check>) -> Self {
        let checks: Vec<Check> = checks.into_iter().collect();
        let fence = checks.len();
        Self { batch: Batch { checks, writes: vec![] }, fence, ..Self::default() }
    }

    pub(super) fn check(&mut self, check: Check) {
        self.batch.checks.push(check);
    }

    pub(super) fn write(&mut self, writes: impl IntoIterator<Item = Write>) {
        self.batch.writes.extend(writes);
    }
}

impl Inner {
    /// Has a queue looked at from `at_ms` on.
    pub(super) fn look(&self, draft: &mut Draft, of: Of<'_>, (at_ms, now_ms): (u64, u64)) {
        if draft.looks.iter().any(|(tenant, name)| (*tenant, name.as_str()) == of) {
            return;
        }
        draft.looks.push((of.0, of.1.into()));
        match self.live.entry(of) {
            // Whoever attends it looks by itself, and does not leave while this number changes.
            Some(entry) => {
                draft.write([self.table.change(of)]);
                let place = draft.batch.checks.len();
                draft.check(self.due.there(of.0, &entry));
                draft.entries.push((place, of.0, of.1.into(), entry));
            }
            None => {
                let time_ms = at_ms.max(now_ms) / GRAIN_MS * GRAIN_MS;
                draft.write(self.due.add(of.0, &entry(of, time_ms, 0), now_ms));
            }
        }
    }

    /// Commits, and wakes who is to look.
    pub(super) async fn commit(&self, draft: Draft) -> Result<Drafted> {
        let Draft { batch, fence, entries, looks } = draft;
        match self.parts.engine.commit(batch).await? {
            Committed::Done { .. } => {
                for (tenant, name) in looks {
                    if !self.live.wake((tenant, &name)) {
                        self.parts.scheduler.wake();
                    }
                }
                Ok(Drafted::Done)
            }
            Committed::Conflict { check } if check < fence => Ok(Drafted::Fenced),
            Committed::Conflict { check } => {
                let found = entries.iter().find(|(place, ..)| *place == check);
                if let Some((_, tenant, name, entry)) = found {
                    self.live.is_stale((*tenant, name), entry);
                }
                Ok(Drafted::Again)
            }
        }
    }
}

/// An entry of a queue that is no other's, even if its time is.
pub(super) fn entry((_, name): Of<'_>, time_ms: u64, failures: u8) -> Due {
    let data = chance().to_be_bytes().into();
    Due { time_ms, kind: Kind::Queue, id: name.as_bytes().into(), failures, data }
}
