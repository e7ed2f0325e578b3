//! Who waits for whom: writers of one key for each other, and a tenant for itself.

use std::sync::Arc;

use bindery_storage::tables::KvPlace;
use bindery_wire::TenantId;

use super::RECEIVED_COUNT_MAX;
use crate::lock::{Held, Table};

/// The key that a lock is of.
type Name = (TenantId, String, String);

/// Lets one writer of a key in at a time. That is for speed alone: what two servers over one store
/// would do to each other, the checks of the commits refuse.
#[derive(Debug, Default)]
pub(super) struct Locks(Arc<Table<Name>>);

impl Locks {
    pub(super) async fn lock(&self, place: KvPlace<'_>) -> Held<Name> {
        let KvPlace { tenant, namespace, name } = place;
        self.0.enter((tenant, namespace.to_owned(), name.to_owned()), 1).await
    }
}

/// Lets so many values of a tenant be received at once.
#[derive(Debug, Default)]
pub(super) struct Shares(Arc<Table<TenantId>>);

impl Shares {
    pub(super) async fn enter(&self, tenant: TenantId) -> Held<TenantId> {
        self.0.enter(tenant, RECEIVED_COUNT_MAX).await
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn writers_of_one_key_wait_for_each_other_and_nothing_is_left() {
        let locks = Locks::default();
        let at = |tenant, name| KvPlace { tenant: TenantId(tenant), namespace: "n", name };
        let held = locks.lock(at(1, "a")).await;
        let mut waits = Box::pin(locks.lock(at(1, "a")));
        assert!(waits.as_mut().now_or_never().is_none());
        for other in [at(2, "a"), at(1, "b")] {
            assert!(locks.lock(other).now_or_never().is_some());
        }
        let given_up = Box::pin(locks.lock(at(1, "a")));
        drop(given_up);
        drop(held);
        let next = waits.await;
        drop(next);
        assert!(locks.0.is_empty());
    }

    #[tokio::test]
    async fn a_tenant_waits_for_itself_alone() {
        let shares = Shares::default();
        let mut held = Vec::new();
        for _ in 0..RECEIVED_COUNT_MAX {
            held.push(shares.enter(TenantId(1)).await);
        }
        assert!(shares.enter(TenantId(1)).now_or_never().is_none());
        assert!(shares.enter(TenantId(2)).now_or_never().is_some());
        held.pop();
        assert!(shares.enter(TenantId(1)).now_or_never().is_some());
        drop(held);
        assert!(shares.0.is_empty());
    }
}
