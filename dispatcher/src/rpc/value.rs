//! A value of one isolate, on its way to another.

use bindery_wire::value::{FORMAT, INLINE_BYTES_MAX};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;

use super::{Capability, Size};
use crate::line::{Refused, RequestBody};

/// A value that an isolate wrote. Nothing in the bytes was checked, and nothing here reads them.
#[derive(Clone, Debug)]
pub struct Value {
    /// [`FORMAT`] of whoever wrote it.
    pub format: u32,
    /// The bytes.
    pub bytes: Bytes,
    /// What goes with them, in the order in which they name it.
    pub capabilities: Vec<Capability>,
    size: Size,
}

impl Value {
    /// A value of these bytes, and what goes with them.
    pub fn new(format: u32, bytes: Bytes, capabilities: Vec<Capability>) -> Result<Self, Refused> {
        let held: Size = capabilities.iter().map(Capability::size).collect();
        let size = held.within(bytes.len()).check()?;
        Ok(Self { format, bytes, capabilities, size })
    }

    /// The size of it, with what goes with it.
    pub fn size(&self) -> Size {
        self.size
    }

    /// What a call of a binding brings: its body, with what was attached to it.
    pub async fn read(
        body: RequestBody,
        capabilities: Vec<Capability>,
        bytes_max: usize,
    ) -> Result<Self, Refused> {
        Self::new(FORMAT, all(body, bytes_max).await?, capabilities)
    }

    /// Whether it is small enough to be in a frame as a whole.
    pub fn is_inline(&self) -> bool {
        self.bytes.len() <= INLINE_BYTES_MAX
    }
}

/// All of a body.
async fn all(body: RequestBody, bytes_max: usize) -> Result<Bytes, Refused> {
    let too_long = || Refused::wrong(format!("The value is over the limit of {bytes_max} bytes."));
    let mut from = match body {
        RequestBody::None => return Ok(Bytes::new()),
        RequestBody::Inline(bytes) if bytes.len() <= bytes_max => return Ok(bytes),
        RequestBody::Inline(_) => return Err(too_long()),
        RequestBody::Stream { from, .. } => from,
    };
    let mut whole = BytesMut::new();
    while let Some(frame) = from.frame().await {
        let frame = frame.map_err(|_| Refused::failed("The value broke off."))?;
        let Ok(chunk) = frame.into_data() else { continue };
        if whole.len() + chunk.len() > bytes_max {
            return Err(too_long());
        }
        whole.extend_from_slice(&chunk);
    }
    Ok(whole.freeze())
}
