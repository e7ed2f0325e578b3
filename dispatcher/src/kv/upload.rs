//! Values on their way in: what is small enough is held until it is committed, the rest goes into a
//! file as it comes.

use std::sync::Arc;

use bindery_logic::kv::{self, VALUE_BYTES_MAX};
use bindery_storage::engine::{Batch, Check, Committed, Write};
use bindery_storage::tables::{Kind, KvTable, Remains, Standing};
use bindery_storage::value::Writing;
use bindery_wire::{ContentHash, TenantId};
use bytes::{Bytes, BytesMut};
use chacha20poly1305::aead::OsRng;
use chacha20poly1305::aead::rand_core::RngCore;
use http_body_util::BodyExt;

use super::{Error, Inner, Result, UPLOAD_TIME_MAX};
use crate::line::{RequestBody, Upload};

/// Bytes that are written to a file at once.
const PIECE_BYTES: usize = 256 << 10;

/// A value that has come.
pub(super) enum Received {
    /// All of it.
    Here(Bytes),
    /// It is in a file, and durable.
    File(Filed),
}

/// A value in a file that no key holds yet. Dropped, the file is removed.
pub(super) struct Filed {
    reserved: Reserved,
    pub(super) length: u64,
    pub(super) hash: ContentHash,
}

/// A number that is reserved for a file.
struct Reserved {
    inner: Arc<Inner>,
    tenant: TenantId,
    remains: Remains,
    is_claimed: bool,
}

impl Received {
    pub(super) fn length(&self) -> u64 {
        match self {
            Self::Here(bytes) => bytes.len() as u64,
            Self::File(filed) => filed.length,
        }
    }
}

impl Filed {
    pub(super) fn number(&self) -> u64 {
        self.reserved.remains.value
    }

    /// Holds while nobody has condemned it, and takes the note away.
    pub(super) fn claim(&self) -> (Check, Write) {
        let Reserved { inner, tenant, remains, .. } = &self.reserved;
        (inner.table.remains_there(*tenant, remains), inner.table.delete_remains(*tenant, remains))
    }

    /// A key holds it.
    pub(super) fn claimed(mut self) {
        self.reserved.is_claimed = true;
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        if self.is_claimed {
            return;
        }
        let (inner, tenant, remains) = (self.inner.clone(), self.tenant, self.remains);
        // What is not removed now is, once its time is over.
        self.inner.parts.tasks.spawn("an upload that was given up", async move {
            if let Err(error) = inner.remove_reserved(tenant, &remains).await {
                tracing::warn!(%tenant, %error, "a value that was given up stays for now");
            }
        });
    }
}

impl Inner {
    /// Receives a value for a tenant. Cancel-safe: dropped, nothing of it is kept.
    pub(super) async fn receive(
        self: &Arc<Self>,
        tenant: TenantId,
        body: RequestBody,
    ) -> Result<Received> {
        let (from, length) = match body {
            RequestBody::None => return Ok(Received::Here(Bytes::new())),
            RequestBody::Inline(bytes) => return Ok(Received::Here(bytes)),
            RequestBody::Stream { from, length } => (from, length),
        };
        kv::check_value(length.unwrap_or(0))?;
        let _share = self.receiving.enter(tenant).await;
        self.receive_stream(tenant, from, length).await
    }

    async fn receive_stream(
        self: &Arc<Self>,
        tenant: TenantId,
        mut from: Upload,
        length: Option<u64>,
    ) -> Result<Received> {
        let (mut held, mut total) = (BytesMut::new(), 0_u64);
        let mut filing: Option<(Reserved, Writing)> = None;
        let held_max = |filing: bool| match length {
            _ if filing => PIECE_BYTES,
            Some(length) if length > KvTable::PARTS_BYTES_MAX as u64 => PIECE_BYTES,
            _ => KvTable::PARTS_BYTES_MAX,
        };
        while let Some(frame) = from.frame().await {
            let Ok(bytes) = frame.map_err(|_| Error::Cut)?.into_data() else { continue };
            total = total.saturating_add(bytes.len() as u64);
            // What a stream of no known length has beyond the limit is not waited for.
            kv::check_value(total)?;
            held.extend_from_slice(&bytes);
            if held.len() > held_max(filing.is_some()) {
                let (reserved, mut writing) = match filing.take() {
                    Some(filing) => filing,
                    None => self.begin(tenant).await?,
                };
                writing.write(held.split().freeze()).await?;
                filing = Some((reserved, writing));
            }
        }
        let Some((reserved, mut writing)) = filing else {
            return Ok(Received::Here(held.freeze()));
        };
        if !held.is_empty() {
            writing.write(held.freeze()).await?;
        }
        let (length, hash) = writing.finish().await?;
        debug_assert!(length <= VALUE_BYTES_MAX, "it was checked as it came");
        Ok(Received::File(Filed { reserved, length, hash }))
    }

    /// Reserves a number, durably, and begins the file.
    async fn begin(self: &Arc<Self>, tenant: TenantId) -> Result<(Reserved, Writing)> {
        let now_ms = self.now_ms();
        let at_ms = now_ms.saturating_add(UPLOAD_TIME_MAX.as_millis() as u64);
        let standing = Standing::Reserved;
        let remains = Remains { at_ms, value: OsRng.next_u64(), standing, bytes: 0 };
        let row = self.tenants.get(tenant).await?.ok_or(Error::Gone)?;
        let mut writes = vec![self.table.put_remains(tenant, &remains)];
        writes.extend(self.sweep_after(tenant, Kind::KvRemains, at_ms, now_ms));
        let checks = vec![self.tenants.unchanged(tenant, &row)];
        match self.parts.engine.commit(Batch { checks, writes }).await? {
            Committed::Done { .. } => {}
            Committed::Conflict { .. } => return Err(Error::Busy),
        }
        let reserved = Reserved { inner: self.clone(), tenant, remains, is_claimed: false };
        let writing = self.values.begin(tenant, remains.value).await?;
        Ok((reserved, writing))
    }

    /// Removes the file of a number that nobody claims, and then the note of it.
    async fn remove_reserved(&self, tenant: TenantId, remains: &Remains) -> Result<()> {
        let condemned = Remains { standing: Standing::Condemned, ..*remains };
        let checks = vec![self.table.remains_there(tenant, remains)];
        let writes = vec![self.table.put_remains(tenant, &condemned)];
        let committed = self.parts.engine.commit(Batch { checks, writes }).await?;
        if matches!(committed, Committed::Conflict { .. }) {
            // A commit that was not waited for has claimed it, it is condemned already, or the note
            // went with its tenant.
            let is_gone = self.tenants.get(tenant).await?.is_none();
            return if is_gone {
                Ok(self.values.delete(tenant, remains.value).await?)
            } else {
                Ok(())
            };
        }
        self.values.delete(tenant, remains.value).await?;
        let writes = vec![self.table.delete_remains(tenant, &condemned)];
        self.parts.engine.commit(Batch { checks: vec![], writes }).await?;
        Ok(())
    }
}
