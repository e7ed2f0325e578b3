//! Code by name, in memory.
//!
//! Invariant: after [`Cache::expire`] returned, nothing that was read from the store before it is
//! given out. Each tenant's name falls into a shard with a number that every change raises; what
//! is kept carries the number from before it was read, and counts only while it is the same.

use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use moka::Equivalent;
use tokio::sync::{Mutex, MutexGuard};

use crate::code::Code;

/// Few enough to be small, enough that one tenant's changes hardly touch another's entries.
const EPOCH_COUNT: usize = 4096;
/// How many loads run at once at most, one per name.
const LOAD_COUNT: usize = 256;
/// Code that nobody asked for is forgotten after this long.
const IDLE: Duration = Duration::from_secs(600);

/// What is looked up: names as the front door has them.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Query<'a> {
    pub(super) tenant: &'a str,
    pub(super) worker: &'a str,
    /// The first digits of a version, or empty for the one that is deployed.
    pub(super) version: &'a str,
}

#[derive(PartialEq, Eq)]
struct Name {
    tenant: Box<str>,
    worker: Box<str>,
    version: Box<str>,
}

impl Name {
    fn query(&self) -> Query<'_> {
        Query { tenant: &self.tenant, worker: &self.worker, version: &self.version }
    }
}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.query().hash(state);
    }
}

impl Equivalent<Name> for Query<'_> {
    fn equivalent(&self, name: &Name) -> bool {
        *self == name.query()
    }
}

/// The number of a tenant's shard at some moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Epoch(u64);

#[derive(Clone)]
struct Kept {
    epoch: Epoch,
    code: Arc<Code>,
}

/// Code by name, in memory.
pub(super) struct Cache {
    codes: moka::sync::Cache<Name, Kept>,
    epochs: Vec<AtomicU64>,
    loads: Vec<Mutex<()>>,
    hasher: RandomState,
}

impl Cache {
    /// A cache that keeps about so many bytes.
    pub(super) fn new(bytes_max: u64) -> Self {
        let codes = moka::sync::Cache::builder()
            .max_capacity(bytes_max)
            .weigher(|_, kept: &Kept| weight(&kept.code))
            .time_to_idle(IDLE)
            .build();
        Self {
            codes,
            epochs: (0..EPOCH_COUNT).map(|_| AtomicU64::new(0)).collect(),
            loads: (0..LOAD_COUNT).map(|_| Mutex::new(())).collect(),
            hasher: RandomState::new(),
        }
    }

    /// What is kept under a name, if nothing of the tenant has changed since it was read.
    pub(super) fn get(&self, query: Query<'_>) -> Option<Arc<Code>> {
        let epoch = self.epoch(query.tenant);
        let kept = self.codes.get(&query)?;
        (kept.epoch == epoch).then_some(kept.code)
    }

    /// The epoch to note before reading what will be kept.
    pub(super) fn epoch(&self, tenant: &str) -> Epoch {
        Epoch(self.shard(tenant).load(Ordering::Acquire))
    }

    /// Keeps what was read after `epoch` was noted.
    pub(super) fn put(&self, query: Query<'_>, epoch: Epoch, code: Arc<Code>) {
        let name = Name {
            tenant: query.tenant.into(),
            worker: query.worker.into(),
            version: query.version.into(),
        };
        self.codes.insert(name, Kept { epoch, code });
    }

    /// Lets nothing count any more that was read of this tenant so far.
    pub(super) fn expire(&self, tenant: &str) {
        self.shard(tenant).fetch_add(1, Ordering::AcqRel);
    }

    /// Held while a name is loaded, so that one name is loaded once.
    pub(super) async fn load(&self, query: Query<'_>) -> MutexGuard<'_, ()> {
        let at = self.hasher.hash_one(query) as usize % self.loads.len();
        self.loads[at].lock().await
    }

    fn shard(&self, tenant: &str) -> &AtomicU64 {
        &self.epochs[self.hasher.hash_one(tenant) as usize % self.epochs.len()]
    }
}

fn weight(code: &Code) -> u32 {
    let modules: usize = code.modules.iter().map(|(name, bytes)| name.len() + bytes.len()).sum();
    let secrets: usize = code.secrets.iter().map(|(name, text)| name.len() + text.len()).sum();
    u32::try_from(modules + secrets + 2048).unwrap_or(u32::MAX)
}
