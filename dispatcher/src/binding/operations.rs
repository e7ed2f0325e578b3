//! How many calls of bindings a tenant makes in a minute, where a quota says how many it may.
//!
//! Counted in memory, of the tenants that called in the present minute. A quota is read when a
//! tenant first calls in a minute, so a new one holds from the next minute on. Nothing is written,
//! so nobody waits for anybody: what a tenant without a quota pays is a look.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bindery_storage::engine::Engine;
use bindery_storage::tables::{self, Tenants};
use bindery_wire::TenantId;

use crate::clock::Clock;
use crate::line::Refused;

const MINUTE_MS: u64 = 60_000;

/// The calls of all tenants in the present minute. Clones are the same.
#[derive(Clone)]
pub struct Operations(Arc<Inner>);

struct Inner {
    tenants: Tenants,
    clock: Clock,
    minute: Mutex<Minute>,
}

/// What was called in one minute.
#[derive(Default)]
struct Minute {
    /// Which, since 1970.
    number: u64,
    of: HashMap<TenantId, Own>,
}

/// What one tenant called, and how much it may; absent if it may as it likes.
struct Own {
    count: u64,
    max: Option<u64>,
}

/// A tenant that called more in a minute than it may.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the tenant has made the {max} calls of bindings that its quota operations_per_minute allows; \
     more can be made in {rest_s} seconds"
)]
pub(crate) struct OverQuota {
    max: u64,
    rest_s: u64,
}

impl Operations {
    /// Nothing called yet.
    pub fn new(engine: Arc<dyn Engine>, clock: Clock) -> Self {
        let (tenants, minute) = (Tenants::new(engine), Mutex::default());
        Self(Arc::new(Inner { tenants, clock, minute }))
    }

    /// Counts a call, or refuses it. `None` if nothing is known of the tenant in this minute: then
    /// [`Operations::look_up`] does the same.
    pub(crate) fn count(&self, tenant: TenantId) -> Option<Result<(), OverQuota>> {
        let (mut minute, rest_s) = self.minute();
        let own = minute.of.get_mut(&tenant)?;
        Some(own.count(rest_s))
    }

    /// Reads how much a tenant may, and counts a call.
    pub(crate) async fn look_up(&self, tenant: TenantId) -> Result<(), Refused> {
        let row = self.0.tenants.get(tenant).await.map_err(|error| failed(&error))?;
        let max = row.and_then(|row| row.quotas.operations_per_minute);
        let (mut minute, rest_s) = self.minute();
        let own = minute.of.entry(tenant).or_insert(Own { count: 0, max });
        own.count(rest_s).map_err(|over| Refused::failed(over.to_string()))
    }

    /// The present minute, and the seconds that are left of it.
    fn minute(&self) -> (MutexGuard<'_, Minute>, u64) {
        let now_ms = self.0.clock.now().0;
        let mut minute = self.0.minute.lock().unwrap_or_else(PoisonError::into_inner);
        if minute.number != now_ms / MINUTE_MS {
            *minute = Minute { number: now_ms / MINUTE_MS, of: HashMap::new() };
        }
        (minute, (MINUTE_MS - now_ms % MINUTE_MS).div_ceil(1_000))
    }
}

impl Own {
    fn count(&mut self, rest_s: u64) -> Result<(), OverQuota> {
        match self.max {
            Some(max) if self.count >= max => Err(OverQuota { max, rest_s }),
            _ => {
                self.count += 1;
                Ok(())
            }
        }
    }
}

fn failed(error: &tables::Error) -> Refused {
    tracing::error!(%error, "a tenant's quotas can not be read");
    Refused::failed("internal error")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bindery_storage::engine::Batch;
    use bindery_storage::memory::Memory;
    use bindery_storage::tables::{Quotas, Tenant};

    use super::*;
    use crate::clock::Millis;

    const A: TenantId = TenantId(1);
    const B: TenantId = TenantId(2);

    async fn may(engine: &Arc<dyn Engine>, id: TenantId, operations_per_minute: Option<u64>) {
        let tenant = Tenant {
            name: "acme".into(),
            tier: "standard".into(),
            quotas: Quotas { operations_per_minute, ..Quotas::default() },
            limits: Default::default(),
            suspended: false,
            created_ms: 0,
            workers: 0,
            registered: 0,
            changes: 1,
            limits_changed: 1,
        };
        let writes = vec![Tenants::new(engine.clone()).put(id, &tenant)];
        engine.commit(Batch { checks: vec![], writes }).await.expect("written");
    }

    async fn call(operations: &Operations, tenant: TenantId) -> Result<(), String> {
        match operations.count(tenant) {
            Some(counted) => counted.map_err(|over| over.to_string()),
            None => operations.look_up(tenant).await.map_err(|refused| refused.message.into()),
        }
    }

    #[tokio::test]
    async fn a_tenant_calls_as_often_as_its_quota_says_and_again_in_the_next_minute() {
        let engine: Arc<dyn Engine> = Arc::new(Memory::new());
        let clock = Clock::test(Millis(45_000));
        let operations = Operations::new(engine.clone(), clock.clone());
        may(&engine, A, Some(3)).await;
        may(&engine, B, None).await;
        for _ in 0..3 {
            assert_eq!(call(&operations, A).await, Ok(()));
        }
        let refused = call(&operations, A).await.expect_err("it is over its quota");
        assert!(refused.contains("the 3 calls") && refused.contains("15 seconds"), "{refused}");
        for _ in 0..10_000 {
            assert_eq!(call(&operations, B).await, Ok(()), "nobody else is");
        }
        may(&engine, A, Some(4)).await;
        assert!(call(&operations, A).await.is_err(), "a new quota holds from the next minute on");
        clock.advance(Duration::from_secs(15));
        for _ in 0..4 {
            assert_eq!(call(&operations, A).await, Ok(()));
        }
        assert!(call(&operations, A).await.is_err());
    }

    #[tokio::test]
    async fn what_is_remembered_is_of_the_present_minute() {
        let clock = Clock::test(Millis(0));
        let operations = Operations::new(Arc::new(Memory::new()), clock.clone());
        for tenant in 0..100 {
            call(&operations, TenantId(tenant)).await.expect("no quota");
        }
        clock.advance(Duration::from_secs(60));
        call(&operations, A).await.expect("no quota");
        assert_eq!(operations.minute().0.of.len(), 1);
    }
}
