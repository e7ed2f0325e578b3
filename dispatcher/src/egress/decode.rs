//! Compressed bodies, decoded while they are read.
//!
//! One frame of at most 32 KiB comes out each time somebody asks, however much the compressed bytes
//! that are there expand to: a bomb is as large as its reader lets it become. Encodings that are not
//! known, and more than one at once, are left as they are.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};
use bytes::{Buf, Bytes};
use flate2::{Decompress, FlushDecompress, Status};
use http::HeaderMap;
use http::header::CONTENT_ENCODING;
use http_body::{Body, Frame};
use http_body_util::BodyExt;

use super::IncomingBody;
use super::error::Error;

/// Bytes of one decoded frame.
const FRAME_BYTES_MAX: usize = 32 << 10;
const FRAME_BYTES_MIN: usize = 1 << 10;
/// Bytes behind the end of the compressed data that are read, so that the connection is kept.
const REST_BYTES_MAX: usize = 64 << 10;
/// The window of gzip, as the power of two that the decoder wants.
const GZIP_WINDOW_BITS: u8 = 15;

/// A body without its content-encoding; the same body if it has none that is known.
pub fn decode(headers: &HeaderMap, body: IncomingBody) -> IncomingBody {
    match Decoder::of(headers) {
        Some(decoder) if !body.is_end_stream() => {
            Decoded { body, decoder, input: Bytes::new(), stage: Stage::Empty }.boxed_unsync()
        }
        _ => body,
    }
}

/// Whether [`decode`] changes a body with these headers.
pub fn is_encoded(headers: &HeaderMap) -> bool {
    Decoder::of(headers).is_some()
}

struct Decoded {
    body: IncomingBody,
    decoder: Decoder,
    /// What was read and not yet decoded.
    input: Bytes,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Nothing came yet.
    Empty,
    /// The decoder may have more to give for what it has taken.
    Full,
    /// The decoder has given what there was.
    Hungry,
    /// The data is complete; this much may still come after it.
    Over { rest: usize },
}

enum Decoder {
    Gzip(Decompress),
    /// Which of its two forms is told by the first byte.
    Deflate(Option<Decompress>),
    Brotli(Box<BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>>),
}

impl Decoder {
    fn of(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(CONTENT_ENCODING).iter();
        let (Some(value), None) = (values.next(), values.next()) else { return None };
        let value = value.as_bytes().trim_ascii();
        let is = |name: &[u8]| value.eq_ignore_ascii_case(name);
        if is(b"gzip") || is(b"x-gzip") {
            Some(Self::Gzip(Decompress::new_gzip(GZIP_WINDOW_BITS)))
        } else if is(b"deflate") {
            Some(Self::Deflate(None))
        } else if is(b"br") {
            let alloc = StandardAlloc::default;
            Some(Self::Brotli(Box::new(BrotliState::new(alloc(), alloc(), alloc()))))
        } else {
            None
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Gzip(_) => "gzip",
            Self::Deflate(_) => "deflate",
            Self::Brotli(_) => "br",
        }
    }

    /// Begins anew if what comes after the end is more of the same: gzip data may be several files.
    fn goes_on(&mut self, rest: &[u8]) -> bool {
        match self {
            Self::Gzip(inflate) if rest.first() == Some(&0x1f) => {
                *inflate = Decompress::new_gzip(GZIP_WINDOW_BITS);
                true
            }
            _ => false,
        }
    }

    /// Takes from `input` and fills `output` up to its capacity. Gives what comes next.
    fn step(&mut self, input: &mut Bytes, output: &mut Vec<u8>) -> Result<Stage, ()> {
        match self {
            Self::Gzip(inflate) => inflate_step(inflate, input, output),
            Self::Deflate(inflate) => {
                let Some(first) = input.first() else { return Ok(Stage::Hungry) };
                let inflate = inflate.get_or_insert_with(|| Decompress::new(first & 0x8f == 0x08));
                inflate_step(inflate, input, output)
            }
            Self::Brotli(state) => brotli_step(state, input, output),
        }
    }
}

fn inflate_step(
    inflate: &mut Decompress,
    input: &mut Bytes,
    output: &mut Vec<u8>,
) -> Result<Stage, ()> {
    let before = inflate.total_in();
    let status = inflate.decompress_vec(input, output, FlushDecompress::None).map_err(|_| ())?;
    let taken = usize::try_from(inflate.total_in() - before).map_err(|_| ())?;
    input.advance(taken.min(input.len()));
    Ok(match status {
        Status::StreamEnd => Stage::Over { rest: REST_BYTES_MAX },
        Status::Ok if output.len() == output.capacity() || !input.is_empty() => Stage::Full,
        Status::Ok | Status::BufError => Stage::Hungry,
    })
}

fn brotli_step(
    state: &mut BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>,
    input: &mut Bytes,
    output: &mut Vec<u8>,
) -> Result<Stage, ()> {
    output.resize(output.capacity(), 0);
    let (mut in_left, mut in_at) = (input.len(), 0);
    let (mut out_left, mut out_at, mut total) = (output.len(), 0, 0);
    let result = BrotliDecompressStream(
        &mut in_left,
        &mut in_at,
        input,
        &mut out_left,
        &mut out_at,
        output,
        &mut total,
        state,
    );
    input.advance(in_at);
    output.truncate(out_at);
    match result {
        BrotliResult::ResultSuccess => Ok(Stage::Over { rest: REST_BYTES_MAX }),
        BrotliResult::NeedsMoreOutput => Ok(Stage::Full),
        BrotliResult::NeedsMoreInput => Ok(Stage::Hungry),
        BrotliResult::ResultFailure => Err(()),
    }
}

impl Decoded {
    fn error(&self) -> Error {
        Error::Decode { encoding: self.decoder.name() }
    }

    /// Decodes what there is, until a frame is full or more is needed.
    fn decoded(&mut self) -> Result<Bytes, Error> {
        if self.stage != Stage::Full {
            return Ok(Bytes::new());
        }
        let capacity = (self.input.len() * 4).clamp(FRAME_BYTES_MIN, FRAME_BYTES_MAX);
        let mut output = Vec::with_capacity(capacity);
        while self.stage == Stage::Full && output.is_empty() {
            let stepped = self.decoder.step(&mut self.input, &mut output);
            self.stage = stepped.map_err(|()| self.error())?;
            if matches!(self.stage, Stage::Over { .. }) && self.decoder.goes_on(&self.input) {
                self.stage = Stage::Full;
            }
        }
        Ok(output.into())
    }

    /// Takes more of the body. Whether even more may be wanted.
    fn take(&mut self, bytes: Bytes) -> bool {
        match &mut self.stage {
            Stage::Over { rest } if !self.decoder.goes_on(&bytes) => {
                let left = rest.checked_sub(bytes.len());
                *rest = left.unwrap_or(0);
                return left.is_some();
            }
            _ if bytes.is_empty() => {}
            stage => {
                *stage = Stage::Full;
                self.input = bytes;
            }
        }
        true
    }
}

impl Body for Decoded {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = self.get_mut();
        loop {
            let bytes = this.decoded()?;
            if !bytes.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
            let frame = ready!(Pin::new(&mut this.body).poll_frame(context)).transpose()?;
            let Some(frame) = frame else {
                let complete = matches!(this.stage, Stage::Over { .. } | Stage::Empty);
                return Poll::Ready((!complete).then(|| Err(this.error())));
            };
            let Ok(bytes) = frame.into_data() else { continue };
            if !this.take(bytes) {
                return Poll::Ready(None);
            }
        }
    }
}
