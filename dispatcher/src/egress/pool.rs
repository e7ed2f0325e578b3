//! Connections that wait for their next request, each tenant's for itself.
//!
//! A connection of one tenant never carries a request of another: a server could tell by it that
//! they are neighbours, and a response cut short by one would be read by the other. What is used
//! and what waits is bounded for each tenant and for all together.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bindery_wire::TenantId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};

use super::connection::{Connection, State};
use super::error::Error;
use super::target::Origin;
use crate::config::EgressConfig;

/// Lookups of names that one tenant has under way.
const LOOKUP_COUNT_MAX: usize = 16;

/// The connections of all tenants.
pub(super) struct Pool {
    tenants: Mutex<Tenants>,
    total: Arc<Semaphore>,
    config: EgressConfig,
}

#[derive(Default)]
struct Tenants {
    by_id: HashMap<TenantId, Tenant>,
    idle_count: usize,
}

struct Tenant {
    used: Arc<Semaphore>,
    lookups: Arc<Semaphore>,
    /// The longest unused first.
    idle: VecDeque<Idle>,
}

struct Idle {
    origin: Origin,
    connection: Connection,
    since: Duration,
}

/// The right to use one connection.
pub(super) struct Permit {
    _tenant: OwnedSemaphorePermit,
    _total: OwnedSemaphorePermit,
}

impl Pool {
    pub(super) fn new(config: EgressConfig) -> Self {
        let total = Arc::new(Semaphore::new(config.connection_total_max.get() as usize));
        Self { tenants: Mutex::default(), total, config }
    }

    /// The right to use a connection, and the newest one that waits, if one does.
    pub(super) fn take(
        &self,
        tenant: TenantId,
        origin: &Origin,
    ) -> Result<(Permit, Option<Connection>), Error> {
        let mut tenants = self.lock();
        let Tenants { by_id, idle_count } = &mut *tenants;
        let entry = by_id.entry(tenant).or_insert_with(|| Tenant::new(&self.config));
        let busy = |_| Error::Busy { max: self.config.connection_count_max.get() };
        let permit = entry.used.clone().try_acquire_owned().map_err(busy)?;
        let total = self.total.clone().try_acquire_owned();
        let total = total.map_err(|_: TryAcquireError| Error::Overloaded)?;
        let before = entry.idle.len();
        let connection = entry.take(origin);
        *idle_count -= before - entry.idle.len();
        Ok((Permit { _tenant: permit, _total: total }, connection))
    }

    /// The right to look a name up, as soon as the tenant has one.
    pub(super) async fn lookup(&self, tenant: TenantId) -> Option<OwnedSemaphorePermit> {
        let lookups = self.lock().by_id.get(&tenant).map(|entry| entry.lookups.clone())?;
        lookups.acquire_owned().await.ok()
    }

    /// Keeps a connection for the tenant's next request to the same place.
    pub(super) fn put(
        &self,
        tenant: TenantId,
        (origin, connection): (Origin, Connection),
        now: Duration,
    ) {
        let mut tenants = self.lock();
        let Tenants { by_id, idle_count } = &mut *tenants;
        let Some(entry) = by_id.get_mut(&tenant) else { return };
        entry.idle.push_back(Idle { origin, connection, since: now });
        *idle_count += 1;
        if entry.idle.len() > self.config.idle_count_max as usize {
            entry.idle.pop_front();
            *idle_count -= 1;
        }
        if *idle_count > self.config.idle_total_max as usize {
            let oldest = by_id.values_mut().min_by_key(|tenant| tenant.oldest());
            *idle_count -= usize::from(oldest.is_some_and(|t| t.idle.pop_front().is_some()));
        }
    }

    /// Closes what nobody used for long, and forgets tenants of which nothing is left.
    pub(super) fn sweep(&self, now: Duration) {
        let idle_max = Duration::from_millis(self.config.idle_ms.into());
        let mut tenants = self.lock();
        let Tenants { by_id, idle_count } = &mut *tenants;
        by_id.retain(|_, tenant| {
            while tenant.oldest().saturating_add(idle_max) <= now
                && tenant.idle.pop_front().is_some()
            {
                *idle_count -= 1;
            }
            !tenant.idle.is_empty() || tenant.is_used()
        });
    }

    /// How many connections wait.
    pub(super) fn idle_count(&self) -> usize {
        self.lock().idle_count
    }

    /// Of how many tenants something is left.
    #[cfg(test)]
    pub(super) fn tenant_count(&self) -> usize {
        self.lock().by_id.len()
    }

    fn lock(&self) -> MutexGuard<'_, Tenants> {
        self.tenants.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tenant {
    fn new(config: &EgressConfig) -> Self {
        Self {
            used: Arc::new(Semaphore::new(config.connection_count_max.get() as usize)),
            lookups: Arc::new(Semaphore::new(LOOKUP_COUNT_MAX)),
            idle: VecDeque::new(),
        }
    }

    fn take(&mut self, origin: &Origin) -> Option<Connection> {
        for at in (0..self.idle.len()).rev() {
            if self.idle.get(at).is_none_or(|idle| idle.origin != *origin) {
                continue;
            }
            match self.idle.get_mut(at)?.connection.state() {
                State::Ready => return self.idle.remove(at).map(|idle| idle.connection),
                State::Busy => {}
                State::Ended => drop(self.idle.remove(at)),
            }
        }
        None
    }

    /// Since when the longest unused connection waits.
    fn oldest(&self) -> Duration {
        self.idle.front().map_or(Duration::MAX, |idle| idle.since)
    }

    /// Whether somebody holds a permit: each has a reference.
    fn is_used(&self) -> bool {
        Arc::strong_count(&self.used) > 1 || Arc::strong_count(&self.lookups) > 1
    }
}
