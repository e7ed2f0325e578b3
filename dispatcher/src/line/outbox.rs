//! What waits to be written to one line.

use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bindery_wire::codec;
use bindery_wire::frame::Down;
use futures_util::task::AtomicWaker;
use tokio::io::AsyncWrite;
use tokio::sync::Notify;

use super::NotTaken;

/// Bytes that may wait before the pumps of bodies pause.
const ROOM_BYTES: usize = 1 << 20;
/// Bytes that may wait before nothing more is asked of the isolate.
const FULL_BYTES: usize = 32 << 20;
/// Bytes that wait for an isolate which reads nothing: what it is owed passes [`FULL_BYTES`], and
/// beyond this it is given up.
const WAITING_BYTES_MAX: usize = 128 << 20;
/// Bytes of room that an empty buffer keeps.
const KEEP_BYTES: usize = 16 << 10;

/// Frames that wait to be written. Any thread may push; the line's own task writes.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    buffer: Mutex<Buffer>,
    owner: AtomicWaker,
    room: Notify,
}

#[derive(Debug, Default)]
struct Buffer {
    bytes: Vec<u8>,
    written: usize,
    closed: bool,
}

impl Outbox {
    /// Adds a frame. One that the line has no use for any more is dropped.
    pub(super) fn push(&self, frame: &Down<'_>) -> Result<(), codec::Error> {
        let mut buffer = self.buffer();
        if buffer.closed {
            return Ok(());
        }
        let first = buffer.bytes.is_empty();
        codec::write(&mut buffer.bytes, frame, codec::DOWN_BYTES_MAX)?;
        drop(buffer);
        if first {
            self.owner.wake();
        }
        Ok(())
    }

    /// Adds a frame that asks something of the isolate, if that much may wait.
    pub(super) fn ask(&self, frame: &Down<'_>) -> Result<(), NotTaken> {
        if self.is_full() {
            return Err(NotTaken::Full);
        }
        self.push(frame).map_err(|_| NotTaken::TooLarge)
    }

    /// Whether as much waits as may before nothing more is asked of the isolate.
    pub(super) fn is_full(&self) -> bool {
        self.buffer().waiting() > FULL_BYTES
    }

    /// Whether more waits than an isolate that reads lets wait.
    pub(super) fn is_over(&self) -> bool {
        self.buffer().waiting() > WAITING_BYTES_MAX
    }

    /// Writes no more.
    pub(super) fn close(&self) {
        let mut buffer = self.buffer();
        buffer.closed = true;
        buffer.bytes = Vec::new();
        buffer.written = 0;
        drop(buffer);
        self.owner.wake();
        self.room.notify_waiters();
    }

    /// Waits until a body's chunk may be added. Cancel-safe.
    pub(super) async fn room(&self) {
        loop {
            let room = self.room.notified();
            tokio::pin!(room);
            room.as_mut().enable();
            if self.buffer().has_room() {
                return;
            }
            room.await;
        }
    }

    /// Whose task is woken when there is something to write.
    pub(super) fn register(&self, context: &Context<'_>) {
        self.owner.register(context.waker());
    }

    /// Writes what waits. Ready when nothing does; an error also once the outbox is closed.
    pub(super) fn poll_flush(
        &self,
        context: &mut Context<'_>,
        socket: &mut (impl AsyncWrite + Unpin),
    ) -> Poll<std::io::Result<()>> {
        let mut buffer = self.buffer();
        let had_room = buffer.has_room();
        let polled = buffer.poll_write(context, socket);
        let has_room = buffer.has_room();
        drop(buffer);
        if has_room && !had_room {
            self.room.notify_waiters();
        }
        polled
    }

    fn buffer(&self) -> MutexGuard<'_, Buffer> {
        self.buffer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Buffer {
    fn has_room(&self) -> bool {
        self.closed || self.waiting() < ROOM_BYTES
    }

    fn waiting(&self) -> usize {
        self.bytes.len().saturating_sub(self.written)
    }

    fn poll_write(
        &mut self,
        context: &mut Context<'_>,
        socket: &mut (impl AsyncWrite + Unpin),
    ) -> Poll<std::io::Result<()>> {
        if self.closed {
            return Poll::Ready(Err(std::io::ErrorKind::ConnectionAborted.into()));
        }
        while let Some(rest) = self.bytes.get(self.written..).filter(|rest| !rest.is_empty()) {
            match Pin::new(&mut *socket).poll_write(context, rest) {
                Poll::Ready(Ok(0)) => {
                    return Poll::Ready(Err(std::io::ErrorKind::WriteZero.into()));
                }
                Poll::Ready(Ok(written)) => self.written += written,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    self.compact();
                    return Poll::Pending;
                }
            }
        }
        self.bytes.clear();
        self.bytes.shrink_to(KEEP_BYTES);
        self.written = 0;
        Poll::Ready(Ok(()))
    }

    /// Gives back what is written of a long buffer, so that it does not grow for as long as the
    /// isolate reads more slowly than is written.
    fn compact(&mut self) {
        if self.written > ROOM_BYTES {
            self.bytes.drain(..self.written);
            self.written = 0;
        }
    }
}
