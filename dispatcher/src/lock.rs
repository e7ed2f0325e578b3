//! Who waits for whom: those alone who want the same thing, and nothing is kept of it once nobody does.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Semaphores by what they are of, each for as long as somebody waits or holds.
#[derive(Debug)]
pub(crate) struct Table<K>(Mutex<HashMap<K, Weak<Semaphore>>>);

impl<K> Default for Table<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash + Clone> Table<K> {
    /// Waits until fewer than `count` others hold what this one takes. Cancel-safe.
    pub(crate) async fn enter(self: &Arc<Self>, key: K, count: usize) -> Held<K> {
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

    /// Whether nobody waits or holds.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.table().is_empty()
    }

    fn table(&self) -> MutexGuard<'_, HashMap<K, Weak<Semaphore>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Something that is held until it is dropped.
#[derive(Debug)]
pub(crate) struct Held<K: Eq + Hash + Clone> {
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
