//! Contents: the bytes of modules and of large manifests. Small ones are rows, large ones files,
//! and only this file knows which.

use std::collections::HashSet;

use bindery_storage::blob;
use bindery_storage::engine::{BATCH_BYTES_MAX, Batch, Write};
use bindery_storage::tables::CONTENT_BYTES_MAX;
use bindery_wire::{ContentHash, TenantId};
use bytes::Bytes;

use super::edit::Edit;
use super::register::hashes;
use super::{Error, Inner, Result};

/// Bytes of contents in one batch: what is left is more than the tenant's row, which it checks.
const TOGETHER_BYTES_MAX: usize = BATCH_BYTES_MAX - (16 << 10);
/// Contents that are looked through, or removed, in one go.
const CHUNK_COUNT: usize = 100;

impl Inner {
    /// Keeps contents for a version that the change will add. They are durable before it, and
    /// without it they are removed with the next that nothing names.
    pub(super) async fn put_contents(&self, edit: &Edit<'_>, contents: &[Bytes]) -> Result<()> {
        let (mut together, mut size) = (Vec::new(), 0);
        for bytes in contents {
            // To hash takes a while: others run between two contents.
            tokio::task::yield_now().await;
            if bytes.len() > CONTENT_BYTES_MAX {
                self.parts.blobs.put_async(edit.id, bytes.clone()).await?;
                continue;
            }
            let hash = ContentHash::of(bytes);
            // One that is there and whole is not written again; a damaged one is.
            if matches!(self.contents.get(edit.id, &hash).await, Ok(Some(_))) {
                continue;
            }
            let rows = self.contents.put(edit.id, &hash, bytes);
            let more = rows.iter().map(Write::bytes).sum::<usize>();
            if size + more > TOGETHER_BYTES_MAX {
                edit.write_ahead(std::mem::take(&mut together)).await?;
                size = 0;
            }
            together.extend(rows);
            size += more;
        }
        if together.is_empty() { Ok(()) } else { edit.write_ahead(together).await }
    }

    /// A content of a tenant, compared with its hash. It must be there.
    pub(super) async fn content(&self, tenant: TenantId, hash: ContentHash) -> Result<Bytes> {
        // As above: what is read is hashed.
        tokio::task::yield_now().await;
        match self.contents.get(tenant, &hash).await? {
            Some(bytes) => Ok(bytes),
            None => Ok(self.parts.blobs.get_async(tenant, hash).await?),
        }
    }

    /// Removes the contents that no version of the tenant names. The change under way keeps
    /// uploads of the tenant out meanwhile.
    pub(super) async fn remove_unnamed_contents(&self, edit: &Edit<'_>) -> Result<()> {
        let tenant = edit.id;
        let named = self.named(tenant).await?;
        self.remove_rows_but(tenant, &named).await?;
        let blobs = self.parts.blobs.clone();
        let removed = tokio::task::spawn_blocking(move || -> blob::Result<()> {
            let mut unnamed = blobs.list(tenant)?;
            unnamed.retain(|hash| !named.contains(hash));
            unnamed.iter().try_for_each(|hash| blobs.delete(tenant, hash))
        });
        Ok(removed.await.map_err(|_| Error::Stopped)??)
    }

    /// Removes all contents of a tenant that is deleted.
    pub(super) async fn remove_contents(&self, tenant: TenantId) -> Result<()> {
        self.remove_rows_but(tenant, &HashSet::new()).await?;
        let blobs = self.parts.blobs.clone();
        let removed = tokio::task::spawn_blocking(move || blobs.delete_tenant(tenant));
        Ok(removed.await.map_err(|_| Error::Stopped)??)
    }

    /// The contents that versions of a tenant name, and with them those that their large
    /// manifests are.
    async fn named(&self, tenant: TenantId) -> Result<HashSet<ContentHash>> {
        let mut named = HashSet::new();
        let mut after = None;
        loop {
            let versions = self.versions.of_tenant(tenant, after.as_deref(), CHUNK_COUNT).await?;
            let Some((last, ..)) = versions.last() else { return Ok(named) };
            after = Some(last.clone());
            for (_, id, row) in &versions {
                let manifest = self.read_manifest(tenant, *id, row).await?;
                named.insert(ContentHash(id.0));
                named.extend(hashes(&manifest));
            }
        }
    }

    async fn remove_rows_but(&self, tenant: TenantId, named: &HashSet<ContentHash>) -> Result<()> {
        let mut after = None;
        loop {
            let hashes = self.contents.list(tenant, after.as_ref(), CHUNK_COUNT).await?;
            let Some(last) = hashes.last() else { return Ok(()) };
            after = Some(*last);
            let unnamed = hashes.iter().filter(|hash| !named.contains(*hash));
            let writes: Vec<_> = unnamed.map(|hash| self.contents.delete(tenant, hash)).collect();
            if !writes.is_empty() {
                self.parts.engine.commit(Batch { checks: vec![], writes }).await?;
            }
        }
    }
}
