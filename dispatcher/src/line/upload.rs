//! Bodies on their way to an isolate, or past all of them.
//!
//! A body may be passed on from worker to worker for ever and never be read. Each who passes it on is
//! counted and puts nothing around it, so that it is polled and dropped in a few steps whatever its
//! way was. What has to be put around it, such as its decoding, is counted too: whoever does that
//! looks at [`Upload::layers`] first.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::usage::Meter;

/// Why a body on its way to an isolate broke off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Cut {
    /// The client did not finish it.
    #[error("the request was not finished")]
    Unfinished,
    /// It is longer than its limit.
    #[error("the request's body is longer than its limit")]
    TooLong,
}

/// Where a body comes from.
pub struct Upload {
    from: Pin<Box<dyn Body<Data = Bytes, Error = Cut> + Send>>,
    layers: u32,
    passed: Option<Passed>,
}

/// How often a body was passed on without having entered an isolate.
struct Passed {
    meter: Arc<Meter>,
    count: usize,
}

impl Upload {
    /// A body that comes from here.
    pub fn new(from: impl Body<Data = Bytes, Error = Cut> + Send + 'static) -> Self {
        Self { from: Box::pin(from), layers: 0, passed: None }
    }

    /// How many bodies lie in each other within this one.
    pub fn layers(&self) -> u32 {
        self.layers
    }

    /// The same body with something around it.
    pub fn within<B>(self, around: impl FnOnce(Self) -> B) -> Self
    where
        B: Body<Data = Bytes, Error = Cut> + Send + 'static,
    {
        let layers = self.layers.saturating_add(1);
        Self { layers, ..Self::new(around(self)) }
    }

    /// The same body, passed on once more: its bytes are counted both ways for each time.
    pub(super) fn passed(self, meter: &Arc<Meter>) -> Self {
        let mut this = match &self.passed {
            Some(passed) if !Arc::ptr_eq(&passed.meter, meter) => self.within(|body| body),
            _ => self,
        };
        let passed = this.passed.get_or_insert(Passed { meter: meter.clone(), count: 0 });
        passed.count = passed.count.saturating_add(1);
        this
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let this = self.get_mut();
        let polled = this.from.as_mut().poll_frame(context);
        if let (Poll::Ready(Some(Ok(frame))), Some(Passed { meter, count })) =
            (&polled, &this.passed)
        {
            let bytes = frame.data_ref().map_or(0, Bytes::len).saturating_mul(*count);
            meter.bytes_in(bytes);
            meter.bytes_out(bytes);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.from.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.from.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use bindery_storage::memory::Memory;
    use bindery_wire::TenantId;
    use http_body_util::{BodyExt, Full};

    use super::*;
    use crate::clock::{Clock, Millis};
    use crate::usage::Usage;

    fn body() -> Upload {
        Upload::new(Full::new(Bytes::from_static(b"x")).map_err(|never| match never {}))
    }

    /// A worker that has a stub echo a body in a loop put two boxes around it each time: the first
    /// read of it, or its drop, overflowed the stack of the thread that serves.
    #[tokio::test]
    async fn a_body_that_is_passed_on_for_ever_is_read_and_dropped_in_a_few_steps() {
        let usage = Usage::new(Arc::new(Memory::new()), Clock::test(Millis(0)));
        let meter = usage.meter(TenantId(1));
        let passed = |body: Upload| (0..300_000).fold(body, |body, _| body.passed(&meter));
        drop(passed(body()));
        let read = passed(body()).collect().await.expect("whole").to_bytes();
        assert_eq!(&read[..], b"x");
        assert_eq!(passed(body()).layers(), 0);
    }

    #[test]
    fn what_is_put_around_a_body_is_counted() {
        let twice = body().within(|body| body).within(|body| body);
        assert_eq!(twice.layers(), 2);
    }
}
