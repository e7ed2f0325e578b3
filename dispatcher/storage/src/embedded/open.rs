//! Opening a store: which logs count, and what they say.
//!
//! The rows name the newest epoch E that is folded into them. The log of E + 1 was begun and synced
//! before that fold was, so it has to be there; the log of E + 2 is there if the fold of E + 1 did
//! not end. Any other state is no store that this program left behind, and is not touched.

use std::fmt::Display;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread::{self, JoinHandle};

use super::Options;
use super::commit::Committer;
use super::disk::{Disk, Disks};
use super::fold::{self, Fold};
use super::layer::Layer;
use super::log::Log;
use super::record::{HEADER_BYTES, Header};
use super::shared::Shared;
use super::view::{Below, View};
use crate::engine::{Error, Result};
use crate::redb::{Folded, Rows, unavailable};

/// A store with its threads.
pub(super) type Started = (Arc<Shared>, [JoinHandle<()>; 2]);

/// What is on disk.
struct Found {
    view: View,
    /// The log that goes on, and the other file.
    log: Log,
    other: Arc<dyn Disk>,
    /// The epoch of the frozen layer, if there is one.
    frozen: Option<u64>,
}

/// Opens the store on these disks, or makes it, and starts its threads.
pub(super) fn open(disks: Disks, options: Options) -> Result<Started> {
    let Disks { rows, logs } = disks;
    // What a killed process wrote last may not be on disk yet, and is about to be relied on.
    logs.iter().chain([&rows]).try_for_each(|disk| disk.sync()).map_err(unavailable)?;
    make(rows.as_ref(), &logs).map_err(unavailable)?;
    let folded = Folded::open(rows)?;
    let found = match folded.epoch()? {
        Some(epoch) => recover(epoch, folded.rows()?, logs, &options)?,
        None => begin(&folded, logs, &options)?,
    };
    start(folded, found, options)
}

/// The epoch of a log that says only this: the rows are being made, and are worth nothing yet.
const MAKING: u64 = 0;

/// Sees that the rows' file is one that was made to the end, or is about to be made. What a loss
/// of power leaves of a half made one would not open.
fn make(rows: &dyn Disk, logs: &[Arc<dyn Disk>; 2]) -> io::Result<()> {
    let headers = [Log::header(logs[0].as_ref())?, Log::header(logs[1].as_ref())?];
    let epochs = || headers.iter().flatten().map(|header| header.epoch);
    if rows.length()? > 0 && !epochs().any(|epoch| epoch == MAKING) {
        return Ok(());
    }
    if epochs().any(|epoch| epoch != MAKING) {
        return Err(io::Error::other("there are logs, but the rows they belong to are gone"));
    }
    Log::begin(Arc::clone(&logs[0]), Header::next(MAKING, 1)?, 0)?;
    rows.set_length(0)?;
    rows.sync()
}

/// Gives rows that have no log their first one: a new store, or one of the former engine.
fn begin(folded: &Folded, logs: [Arc<dyn Disk>; 2], options: &Options) -> Result<Found> {
    for log in &logs {
        forget(log, options)?;
    }
    let [log, other] = logs;
    let header = Header::next(1, 1).map_err(unavailable)?;
    let log = Log::begin(log, header, options.log_bytes_max).map_err(unavailable)?;
    folded.begin()?;
    let below = Below { frozen: None, rows: folded.rows()? };
    Ok(Found { view: View { active: Layer::default(), below }, log, other, frozen: None })
}

/// Makes the log of an opening that did not end count no more; one with records is somebody's.
fn forget(log: &Arc<dyn Disk>, options: &Options) -> Result<()> {
    let Some(header) = Log::header(log.as_ref()).map_err(unavailable)? else { return Ok(()) };
    let (epoch, first) = (header.epoch, header.first);
    let log = Log::replay(Arc::clone(log), header, options.log_bytes_max, |_| Ok(()))?;
    if epoch > 1 || log.next() != first {
        return Err(damaged("there are logs, but the rows know of none"));
    }
    log.into_disk().write_at(0, &[0; HEADER_BYTES]).map_err(unavailable)
}

/// Reads the logs that are not folded yet.
fn recover(folded: u64, rows: Rows, logs: [Arc<dyn Disk>; 2], options: &Options) -> Result<Found> {
    let mut live = Vec::new();
    for (place, log) in logs.iter().enumerate() {
        match Log::header(log.as_ref()).map_err(unavailable)? {
            Some(header) if header.epoch > folded => live.push((place, header)),
            _ => {}
        }
    }
    live.sort_by_key(|(_, header)| header.epoch);
    let follow = (folded + 1..).zip(&live).all(|(epoch, (_, header))| header.epoch == epoch);
    let Some((newest, header)) = live.pop().filter(|_| follow) else {
        return Err(damaged(format!("no log follows the rows, which hold epoch {folded}")));
    };
    let mut below = Below { frozen: None, rows };
    let mut frozen = None;
    if let Some((place, older)) = live.pop() {
        frozen = Some(older.epoch);
        let (layer, log) = replay((&logs[place], older), &below, options)?;
        if log.next() != header.first {
            let (ends, begins) = (log.next(), header.first);
            return Err(damaged(format!("a log ends before record {ends}, the next is {begins}")));
        }
        below.frozen = Some(layer);
    }
    let (active, log) = replay((&logs[newest], header), &below, options)?;
    let [first, second] = logs;
    let other = if newest == 0 { second } else { first };
    Ok(Found { view: View { active, below }, log, other, frozen })
}

fn replay(
    (disk, header): (&Arc<dyn Disk>, Header),
    below: &Below,
    options: &Options,
) -> Result<(Layer, Log)> {
    let mut layer = Layer::default();
    let log = Log::replay(Arc::clone(disk), header, options.log_bytes_max, |changes| {
        changes.into_iter().try_for_each(|change| layer.apply(change, below))
    })?;
    Ok((layer, log))
}

fn damaged(what: impl Display) -> Error {
    unavailable(format!("its files are damaged: {what}"))
}

fn start(folded: Folded, found: Found, options: Options) -> Result<Started> {
    let Found { view, log, other, frozen } = found;
    let unfinished = frozen.zip(view.below.frozen.clone());
    let shared = Arc::new(Shared::new(folded, view, options));
    let (folds, to_fold) = sync_channel(1);
    let (done, folded) = sync_channel(1);
    let folding = unfinished.is_some();
    if let Some((epoch, layer)) = unfinished {
        folds.send(Fold { epoch, layer }).map_err(unavailable)?;
    }
    let committer = Committer { shared: Arc::clone(&shared), log, other, folds, folded, folding };
    let spawn = |name: &str, run: Box<dyn FnOnce() + Send>| {
        thread::Builder::new().name(name.into()).spawn(run).map_err(unavailable)
    };
    let folder = Arc::clone(&shared);
    let fold = spawn("store-fold", Box::new(move || fold::run(&folder, to_fold, done)))?;
    let commit = spawn("store-commit", Box::new(move || committer.run()))?;
    Ok((shared, [commit, fold]))
}
