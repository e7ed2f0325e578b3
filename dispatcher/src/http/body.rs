//! Bodies between hyper and a line.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bindery_wire::frame::BODY_INLINE_BYTES_MAX;
use bindery_wire::limits::REQUEST_BYTES_MAX;
use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use crate::line::{Broken, Cut, Download, RequestBody, Upload};

/// How long a short body may take before the event starts without it.
const SHORT_BODY_IN: Duration = Duration::from_millis(100);

/// The body of a request: at once if it is short and there, in a stream otherwise.
pub(super) async fn take_in(incoming: Incoming) -> Result<RequestBody, Cut> {
    if incoming.is_end_stream() {
        return Ok(RequestBody::None);
    }
    let length = incoming.size_hint().exact();
    let mut source = Source { ready: VecDeque::new(), rest: incoming, left: REQUEST_BYTES_MAX };
    match length {
        Some(0) => Ok(RequestBody::None),
        Some(bytes) if bytes > REQUEST_BYTES_MAX => Err(Cut::TooLong),
        Some(bytes) if bytes <= BODY_INLINE_BYTES_MAX as u64 => {
            let mut read = VecDeque::new();
            let all = tokio::time::timeout(SHORT_BODY_IN, source.collect(&mut read)).await;
            match all {
                Ok(all) => all.map(|()| RequestBody::Inline(joined(read))),
                Err(_) => {
                    source.ready = read;
                    Ok(RequestBody::Stream { from: Upload::new(source), length })
                }
            }
        }
        Some(_) | None => Ok(RequestBody::Stream { from: Upload::new(source), length }),
    }
}

fn joined(mut chunks: VecDeque<Bytes>) -> Bytes {
    if chunks.len() == 1 {
        return chunks.pop_front().unwrap_or_default();
    }
    let mut all = BytesMut::with_capacity(chunks.iter().map(Bytes::len).sum());
    for chunk in chunks {
        all.extend_from_slice(&chunk);
    }
    all.freeze()
}

/// A client's body within the limit: what was read already, then the connection.
struct Source {
    ready: VecDeque<Bytes>,
    rest: Incoming,
    left: u64,
}

impl Source {
    /// Reads to the end. What was read stays in `read` if this is dropped before.
    async fn collect(&mut self, read: &mut VecDeque<Bytes>) -> Result<(), Cut> {
        let mut next = async || std::future::poll_fn(|context| self.poll_bytes(context)).await;
        while let Some(bytes) = next().await {
            read.push_back(bytes?);
        }
        Ok(())
    }

    fn poll_bytes(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Cut>>> {
        if let Some(bytes) = self.ready.pop_front() {
            return Poll::Ready(Some(Ok(bytes)));
        }
        loop {
            let bytes = match std::task::ready!(Pin::new(&mut self.rest).poll_frame(context)) {
                None => return Poll::Ready(None),
                Some(Err(_)) => return Poll::Ready(Some(Err(Cut::Unfinished))),
                // Trailers are ignored.
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(bytes) if !bytes.is_empty() => bytes,
                    _ => continue,
                },
            };
            let left = self.left.checked_sub(bytes.len() as u64);
            self.left = left.unwrap_or(0);
            return Poll::Ready(Some(left.map(|_| bytes).ok_or(Cut::TooLong)));
        }
    }
}

impl Body for Source {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let polled = self.get_mut().poll_bytes(context);
        polled.map(|bytes| bytes.map(|bytes| bytes.map(Frame::data)))
    }
}

/// The body of an answer.
pub(super) enum Answer {
    /// Nothing, or nothing any more.
    Empty,
    /// All of it.
    Full(Bytes),
    /// From the isolate.
    Stream(Download),
    /// The request's own, straight back.
    Passed {
        /// Where it comes from.
        from: Upload,
        /// How much is left, if known.
        left: Option<u64>,
    },
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let this = self.get_mut();
        match this {
            Self::Empty => Poll::Ready(None),
            Self::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                *this = Self::Empty;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Self::Stream(download) => Pin::new(download).poll_frame(context),
            Self::Passed { from, left } => {
                let polled = std::task::ready!(Pin::new(from).poll_frame(context));
                Poll::Ready(polled.map(|frame| {
                    let frame = frame.map_err(|_| Broken::Unfinished)?;
                    let bytes = frame.data_ref().map_or(0, Bytes::len) as u64;
                    *left = left.map(|left| left.saturating_sub(bytes));
                    Ok(frame)
                }))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Full(bytes) => bytes.is_empty(),
            Self::Stream(_) | Self::Passed { .. } => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Stream(download) => download.size_hint(),
            Self::Passed { left, .. } => left.map_or_else(SizeHint::new, SizeHint::with_exact),
        }
    }
}
