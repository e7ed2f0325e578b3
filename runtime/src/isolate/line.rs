//! The isolate's end of its line: blocking, for the isolate has a thread of its own.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Instant;

use bindery_wire::codec;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};

/// Bytes that are read at once; a longer frame grows the buffer for as long as it is there.
const READ_BYTES: usize = 32 << 10;

/// The isolate's end of its line.
pub(crate) struct Line {
    socket: Arc<OwnedFd>,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

/// The dispatcher has closed the line, or broke the protocol: the isolate ends.
#[derive(Debug)]
pub(crate) struct Gone;

impl Line {
    /// A line over a connected stream socket, whose read timeout is how long it takes to be idle.
    pub(crate) fn new(socket: Arc<OwnedFd>) -> Self {
        Self { socket, buffer: vec![0; READ_BYTES], start: 0, end: 0 }
    }

    /// The next frame, if all of it has been read.
    pub(crate) fn next(&mut self) -> Result<Option<&[u8]>, Gone> {
        let there = self.buffer.get(self.start..self.end).unwrap_or_default();
        let Some((_, used)) = codec::split(there, codec::DOWN_BYTES_MAX).map_err(|_| Gone)? else {
            return Ok(None);
        };
        let from = self.start + codec::PREFIX_BYTES;
        self.start += used;
        Ok(self.buffer.get(from..self.start))
    }

    /// Reads what is there now, without waiting.
    pub(crate) fn fill(&mut self) -> Result<(), Gone> {
        self.read(RecvFlags::DONTWAIT).map(|_| ())
    }

    /// Waits until something can be read, or until the socket's read timeout, and reads it. False
    /// if the time came first. This is one call less for each batch of frames than [`Line::wait`].
    pub(crate) fn wait_or_idle(&mut self) -> Result<bool, Gone> {
        self.read(RecvFlags::empty())
    }

    /// Waits until something can be read, or `until`, and reads it.
    pub(crate) fn wait(&mut self, until: Option<Instant>) -> Result<(), Gone> {
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        let left = left.map(Timespec::try_from).transpose().map_err(|_| Gone)?;
        let mut polled = [PollFd::new(&self.socket, PollFlags::IN)];
        match poll(&mut polled, left.as_ref()) {
            Ok(0) | Err(Errno::INTR) => Ok(()),
            Ok(_) => self.fill(),
            Err(_) => Err(Gone),
        }
    }

    /// Whether all that was read has been taken.
    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Gives up its buffer, which the next read makes anew, unless something is in it.
    pub(crate) fn release(&mut self) {
        if self.is_empty() {
            (self.buffer, self.start, self.end) = (Vec::new(), 0, 0);
        }
    }

    fn read(&mut self, flags: RecvFlags) -> Result<bool, Gone> {
        self.make_room();
        let room = self.buffer.get_mut(self.end..).unwrap_or_default();
        match recv(&self.socket, room, flags) {
            Ok((_, 0)) => Err(Gone),
            Ok((_, bytes)) => {
                self.end += bytes;
                Ok(true)
            }
            Err(Errno::AGAIN | Errno::INTR) => Ok(false),
            Err(_) => Err(Gone),
        }
    }

    /// Moves what is unread to the front, and grows the buffer to hold the frame that has begun.
    fn make_room(&mut self) {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        let begun = self.buffer.get(..self.end).and_then(|there| there.first_chunk());
        let frame = begun.map_or(0, |prefix| u32::from_le_bytes(*prefix) as usize);
        let wanted = (frame + codec::PREFIX_BYTES).clamp(READ_BYTES, codec::DOWN_BYTES_MAX);
        if self.buffer.len() != wanted && self.end <= wanted {
            self.buffer.resize(wanted.max(self.end + 1), 0);
            self.buffer.shrink_to(wanted);
        }
    }
}

/// Sends all of `bytes`, however long the dispatcher takes.
pub(crate) fn send_all(socket: &OwnedFd, mut bytes: &[u8]) -> Result<(), Gone> {
    while !bytes.is_empty() {
        match send(socket, bytes, SendFlags::NOSIGNAL) {
            Ok(sent) => bytes = bytes.get(sent..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            Err(_) => return Err(Gone),
        }
    }
    Ok(())
}
