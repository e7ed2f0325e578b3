//! The body of a request, on its way out.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;

use super::error::Error;

/// What a body that is made elsewhere ends with, if it is not complete.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The body of a request.
#[derive(Debug)]
pub enum OutgoingBody {
    /// All of it, which can be sent again.
    Bytes(Bytes),
    /// What somebody makes while it is sent.
    Stream {
        /// The body. Trailers are not sent.
        body: UnsyncBoxBody<Bytes, BoxError>,
        /// How long it is, if that is known: neither more nor less is sent.
        length: Option<u64>,
    },
}

/// How far a streamed body is.
#[derive(Debug, Default)]
pub(super) struct Progress(AtomicU64);

impl Progress {
    const DONE: u64 = u64::MAX;

    /// A number that changes whenever some of the body was sent.
    pub(super) fn now(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Whether all of it is sent.
    pub(super) fn is_done(&self) -> bool {
        self.now() == Self::DONE
    }
}

/// A body as the connection takes it.
pub(super) enum Upload {
    Empty,
    Bytes(Bytes),
    Stream { body: UnsyncBoxBody<Bytes, BoxError>, left: Option<u64>, progress: Arc<Progress> },
}

impl Upload {
    /// The same body once more, if it can be had.
    pub(super) fn again(&self) -> Option<Self> {
        match self {
            Self::Empty => Some(Self::Empty),
            Self::Bytes(bytes) => Some(Self::Bytes(bytes.clone())),
            Self::Stream { .. } => None,
        }
    }

    /// How far it is, if it takes its time.
    pub(super) fn progress(&self) -> Option<Arc<Progress>> {
        match self {
            Self::Empty | Self::Bytes(_) => None,
            Self::Stream { progress, .. } => Some(progress.clone()),
        }
    }
}

impl From<Option<OutgoingBody>> for Upload {
    fn from(body: Option<OutgoingBody>) -> Self {
        match body {
            None | Some(OutgoingBody::Stream { length: Some(0), .. }) => Self::Empty,
            Some(OutgoingBody::Bytes(bytes)) => Self::Bytes(bytes),
            Some(OutgoingBody::Stream { body, length }) => {
                Self::Stream { body, left: length, progress: Arc::default() }
            }
        }
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = self.get_mut();
        let (body, left, progress) = match this {
            Self::Empty => return Poll::Ready(None),
            Self::Bytes(bytes) => {
                let bytes = std::mem::take(bytes);
                *this = Self::Empty;
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
            Self::Stream { body, left, progress } => (body, left, progress),
        };
        loop {
            let frame = match ready!(Pin::new(&mut *body).poll_frame(context)) {
                Some(frame) => frame.map_err(|_| Error::RequestBody)?,
                None if left.is_some_and(|left| left > 0) => {
                    return Poll::Ready(Some(Err(Error::RequestBody)));
                }
                None => {
                    progress.0.store(Progress::DONE, Ordering::Relaxed);
                    return Poll::Ready(None);
                }
            };
            let Ok(bytes) = frame.into_data() else { continue };
            if let Some(left) = left {
                *left = left.checked_sub(bytes.len() as u64).ok_or(Error::RequestBody)?;
            }
            let sent = if *left == Some(0) { Progress::DONE } else { progress.now() + 1 };
            progress.0.store(sent, Ordering::Relaxed);
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Bytes(bytes) => bytes.is_empty(),
            Self::Stream { left, .. } => *left == Some(0),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Bytes(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Stream { left, .. } => left.map_or_else(SizeHint::new, SizeHint::with_exact),
        }
    }
}
