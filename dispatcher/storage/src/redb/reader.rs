//! Reads, and snapshots that end.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use ::redb::{Database, ReadOnlyTable, ReadableDatabase};
use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt, ready};
use tokio::runtime::Handle;

use super::{ROWS, unavailable};
use crate::engine::{Entry, Error, KeyRange, Result, View};
use crate::plan;

/// Rows that a scan may read on the caller's thread.
const INLINE_COUNT_MAX: usize = 64;
/// Snapshots that live at once.
const SNAPSHOT_COUNT_MAX: usize = 64;

/// Begins reads.
pub(super) struct Reader {
    database: Arc<Database>,
}

impl Reader {
    pub(super) fn new(database: Arc<Database>) -> Self {
        Self { database }
    }

    /// The rows as of the newest durable commit.
    pub(super) fn begin(&self) -> Result<Rows> {
        let transaction = self.database.begin_read().map_err(unavailable)?;
        Ok(Rows(Arc::new(transaction.open_table(ROWS).map_err(unavailable)?)))
    }

    /// The value under `key`, as of the newest durable commit.
    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        self.begin()?.get(key)
    }
}

/// The rows as of one commit. The read transaction ends with the last copy.
#[derive(Clone)]
pub(super) struct Rows(Arc<ReadOnlyTable<&'static [u8], &'static [u8]>>);

impl Rows {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        plan::measure_key(key)?;
        let found = self.0.get(key).map_err(unavailable)?;
        Ok(found.map(|value| Bytes::copy_from_slice(value.value())))
    }

    /// A scan that may be long leaves the caller's thread to others.
    pub(super) async fn scan(self, range: KeyRange, count_max: usize) -> Result<Vec<Entry>> {
        plan::measure_range(&range)?;
        let count_max = plan::scan_count(count_max);
        match Handle::try_current() {
            Ok(runtime) if count_max > INLINE_COUNT_MAX => {
                let scan = runtime.spawn_blocking(move || self.read(&range, count_max));
                scan.await.map_err(unavailable)?
            }
            _ => self.read(&range, count_max),
        }
    }

    fn read(&self, range: &KeyRange, count_max: usize) -> Result<Vec<Entry>> {
        if plan::is_empty(range) {
            return Ok(Vec::new());
        }
        let rows = self.0.range::<&[u8]>(range.bounds()).map_err(unavailable)?;
        rows.take(count_max)
            .map(|row| {
                let (key, value) = row.map_err(unavailable)?;
                let key = Bytes::copy_from_slice(key.value());
                Ok(Entry { key, value: Bytes::copy_from_slice(value.value()) })
            })
            .collect()
    }
}

/// Where a snapshot keeps its rows until it is dropped or expires.
type Slot = Mutex<Option<Rows>>;

/// The snapshots that live: each keeps pages from being used again.
#[derive(Default)]
pub(super) struct Snapshots(Mutex<Vec<(Instant, Weak<Slot>)>>);

impl Snapshots {
    /// Keeps `rows` for as long as a snapshot lives.
    pub(super) fn take(&self, rows: Rows, life: Duration) -> Result<Snapshot> {
        let now = Instant::now();
        self.expire(now);
        let mut living = lock(&self.0);
        if living.len() >= SNAPSHOT_COUNT_MAX {
            return Err(Error::Unavailable(format!(
                "{SNAPSHOT_COUNT_MAX} snapshots live; that is the limit"
            )));
        }
        let (slot, until) = (Arc::new(Mutex::new(Some(rows))), now + life);
        living.push((until, Arc::downgrade(&slot)));
        Ok(Snapshot { slot, until })
    }

    /// Ends what has expired, whether or not its owner still holds it.
    pub(super) fn expire(&self, now: Instant) {
        lock(&self.0).retain(|(until, slot)| match slot.upgrade() {
            Some(slot) if *until <= now => {
                *lock(&slot) = None;
                false
            }
            other => other.is_some(),
        });
    }
}

/// Nothing that is done under these locks can leave what they guard half changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A consistent view until it expires.
pub(super) struct Snapshot {
    slot: Arc<Slot>,
    until: Instant,
}

impl Snapshot {
    fn rows(&self) -> Result<Rows> {
        let mut slot = lock(&self.slot);
        if Instant::now() >= self.until {
            *slot = None;
        }
        slot.clone().ok_or(Error::Expired)
    }
}

impl View for Snapshot {
    fn get(&self, key: Vec<u8>) -> BoxFuture<'_, Result<Option<Bytes>>> {
        ready(self.rows().and_then(|rows| rows.get(&key))).boxed()
    }

    fn scan(&self, range: KeyRange, count_max: usize) -> BoxFuture<'_, Result<Vec<Entry>>> {
        async move { self.rows()?.scan(range, count_max).await }.boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Rows {
        let backend = ::redb::backends::InMemoryBackend::new();
        let database = Database::builder().create_with_backend(backend).expect("made");
        super::super::committer::prepare(&database).expect("prepared");
        Reader::new(Arc::new(database)).begin().expect("begun")
    }

    #[test]
    fn an_expired_snapshot_gives_its_rows_back_though_its_owner_holds_it() {
        let (snapshots, rows) = (Snapshots::default(), rows());
        let life = Duration::from_secs(60);
        let snapshot = snapshots.take(rows.clone(), life).expect("taken");
        snapshots.expire(snapshot.until - Duration::from_secs(1));
        assert!(snapshot.rows().is_ok());
        assert_eq!(Arc::strong_count(&rows.0), 2);
        snapshots.expire(snapshot.until);
        assert!(matches!(snapshot.rows(), Err(Error::Expired)));
        assert_eq!(Arc::strong_count(&rows.0), 1);
    }

    #[test]
    fn only_so_many_snapshots_live_and_a_dropped_one_makes_room() {
        let (snapshots, rows) = (Snapshots::default(), rows());
        let take = || snapshots.take(rows.clone(), Duration::from_secs(60));
        let mut held: Vec<_> = (0..SNAPSHOT_COUNT_MAX).map(|_| take().expect("taken")).collect();
        assert!(matches!(take(), Err(Error::Unavailable(_))));
        held.pop();
        assert!(take().is_ok());
    }
}
