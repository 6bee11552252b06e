//! One direction of a balanced connection.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, ready};

use cyclone_core::Connection;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::upstream::Upstream;

/// The most that is read and not yet written, in bytes, for each direction of a connection.
pub(super) const FLOW_BUFFER_BYTES: usize = 16 * 1024;

/// Which end of a flow broke.
#[derive(Debug)]
pub(super) enum Broken {
    Reading(io::Error),
    Writing(io::Error),
}

/// A stream that says whether a read may give something, so that who waits needs no buffer.
pub(super) trait ReadReady: AsyncRead + Unpin {
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

impl ReadReady for Connection {
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Self::poll_read_ready(self, cx)
    }
}

impl ReadReady for Upstream {
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Self::poll_read_ready(self, cx)
    }
}

/// Bytes on their way in one direction. Nothing is read before all that was read is written, so a reader who is slow
/// slows the writer down. It has a buffer only while there is something in it.
#[derive(Debug, Default)]
pub(super) struct Flow {
    buffer: Option<Box<[u8]>>,
    /// What of the buffer is to be written.
    start: usize,
    end: usize,
    has_ended: bool,
    is_shut: bool,
    moved: u64,
}

impl Flow {
    /// Bytes that were written.
    pub(super) fn moved(&self) -> u64 {
        self.moved
    }

    /// Whether the reading end has come to its end.
    pub(super) fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// Goes on with what was read, to another writer.
    pub(super) fn redirect(&mut self) {
        self.is_shut = false;
    }

    /// Moves what there is; ready when the end was passed on (half a close: the other direction may go on).
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut impl ReadReady,
        to: &mut (impl AsyncWrite + Unpin),
        counter: &AtomicU64,
    ) -> Poll<Result<(), Broken>> {
        loop {
            while let Some(buffer) = &self.buffer
                && self.start < self.end
            {
                let rest = &buffer[self.start..self.end];
                let written = ready!(Pin::new(&mut *to).poll_write(cx, rest));
                let count = match written.map_err(Broken::Writing)? {
                    0 => return Poll::Ready(Err(Broken::Writing(io::ErrorKind::WriteZero.into()))),
                    count => count,
                };
                self.start += count;
                self.moved += count as u64;
                counter.fetch_add(count as u64, Relaxed);
            }
            if self.has_ended {
                self.buffer = None;
                return self.poll_shut(cx, to);
            }
            if ready!(self.poll_fill(cx, from)).map_err(Broken::Reading)? == 0 {
                self.has_ended = true;
            }
        }
    }

    fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut impl ReadReady,
    ) -> Poll<io::Result<usize>> {
        let read = match from.poll_read_ready(cx) {
            Poll::Ready(Ok(())) => {
                let empty = || vec![0; FLOW_BUFFER_BYTES].into();
                let mut buffer = ReadBuf::new(self.buffer.get_or_insert_with(empty));
                let read = Pin::new(from).poll_read(cx, &mut buffer);
                read.map_ok(|()| buffer.filled().len())
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => Poll::Pending,
        };
        match read {
            Poll::Ready(Ok(count)) => (self.start, self.end) = (0, count),
            _ => self.buffer = None,
        }
        read
    }

    fn poll_shut(
        &mut self,
        cx: &mut Context<'_>,
        to: &mut (impl AsyncWrite + Unpin),
    ) -> Poll<Result<(), Broken>> {
        if !self.is_shut {
            match ready!(Pin::new(to).poll_shutdown(cx)) {
                // It is gone; who reads from it hears how.
                Err(error) if error.kind() == io::ErrorKind::NotConnected => {}
                shut => shut.map_err(Broken::Writing)?,
            }
            self.is_shut = true;
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

    use super::*;

    struct Waiting {
        flow: Flow,
        from: Connection,
        to: DuplexStream,
        counter: AtomicU64,
    }

    impl Waiting {
        /// Moves what there is; whether that was all.
        async fn step(&mut self) -> bool {
            poll_fn(|cx| {
                let polled = self
                    .flow
                    .poll(cx, &mut self.from, &mut self.to, &self.counter);
                Poll::Ready(polled.map(Result::unwrap).is_ready())
            })
            .await
        }
    }

    /// A flow between two streams, and their other ends; the one that is written to takes so many bytes.
    fn flow(room: usize) -> (Waiting, DuplexStream, DuplexStream) {
        let (from, writer) = Connection::in_memory();
        let (to, reader) = tokio::io::duplex(room);
        let flow = Waiting {
            flow: Flow::default(),
            from,
            to,
            counter: AtomicU64::new(0),
        };
        (flow, writer, reader)
    }

    #[tokio::test]
    async fn the_end_is_passed_on_after_the_last_byte() {
        let (mut flow, mut writer, mut reader) = flow(100);
        writer.write_all(b"all of it").await.unwrap();
        assert!(!flow.step().await);
        writer.shutdown().await.unwrap();
        assert!(flow.step().await);
        let mut got = String::new();
        reader.read_to_string(&mut got).await.unwrap();
        assert_eq!(got, "all of it");
        assert_eq!((flow.flow.moved(), flow.counter.into_inner()), (9, 9));
    }

    #[tokio::test]
    async fn a_slow_reader_slows_the_writer_down() {
        let (mut flow, mut writer, mut reader) = flow(10);
        let room = cyclone_core::IN_MEMORY_BUFFER_BYTES;
        writer.write_all(&vec![7; room]).await.unwrap();
        assert!(!flow.step().await);
        // One buffer was taken, and no more however often it is asked.
        assert!(!flow.step().await);
        assert_eq!(flow.flow.moved(), 10);
        let more = vec![7; FLOW_BUFFER_BYTES];
        writer.write_all(&more).await.unwrap();
        let full =
            poll_fn(|cx| Poll::Ready(Pin::new(&mut writer).poll_write(cx, b"x").is_pending()));
        assert!(full.await, "more than a buffer was taken");
        let mut got = vec![0; 10];
        reader.read_exact(&mut got).await.unwrap();
        flow.step().await;
        assert_eq!(flow.flow.moved(), 20);
    }

    #[tokio::test]
    async fn who_waits_has_no_buffer() {
        let (mut flow, mut writer, _reader) = flow(100);
        writer.write_all(b"x").await.unwrap();
        flow.step().await;
        assert!(flow.flow.buffer.is_none());
        assert!(size_of::<Flow>() <= 64);
    }

    #[tokio::test]
    async fn what_was_not_written_goes_to_another() {
        let (mut flow, mut writer, reader) = flow(1);
        writer.write_all(b"xyz").await.unwrap();
        drop(reader);
        let broken = poll_fn(|cx| {
            flow.flow
                .poll(cx, &mut flow.from, &mut flow.to, &flow.counter)
        });
        assert!(matches!(broken.await, Err(Broken::Writing(_))));
        assert_eq!(flow.flow.moved(), 0);
        let (to, mut reader) = tokio::io::duplex(100);
        flow.to = to;
        flow.flow.redirect();
        flow.step().await;
        let mut got = [0; 3];
        reader.read_exact(&mut got).await.unwrap();
        assert_eq!(&got, b"xyz");
    }
}
