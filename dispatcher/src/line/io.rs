//! The task that reads and writes one line's socket.

use std::cell::RefCell;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bindery_wire::codec;
use futures_util::FutureExt;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::UnixStream;

use super::{Line, Violation};

/// Bytes of one read.
const READ_BYTES: usize = 256 << 10;

thread_local! {
    /// All lines of a thread read into one buffer: only the rest of a frame is kept per line.
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES].into_boxed_slice());
}

/// Why a line is over.
#[derive(Debug)]
pub enum End {
    /// The isolate closed it, or it was severed.
    Closed,
    /// The isolate sent what no isolate sends.
    Violated(Violation),
    /// The host did not get through what the isolate sent.
    Panicked,
}

/// Reads and writes a line's socket until it is over.
pub struct Io {
    line: Arc<Line>,
    socket: UnixStream,
    partial: Vec<u8>,
}

impl Io {
    /// The reader and writer of `line`, whose socket is `socket`.
    pub fn new(line: Arc<Line>, socket: UnixStream) -> Self {
        Self { line, socket, partial: Vec::new() }
    }

    /// Runs until the line is over. The caller then says whose fault it was. A panic of the host is
    /// the end of this line alone: nobody else would end what runs on it.
    pub async fn run(mut self) -> End {
        let run = std::future::poll_fn(|context| self.poll(context));
        AssertUnwindSafe(run).catch_unwind().await.unwrap_or(End::Panicked)
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<End> {
        self.line.outbox.register(context);
        loop {
            // What is pushed while the socket is full wakes this task again through the socket.
            if let Poll::Ready(Err(_)) = self.line.outbox.poll_flush(context, &mut self.socket) {
                self.drain(context);
                return Poll::Ready(End::Closed);
            }
            match self.poll_read(context) {
                Poll::Ready(Ok(0) | Err(Failed::Socket)) => return Poll::Ready(End::Closed),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(Failed::Violation(what))) => {
                    return Poll::Ready(End::Violated(what));
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Hears what the isolate still said before its end of the socket was closed.
    fn drain(&mut self, context: &mut Context<'_>) {
        while let Poll::Ready(Ok(1..)) = self.poll_read(context) {}
    }

    /// One read, and all the frames that it completes. Ready with the number of bytes read.
    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<Result<usize, Failed>> {
        SCRATCH.with_borrow_mut(|scratch| {
            let mut buffer = ReadBuf::new(scratch);
            match Pin::new(&mut self.socket).poll_read(context, &mut buffer) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(Err(_)) => Poll::Ready(Err(Failed::Socket)),
                Poll::Ready(Ok(())) => {
                    let read = buffer.filled();
                    self.take_in(read).map_err(Failed::Violation)?;
                    Poll::Ready(Ok(read.len()))
                }
            }
        })
    }

    fn take_in(&mut self, mut read: &[u8]) -> Result<(), Violation> {
        let mut partial = std::mem::take(&mut self.partial);
        // Only what belongs to the frame that has begun is put behind its beginning.
        while !partial.is_empty() && !read.is_empty() {
            let missing = codec::missing(&partial, codec::UP_BYTES_MAX)?;
            let (more, rest) = read.split_at(missing.min(read.len()));
            partial.extend_from_slice(more);
            read = rest;
            if self.hear_all(&partial)? > 0 {
                partial.clear();
            }
        }
        let done = self.hear_all(read)?;
        partial.extend_from_slice(read.get(done..).unwrap_or_default());
        if !partial.is_empty() {
            self.partial = partial;
        }
        Ok(())
    }

    /// Hears every whole frame in `bytes`; tells how many bytes they had.
    fn hear_all(&self, bytes: &[u8]) -> Result<usize, Violation> {
        let mut done = 0;
        while let Some((frame, end)) =
            codec::split(bytes.get(done..).unwrap_or_default(), codec::UP_BYTES_MAX)?
        {
            self.line.hear(codec::read(frame)?)?;
            done += end;
        }
        Ok(done)
    }
}

enum Failed {
    Socket,
    Violation(Violation),
}

#[cfg(test)]
mod tests {
    use bindery_wire::frame::{Body, CHUNK_BYTES_MAX, Head, Up};
    use http_body_util::BodyExt;

    use super::super::RequestBody;
    use super::super::tests::{download, started};
    use super::*;

    #[tokio::test]
    async fn frames_are_heard_whole_whatever_pieces_they_come_in() {
        let chunks = [1, 300, CHUNK_BYTES_MAX, 2, CHUNK_BYTES_MAX].map(|n| vec![n as u8; n]);
        let mut bytes = Vec::new();
        let mut say = |frame: &Up<'_>| codec::write(&mut bytes, frame, codec::UP_BYTES_MAX);
        let body = Body::Stream { body: 9, length: None };
        say(&Up::Head(Head { event: 0, status: 200, headers: b"", body })).expect("fits");
        for chunk in &chunks {
            say(&Up::Chunk { body: 9, bytes: chunk }).expect("fits");
        }
        say(&Up::End { body: 9, whole: true }).expect("fits");
        for size in [1, 2, 3, 5, 303, 4_096, CHUNK_BYTES_MAX, CHUNK_BYTES_MAX + 9, bytes.len()] {
            let setup = started().await;
            let begun = setup.begin(RequestBody::None).await;
            let (socket, _other) = UnixStream::pair().expect("a pair");
            let mut io = Io::new(setup.line.clone(), socket);
            for piece in bytes.chunks(size) {
                assert!(io.take_in(piece).is_ok(), "pieces of {size}");
            }
            assert!(io.partial.is_empty(), "pieces of {size}");
            let whole = download(begun).await.collect().await.expect("whole").to_bytes();
            assert!(whole == chunks.concat(), "pieces of {size}");
        }
    }
}
