//! The parts of an upload, read within the limits of a version.

use axum::extract::Multipart;
use axum::extract::multipart::{Field, MultipartError};
use bindery_wire::limits::{ENV_BYTES_MAX, MODULE_COUNT_MAX, MODULES_BYTES_MAX};
use bytes::{Bytes, BytesMut};

use crate::limit;
use crate::problem::{Code, Problem};

/// Bytes of the metadata: `env` with every character escaped, and room for the rest.
pub(crate) const METADATA_BYTES_MAX: u64 = 6 * ENV_BYTES_MAX + (1 << 20);

/// An upload as it was sent.
#[derive(Debug, Default)]
pub(super) struct Parts {
    /// The part `metadata`.
    pub(super) metadata: Option<Bytes>,
    /// Every other part.
    pub(super) modules: Vec<Part>,
    /// Bytes of all modules, those that are over the limit included.
    pub(super) bytes: u64,
}

/// A module as it was sent.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) name: String,
    pub(super) content_type: String,
    pub(super) bytes: Bytes,
}

/// Reads all parts. No more than the modules of one version are held; what is over is counted.
pub(super) async fn read(mut form: Multipart) -> Result<Parts, Problem> {
    let mut parts = Parts::default();
    while let Some(field) = form.next_field().await.map_err(malformed)? {
        let Some(name) = field.name().map(str::to_owned) else {
            return Err(Problem::new(Code::BadRequest, "a part of the upload has no name"));
        };
        if name == "metadata" {
            let (bytes, length) = collect(field, METADATA_BYTES_MAX).await?;
            if length > METADATA_BYTES_MAX {
                let message = format!("the metadata is too long; {}", limit::METADATA.fixed());
                return Err(Problem::new(Code::TooLarge, message));
            }
            if parts.metadata.replace(bytes).is_some() {
                return Err(Problem::new(Code::BadRequest, "there are two parts `metadata`"));
            }
            continue;
        }
        if parts.modules.len() >= MODULE_COUNT_MAX {
            let message = format!("there are too many modules; {}", limit::MODULE_COUNT.fixed());
            return Err(Problem::new(Code::TooLarge, message));
        }
        let content_type = field.content_type().unwrap_or_default().to_owned();
        let room = MODULES_BYTES_MAX.saturating_sub(parts.bytes);
        let (bytes, length) = collect(field, room).await?;
        parts.bytes += length;
        parts.modules.push(Part { name, content_type, bytes });
    }
    Ok(parts)
}

/// The bytes of a part and its length. A part over `bytes_max` is read but not held.
async fn collect(mut field: Field<'_>, bytes_max: u64) -> Result<(Bytes, u64), Problem> {
    let (mut bytes, mut length) = (BytesMut::new(), 0);
    while let Some(chunk) = field.chunk().await.map_err(malformed)? {
        length += chunk.len() as u64;
        if length <= bytes_max {
            bytes.extend_from_slice(&chunk);
        } else {
            bytes = BytesMut::new();
        }
    }
    Ok((bytes.freeze(), length))
}

fn malformed(error: MultipartError) -> Problem {
    if error.status().as_u16() == Code::TooLarge.status() {
        let message = format!("the upload is too large; {}", limit::REQUEST.fixed());
        return Problem::new(Code::TooLarge, message);
    }
    Problem::new(Code::BadRequest, format!("the upload is malformed: {}", error.body_text()))
}
