//! The isolates of one version: one, and more while it is busy.

use std::sync::Arc;

use bindery_logic::grow::{Growth, Seen};
use bindery_wire::IsolateNumber;
use tokio::sync::watch;

use super::{Failed, Ready};
use crate::line::Line;

/// Tells those who wait for a start how it ended.
pub(super) type Starting = watch::Sender<Option<Result<Ready, Failed>>>;

/// The isolates that take a version's events.
pub(super) struct Group {
    /// In the order in which they started. Without much to do, the first one does all.
    pub(super) lines: Vec<Arc<Line>>,
    /// Started for an upload and not used since: a change does not make it out of date.
    pub(super) trial: bool,
    /// One more that starts, or when another one may after the last did not.
    pub(super) more: More,
    pub(super) growth: Growth,
}

/// Whether there is one more to come.
pub(super) enum More {
    /// No.
    No,
    /// It starts.
    Starting(Starting),
    /// There was no room for it; until when nobody asks again, in milliseconds.
    NotBefore(u64),
}

impl Group {
    pub(super) fn new(line: Arc<Line>, trial: bool) -> Self {
        Self { lines: vec![line], trial, more: More::No, growth: Growth::default() }
    }

    /// The one that has least to do of those that take events.
    pub(super) fn least_busy(&self) -> Option<&Arc<Line>> {
        if let [line] = &*self.lines {
            return line.is_open().then_some(line);
        }
        let open = self.lines.iter().filter(|line| line.is_open());
        open.min_by_key(|line| (line.is_held(), line.pending_count()))
    }

    /// Forgets those that take no events any more. False if nothing is left.
    pub(super) fn tidy(&mut self) -> bool {
        self.lines.retain(|line| line.is_open());
        !self.lines.is_empty()
    }

    /// Forgets one. False if nothing is left.
    pub(super) fn remove(&mut self, number: IsolateNumber) -> bool {
        self.lines.retain(|line| line.number() != number);
        !self.lines.is_empty()
    }

    /// How each is.
    pub(super) fn seen(&self) -> Vec<Seen> {
        let seen = |line: &Arc<Line>| Seen {
            event_count: line.pending_count(),
            busy_permille: line.busy_permille(),
        };
        self.lines.iter().filter(|line| line.is_open()).map(seen).collect()
    }

    /// Whether one of them has been busy in the last second.
    pub(super) fn is_busy(&self) -> bool {
        self.lines.iter().any(|line| line.busy_permille() > 0)
    }

    pub(super) fn condemn(&self) {
        self.lines.iter().for_each(|line| line.condemn());
    }
}
