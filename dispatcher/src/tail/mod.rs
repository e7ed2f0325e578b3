//! What tenants see of their events: a bounded ring of records per tenant, and who follows it.
//!
//! A record is stored as it came and formatted when somebody reads it, so that an event whose
//! tail nobody watches pays for a push only. Followers read the ring at their own pace: one that
//! is slower than the ring is told how many records it missed. Nothing here is durable.

mod item;
mod outcomes;
mod ring;
#[cfg(test)]
mod tests;

pub use item::{Item, Kind};
pub use ring::Ring;
pub(crate) use ring::{BYTES_MAX, COUNT_MAX};

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bindery_wire::TenantId;
use futures_util::Stream;
use futures_util::stream;

use crate::clock::{Clock, Millis};
use crate::metrics::Family;
use outcomes::Outcomes;

/// Rings that nobody holds are kept up to this many.
const RING_COUNT_MAX: usize = 1_000;
/// A ring that nobody holds is kept for this long after its last record.
const RING_MS_MAX: u64 = 15 * 60_000;

/// The rings of all tenants that had events lately. Clones share them.
#[derive(Clone, Debug)]
pub struct Tail {
    rings: Arc<Mutex<HashMap<TenantId, Arc<Ring>>>>,
    outcomes: Arc<Outcomes>,
    clock: Clock,
}

impl Tail {
    /// No rings yet.
    pub fn new(clock: Clock) -> Self {
        Self { rings: Arc::default(), outcomes: Arc::default(), clock }
    }

    /// The tenant's ring, made if there is none.
    pub fn ring(&self, tenant: TenantId) -> Arc<Ring> {
        let now = self.clock.now();
        let made = || Arc::new(Ring::new(now, self.outcomes.clone()));
        self.rings().entry(tenant).or_insert_with(made).clone()
    }

    /// Figures of all events that ended.
    pub fn measure(&self) -> Vec<Family> {
        self.outcomes.measure()
    }

    /// The tenant's records after the one numbered `after`, of one worker or of all.
    pub fn read(&self, tenant: TenantId, worker: Option<&str>, after: Option<u64>) -> Vec<Item> {
        let ring = self.rings().get(&tenant).cloned();
        ring.map(|ring| ring.read(worker, after.unwrap_or(0)).items).unwrap_or_default()
    }

    /// The tenant's records from now on, of one worker or of all. Ends when dropped.
    pub fn follow(
        &self,
        tenant: TenantId,
        worker: Option<String>,
    ) -> impl Stream<Item = Item> + Send + use<> {
        let follower = self.ring(tenant).follow(worker);
        stream::unfold(follower, |mut follower| async move {
            let item = follower.next().await;
            Some((item, follower))
        })
    }

    /// Forgets rings that nobody holds and that have long been still.
    pub fn sweep(&self) {
        let now = self.clock.now();
        let mut rings = self.rings();
        rings.retain(|_, ring| Arc::strong_count(ring) > 1 || !is_stale(ring, now));
        let over = rings.len().saturating_sub(RING_COUNT_MAX);
        if over > 0 {
            let mut free: Vec<(Millis, TenantId)> = rings
                .iter()
                .filter(|(_, ring)| Arc::strong_count(ring) == 1)
                .map(|(tenant, ring)| (ring.last(), *tenant))
                .collect();
            free.sort_unstable();
            for (_, tenant) in free.into_iter().take(over) {
                rings.remove(&tenant);
            }
        }
    }

    fn rings(&self) -> MutexGuard<'_, HashMap<TenantId, Arc<Ring>>> {
        self.rings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_stale(ring: &Ring, now: Millis) -> bool {
    now.0.saturating_sub(ring.last().0) >= RING_MS_MAX
}
