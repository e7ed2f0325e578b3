//! How many of something expensive run at once: in all, and for one tenant.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bindery_wire::limit::Limit;

use crate::problem::{Code, Problem};

/// Counts what runs.
#[derive(Clone, Debug)]
pub(super) struct Gate {
    running: Arc<Mutex<HashMap<String, usize>>>,
    all: Limit,
    one: Limit,
}

impl Gate {
    /// Lets so many in at once, and so many of one tenant.
    pub(super) fn new(all: Limit, one: Limit) -> Self {
        Self { running: Arc::default(), all, one }
    }

    /// Lets one in until the pass is dropped.
    pub(super) fn enter(&self, tenant: &str) -> Result<Pass, Problem> {
        let mut running = self.running();
        let mine = running.get(tenant).copied().unwrap_or(0);
        if mine as u64 >= self.one.value {
            let message = format!("the tenant has as many as it may; {}", self.one.fixed());
            return Err(Problem::new(Code::Quota, message).retry_after(1));
        }
        if running.values().sum::<usize>() as u64 >= self.all.value {
            let message = format!("as many run as may; {}", self.all.fixed());
            return Err(Problem::new(Code::Overloaded, message).retry_after(1));
        }
        running.insert(tenant.into(), mine + 1);
        drop(running);
        Ok(Pass { gate: self.clone(), tenant: tenant.into() })
    }

    fn running(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One that was let in.
#[derive(Debug)]
pub(super) struct Pass {
    gate: Gate,
    tenant: String,
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut running = self.gate.running();
        if let Some(count) = running.get_mut(&self.tenant) {
            *count -= 1;
            if *count == 0 {
                running.remove(&self.tenant);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_can_not_take_every_place_and_places_come_back() {
        let of = |value| Limit { value, ..crate::limit::UPLOADS };
        let gate = Gate::new(of(3), of(2));
        let passes = [gate.enter("a"), gate.enter("a")];
        assert_eq!(gate.enter("a").expect_err("full").code, Code::Quota);
        let other = gate.enter("b").expect("a place is left");
        assert_eq!(gate.enter("c").expect_err("full").code, Code::Overloaded);
        drop((passes, other));
        assert!(gate.running().is_empty());
        assert!(gate.enter("a").is_ok());
    }
}
