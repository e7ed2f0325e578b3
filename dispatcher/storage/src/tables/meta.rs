//! What is true of the whole store.

use std::sync::Arc;

use bindery_wire::TenantId;

use super::row::{self, Result, Store};
use super::secret::Sealed;
use crate::engine::{Check, Engine, Write};
use crate::key::{Key, Space};

const TABLE: &str = "meta";

/// The table of what is true of the whole store.
#[derive(Clone)]
pub struct Meta(Store);

impl Meta {
    /// The table in this store.
    pub fn new(engine: Arc<dyn Engine>) -> Self {
        Self(Store(engine))
    }

    /// A known value that was encrypted with the key of all secrets.
    pub async fn key_check(&self) -> Result<Option<Sealed>> {
        let bytes = self.0.get_bytes(key_check()).await?;
        bytes.map(|bytes| Sealed::from_bytes(&bytes)).transpose()
    }

    /// Sets it, and holds while there is none.
    pub fn put_key_check(&self, sealed: &Sealed) -> (Check, Write) {
        let check = Check { key: key_check(), value: None };
        (check, Write::Put { key: key_check(), value: sealed.to_bytes() })
    }

    /// Tenants that are deleted but may have left contents.
    pub async fn gone(&self, count_max: usize) -> Result<Vec<TenantId>> {
        let prefix = gone().finish();
        let skip = prefix.len();
        let entries = self.0.scan(prefix, None, count_max).await?;
        let id = |entry: &crate::engine::Entry| {
            let id = entry.key.get(skip..).and_then(|last| last.try_into().ok());
            Ok(TenantId(u64::from_be_bytes(id.ok_or(row::Error::Malformed(TABLE))?)))
        };
        entries.iter().map(id).collect()
    }

    /// Notes that a tenant is deleted.
    pub fn put_gone(&self, tenant: TenantId) -> Write {
        Write::Put { key: gone().tenant(tenant).finish(), value: vec![row::FORMAT] }
    }

    /// Notes that nothing is left of a tenant.
    pub fn delete_gone(&self, tenant: TenantId) -> Write {
        Write::Delete { key: gone().tenant(tenant).finish() }
    }
}

fn key_check() -> Vec<u8> {
    Key::new(Space::Meta).text("secrets-key").finish()
}

fn gone() -> Key {
    Key::new(Space::Meta).text("gone")
}
