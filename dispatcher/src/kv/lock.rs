//! Who waits for whom: writers of one key for each other, and a tenant for itself.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use bindery_storage::tables::KvPlace;
use bindery_wire::TenantId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::RECEIVED_COUNT_MAX;

/// Semaphores by what they are of, each for as long as somebody waits or holds.
#[derive(Debug)]
struct Table<K>(Mutex<HashMap<K, Weak<Semaphore>>>);

impl<K> Default for Table<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash + Clone> Table<K> {
    /// Waits until fewer than `count` others hold what this one takes. Cancel-safe.
    async fn enter(self: &Arc<Self>, key: K, count: usize) -> Held<K> {
        let semaphore = {
            let mut table = self.table();
            let known = table.get(&key).and_then(Weak::upgrade);
            known.unwrap_or_else(|| {
                let semaphore = Arc::new(Semaphore::new(count));
                table.insert(key.clone(), Arc::downgrade(&semaphore));
                semaphore
            })
        };
        let mut held = Held { table: self.clone(), key, permit: None, semaphore: None };
        held.semaphore = Some(semaphore.clone());
        // It is never closed.
        held.permit = semaphore.acquire_owned().await.ok();
        held
    }

    fn table(&self) -> MutexGuard<'_, HashMap<K, Weak<Semaphore>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Something that is held until it is dropped.
#[derive(Debug)]
pub(super) struct Held<K: Eq + Hash + Clone> {
    table: Arc<Table<K>>,
    key: K,
    permit: Option<OwnedSemaphorePermit>,
    semaphore: Option<Arc<Semaphore>>,
}

impl<K: Eq + Hash + Clone> Drop for Held<K> {
    fn drop(&mut self) {
        let mut table = self.table.table();
        drop((self.permit.take(), self.semaphore.take()));
        if table.get(&self.key).is_some_and(|semaphore| semaphore.strong_count() == 0) {
            table.remove(&self.key);
        }
    }
}

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
        assert!(locks.0.table().is_empty());
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
        assert!(shares.0.table().is_empty());
    }
}
