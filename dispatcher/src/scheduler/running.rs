//! What is being delivered: bounded for each tenant and in all, each entry once.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bindery_storage::tables::{Due, Kind};
use bindery_wire::TenantId;

use super::Handle;

/// Deliveries at once.
pub const DELIVERY_COUNT_MAX: usize = 4_096;
/// Deliveries of one tenant at once.
pub const TENANT_DELIVERY_COUNT_MAX: usize = 32;

/// What names an entry beside its time, which can change while it is delivered.
type Name = (Kind, Vec<u8>);

/// What is being delivered. Clones are the same.
#[derive(Clone)]
pub(super) struct Running {
    state: Arc<Mutex<State>>,
    handle: Handle,
}

#[derive(Default)]
struct State {
    of: HashMap<TenantId, HashSet<Name>>,
    count: usize,
}

/// One delivery, until it is dropped.
pub(super) struct Ticket {
    running: Running,
    pub(super) tenant: TenantId,
    name: Name,
}

impl Running {
    pub(super) fn new(handle: Handle) -> Self {
        Self { state: Arc::default(), handle }
    }

    pub(super) fn is_full(&self) -> bool {
        self.state().count >= DELIVERY_COUNT_MAX
    }

    /// How many of the tenant's entries are being delivered.
    pub(super) fn count(&self, tenant: TenantId) -> usize {
        self.state().of.get(&tenant).map_or(0, HashSet::len)
    }

    /// How many more may be.
    pub(super) fn room(&self, tenant: TenantId) -> usize {
        let own = TENANT_DELIVERY_COUNT_MAX.saturating_sub(self.count(tenant));
        own.min(DELIVERY_COUNT_MAX.saturating_sub(self.state().count))
    }

    /// Begins a delivery; absent if the entry is being delivered already.
    pub(super) fn enter(&self, tenant: TenantId, due: Due) -> Option<(Due, Ticket)> {
        let name = (due.kind, due.id.clone());
        let mut state = self.state();
        if !state.of.entry(tenant).or_default().insert(name.clone()) {
            return None;
        }
        state.count += 1;
        Some((due, Ticket { running: self.clone(), tenant, name }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut state = self.running.state();
        let State { of, count } = &mut *state;
        if let Some(own) = of.get_mut(&self.tenant) {
            *count -= usize::from(own.remove(&self.name));
            if own.is_empty() {
                of.remove(&self.tenant);
            }
        }
        drop(state);
        self.running.handle.wake();
    }
}
