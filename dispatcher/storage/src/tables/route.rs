//! Routes of workers: which requests to custom hosts each one takes now.

use std::sync::Arc;

use bindery_wire::TenantId;
use serde::{Deserialize, Serialize};

use super::row::{self, Result, Row, Store};
use crate::engine::{Engine, KeyRange, Write};
use crate::key::{Key, Space};

/// The routes of a worker: those of the version that serves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Routes {
    /// Their patterns.
    pub patterns: Vec<String>,
}

impl Row for Routes {
    const TABLE: &'static str = "routes";
}

/// The table of routes.
#[derive(Clone)]
pub struct RouteTable(Store);

impl RouteTable {
    /// The table in this store.
    pub fn new(engine: Arc<dyn Engine>) -> Self {
        Self(Store(engine))
    }

    /// The routes of a worker; none if there is no row.
    pub async fn get(&self, tenant: TenantId, worker: &str) -> Result<Routes> {
        Ok(self.0.get(key(tenant, worker)).await?.unwrap_or_default())
    }

    /// The routes of a tenant's workers, in the order of their names.
    pub async fn list(&self, tenant: TenantId, count_max: usize) -> Result<Vec<(String, Routes)>> {
        self.0.list(Key::new(Space::Route).tenant(tenant).finish(), None, count_max).await
    }

    /// The routes of every tenant's workers behind the key given, each with its key.
    pub async fn all(
        &self,
        after: Option<&[u8]>,
        count_max: usize,
    ) -> Result<Vec<(Vec<u8>, TenantId, String, Routes)>> {
        let range = KeyRange::prefix(Key::new(Space::Route).finish());
        let range = after.map_or(range.clone(), |after| range.after(after));
        let entries = self.0.0.scan(range, count_max).await?;
        let read = |entry: &crate::engine::Entry| {
            let (tenant, worker) = row::owned(&entry.key, Routes::TABLE)?;
            Ok((entry.key.to_vec(), tenant, worker, Routes::from_bytes(&entry.value)?))
        };
        entries.iter().map(read).collect()
    }

    /// Sets a worker's routes; without any there is no row.
    pub fn put(&self, tenant: TenantId, worker: &str, routes: &Routes) -> Write {
        if routes.patterns.is_empty() {
            return self.delete(tenant, worker);
        }
        row::put(key(tenant, worker), routes)
    }

    /// Removes a worker's routes.
    pub fn delete(&self, tenant: TenantId, worker: &str) -> Write {
        Write::Delete { key: key(tenant, worker) }
    }
}

fn key(tenant: TenantId, worker: &str) -> Vec<u8> {
    row::ending(Key::new(Space::Route).tenant(tenant), worker)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_of_routes_are_frozen() {
        let routes = Routes { patterns: vec!["a.b/*".into(), "https://a.b/".into()] };
        let golden = "\u{1}{\"patterns\":[\"a.b/*\",\"https://a.b/\"]}";
        assert_eq!(String::from_utf8_lossy(&routes.to_bytes()), golden);
        assert_eq!(Routes::from_bytes(&routes.to_bytes()).expect("reads"), routes);
    }

    #[test]
    fn a_worker_without_routes_has_no_row() {
        let table = RouteTable::new(Arc::new(crate::memory::Memory::default()));
        let write = table.put(TenantId(1), "w", &Routes::default());
        assert!(matches!(write, Write::Delete { .. }));
    }

    #[tokio::test]
    async fn all_routes_are_read_page_by_page() {
        let engine = Arc::new(crate::memory::Memory::default());
        let table = RouteTable::new(engine.clone());
        let routes = Routes { patterns: vec!["a.b/*".into()] };
        let places = [(TenantId(1), "a"), (TenantId(1), "b"), (TenantId(2), "a")];
        let writes = places.map(|(tenant, worker)| table.put(tenant, worker, &routes)).into();
        engine.commit(crate::engine::Batch { checks: vec![], writes }).await.expect("written");
        let first = table.all(None, 2).await.expect("read");
        let last = first.last().map(|(key, ..)| key.clone());
        let rest = table.all(last.as_deref(), 2).await.expect("read");
        let read: Vec<_> = first.iter().chain(&rest).map(|(_, t, w, _)| (*t, &**w)).collect();
        assert_eq!(read, places);
    }
}
