//! Tenants: the row under the number, and the number under the name.

use std::sync::Arc;

use bindery_wire::TenantId;
use bindery_wire::limits::Lower;
use serde::{Deserialize, Serialize};

use super::row::{self, Error, Result, Row, Store};
use crate::engine::{Batch, Check, Committed, Engine, KeyRange, Write};
use crate::key::{Key, Space};

/// What is known of a tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tenant {
    /// Its name.
    pub name: String,
    /// Tenants of one tier share processes; those of different tiers do not.
    pub tier: String,
    /// How much it may have.
    #[serde(default)]
    pub quotas: Quotas,
    /// Limits lower than the server's.
    #[serde(default)]
    pub limits: Lower,
    /// Whether nothing of it runs.
    #[serde(default)]
    pub suspended: bool,
    /// When it was made, in milliseconds since 1970.
    pub created_ms: u64,
    /// How many workers it has.
    #[serde(default)]
    pub workers: u32,
    /// How many workers those have registered.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub registered: u32,
    /// Grows with every change of the tenant and of anything that is its own.
    pub changes: u64,
    /// `changes` when the limits were last changed.
    #[serde(default)]
    pub limits_changed: u64,
}

/// How much a tenant may have. What is absent is bounded by the server alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Quotas {
    /// Workers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workers: Option<u32>,
    /// Bytes of all that its workers keep.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stored_bytes: Option<u64>,
    /// How many things these are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stored_rows: Option<u64>,
    /// Calls of bindings in a minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operations_per_minute: Option<u64>,
}

fn is_zero(count: &u32) -> bool {
    *count == 0
}

impl Row for Tenant {
    const TABLE: &'static str = "tenants";
}

/// The table of tenants.
#[derive(Clone)]
pub struct Tenants(Store);

impl Tenants {
    /// The table in this store.
    pub fn new(engine: Arc<dyn Engine>) -> Self {
        Self(Store(engine))
    }

    /// A number that no tenant has had. It is used up, whatever becomes of the tenant.
    pub async fn next_id(&self) -> Result<TenantId> {
        let key = Key::new(Space::TenantCounter).finish();
        let batch = Batch { checks: vec![], writes: vec![Write::Add { key, amount: 1 }] };
        match self.0.0.commit(batch).await? {
            Committed::Done { added } => {
                added.first().map(|id| TenantId(*id)).ok_or(Error::Malformed(Tenant::TABLE))
            }
            Committed::Conflict { .. } => Err(Error::Malformed(Tenant::TABLE)),
        }
    }

    /// The number that a name stands for now.
    pub async fn id(&self, name: &str) -> Result<Option<TenantId>> {
        let bytes = self.0.get_bytes(name_key(name)).await?;
        bytes.map(|b| row::number_from_bytes(&b, Tenant::TABLE).map(TenantId)).transpose()
    }

    /// The tenant of a number.
    pub async fn get(&self, id: TenantId) -> Result<Option<Tenant>> {
        self.0.get(key(id)).await
    }

    /// Names that begin with `prefix` and follow `after`, with their numbers, in byte order.
    pub async fn names(
        &self,
        prefix: &str,
        after: Option<&str>,
        count_max: usize,
    ) -> Result<Vec<(String, TenantId)>> {
        let space = Key::new(Space::TenantName).finish();
        let mut range = KeyRange::prefix([&space, prefix.as_bytes()].concat());
        if let Some(after) = after {
            range = range.after(&name_key(after));
        }
        let entries = self.0.0.scan(range, count_max).await?;
        let name = |entry: &crate::engine::Entry| {
            let id = row::number_from_bytes(&entry.value, Tenant::TABLE)?;
            Ok((row::last(&entry.key, space.len(), Tenant::TABLE)?, TenantId(id)))
        };
        entries.iter().map(name).collect()
    }

    /// Holds while nobody has this name.
    pub fn free(&self, name: &str) -> Check {
        Check { key: name_key(name), value: None }
    }

    /// Holds while the tenant is as it was read.
    pub fn unchanged(&self, id: TenantId, tenant: &Tenant) -> Check {
        row::unchanged(key(id), Some(tenant))
    }

    /// Gives a tenant its name.
    pub fn name(&self, id: TenantId, name: &str) -> Write {
        Write::Put { key: name_key(name), value: row::number_to_bytes(id.0) }
    }

    /// Sets the row.
    pub fn put(&self, id: TenantId, tenant: &Tenant) -> Write {
        row::put(key(id), tenant)
    }

    /// Removes the tenant, its name and every row of its own but its contents, which can be too
    /// many for one commit. They, and rows outside its prefix (host names), are removed apart.
    pub fn delete(&self, id: TenantId, name: &str) -> Vec<Write> {
        const OWN: [Space; 21] = [
            Space::Worker,
            Space::Version,
            Space::Deployment,
            Space::Token,
            Space::Secret,
            Space::Domain,
            Space::Usage,
            Space::Route,
            Space::TenantAudit,
            Space::Due,
            Space::Cron,
            Space::Kv,
            Space::KvExpiry,
            Space::KvPart,
            Space::KvRemains,
            Space::Queue,
            Space::QueueMessage,
            Space::QueueReady,
            Space::QueueLease,
            Space::QueueCount,
            Space::Stored,
        ];
        let mut writes =
            vec![Write::Delete { key: key(id) }, Write::Delete { key: name_key(name) }];
        writes.extend(OWN.map(|space| Write::DeleteRange(Key::new(space).tenant(id).range())));
        writes
    }
}

fn key(id: TenantId) -> Vec<u8> {
    Key::new(Space::Tenant).tenant(id).finish()
}

fn name_key(name: &str) -> Vec<u8> {
    row::ending(Key::new(Space::TenantName), name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_of_a_tenant_are_frozen() {
        let tenant = Tenant {
            name: "acme".into(),
            tier: "standard".into(),
            quotas: Quotas { workers: Some(3), ..Quotas::default() },
            limits: Lower { cpu_ms: Some(50), ..Lower::default() },
            suspended: false,
            created_ms: 7,
            workers: 1,
            registered: 0,
            changes: 9,
            limits_changed: 2,
        };
        let bytes = tenant.to_bytes();
        assert_eq!(Tenant::from_bytes(&bytes).expect("reads"), tenant);
        let golden = "\u{1}{\"name\":\"acme\",\"tier\":\"standard\",\"quotas\":{\"workers\":3},\
            \"limits\":{\"cpu_ms\":50},\"suspended\":false,\"created_ms\":7,\"workers\":1,\
            \"changes\":9,\"limits_changed\":2}";
        assert_eq!(String::from_utf8_lossy(&bytes), golden);
        assert_eq!(row::number_to_bytes(0x102), [1, 0, 0, 0, 0, 0, 0, 1, 2]);
    }

    #[test]
    fn a_row_of_a_newer_program_is_refused_by_number() {
        assert!(matches!(Tenant::from_bytes(b"\x02{}"), Err(Error::TooNew(2))));
        assert!(matches!(Tenant::from_bytes(b"\x01{}"), Err(Error::Malformed("tenants"))));
        assert!(matches!(Tenant::from_bytes(b""), Err(Error::Malformed("tenants"))));
    }
}
