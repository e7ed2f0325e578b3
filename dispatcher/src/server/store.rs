//! What a server keeps in its data directory.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bindery_storage::blob::Blobs;
use bindery_storage::code::CodeCache;
use bindery_storage::embedded::Embedded;
use bindery_storage::engine::Engine;
use bindery_storage::tables;

use super::Error;
use super::commits::Commits;
use crate::cache::Caches;
use crate::clock::Clock;
use crate::config::Config;
use crate::cordon::Cordons;
use crate::placement::Compiled;

/// Bytes of compiled code on disk.
const COMPILED_BYTES_MAX: u64 = 1 << 30;

/// What is on disk.
pub(super) struct Store {
    pub(super) engine: Arc<Commits>,
    /// The same without the count.
    pub(super) embedded: Arc<Embedded>,
    pub(super) blobs: Blobs,
}

impl Store {
    pub(super) async fn open(data: PathBuf) -> Result<Self, Error> {
        let opened = tokio::task::spawn_blocking(move || Self::open_now(&data)).await;
        let store = opened.map_err(|_| Error::Stopped)??;
        let engine: Arc<dyn Engine> = store.engine.clone();
        tables::migrate(&engine, &store.blobs).await?;
        Ok(store)
    }

    fn open_now(data: &Path) -> Result<Self, Error> {
        let (embedded, blobs) = crate::store::open(data)?;
        let embedded = Arc::new(embedded);
        Ok(Self { engine: Arc::new(Commits::of(embedded.clone())), embedded, blobs })
    }
}

/// The caches, empty.
pub(super) async fn caches(config: &Config, clock: &Clock) -> Result<Caches, Error> {
    let (data, cache, clock) = (config.data.clone(), config.cache.clone(), clock.clone());
    let opened = tokio::task::spawn_blocking(move || Caches::open(&data, &cache, clock)).await;
    opened.map_err(|_| Error::Stopped)?.map_err(Error::Cache)
}

/// Compiled code in memory, and on disk if it can be kept there: it only saves time.
pub(super) async fn compiled(data: PathBuf, cordons: &Cordons) -> Compiled {
    let Some(engine) = cordons.engine() else { return Compiled::new(None) };
    let opened = tokio::task::spawn_blocking(move || {
        CodeCache::open(&data.join("compiled"), &engine, COMPILED_BYTES_MAX)
    });
    match opened.await {
        Ok(Ok(disk)) => Compiled::new(Some(disk)),
        Ok(Err(error)) => {
            tracing::warn!(%error, "compiled code is not kept");
            Compiled::new(None)
        }
        Err(_) => Compiled::new(None),
    }
}
