//! The shelves of all tenants within one bound, and who loses when it is reached.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bindery_wire::TenantId;
use http::HeaderMap;
use tokio::sync::oneshot;

use super::shelf::{self, Shelf, Variants, Weight};
use super::variant::{Key, Variant};

/// Everything that is kept. What goes is dropped when the table is free.
pub(super) struct Shelves {
    bounds: Weight,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    /// Counts what is done: the order in which things were used.
    step: u64,
    shelves: HashMap<TenantId, Shelf>,
    memory: Holders,
    disk: Holders,
    entry_count: usize,
}

/// Who holds how much of one thing.
#[derive(Default)]
struct Holders {
    total: u64,
    by_amount: BTreeSet<(u64, TenantId)>,
}

/// A file that is being written. Dropped, it is not any more.
pub(super) struct Draft {
    shelves: Arc<Shelves>,
    tenant: TenantId,
    number: u64,
    /// Ends when the place is wanted for others.
    pub(super) unwanted: oneshot::Receiver<()>,
}

impl Holders {
    fn change(&mut self, tenant: TenantId, before: u64, after: u64) {
        if before == after {
            return;
        }
        self.total = self.total - before + after;
        self.by_amount.remove(&(before, tenant));
        if after > 0 {
            self.by_amount.insert((after, tenant));
        }
    }

    /// Who holds most; of several, this one.
    fn most(&self, of_several: TenantId) -> Option<TenantId> {
        let (amount, most) = *self.by_amount.last()?;
        Some(if self.by_amount.contains(&(amount, of_several)) { of_several } else { most })
    }
}

impl Table {
    /// Changes what a tenant keeps, and counts what that makes of it.
    fn change<T>(&mut self, tenant: TenantId, change: impl FnOnce(&mut Shelf, u64) -> T) -> T {
        self.step += 1;
        let shelf = self.shelves.entry(tenant).or_default();
        let (before, count) = (shelf.held(), shelf.count());
        let done = change(shelf, self.step);
        let after = shelf.held();
        self.entry_count = self.entry_count - count + shelf.count();
        if shelf.is_empty() {
            self.shelves.remove(&tenant);
        }
        self.memory.change(tenant, before.memory, after.memory);
        self.disk.change(tenant, before.disk, after.disk);
        done
    }

    /// Has whoever holds most lose what it did not use for longest, until all is within bounds.
    /// Among equals the one that has just got more loses.
    fn make_room(&mut self, bounds: Weight, newest: TenantId) -> Variants {
        let mut gone = Vec::new();
        while self.memory.total > bounds.memory {
            let Some(tenant) = self.memory.most(newest) else { break };
            let Some(oldest) = self.change(tenant, |shelf, _| shelf.take_oldest()) else { break };
            gone.extend(oldest);
        }
        while self.disk.total > bounds.disk {
            let Some(tenant) = self.disk.most(newest) else { break };
            let oldest = self.change(tenant, |shelf, _| shelf.take_oldest_file());
            let Some(oldest) = oldest else { break };
            gone.extend(oldest);
        }
        gone
    }
}

impl Shelves {
    pub(super) fn new(bounds: Weight) -> Self {
        Self { bounds, table: Mutex::default() }
    }

    /// The newest response that is fresh and answers a request. What is stale goes.
    pub(super) fn get(
        &self,
        tenant: TenantId,
        key: &Key,
        (request, now): (&HeaderMap, Duration),
    ) -> Option<Arc<Variant>> {
        let mut stale = Vec::new();
        let mut table = self.table();
        if !table.shelves.contains_key(&tenant) {
            return None;
        }
        let found = table.change(tenant, |shelf, step| {
            let (key, mut variants) = shelf.take(key)?;
            stale.extend(variants.extract_if(.., |variant| !variant.is_fresh(now)));
            let found = variants.iter().find(|variant| variant.selector.selects(request)).cloned();
            shelf.place(key, variants, step);
            found
        });
        drop(table);
        found
    }

    /// Keeps a response, whose body is in the file that `draft` was if there is one. Says how many
    /// others went to make room; `None` if that file was given up.
    pub(super) fn put(
        &self,
        tenant: TenantId,
        key: Key,
        (variant, draft): (Arc<Variant>, Option<Draft>),
    ) -> Option<usize> {
        let mut table = self.table();
        let replaced = table.change(tenant, |shelf, step| {
            if draft.as_ref().is_some_and(|draft| !shelf.end(draft.number)) {
                return None;
            }
            let taken = shelf.take(&key);
            let (key, mut variants) = taken.unwrap_or_else(|| (Arc::new(key), Vec::new()));
            let replaced = shelf::add(&mut variants, variant);
            shelf.place(key, variants, step);
            Some(replaced)
        });
        let evicted = table.make_room(self.bounds, tenant);
        drop(table);
        replaced.map(|_| evicted.len())
    }

    /// Drops all responses of a key; whether one of them was fresh.
    pub(super) fn delete(&self, tenant: TenantId, key: &Key, now: Duration) -> bool {
        let taken = self.table().change(tenant, |shelf, _| shelf.take(key));
        taken.is_some_and(|(_, variants)| variants.iter().any(|variant| variant.is_fresh(now)))
    }

    /// Drops whatever a tenant keeps, and gives up what it has on its way.
    pub(super) fn forget(&self, tenant: TenantId) {
        let gone = self.table().change(tenant, |shelf, _| std::mem::take(shelf));
        drop(gone);
    }

    /// Begins a file.
    pub(super) fn begin(self: &Arc<Self>, tenant: TenantId) -> Draft {
        let (number, unwanted) =
            self.table().change(tenant, |shelf, step| (step, shelf.begin(step)));
        Draft { shelves: self.clone(), tenant, number, unwanted }
    }

    /// What is held in all, and how many entries that is.
    pub(super) fn held(&self) -> (Weight, usize) {
        let table = self.table();
        (Weight { memory: table.memory.total, disk: table.disk.total }, table.entry_count)
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Draft {
    /// Makes room for so many more bytes, and says how many responses went for it; `None` if the
    /// file itself is to go.
    pub(super) fn grow(&self, bytes: u64) -> Option<usize> {
        let mut table = self.shelves.table();
        if !table.change(self.tenant, |shelf, _| shelf.grow(self.number, bytes)) {
            return None;
        }
        let evicted = table.make_room(self.shelves.bounds, self.tenant);
        drop(table);
        Some(evicted.len())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // Over already if it was kept or given up.
        self.shelves.table().change(self.tenant, |shelf, _| shelf.end(self.number));
    }
}
