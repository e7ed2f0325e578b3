//! Host names granted to tenants: the tenant's list, and whose each host is.

use std::sync::Arc;

use bindery_wire::TenantId;
use serde::{Deserialize, Serialize};

use super::row::{self, Result, Row, Store};
use crate::engine::{Check, Engine, KeyRange, Write};
use crate::key::{Key, Space};

/// A host name that was granted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Domain {
    /// When, in milliseconds since 1970.
    pub created_ms: u64,
}

impl Row for Domain {
    const TABLE: &'static str = "domains";
}

/// The tables of host names.
#[derive(Clone)]
pub struct Domains(Store);

impl Domains {
    /// The tables in this store.
    pub fn new(engine: Arc<dyn Engine>) -> Self {
        Self(Store(engine))
    }

    /// A host name of a tenant.
    pub async fn get(&self, tenant: TenantId, host: &str) -> Result<Option<Domain>> {
        self.0.get(key(tenant, host)).await
    }

    /// The host names of a tenant, in byte order.
    pub async fn list(&self, tenant: TenantId, count_max: usize) -> Result<Vec<(String, Domain)>> {
        self.0.list(Key::new(Space::Domain).tenant(tenant).finish(), None, count_max).await
    }

    /// The host names of every tenant behind the key given, each with its key.
    pub async fn all(
        &self,
        after: Option<&[u8]>,
        count_max: usize,
    ) -> Result<Vec<(Vec<u8>, TenantId, String)>> {
        let range = KeyRange::prefix(Key::new(Space::Domain).finish());
        let range = after.map_or(range.clone(), |after| range.after(after));
        let entries = self.0.0.scan(range, count_max).await?;
        let read = |entry: &crate::engine::Entry| {
            let (tenant, host) = row::owned(&entry.key, Domain::TABLE)?;
            Ok((entry.key.to_vec(), tenant, host))
        };
        entries.iter().map(read).collect()
    }

    /// Whose a host name is.
    pub async fn owner(&self, host: &str) -> Result<Option<TenantId>> {
        let bytes = self.0.get_bytes(host_key(host)).await?;
        bytes.map(|b| row::number_from_bytes(&b, Domain::TABLE).map(TenantId)).transpose()
    }

    /// Holds while nobody has the host name.
    pub fn free(&self, host: &str) -> Check {
        Check { key: host_key(host), value: None }
    }

    /// Grants a host name.
    pub fn put(&self, tenant: TenantId, host: &str, domain: &Domain) -> [Write; 2] {
        let owner = Write::Put { key: host_key(host), value: row::number_to_bytes(tenant.0) };
        [row::put(key(tenant, host), domain), owner]
    }

    /// Takes a host name back.
    pub fn delete(&self, tenant: TenantId, host: &str) -> [Write; 2] {
        [Write::Delete { key: key(tenant, host) }, Write::Delete { key: host_key(host) }]
    }
}

fn key(tenant: TenantId, host: &str) -> Vec<u8> {
    row::ending(Key::new(Space::Domain).tenant(tenant), host)
}

fn host_key(host: &str) -> Vec<u8> {
    row::ending(Key::new(Space::Host), host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_of_a_domain_are_frozen() {
        let table = Domains::new(Arc::new(crate::memory::Memory::default()));
        let writes = table.put(TenantId(2), "a.b", &Domain { created_ms: 5 });
        let [Write::Put { value: row, .. }, Write::Put { value: owner, .. }] = writes else {
            panic!("two rows");
        };
        assert_eq!(row, b"\x01{\"created_ms\":5}");
        assert_eq!(owner, [1, 0, 0, 0, 0, 0, 0, 0, 2]);
    }
}
