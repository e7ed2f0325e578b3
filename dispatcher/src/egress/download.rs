//! The body of a response, on its way in.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bindery_wire::TenantId;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::Inner;
use super::connection::Connection;
use super::error::Error;
use super::pool::Permit;
use super::target::Origin;

/// Frames that are read of a body that nobody wants.
const DISCARDED_FRAME_COUNT_MAX: u32 = 8;

/// A connection with what it takes to give it back.
pub(super) struct Lease {
    pub(super) connection: Connection,
    pub(super) permit: Permit,
    pub(super) origin: Origin,
    pub(super) tenant: TenantId,
    pub(super) egress: Arc<Inner>,
}

impl Lease {
    /// The response is complete: the connection can serve the next request.
    pub(super) fn give_back(self) {
        let Self { connection, permit, origin, tenant, egress } = self;
        if connection.is_kept() {
            egress.pool.put(tenant, (origin, connection), egress.clock.elapsed());
        }
        drop(permit);
    }
}

/// Reads a body while driving the connection that it comes over. Reads no faster than asked.
pub(super) struct Download {
    incoming: Incoming,
    lease: Option<Lease>,
}

impl Download {
    pub(super) fn new(incoming: Incoming, lease: Lease) -> Self {
        Self { incoming, lease: Some(lease) }
    }

    fn give_back(&mut self) {
        if let Some(lease) = self.lease.take() {
            lease.give_back();
        }
    }

    fn poll_incoming(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        // Asking the body makes the connection read for it, so it is driven again after that.
        for _ in 0..2 {
            if let Some(lease) = &mut self.lease {
                lease.connection.poll(context);
            }
            let polled = Pin::new(&mut self.incoming).poll_frame(context);
            if polled.is_ready() {
                return polled;
            }
        }
        Poll::Pending
    }
}

impl Drop for Download {
    /// Most bodies that nobody wants are short and there already: their connection is kept.
    fn drop(&mut self) {
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..DISCARDED_FRAME_COUNT_MAX {
            if self.lease.is_none() {
                return;
            }
            match Pin::new(&mut *self).poll_frame(&mut context) {
                Poll::Ready(Some(Ok(_))) => {}
                _ => return,
            }
        }
    }
}

impl Body for Download {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = self.get_mut();
        loop {
            match std::task::ready!(this.poll_incoming(context)) {
                Some(Ok(frame)) if frame.is_data() => {
                    // A reader that knows the length does not ask for the end.
                    if this.incoming.is_end_stream() {
                        this.give_back();
                    }
                    return Poll::Ready(Some(Ok(frame)));
                }
                // Trailers are ignored.
                Some(Ok(_)) => {}
                Some(Err(error)) => {
                    this.lease = None;
                    return Poll::Ready(Some(Err(Error::BodyLost(error))));
                }
                None => {
                    this.give_back();
                    return Poll::Ready(None);
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
