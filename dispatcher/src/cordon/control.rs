//! The dispatcher's end of a cordon's control socket: one message is one packet.

use std::io::{IoSlice, Result};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use bindery_wire::codec;
use bindery_wire::control::{FromCordon, MESSAGE_BYTES_MAX, ToCordon};
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};
use tokio::net::UnixDatagram;

/// Sends messages. Any thread may: a packet is whole or not sent.
#[derive(Clone, Debug)]
pub(super) struct Control(Arc<OwnedFd>);

/// Receives messages.
pub(super) struct Inbox {
    socket: UnixDatagram,
    buffer: Vec<u8>,
}

/// Both ends of a new control socket: ours, and the cordon's.
pub(super) fn pair() -> Result<(Control, OwnedFd)> {
    let (ours, theirs) = rustix::net::socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )?;
    Ok((Control(Arc::new(ours)), theirs))
}

impl Control {
    /// Sends one message. Fails rather than waits: a cordon that does not read is of no use.
    pub(super) fn send(
        &self,
        message: &ToCordon,
        descriptor: Option<BorrowedFd<'_>>,
    ) -> Result<()> {
        let packet = codec::packet(message).map_err(std::io::Error::other)?;
        let descriptors: Vec<BorrowedFd<'_>> = descriptor.into_iter().collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() {
            ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
        }
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        rustix::net::sendmsg(self.0.as_fd(), &[IoSlice::new(&packet)], &mut ancillary, flags)?;
        Ok(())
    }

    /// The receiving half, on the runtime of the caller.
    pub(super) fn inbox(&self) -> Result<Inbox> {
        // The library has no type for this kind of socket; receiving is the same as for datagrams.
        let socket = std::os::unix::net::UnixDatagram::from(self.0.try_clone()?);
        socket.set_nonblocking(true)?;
        Ok(Inbox { socket: UnixDatagram::from_std(socket)?, buffer: vec![0; MESSAGE_BYTES_MAX] })
    }
}

impl Inbox {
    /// The next message; absent when the cordon has closed its end. Cancel-safe.
    pub(super) async fn next(&mut self) -> Result<Option<FromCordon>> {
        let read = self.socket.recv(&mut self.buffer).await?;
        let packet = self.buffer.get(..read).unwrap_or_default();
        if packet.is_empty() {
            return Ok(None);
        }
        codec::read(packet).map(Some).map_err(std::io::Error::other)
    }
}
