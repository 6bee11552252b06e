//! A connection that can be closed from outside, by whoever does not hold it.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use cyclone_core::Connection;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A stream for russh, which runs a session in a task of its own, and the right to close it.
///
/// The server cuts a connection by dropping the future of its protocol. That does not end the task of russh, so the
/// future keeps the [`Closer`]: with it the socket is closed, whatever russh does just then.
pub(super) fn closable(connection: Connection) -> (Stream, Closer) {
    let shared = Arc::new(Mutex::new(State {
        connection: Some(connection),
        reader: None,
        writer: None,
    }));
    (Stream(Arc::clone(&shared)), Closer(shared))
}

struct State {
    connection: Option<Connection>,
    /// The tasks that wait, which the socket does not wake when it is closed.
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// Closes the connection when it is dropped.
pub(super) struct Closer(Arc<Mutex<State>>);

impl Drop for Closer {
    fn drop(&mut self) {
        let (connection, wakers) = {
            let mut state = lock(&self.0);
            let wakers = [state.reader.take(), state.writer.take()];
            (state.connection.take(), wakers)
        };
        drop(connection);
        wakers.into_iter().flatten().for_each(Waker::wake);
    }
}

/// The connection, until it is closed.
pub(super) struct Stream(Arc<Mutex<State>>);

impl Stream {
    fn with<T>(
        &self,
        cx: &mut Context<'_>,
        waiting: impl FnOnce(&mut State) -> &mut Option<Waker>,
        poll: impl FnOnce(Pin<&mut Connection>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let mut state = lock(&self.0);
        let Some(connection) = &mut state.connection else {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        };
        let polled = poll(Pin::new(connection), cx);
        if polled.is_pending() {
            *waiting(&mut state) = Some(cx.waker().clone());
        }
        polled
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.with(
            cx,
            |state| &mut state.reader,
            |connection, cx| connection.poll_read(cx, buf),
        )
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.with(
            cx,
            |state| &mut state.writer,
            |connection, cx| connection.poll_write(cx, buf),
        )
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(cx, |state| &mut state.writer, AsyncWrite::poll_flush)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(cx, |state| &mut state.writer, AsyncWrite::poll_shutdown)
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, split};

    use super::*;

    #[tokio::test]
    async fn both_who_wait_are_woken_and_the_client_sees_the_end() {
        let (connection, mut client) = Connection::in_memory();
        let (stream, closer) = closable(connection);
        let (mut reader, mut writer) = split(stream);
        let reading = tokio::spawn(async move { reader.read_u8().await });
        // More than fits, so that it waits.
        let writing = tokio::spawn(async move { writer.write_all(&[0; 1 << 20]).await });
        client.read_u8().await.unwrap();
        tokio::task::yield_now().await;
        drop(closer);
        let error = reading.await.unwrap().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionAborted);
        let error = writing.await.unwrap().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionAborted);
        let mut rest = Vec::new();
        client.read_to_end(&mut rest).await.unwrap();
    }

    #[tokio::test]
    async fn it_is_the_connection_until_then() {
        let (connection, mut client) = Connection::in_memory();
        let (mut stream, _closer) = closable(connection);
        stream.write_all(b"to").await.unwrap();
        client.write_all(b"fro").await.unwrap();
        let (mut to, mut fro) = ([0; 2], [0; 3]);
        client.read_exact(&mut to).await.unwrap();
        stream.read_exact(&mut fro).await.unwrap();
        assert_eq!((&to, &fro), (b"to", b"fro"));
        stream.shutdown().await.unwrap();
        assert_eq!(client.read(&mut to).await.unwrap(), 0);
    }
}
