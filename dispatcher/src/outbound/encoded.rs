//! Bodies with a content-encoding, of which the worker that reads them sees nothing.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, HeaderValue};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;

use crate::egress::{self, Error};
use crate::line::{Cut, Encoded, Unread, Upload};

/// A body under what its headers say of its encoding.
pub(crate) fn unread(encoding: Option<&HeaderValue>, body: Upload, bytes_max: u64) -> Unread {
    match encoding.filter(|encoding| is_decoded(encoding.as_bytes())) {
        None => Unread::Plain(body),
        Some(encoding) => {
            Unread::Encoded(Box::new(Packed { encoding: encoding.clone(), body, bytes_max }))
        }
    }
}

/// Encodings that a worker does not see when it reads. A body in any other is its own affair.
fn is_decoded(encoding: &[u8]) -> bool {
    encoding.eq_ignore_ascii_case(b"gzip") || encoding.eq_ignore_ascii_case(b"br")
}

/// A body with an encoding.
struct Packed {
    encoding: HeaderValue,
    body: Upload,
    bytes_max: u64,
}

impl Encoded for Packed {
    fn encoding(&self) -> &[u8] {
        self.encoding.as_bytes()
    }

    fn as_sent(self: Box<Self>) -> Upload {
        self.body
    }

    fn decoded(self: Box<Self>) -> Upload {
        let Self { encoding, body, bytes_max } = *self;
        let headers = HeaderMap::from_iter([(CONTENT_ENCODING, encoding)]);
        // Whatever breaks the body off, its reader is told only that it did.
        body.within(|body| {
            let body = UnsyncBoxBody::new(body.map_err(|_| Error::RequestBody));
            Bounded::new(egress::decode(&headers, body), bytes_max)
        })
    }
}

/// A body within a limit.
pub(super) struct Bounded<B> {
    body: B,
    left: u64,
}

impl<B> Bounded<B> {
    pub(super) fn new(body: B, bytes_max: u64) -> Self {
        Self { body, left: bytes_max }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Bounded<B> {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let this = self.get_mut();
        let frame = match ready!(Pin::new(&mut this.body).poll_frame(context)) {
            None => return Poll::Ready(None),
            Some(Err(_)) => return Poll::Ready(Some(Err(Cut::Unfinished))),
            Some(Ok(frame)) => frame,
        };
        let bytes = frame.data_ref().map_or(0, Bytes::len) as u64;
        let left = this.left.checked_sub(bytes);
        this.left = left.unwrap_or(0);
        Poll::Ready(Some(left.map(|_| frame).ok_or(Cut::TooLong)))
    }
}
