//! How many starts run at once, and whose turn it is.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bindery_logic::fair::Fair;
use bindery_wire::TenantId;
use tokio::sync::oneshot;

/// Starts at once.
const RUNNING_COUNT_MAX: usize = 16;
/// Starts of one tenant at once.
const TENANT_RUNNING_COUNT_MAX: usize = 4;
/// Starts that wait.
const WAITING_COUNT_MAX: usize = 10_000;
/// Starts of one tenant that wait.
const TENANT_WAITING_COUNT_MAX: usize = 256;

/// Lets starts through, round-robin over tenants. Clones are the same gate.
#[derive(Clone)]
pub(super) struct Gate(Arc<Mutex<State>>);

struct State {
    running: usize,
    of: HashMap<TenantId, usize>,
    waiting: Fair<oneshot::Sender<Ticket>>,
}

/// The right to start one isolate, until it is dropped.
pub(super) struct Ticket {
    gate: Gate,
    tenant: TenantId,
}

impl Default for Gate {
    fn default() -> Self {
        let waiting = Fair::new(WAITING_COUNT_MAX, TENANT_WAITING_COUNT_MAX);
        Self(Arc::new(Mutex::new(State { running: 0, of: HashMap::new(), waiting })))
    }
}

impl Gate {
    /// Waits for the tenant's turn; absent if too many wait already.
    pub(super) async fn enter(&self, tenant: TenantId) -> Option<Ticket> {
        let (turn, my_turn) = oneshot::channel();
        self.state().waiting.push(tenant, turn).ok()?;
        self.admit();
        my_turn.await.ok()
    }

    /// How many starts run, and how many wait.
    pub(super) fn counts(&self) -> (usize, usize) {
        let state = self.state();
        (state.running, state.waiting.len())
    }

    fn admit(&self) {
        loop {
            let (tenant, turn) = {
                let mut state = self.state();
                if state.running >= RUNNING_COUNT_MAX {
                    return;
                }
                let State { of, waiting, .. } = &mut *state;
                let room = |tenant| {
                    of.get(&tenant).is_none_or(|running| *running < TENANT_RUNNING_COUNT_MAX)
                };
                let Some((tenant, turn)) = waiting.pop(room) else { return };
                state.running += 1;
                *state.of.entry(tenant).or_default() += 1;
                (tenant, turn)
            };
            // Whoever has gone meanwhile gives the turn back by dropping it.
            let _ = turn.send(Ticket { gate: self.clone(), tenant });
        }
    }

    fn leave(&self, tenant: TenantId) {
        let mut state = self.state();
        state.running -= 1;
        if let Some(running) = state.of.get_mut(&tenant) {
            *running -= 1;
            if *running == 0 {
                state.of.remove(&tenant);
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.gate.leave(self.tenant);
        self.gate.admit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_tenants_starts_leave_room_for_anothers() {
        let gate = Gate::default();
        let mut own = Vec::new();
        for _ in 0..TENANT_RUNNING_COUNT_MAX {
            own.push(gate.enter(TenantId(1)).await.expect("room"));
        }
        #[expect(clippy::disallowed_methods, reason = "the test ends the task")]
        let waiting = tokio::spawn({
            let gate = gate.clone();
            async move { gate.enter(TenantId(1)).await.is_some() }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        let other = gate.enter(TenantId(2)).await;
        assert!(other.is_some());
        own.pop();
        assert!(waiting.await.expect("ends"));
    }
}
