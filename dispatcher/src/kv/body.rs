//! Values on their way out, piece by piece, each read when there is a reader for it.

use bindery_storage::tables::KvValue;
use bindery_storage::value::{LargeValue, Reading};
use bindery_wire::frame::BODY_INLINE_BYTES_MAX;
use bindery_wire::{ContentHash, TenantId};
use bytes::{Bytes, BytesMut};
use futures_util::stream::{self, BoxStream, StreamExt, TryStreamExt, try_unfold};
use http_body::Frame;
use http_body_util::StreamBody;

use super::{Error, Kv, Result};
use crate::line::{Cut, FetchedBody, Unread, Upload};

/// A value that was found. Nothing of it is read yet, unless it stood in its key's row.
pub struct Content {
    kv: Kv,
    tenant: TenantId,
    /// Its length.
    pub length: u64,
    value: KvValue,
}

/// Where the reading of a value stands.
enum At {
    Here(Bytes),
    Part { number: u64, part: u64, left: u64 },
    File { number: u64, hash: ContentHash },
    Reading(Reading),
    End,
}

impl Content {
    pub(super) fn new(kv: Kv, tenant: TenantId, length: u64, value: KvValue) -> Self {
        Self { kv, tenant, length, value }
    }

    /// The value in pieces.
    pub fn pieces(self) -> BoxStream<'static, Result<Bytes>> {
        let Self { kv, tenant, length, value } = self;
        let at = match value {
            KvValue::Inline(bytes) => At::Here(bytes),
            KvValue::Parts(number) => At::Part { number, part: 0, left: length },
            KvValue::File { number, hash } => At::File { number, hash },
        };
        let pieces = try_unfold(at, move |at| {
            let kv = kv.clone();
            async move { next(&kv, tenant, length, at).await }
        });
        pieces.boxed()
    }
}

async fn next(kv: &Kv, tenant: TenantId, length: u64, at: At) -> Result<Option<(Bytes, At)>> {
    match at {
        At::Here(bytes) => Ok(Some((bytes, At::End))),
        At::Part { left: 0, .. } | At::End => Ok(None),
        At::Part { number, part, left } => {
            let bytes = kv.0.table.part(tenant, number, part).await?.ok_or(Error::Cut)?;
            let left = left.checked_sub(bytes.len() as u64).ok_or(Error::Cut)?;
            Ok(Some((bytes, At::Part { number, part: part + 1, left })))
        }
        At::File { number, hash } => {
            let value = LargeValue { tenant, number, length, hash };
            let reading = kv.0.values.open(value).await?;
            read(reading).await
        }
        At::Reading(reading) => read(reading).await,
    }
}

async fn read(mut reading: Reading) -> Result<Option<(Bytes, At)>> {
    let bytes = reading.next().await?;
    Ok(bytes.map(|bytes| (bytes, At::Reading(reading))))
}

/// Values behind each other, as the body of an answer.
pub(super) async fn joined(contents: Vec<Content>) -> Result<FetchedBody> {
    let length: u64 = contents.iter().map(|content| content.length).sum();
    let mut pieces = stream::iter(contents).map(Content::pieces).flatten();
    if length <= BODY_INLINE_BYTES_MAX as u64 {
        let mut all = BytesMut::new();
        while let Some(piece) = pieces.try_next().await? {
            if all.is_empty() && piece.len() as u64 == length {
                return Ok(FetchedBody::Inline(piece));
            }
            all.extend_from_slice(&piece);
        }
        return Ok(FetchedBody::Inline(all.freeze()));
    }
    let frames = pieces.map_ok(Frame::data).map_err(|error| {
        tracing::warn!(%error, "a value was cut off on its way to its reader");
        Cut::Unfinished
    });
    let from = Unread::Plain(Upload::new(StreamBody::new(frames)));
    Ok(FetchedBody::Stream { from, length: Some(length) })
}
