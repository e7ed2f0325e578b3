//! Maps of versions that are kept, and the records of the tail through them.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use bindery_wire::manifest::ModuleKind;
use bindery_wire::{Manifest, TenantId, VersionId};
use serde_json::value::RawValue;
use tokio::sync::Semaphore;

use super::{Map, frames, mapped, of_module};
use crate::registry::Registry;
use crate::tail::{Item, Kind};

/// Bytes of decoded maps that are kept.
const KEPT_BYTES_MAX: u64 = 64 << 20;
/// What a module without a map weighs.
const NONE_BYTES: usize = 256;
/// Maps that are decoded at once: each takes a core and some memory.
const READ_COUNT_MAX: usize = 1;

/// Maps positions of versions that are kept. Clones share what is decoded.
#[derive(Clone)]
pub struct SourceMaps {
    registry: Registry,
    maps: moka::sync::Cache<Key, Arc<Option<Map>>>,
    turns: Arc<Semaphore>,
}

/// The version says what each module and map is.
type Key = (TenantId, VersionId, String);

impl SourceMaps {
    /// No maps yet.
    pub fn new(registry: Registry) -> Self {
        let weight = |key: &Key, map: &Arc<Option<Map>>| {
            let bytes = map.as_ref().as_ref().map_or(NONE_BYTES, Map::bytes) + key.2.len();
            u32::try_from(bytes).unwrap_or(u32::MAX)
        };
        let maps =
            moka::sync::Cache::builder().max_capacity(KEPT_BYTES_MAX).weigher(weight).build();
        Self { registry, maps, turns: Arc::new(Semaphore::new(READ_COUNT_MAX)) }
    }

    /// Maps the stacks of records. Cancel-safe.
    pub async fn map_items(&self, tenant: TenantId, items: &mut [Item]) {
        for item in items {
            self.map_item(tenant, item).await;
        }
    }

    /// Maps the stack of an exception, and the stacks in the message of a log. Cancel-safe.
    pub async fn map_item(&self, tenant: TenantId, item: &mut Item) {
        let of = (tenant, item.worker.as_str(), item.version.as_str());
        match &mut item.kind {
            Kind::Exception { stack, .. } => {
                if let Some(mapped) = self.text(of, stack).await {
                    *stack = mapped;
                }
            }
            Kind::Log { message, .. } => {
                let mapped = self.text(of, message.get()).await;
                if let Some(mapped) = mapped.and_then(|json| RawValue::from_string(json).ok()) {
                    *message = mapped;
                }
            }
            Kind::Outcome { .. } | Kind::Dropped { .. } => {}
        }
    }

    async fn text(&self, of: (TenantId, &str, &str), text: &str) -> Option<String> {
        let names = frames::modules(text);
        if names.is_empty() {
            return None;
        }
        let (tenant, worker, version) = of;
        let maps = self.of(tenant, worker, version.parse().ok()?, names).await;
        mapped(text, &maps)
    }

    async fn of(
        &self,
        tenant: TenantId,
        worker: &str,
        version: VersionId,
        names: BTreeSet<&str>,
    ) -> HashMap<String, Arc<Option<Map>>> {
        let mut maps = HashMap::new();
        let mut manifest = None;
        for name in names {
            let key = (tenant, version, name.to_owned());
            let map = match self.maps.get(&key) {
                Some(map) => map,
                None => {
                    let Ok(_turn) = self.turns.acquire().await else { return maps };
                    if manifest.is_none() {
                        manifest =
                            self.registry.version(tenant, worker, version).await.ok().flatten();
                    }
                    // A version that is gone, or a name that is not of its modules.
                    let Some(manifest) = &manifest else { return maps };
                    let map = Arc::new(self.read(tenant, manifest, name).await);
                    self.maps.insert(key, map.clone());
                    map
                }
            };
            maps.insert(name.to_owned(), map);
        }
        maps
    }

    /// Reads a module and its map. One that can not be read counts as none.
    async fn read(&self, tenant: TenantId, manifest: &Manifest, name: &str) -> Option<Map> {
        let module = manifest
            .modules
            .get(name)
            .filter(|module| matches!(module.kind, ModuleKind::Es | ModuleKind::CommonJs))?;
        let source = self.registry.module(tenant, module.hash).await.ok()?;
        let found = super::find(manifest, name, std::str::from_utf8(&source).ok()?);
        let json = match found {
            Some(super::Found::Module(map)) => {
                let hash = manifest.modules.get(&map)?.hash;
                Some(self.registry.module(tenant, hash).await.ok()?)
            }
            Some(super::Found::Inline(_)) => None,
            None => return None,
        };
        let (manifest, name) = (manifest.clone(), name.to_owned());
        let decoded = tokio::task::spawn_blocking(move || {
            of_module(&manifest, (&name, &source), |_| json).ok().flatten()
        });
        decoded.await.ok().flatten()
    }
}
