//! Reading and writing: what the driver does with its socket.

use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead as _, AsyncReadExt as _, AsyncWrite as _, ReadBuf};

use super::{Driver, Exchange, pool};
use crate::engine::HttpService;

/// The most bytes that are read ahead of a request in progress.
const AHEAD_BYTES: usize = 32 * 1024;

/// Bytes of a body from which on it is read to where it stays.
const DIRECT_BYTES: u64 = 16 * 1024;

/// The most bytes of a body that are read at once.
const PIECE_BYTES: u64 = 128 * 1024;

/// What came of an attempt to read or write.
pub(super) enum Moved {
    /// Bytes, or the end.
    Some,
    /// None: nothing was wanted.
    None,
}

impl<S: HttpService> Driver<S> {
    /// Writes what waits.
    #[inline]
    pub(super) fn write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Moved>> {
        if self.machine.outbox.is_empty() && !self.is_unflushed {
            return Poll::Ready(Ok(Moved::None));
        }
        self.write_out(cx)
    }

    fn write_out(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Moved>> {
        let machine = &mut self.machine;
        self.is_unflushed = true;
        while !machine.outbox.is_empty() {
            let connection = Pin::new(&mut self.connection);
            let polled = match machine.outbox.single() {
                Some(bytes) => connection.poll_write(cx, bytes),
                None => connection.poll_write_vectored(cx, &machine.outbox.slices()),
            };
            match polled {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(count)) => machine.wrote(count),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    machine.blocked = true;
                    return Poll::Pending;
                }
            }
        }
        if Pin::new(&mut self.connection).poll_flush(cx)?.is_pending() {
            machine.blocked = true;
            return Poll::Pending;
        }
        machine.blocked = false;
        self.is_unflushed = false;
        Poll::Ready(Ok(Moved::Some))
    }

    /// Reads what has come, if it is wanted.
    pub(super) fn read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Moved>> {
        if self.machine.is_at_end() {
            return Poll::Ready(Ok(Moved::None));
        }
        if self.is_drained {
            // There is nothing, most likely. To be told when there is takes no buffer.
            ready!(self.connection.poll_read_ready(cx))?;
        }
        let most = if self.machine.has_body() && self.machine.wants_body() {
            if self.machine.wants_data() >= DIRECT_BYTES {
                return self.read_data(cx);
            }
            usize::MAX
        } else if matches!(self.exchange, Exchange::None) {
            // A head that is too long has been refused before.
            self.info.limits().header_section.max(AHEAD_BYTES)
        } else {
            AHEAD_BYTES
        };
        let held = self.machine.inbox.len();
        if held >= most {
            return Poll::Ready(Ok(Moved::None));
        }
        let wanted = if held < pool::INPUT_BYTES {
            0
        } else {
            most.min(2 * held)
        };
        let mut buffer = ReadBuf::new(self.machine.inbox.room(wanted));
        ready!(Pin::new(&mut self.connection).poll_read(cx, &mut buffer))?;
        let count = buffer.filled().len();
        self.is_drained = buffer.remaining() > 0;
        if count == 0 {
            self.machine.put_end();
        } else {
            self.machine.inbox.came(count);
        }
        Poll::Ready(Ok(Moved::Some))
    }

    /// Reads data of a body to where it stays.
    #[inline(never)]
    fn read_data(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Moved>> {
        ready!(self.connection.poll_read_ready(cx))?;
        let most = self.machine.wants_data().min(PIECE_BYTES);
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let Some(pieces) = self.machine.pieces() else {
            return Poll::Ready(Ok(Moved::None));
        };
        // Half of it is enough: else a client that sends byte by byte would have a reader that keeps the bytes hold as
        // many buffers.
        if pieces.capacity() < most / 2 {
            pieces.reserve(most);
        }
        let room = pieces.capacity();
        let read = self.connection.read_buf(pieces);
        let count = ready!(pin!(read).poll(cx))?;
        let mut data = pieces.split();
        self.is_drained = count < room;
        if count == 0 {
            self.machine.put_end();
            return Poll::Ready(Ok(Moved::Some));
        }
        if data.len() > most {
            let behind = data.split_off(most);
            self.machine.put(&behind);
        }
        self.machine.put_data(data.freeze(), self.info.limits(), cx);
        self.is_fresh = true;
        Poll::Ready(Ok(Moved::Some))
    }
}
