//! One connection to a server, and one request and response over it at a time.
//!
//! Whoever waits for the response drives the connection, so that neither a request nor a chunk
//! passes between tasks, and a connection that nobody uses costs a descriptor. Dropping it closes
//! it. Only an upload that goes on while the response is there already gets a task of its own,
//! which ends with the response.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bindery_wire::limits::{HEADER_COUNT_MAX, HEADERS_BYTES_MAX};
use futures_util::future::BoxFuture;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;

use super::upload::{Progress, Upload};
use crate::clock::Clock;
use crate::tasks::Tasks;

/// Bytes that are read at once, at most, and with them the bytes that wait for the reader.
const BUFFER_BYTES_MAX: usize = 256 << 10;

/// A connection that is open, as far as anybody knows.
pub(super) struct Connection {
    sender: SendRequest<Upload>,
    drive: Drive,
}

enum Drive {
    /// By whoever waits.
    Here(BoxFuture<'static, hyper::Result<()>>),
    /// By a task, which ends when this is dropped.
    Task { _until: oneshot::Sender<()> },
    /// It has ended.
    Ended,
}

/// Why a request got no response.
pub(super) enum Failed {
    /// The server was not reached with it: it can be sent elsewhere.
    Unsent(Box<Request<Upload>>, hyper::Error),
    /// Nobody knows whether the server acted on it.
    Sent(hyper::Error),
    /// Time is over.
    Late,
}

impl Connection {
    /// Speaks HTTP over a stream.
    pub(super) async fn new<S>(stream: S) -> hyper::Result<Self>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (sender, connection) = http1::Builder::new()
            .max_headers(HEADER_COUNT_MAX)
            .max_header_size(HEADERS_BYTES_MAX)
            .max_buf_size(BUFFER_BYTES_MAX)
            .handshake(TokioIo::new(stream))
            .await?;
        Ok(Self { sender, drive: Drive::Here(Box::pin(connection)) })
    }

    /// Sends a request and waits for the head of its response, which may take `time` from the
    /// last of the request's body on.
    pub(super) async fn send(
        &mut self,
        request: Request<Upload>,
        (clock, time): (&Clock, Duration),
    ) -> Result<Response<Incoming>, Failed> {
        let progress = request.body().progress();
        let seen = || progress.as_deref().map(Progress::now);
        let mut sent = seen();
        let mut response = pin!(self.sender.try_send_request(request));
        let mut late = pin!(clock.sleep(time));
        let drive = &mut self.drive;
        poll_fn(|context| {
            drive.poll(context);
            if let Poll::Ready(answered) = response.as_mut().poll(context) {
                return Poll::Ready(answered.map_err(|mut error| match error.take_message() {
                    Some(unsent) => Failed::Unsent(Box::new(unsent), error.into_error()),
                    None => Failed::Sent(error.into_error()),
                }));
            }
            while late.as_mut().poll(context).is_ready() {
                let now = seen();
                if now == sent {
                    return Poll::Ready(Err(Failed::Late));
                }
                sent = now;
                late.set(clock.sleep(time));
            }
            Poll::Pending
        })
        .await
    }

    /// Lets an upload that is not complete go on, whether or not somebody reads the response.
    pub(super) fn leave_uploading(&mut self, progress: Option<&Progress>, tasks: &Tasks) {
        if progress.is_none_or(Progress::is_done) {
            return;
        }
        let (until, mut dropped) = oneshot::channel();
        let drive = std::mem::replace(&mut self.drive, Drive::Task { _until: until });
        if let Drive::Here(mut connection) = drive {
            tasks.spawn("egress upload", async move {
                tokio::select! {
                    _ = &mut dropped => {}
                    _ = &mut connection => {}
                }
            });
        }
    }

    /// Does what the connection can do now. Its errors come out where the response does.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) {
        self.drive.poll(context);
    }

    /// Whether it may be used once more after its response.
    pub(super) fn is_kept(&self) -> bool {
        matches!(self.drive, Drive::Here(_))
    }

    /// Whether another request can be sent over it now.
    pub(super) fn state(&mut self) -> State {
        self.drive.poll(&mut Context::from_waker(Waker::noop()));
        match self.drive {
            Drive::Here(_) if self.sender.is_ready() => State::Ready,
            Drive::Here(_) if !self.sender.is_closed() => State::Busy,
            _ => State::Ended,
        }
    }
}

/// What a connection without a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Ready,
    Busy,
    Ended,
}

impl Drive {
    fn poll(&mut self, context: &mut Context<'_>) {
        if let Self::Here(connection) = self
            && Pin::new(connection).poll(context).is_ready()
        {
            *self = Self::Ended;
        }
    }
}
