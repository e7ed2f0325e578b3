//! Compiled code of modules, in memory before the disk.
//!
//! It is kept for one tenant, one module and one engine build, and comes from an isolate of that
//! tenant only: none of it is ever given to another tenant.

use std::sync::Arc;

use bindery_storage::code::CodeCache;
use bindery_wire::{ContentHash, TenantId};
use bytes::Bytes;

use crate::code::Code;

/// Bytes of compiled code that are kept in memory.
const MEMORY_BYTES_MAX: u64 = 64 << 20;
/// A module's code that is longer is not kept.
const CODE_BYTES_MAX: usize = 16 << 20;

/// Compiled code of modules. Clones share it.
#[derive(Clone)]
pub struct Compiled {
    memory: moka::sync::Cache<(TenantId, ContentHash), Option<Bytes>>,
    disk: Option<Arc<CodeCache>>,
}

impl Compiled {
    /// Compiled code of one engine build, on `disk` if that is given.
    pub fn new(disk: Option<CodeCache>) -> Self {
        let weight = |_: &_, code: &Option<Bytes>| {
            let bytes = code.as_ref().map_or(0, Bytes::len);
            u32::try_from(bytes).unwrap_or(u32::MAX).saturating_add(128)
        };
        let memory =
            moka::sync::Cache::builder().max_capacity(MEMORY_BYTES_MAX).weigher(weight).build();
        Self { memory, disk: disk.map(Arc::new) }
    }

    /// What there is for each module of `code`, in its order.
    pub(super) async fn of(&self, code: &Arc<Code>) -> Vec<Option<Bytes>> {
        let known: Option<Vec<Option<Bytes>>> =
            hashes(code).map(|hash| self.memory.get(&(code.tenant, hash?))).collect();
        if let Some(known) = known {
            return known;
        }
        let (this, owned) = (self.clone(), code.clone());
        let loaded = tokio::task::spawn_blocking(move || {
            hashes(&owned).map(|hash| this.load(owned.tenant, hash?)).collect()
        });
        loaded.await.unwrap_or_default()
    }

    fn load(&self, tenant: TenantId, hash: ContentHash) -> Option<Bytes> {
        self.memory.get_with((tenant, hash), || self.disk.as_ref()?.get(tenant, &hash))
    }

    /// Keeps what an isolate made of a module of `code`.
    pub(super) fn keep(&self, code: &Code, name: &str, made: &[u8]) {
        let Some(module) = code.manifest.modules.get(name) else { return };
        if !module.kind.compiles() || made.is_empty() || made.len() > CODE_BYTES_MAX {
            return;
        }
        let (tenant, hash, made) = (code.tenant, module.hash, Bytes::copy_from_slice(made));
        self.memory.insert((tenant, hash), Some(made.clone()));
        if let Some(disk) = self.disk.clone() {
            tokio::task::spawn_blocking(move || {
                if let Err(error) = disk.put(tenant, &hash, &made) {
                    tracing::warn!(%error, "compiled code was not kept");
                }
            });
        }
    }

    /// Forgets a tenant's. May block.
    pub fn forget(&self, tenant: TenantId) {
        let keys: Vec<_> =
            self.memory.iter().map(|(key, _)| *key).filter(|key| key.0 == tenant).collect();
        for key in keys {
            self.memory.invalidate(&key);
        }
        if let Some(disk) = &self.disk
            && let Err(error) = disk.delete_tenant(tenant)
        {
            tracing::warn!(%error, "a deleted tenant's compiled code is still there");
        }
    }
}

/// The hash of each module that can have compiled code; absent for the others.
fn hashes(code: &Code) -> impl Iterator<Item = Option<ContentHash>> {
    code.modules.iter().map(|(name, _)| {
        let module = code.manifest.modules.get(name)?;
        module.kind.compiles().then_some(module.hash)
    })
}
