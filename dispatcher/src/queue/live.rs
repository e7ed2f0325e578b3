//! What of queues is in memory: which are attended, and under which leases code runs.
//!
//! Nothing here is needed to be right after a restart: a queue that is not here is attended when
//! its entry is due, and a lease of the server's that is not here is one of a server that is gone.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bindery_storage::tables::{Due, Lease};
use bindery_wire::TenantId;
use tokio::sync::Notify;

use super::Of;

/// A queue's name, with whose it is.
type Name = (TenantId, Box<str>);

/// Bytes of bodies in batches of one tenant's that run. The last one may go beyond.
const TENANT_BYTES_MAX: u64 = 32 << 20;
/// Bytes of bodies in all batches that run. The last one may go beyond.
const BYTES_MAX: u64 = 256 << 20;

/// What of queues is in memory. Clones are the same.
#[derive(Clone, Default)]
pub(super) struct Live(Arc<Mutex<All>>);

#[derive(Default)]
struct All {
    queues: HashMap<Name, State>,
    /// Bytes of the bodies in batches that run.
    held: HashMap<TenantId, u64>,
    held_by_all: u64,
}

#[derive(Default)]
struct State {
    /// The entry under which the queue is attended, as it stands in the store.
    entry: Option<Due>,
    /// Wakes who attends it.
    notify: Arc<Notify>,
    /// Leases under which code runs.
    running: HashSet<u64>,
}

impl Live {
    fn all(&self) -> MutexGuard<'_, All> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to attend a queue. One at a time does: the scheduler sees to that.
    pub(super) fn attend(&self, of: Of<'_>, entry: Due) -> Attending {
        let name = (of.0, of.1.into());
        let mut all = self.all();
        let queue = all.queues.entry(name).or_default();
        queue.entry = Some(entry);
        let notify = queue.notify.clone();
        Attending { live: self.clone(), name: (of.0, of.1.into()), notify }
    }

    /// The entry under which a queue is attended, if it is.
    pub(super) fn entry(&self, of: Of<'_>) -> Option<Due> {
        self.all().queues.get(&(of.0, of.1.into())).and_then(|queue| queue.entry.clone())
    }

    /// The entry was found to be another one: whoever attends the queue under it is to stop.
    pub(super) fn is_stale(&self, of: Of<'_>, entry: &Due) {
        if let Some(queue) = self.all().queues.get_mut(&(of.0, of.1.into())) {
            queue.entry.take_if(|known| known == entry);
            queue.notify.notify_one();
        }
    }

    /// Wakes who attends a queue. Whether somebody does.
    pub(super) fn wake(&self, of: Of<'_>) -> bool {
        let all = self.all();
        let queue = all.queues.get(&(of.0, of.1.into())).filter(|queue| queue.entry.is_some());
        queue.inspect(|queue| queue.notify.notify_one()).is_some()
    }

    /// Code begins to run under a lease.
    pub(super) fn run(&self, of: Of<'_>, lease: &Lease) -> Running {
        let name: Name = (of.0, of.1.into());
        let bytes = lease.messages.iter().map(|message| u64::from(message.bytes)).sum();
        let mut all = self.all();
        all.queues.entry(name.clone()).or_default().running.insert(lease.number);
        *all.held.entry(of.0).or_default() += bytes;
        all.held_by_all += bytes;
        Running { live: self.clone(), name, lease: lease.number, bytes }
    }

    /// Bytes of bodies that more of a tenant's batches may have now.
    pub(super) fn room(&self, tenant: TenantId) -> u64 {
        let all = self.all();
        let own = TENANT_BYTES_MAX.saturating_sub(all.held.get(&tenant).copied().unwrap_or(0));
        own.min(BYTES_MAX.saturating_sub(all.held_by_all))
    }

    /// Under which leases of a queue code runs.
    pub(super) fn running(&self, of: Of<'_>) -> HashSet<u64> {
        let all = self.all();
        all.queues.get(&(of.0, of.1.into())).map(|queue| queue.running.clone()).unwrap_or_default()
    }

    fn give_back(&self, tenant: TenantId, bytes: u64) {
        let mut all = self.all();
        all.held_by_all -= bytes;
        if let Some(held) = all.held.get_mut(&tenant) {
            *held -= bytes;
            if *held == 0 {
                all.held.remove(&tenant);
            }
        }
    }

    fn change(&self, name: &Name, change: impl FnOnce(&mut State)) {
        let mut all = self.all();
        let Some(queue) = all.queues.get_mut(name) else { return };
        change(queue);
        if queue.entry.is_none() && queue.running.is_empty() {
            all.queues.remove(name);
        }
    }
}

/// A queue that is attended, until this is dropped.
pub(super) struct Attending {
    live: Live,
    name: Name,
    notify: Arc<Notify>,
}

impl Attending {
    /// Whether the entry is still thought to be there.
    pub(super) fn stands(&self) -> bool {
        self.live.all().queues.get(&self.name).is_some_and(|queue| queue.entry.is_some())
    }

    /// Waits until something came to the queue, or code that ran has ended. Cancel-safe.
    pub(super) async fn woken(&self) {
        self.notify.notified().await;
    }
}

impl Drop for Attending {
    fn drop(&mut self) {
        self.live.change(&self.name, |queue| queue.entry = None);
    }
}

/// Code that runs under a lease, until this is dropped.
pub(super) struct Running {
    live: Live,
    name: Name,
    lease: u64,
    bytes: u64,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.live.give_back(self.name.0, self.bytes);
        self.live.change(&self.name, |queue| {
            queue.running.remove(&self.lease);
            queue.notify.notify_one();
        });
    }
}
