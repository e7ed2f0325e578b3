//! The cordon's end of the control socket. Packets are whole, so any thread may send.

use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::time::Duration;

use bindery_wire::codec;
use bindery_wire::control::{FromCordon, MESSAGE_BYTES_MAX, ToCordon};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendFlags, recvmsg, send};

use super::{Error, stdin};

/// What came over the control socket.
pub(super) enum Received {
    /// A message, with the descriptor that traveled with it.
    Message(ToCordon, Option<OwnedFd>),
    /// Nothing within the time.
    Nothing,
    /// The dispatcher has closed its end.
    End,
}

/// The control socket: standard input.
pub(super) struct Control(());

impl Control {
    pub(super) fn new() -> Self {
        Self(())
    }

    /// Sends one message.
    pub(super) fn send(&self, message: &FromCordon) -> io::Result<()> {
        let packet = codec::packet(message).map_err(io::Error::other)?;
        send(stdin(), &packet, SendFlags::NOSIGNAL)?;
        Ok(())
    }

    /// Waits for one message, for as long as `timeout` says if it says anything.
    pub(super) fn receive(&self, timeout: Option<Duration>) -> Result<Received, Error> {
        if let Some(timeout) = timeout {
            let timeout = Timespec::try_from(timeout).map_err(io::Error::other)?;
            let mut polled = [PollFd::from_borrowed_fd(stdin(), PollFlags::IN)];
            match poll(&mut polled, Some(&timeout)) {
                Ok(0) | Err(Errno::INTR) => return Ok(Received::Nothing),
                Ok(_) => {}
                Err(error) => return Err(io::Error::from(error).into()),
            }
        }
        let mut packet = vec![0; MESSAGE_BYTES_MAX];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut parts = [IoSliceMut::new(&mut packet)];
        let flags = RecvFlags::CMSG_CLOEXEC;
        let received = loop {
            match recvmsg(stdin(), &mut parts, &mut ancillary, flags) {
                Ok(received) => break received,
                Err(Errno::INTR) => {}
                Err(error) => return Err(io::Error::from(error).into()),
            }
        };
        if received.bytes == 0 {
            return Ok(Received::End);
        }
        let line = ancillary.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
            _ => None,
        });
        let message = codec::read(packet.get(..received.bytes).unwrap_or_default())?;
        Ok(Received::Message(message, line))
    }
}
