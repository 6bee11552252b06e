//! The channel between two processes of one program: short messages, each with at most one socket.
//!
//! It is a pair of `SOCK_SEQPACKET` sockets, so that a message arrives whole or not at all, together with the
//! descriptor that belongs to it (`SCM_RIGHTS`, unix(7)). The two processes may be of different versions of the
//! program: what one does not know of the other it ignores.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags,
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};
use tokio::io::Interest;
use tokio::net::UnixStream;

pub(crate) use message::Message;

mod message;
#[cfg(test)]
mod tests;

/// The longest message in bytes; longer texts are cut.
pub(crate) const MAX_MESSAGE_BYTES: usize = 32 * 1024;

/// One end of a channel.
///
/// Every end belongs to a runtime, the one in which it was made.
#[derive(Debug)]
pub(crate) struct Channel {
    /// No stream, but the runtime has no other type that waits for such a socket.
    socket: UnixStream,
}

impl Channel {
    /// Both ends, connected; one is usually given to a child.
    pub(crate) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        Ok(rustix::net::socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            flags,
            None,
        )?)
    }

    pub(crate) fn new(socket: OwnedFd) -> io::Result<Self> {
        let socket = std::os::unix::net::UnixStream::from(socket);
        socket.set_nonblocking(true)?;
        let socket = UnixStream::from_std(socket)?;
        Ok(Self { socket })
    }

    /// Sends a message, and a duplicate of the socket in it.
    ///
    /// # Cancel safety
    /// The message was sent or it was not.
    pub(crate) async fn send(&self, message: &Message) -> io::Result<()> {
        let (text, socket) = message.encode();
        let to = self.socket.as_fd();
        let sent = || send(to, &text, socket);
        self.socket.async_io(Interest::WRITABLE, sent).await
    }

    /// The next message; `None` when the other end is gone.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub(crate) async fn receive(&self) -> io::Result<Option<Message>> {
        let from = self.socket.as_fd();
        loop {
            let read = self.socket.async_io(Interest::READABLE, || {
                // The other end closed with something unread in its queue: the system says so once, before
                // it gives out what is in ours.
                receive(from).or_else(|error| match error.kind() {
                    io::ErrorKind::ConnectionReset => receive(from),
                    _ => Err(error),
                })
            });
            let (text, socket) = read.await?;
            if text.is_empty() {
                return Ok(None);
            }
            match Message::decode(&text, socket) {
                Some(message) => return Ok(Some(message)),
                None => tracing::debug!("ignored a message of another version of the program"),
            }
        }
    }
}

fn send(to: BorrowedFd<'_>, text: &[u8], socket: Option<BorrowedFd<'_>>) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let sockets: Vec<BorrowedFd<'_>> = socket.into_iter().collect();
    if !sockets.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(&sockets)) {
        return Err(io::Error::other("no room for a descriptor"));
    }
    let text = [IoSlice::new(text)];
    let sent = rustix::net::sendmsg(to, &text, &mut ancillary, SendFlags::NOSIGNAL);
    sent.map(drop).map_err(io::Error::from)
}

fn receive(from: BorrowedFd<'_>) -> io::Result<(Vec<u8>, Option<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut text = vec![0; MAX_MESSAGE_BYTES];
    let flags = RecvFlags::CMSG_CLOEXEC;
    let mut buffers = [IoSliceMut::new(&mut text)];
    let received = rustix::net::recvmsg(from, &mut buffers, &mut ancillary, flags)?;
    let mut socket = None;
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(sockets) = message {
            socket = sockets.last().or(socket);
        }
    }
    if received
        .flags
        .intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC)
    {
        let reason = "a message was cut; the process may have too many open files";
        return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
    }
    text.truncate(received.bytes);
    Ok((text, socket))
}
