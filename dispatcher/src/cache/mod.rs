//! Caches: responses that workers keep for a while, each tenant for itself.
//!
//! What may be kept, for how long and for which requests is said by [`bindery_logic::cache`]; here
//! it is found by tenant, name of the cache and key, all three compared whole. Small bodies are in
//! memory, larger ones in files that belong to this process: a cache may lose anything at any time,
//! and loses everything at a start.
//!
//! Guarantees: memory and disk are bounded for all tenants together, bodies on their way in
//! included. Whoever holds most loses first, so that a tenant which holds no more than its share,
//! the bound divided by those that hold something, loses nothing to others, whatever they do.
//! Nothing is given out in part: what is replaced or dropped while it is read is read to its end.
//! A tenant that holds nothing costs nothing.

mod ask;
mod figures;
mod file;
mod receive;
mod shelf;
mod shelves;
#[cfg(test)]
mod tests;
mod variant;

use std::path::Path;
use std::sync::Arc;

use bindery_wire::TenantId;
use futures_util::future::BoxFuture;

use crate::clock::Clock;
use crate::config::CacheConfig;
use crate::line::{Answer, Ask, Refused};
use crate::metrics::{Family, Measured};
use figures::Figures;
use file::Folder;
use shelf::Weight;
use shelves::Shelves;

/// Bytes of the name of a cache.
pub const CACHE_NAME_BYTES_MAX: usize = 1_023;
/// Bytes of what a response is found by: a URL, or the `cacheKey` in its place.
pub const CACHE_KEY_BYTES_MAX: usize = 16 << 10;
/// Responses to one URL, for requests whose headers differ.
pub const CACHE_VARIANT_COUNT_MAX: usize = 16;

/// The caches of all tenants. Clones are the same.
#[derive(Clone)]
pub struct Caches(Arc<Inner>);

struct Inner {
    shelves: Arc<Shelves>,
    folder: Arc<Folder>,
    clock: Clock,
    object_bytes_max: u64,
    figures: Figures,
}

impl Caches {
    /// Empty caches, whose files are in `cache` under the data directory. What an earlier process
    /// left there is removed. Blocks.
    pub fn open(data: &Path, config: &CacheConfig, clock: Clock) -> std::io::Result<Self> {
        let bounds = Weight { memory: config.memory_bytes_max, disk: config.disk_bytes_max };
        Ok(Self(Arc::new(Inner {
            shelves: Arc::new(Shelves::new(bounds)),
            folder: Arc::new(Folder::open(data.join("cache"))?),
            clock,
            object_bytes_max: config.object_bytes_max,
            figures: Figures::default(),
        })))
    }

    /// Does what a worker asks of its caches. Dropped, nothing of a body that was on its way stays.
    pub fn ask(&self, ask: Ask) -> BoxFuture<'static, Result<Answer, Refused>> {
        let inner = self.0.clone();
        Box::pin(async move { inner.answer(ask).await })
    }

    /// Drops whatever a tenant keeps.
    pub fn forget(&self, tenant: TenantId) {
        self.0.shelves.forget(tenant);
    }
}

impl Measured for Caches {
    fn measure(&self) -> Vec<Family> {
        self.0.figures.measure(&self.0.shelves)
    }
}
