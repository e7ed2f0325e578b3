//! The embedded engine: a log in front, memory over it, and redb behind.
//!
//! A commit is one record of a log, synced, together with whatever else waited: one flush serves
//! them all, and each is still applied whole or not at all. What the log holds and the rows do
//! not yet is in memory, in layers that readers share without waiting for anybody. When a log
//! is half full the other one takes over, and a thread of its own folds the layer into the
//! rows, in one transaction with the epoch of its log; then the layer goes and the log is free. So
//! it does when nothing is committed for a while: a store at rest has nothing in memory, and opens
//! at once.
//!
//! Both logs and both layers are bounded. When both are full, commits wait for the fold; reads
//! never do. A failed write, sync or fold ends all writing until the store is opened again, for
//! nobody knows then what is on disk: opening looks. What was answered is there, always; what was
//! not may be there whole.

pub mod disk;

mod commit;
mod fold;
mod lanes;
mod layer;
mod log;
mod open;
mod read;
mod record;
mod shared;
mod snapshot;
mod view;

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt, ready};
use serde::Serialize;

use self::disk::Disks;
use self::shared::Shared;
use crate::engine::{Batch, Committed, Engine, Entry, KeyRange, Result, View};
use crate::redb::{Folded, unavailable};

/// How much of what a store may use.
#[derive(Clone, Debug)]
pub struct Options {
    /// Bytes of each of the two logs; a multiple of 4096.
    pub log_bytes_max: u64,
    /// Bytes of memory of each of the two layers, roughly.
    pub overlay_bytes_max: usize,
    /// How long a snapshot lives.
    pub snapshot_life: Duration,
    /// How long nothing is committed before what is in memory is folded.
    pub fold_at_rest: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            log_bytes_max: 64 << 20,
            overlay_bytes_max: 64 << 20,
            snapshot_life: Duration::from_secs(600),
            fold_at_rest: Duration::from_secs(5),
        }
    }
}

impl Options {
    /// The largest payload of a record.
    fn payload_max(&self) -> usize {
        log::payload_max(self.log_bytes_max)
    }
}

/// What a store uses.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stats {
    /// Rows in the file of the folded rows.
    pub rows_folded: u64,
    /// Bytes of their keys and values.
    pub rows_folded_bytes: u64,
    /// The newest epoch that is folded into them.
    pub epoch_folded: u64,
    /// Rows that are changed in memory and not folded yet.
    pub changes_in_memory: u64,
    /// The memory that they take, roughly.
    pub memory_bytes: u64,
    /// The most that they may take before commits wait.
    pub memory_bytes_max: u64,
    /// Bytes of the log in use that are used.
    pub log_bytes_used: u64,
    /// Bytes of each of the two logs.
    pub log_bytes_max: u64,
    /// Whether a fold runs.
    pub is_folding: bool,
    /// Why nothing is written any more, if something failed.
    pub failure: Option<String>,
}

/// A store in one directory. Dropping it waits until all that was handed to it is on disk.
pub struct Embedded {
    shared: Arc<Shared>,
    threads: Option<[JoinHandle<()>; 2]>,
}

impl Embedded {
    /// Opens the store in `directory`, or makes it. One process can hold it at a time.
    pub fn open(directory: impl AsRef<Path>) -> Result<Self> {
        Self::open_with(directory, Options::default())
    }

    /// The same with these options.
    pub fn open_with(directory: impl AsRef<Path>, options: Options) -> Result<Self> {
        Self::open_on(Disks::open(directory.as_ref()).map_err(unavailable)?, options)
    }

    /// Opens the store on these disks, or makes it.
    pub fn open_on(disks: Disks, options: Options) -> Result<Self> {
        let (shared, threads) = open::open(disks, options)?;
        Ok(Self { shared, threads: Some(threads) })
    }

    /// Reads every page of the folded rows in `directory`, and says whether all are as they were
    /// written. What opening finds in the logs it does not look at.
    pub fn check(directory: impl AsRef<Path>) -> Result<bool> {
        let disks = Disks::open(directory.as_ref()).map_err(unavailable)?;
        Folded::open(disks.rows)?.check()
    }

    /// Whether a fold runs.
    pub fn is_folding(&self) -> bool {
        self.shared.view().below.frozen.is_some()
    }

    /// Figures of what is in use. Reads the whole file of the folded rows.
    pub fn stats(&self) -> Result<Stats> {
        self.shared.stats()
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.shared.lanes.close();
        for thread in self.threads.take().into_iter().flatten() {
            // A panic there has been reported to each who waited for an answer.
            let _ = thread.join();
        }
    }
}

impl Engine for Embedded {
    fn get(&self, key: Vec<u8>) -> BoxFuture<'_, Result<Option<Bytes>>> {
        async move { read::get(&self.shared.view(), &key) }.boxed()
    }

    fn scan(&self, range: KeyRange, count_max: usize) -> BoxFuture<'_, Result<Vec<Entry>>> {
        async move { read::scan(self.shared.view(), range, count_max).await }.boxed()
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Committed>> {
        self.shared.lanes.commit(batch).boxed()
    }

    fn snapshot(&self) -> BoxFuture<'_, Result<Box<dyn View>>> {
        let life = self.shared.options.snapshot_life;
        let taken = self.shared.snapshots.take(self.shared.view(), life);
        ready(taken.map(|taken| Box::new(taken) as Box<dyn View>)).boxed()
    }
}
