//! The same contract in memory, for tests of what stands above. Nothing outlives the process.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt, ready};

use crate::engine::{Batch, Committed, Engine, Entry, Error, KeyRange, Result, View};
use crate::plan::{self, Change, Plan};

type Rows = BTreeMap<Vec<u8>, Bytes>;

/// How long a snapshot lives.
const SNAPSHOT_LIFE: Duration = Duration::from_secs(60);

/// A store in memory.
#[derive(Debug)]
pub struct Memory {
    rows: Mutex<Arc<Rows>>,
    snapshot_life: Duration,
}

impl Default for Memory {
    fn default() -> Self {
        Self { rows: Mutex::default(), snapshot_life: SNAPSHOT_LIFE }
    }
}

impl Memory {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty store whose snapshots expire after `life`.
    pub fn with_snapshot_life(life: Duration) -> Self {
        Self { snapshot_life: life, ..Self::default() }
    }

    /// The rows as they are now. A panic elsewhere leaves no batch half applied: the lock covers
    /// one assignment.
    fn lock(&self) -> MutexGuard<'_, Arc<Rows>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn apply(&self, batch: Batch) -> Result<Committed> {
        plan::measure(&batch)?;
        let mut held = self.lock();
        let get = |key: &[u8]| Ok(held.get(key).map(|value| value.to_vec()));
        match plan::plan(batch, get)? {
            Plan::Conflict { check } => Ok(Committed::Conflict { check }),
            Plan::Apply { changes, added } => {
                let rows = Arc::make_mut(&mut held);
                changes.into_iter().for_each(|change| apply_one(rows, change));
                Ok(Committed::Done { added })
            }
        }
    }
}

fn apply_one(rows: &mut Rows, change: Change) {
    match change {
        Change::Put { key, value } => drop(rows.insert(key, value.into())),
        Change::Delete { key } => drop(rows.remove(&key)),
        Change::DeleteRange(range) => rows.extract_if(range_of(&range), |_, _| true).for_each(drop),
    }
}

/// The bounds in the form that `extract_if` takes: of owned keys.
fn range_of(range: &KeyRange) -> (std::ops::Bound<Vec<u8>>, std::ops::Bound<Vec<u8>>) {
    let (start, end) = range.bounds();
    (start.map(<[u8]>::to_vec), end.map(<[u8]>::to_vec))
}

fn get(rows: &Rows, key: &[u8]) -> Result<Option<Bytes>> {
    plan::measure_key(key)?;
    Ok(rows.get(key).cloned())
}

fn scan(rows: &Rows, range: &KeyRange, count_max: usize) -> Result<Vec<Entry>> {
    plan::measure_range(range)?;
    if plan::is_empty(range) {
        return Ok(Vec::new());
    }
    let entry = |(key, value): (&Vec<u8>, &Bytes)| Entry {
        key: Bytes::copy_from_slice(key),
        value: value.clone(),
    };
    let found = rows.range::<[u8], _>(range.bounds());
    Ok(found.take(plan::scan_count(count_max)).map(entry).collect())
}

impl Engine for Memory {
    fn get(&self, key: Vec<u8>) -> BoxFuture<'_, Result<Option<Bytes>>> {
        async move { get(&self.lock(), &key) }.boxed()
    }

    fn scan(&self, range: KeyRange, count_max: usize) -> BoxFuture<'_, Result<Vec<Entry>>> {
        async move { scan(&self.lock(), &range, count_max) }.boxed()
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Committed>> {
        async move { self.apply(batch) }.boxed()
    }

    fn snapshot(&self) -> BoxFuture<'_, Result<Box<dyn View>>> {
        let snapshot =
            Snapshot { rows: Arc::clone(&self.lock()), until: Instant::now() + self.snapshot_life };
        ready(Ok(Box::new(snapshot) as Box<dyn View>)).boxed()
    }
}

/// The rows as they were when it was taken.
struct Snapshot {
    rows: Arc<Rows>,
    until: Instant,
}

impl Snapshot {
    fn rows(&self) -> Result<&Rows> {
        if Instant::now() < self.until { Ok(&self.rows) } else { Err(Error::Expired) }
    }
}

impl View for Snapshot {
    fn get(&self, key: Vec<u8>) -> BoxFuture<'_, Result<Option<Bytes>>> {
        ready(self.rows().and_then(|rows| get(rows, &key))).boxed()
    }

    fn scan(&self, range: KeyRange, count_max: usize) -> BoxFuture<'_, Result<Vec<Entry>>> {
        ready(self.rows().and_then(|rows| scan(rows, &range, count_max))).boxed()
    }
}
