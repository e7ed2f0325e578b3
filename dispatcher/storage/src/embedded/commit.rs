//! The committing thread: it decides groups of batches, appends them to the log, and shows them to
//! readers when they are durable.

use std::mem;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender};
use std::time::{Duration, Instant};

use super::disk::Disk;
use super::fold::Fold;
use super::lanes::{Request, Taken};
use super::log::Log;
use super::record::{self, Header};
use super::shared::Shared;
use super::view::View;
use crate::engine::{Batch, Committed, Error, Result};
use crate::plan::{self, Plan};

/// Rows and ranges that are gone and not folded yet, which every scan over them steps over one by one.
const GONE_COUNT_MAX: usize = 16 << 10;

/// What the thread owns.
pub(super) struct Committer {
    pub(super) shared: Arc<Shared>,
    /// The log in use.
    pub(super) log: Log,
    /// The file that is not in use, or that is being folded.
    pub(super) other: Arc<dyn Disk>,
    pub(super) folds: SyncSender<Fold>,
    /// Hears of the end of each fold.
    pub(super) folded: Receiver<()>,
    pub(super) folding: bool,
}

impl Committer {
    /// Serves until the lanes are closed and empty.
    pub(super) fn run(mut self) {
        self.shared.note_log(self.log.used());
        loop {
            let taken = self.shared.lanes.take(self.wait());
            // What only an expired snapshot still sees can be let go from here on.
            self.shared.snapshots.expire(Instant::now());
            match taken {
                Taken::Group(group) => self.serve(group),
                Taken::Nothing => self.fold_if_due(true),
                Taken::Closed => return,
            }
        }
    }

    /// How long to wait for commits before what there is is folded. Nothing is woken for nothing.
    fn wait(&self) -> Option<Duration> {
        let is_due = self.shared.check().is_ok() && self.log.has_records();
        is_due.then_some(self.shared.options.fold_at_rest)
    }

    /// Commits a group, and only then answers each of its batches.
    fn serve(&mut self, group: Vec<Request>) {
        let cost = group.iter().map(|request| request.cost).sum();
        let (batches, waiting): (Vec<_>, Vec<_>) = group
            .into_iter()
            .map(|request| (request.batch, (request.answer, request.room)))
            .unzip();
        let committed = self.commit(batches, cost);
        let each = |place: usize| match &committed {
            Ok(outcomes) => outcomes.get(place).cloned(),
            Err(error) => Some(Err(error.clone())),
        };
        for (place, (answer, room)) in waiting.into_iter().enumerate() {
            // An answer that nobody takes any more is no failure: the batch is applied.
            let _ = each(place).map(|outcome| answer.send(outcome));
            drop(room);
        }
        self.fold_if_due(false);
    }

    /// Writes a group as one record. An error of the store is everybody's; one of a batch is among
    /// the outcomes, and the others are applied.
    fn commit(&mut self, batches: Vec<Batch>, cost: usize) -> Result<Vec<Result<Committed>>> {
        self.shared.check()?;
        self.make_room(cost)?;
        let mut view = self.shared.view();
        let mut payload = Vec::with_capacity(cost);
        let mut outcomes = Vec::with_capacity(batches.len());
        for batch in batches {
            outcomes.push(match decide(&mut view, batch, &mut payload) {
                Err(error @ Error::Unavailable(_)) => return Err(error),
                outcome => outcome,
            });
        }
        if !payload.is_empty() {
            self.log.append(&payload).map_err(|error| self.shared.fail("the log", error))?;
            self.shared.publish(view.active);
        }
        Ok(outcomes)
    }

    /// Waits until the log and the memory have room for a group. Both are given back by folds, so
    /// while one runs and the other log is full too, commits wait.
    fn make_room(&mut self, cost: usize) -> Result<()> {
        let overlay_bytes_max = self.shared.options.overlay_bytes_max;
        while !self.log.has_room(cost) || self.shared.view().active.bytes() > overlay_bytes_max {
            if self.folding {
                // An error here is the end of the thread, which has a reason of its own.
                self.folding = self.folded.recv().is_err();
                self.ended_well()?;
            } else {
                self.change_logs()?;
            }
        }
        Ok(())
    }

    /// Begins the fold of a log that is half used, so that the other half is left for the
    /// commits that come before the fold ends; or of any, when nothing is committed.
    fn fold_if_due(&mut self, is_at_rest: bool) {
        self.begin_fold(is_at_rest);
        self.shared.note_log(self.log.used());
    }

    fn begin_fold(&mut self, is_at_rest: bool) {
        self.folding = self.folding && self.folded.try_recv().is_err();
        if self.folding || self.shared.check().is_err() {
            return;
        }
        let options = &self.shared.options;
        let active = self.shared.view().active;
        let due = is_at_rest && self.log.has_records()
            || self.log.used() > options.log_bytes_max / 2
            || active.bytes() > options.overlay_bytes_max / 2
            || active.gone_count() > GONE_COUNT_MAX;
        drop(active);
        if due {
            // A failure is answered to the next batch.
            let _ = self.change_logs();
        }
    }

    /// Goes on in the other log, and lets what is in this one be folded.
    fn change_logs(&mut self) -> Result<()> {
        let begun = Header::next(self.log.epoch() + 1, self.log.next()).and_then(|header| {
            Log::begin(Arc::clone(&self.other), header, self.shared.options.log_bytes_max)
        });
        let log = begun.map_err(|error| self.shared.fail("the log", error))?;
        let full = mem::replace(&mut self.log, log);
        let fold = Fold { epoch: full.epoch(), layer: self.shared.freeze() };
        self.other = full.into_disk();
        self.folding = true;
        self.folds.send(fold).map_err(|_| self.shared.fail("the fold", "its thread has ended"))
    }

    /// An error if the fold that has just ended did not end well.
    fn ended_well(&self) -> Result<()> {
        if self.folding {
            return Err(self.shared.fail("the fold", "its thread has ended"));
        }
        self.shared.check()
    }
}

/// Nobody waits for a thread that has ended: what is still in the lanes is let go.
impl Drop for Committer {
    fn drop(&mut self) {
        self.shared.lanes.close();
        while matches!(self.shared.lanes.take(None), Taken::Group(_)) {}
    }
}

/// Decides a batch on what the batches before it leave, and appends what it changes.
fn decide(view: &mut View, batch: Batch, payload: &mut Vec<u8>) -> Result<Committed> {
    let get = |key: &[u8]| Ok(view.get(key)?.map(|value| value.to_vec()));
    match plan::plan(batch, get)? {
        Plan::Conflict { check } => Ok(Committed::Conflict { check }),
        Plan::Apply { changes, added } => {
            for change in changes {
                record::encode(&change, payload);
                view.active.apply(change, &view.below)?;
            }
            Ok(Committed::Done { added })
        }
    }
}
