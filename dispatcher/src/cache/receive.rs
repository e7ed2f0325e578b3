//! Bodies on their way in: what is small is held until all is there, the rest goes into a file as
//! it comes.

use std::sync::Arc;

use bindery_wire::TenantId;
use bindery_wire::frame::BODY_INLINE_BYTES_MAX;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;

use super::Inner;
use super::file::Filing;
use super::shelves::Draft;
use super::variant::Stored;
use crate::line::{Refused, RequestBody, Upload};

/// A body that has come, and the place that was kept for it.
pub(super) struct Received {
    pub(super) body: Stored,
    pub(super) draft: Option<Draft>,
}

/// Why a body is not kept.
pub(super) enum Ended {
    /// Whoever sends it is told so.
    Refused(Refused),
    /// Its place was wanted for others.
    NoRoom,
}

impl Inner {
    /// Receives a body for a tenant. Cancel-safe: dropped, nothing of it is kept.
    pub(super) async fn receive(
        &self,
        tenant: TenantId,
        body: RequestBody,
    ) -> Result<Received, Ended> {
        let (from, length) = match body {
            RequestBody::None => (None, 0),
            RequestBody::Inline(bytes) => {
                // Of a frame, which may be larger than what it carries.
                let body = Stored::Here(Bytes::copy_from_slice(&bytes));
                return Ok(Received { body, draft: None });
            }
            RequestBody::Stream { from, length } => (Some(from), length.unwrap_or(0)),
        };
        self.check(length)?;
        match from {
            None => Ok(Received { body: Stored::Here(Bytes::new()), draft: None }),
            Some(from) => self.receive_stream(tenant, from).await,
        }
    }

    async fn receive_stream(&self, tenant: TenantId, mut from: Upload) -> Result<Received, Ended> {
        let (mut held, mut total) = (BytesMut::new(), 0_u64);
        let mut filing: Option<(Filing, Draft)> = None;
        loop {
            let next = next(&mut from, filing.as_mut().map(|(_, draft)| draft)).await?;
            let Some(bytes) = next else { break };
            total = total.saturating_add(bytes.len() as u64);
            self.check(total)?;
            held.extend_from_slice(&bytes);
            if held.len() > BODY_INLINE_BYTES_MAX {
                filing = Some(self.file(tenant, filing, held.split().freeze()).await?);
            }
        }
        let Some(filing) = filing else {
            let body = Stored::Here(Bytes::copy_from_slice(&held));
            return Ok(Received { body, draft: None });
        };
        let (filing, draft) = self.file(tenant, Some(filing), held.freeze()).await?;
        let body = Stored::Filed(Arc::new(filing.finish()));
        Ok(Received { body, draft: Some(draft) })
    }

    /// Refuses what is larger than it may be, and does not wait for the rest of it.
    fn check(&self, bytes: u64) -> Result<(), Ended> {
        let max = self.object_bytes_max;
        if bytes <= max {
            return Ok(());
        }
        Err(Ended::Refused(Refused::failed(format!(
            "The response is too large to be cached. (The limit cache_object_bytes_max is {max} \
             bytes: keep less in one response, or have the operator raise \
             `cache.object-bytes-max`.)"
        ))))
    }

    /// Writes bytes into a file, a new one if there is none.
    async fn file(
        &self,
        tenant: TenantId,
        filing: Option<(Filing, Draft)>,
        bytes: Bytes,
    ) -> Result<(Filing, Draft), Ended> {
        let (mut filing, draft) = match filing {
            Some(filing) => filing,
            None => (self.folder.create().await.map_err(failed)?, self.shelves.begin(tenant)),
        };
        let evicted = draft.grow(bytes.len() as u64).ok_or(Ended::NoRoom)?;
        self.figures.evicted(evicted);
        filing.write(bytes).await.map_err(failed)?;
        Ok((filing, draft))
    }
}

/// The next bytes of a body, as long as its place is not wanted for others.
async fn next(from: &mut Upload, draft: Option<&mut Draft>) -> Result<Option<Bytes>, Ended> {
    let unwanted = async {
        match draft {
            Some(draft) => drop((&mut draft.unwanted).await),
            None => std::future::pending().await,
        }
    };
    tokio::pin!(unwanted);
    loop {
        let frame = tokio::select! {
            biased;
            () = unwanted.as_mut() => return Err(Ended::NoRoom),
            frame = from.frame() => frame,
        };
        match frame {
            None => return Ok(None),
            Some(Err(_)) => return Err(Ended::Refused(Refused::failed(CUT))),
            Some(Ok(frame)) => {
                if let Ok(bytes) = frame.into_data() {
                    return Ok(Some(bytes));
                }
            }
        }
    }
}

const CUT: &str = "The body of the response was not finished: it is not cached.";

/// A disk that does not do its work is the host's fault.
fn failed(error: std::io::Error) -> Ended {
    tracing::error!(%error, "a file of the cache can not be written");
    Ended::Refused(Refused::failed("internal error: the cache can not keep the response"))
}
