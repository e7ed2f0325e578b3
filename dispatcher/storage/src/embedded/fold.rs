//! The folding thread: it writes a log's layer into the rows, so that the log can be used again.
//!
//! A layer is handed over when its log is complete and synced, so a fold never holds what no log
//! covers; and its transaction says which epoch it holds, so a log is replayed if and only if its
//! fold is not there.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender};

use super::layer::Layer;
use super::shared::Shared;
use crate::engine::Result;

/// How much nicer the thread is than those that commit.
const NICER_BY: i32 = 10;

/// A layer, and the epoch of the log that holds it.
pub(super) struct Fold {
    pub(super) epoch: u64,
    pub(super) layer: Layer,
}

/// Folds what comes, and says so after each.
pub(super) fn run(shared: &Arc<Shared>, folds: Receiver<Fold>, folded: SyncSender<()>) {
    // Commits are waited for, and this is not until both logs are full: then nothing else runs. The
    // kernel counts niceness by thread, and being nicer is never denied.
    let _ = rustix::process::nice(NICER_BY);
    for fold in folds {
        if let Err(error) = fold_one(shared, &fold) {
            shared.fail("the fold", error);
        }
        // The frozen layer goes here, not on the committing thread.
        drop(fold);
        if folded.send(()).is_err() {
            return;
        }
    }
}

fn fold_one(shared: &Shared, Fold { epoch, layer }: &Fold) -> Result<()> {
    let everything = (std::ops::Bound::Unbounded, std::ops::Bound::Unbounded);
    let rows = layer.rows(everything).map(|(key, value)| (&key[..], value.map(|value| &value[..])));
    shared.folded.fold(*epoch, layer.erased(), rows)?;
    shared.thaw(shared.folded.rows()?);
    Ok(())
}
