//! The byte stream under hyper.
//!
//! It passes bytes and takes note of what happens. Five things it does on its own:
//! - It keeps the end of the stream from hyper while a request is in progress, because hyper would drop the
//!   handler at once; the connection's task gives the handler a grace instead.
//! - It swallows the answers that hyper itself writes to a head that it cannot parse; the connection's task
//!   writes better ones.
//! - It collects the answers to pipelined requests and writes them at once.
//! - It keeps what follows a request from hyper, if that is the only one that hyper shall serve.
//! - It leaves closing an HTTP/1 connection to the connection's task, which lingers.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use cyclone_core::Connection;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::wire::{Answer, Upload, Wire};
use super::{ConnectionInfo, close};

/// The largest answer that waits for its successors, in bytes. Larger ones gain nothing from it.
const DEFERRED_ANSWER_BYTES: usize = 8 * 1024;

/// The most bytes of further requests that are read before hyper has served its only one.
const BEHIND_BYTES: usize = 32 * 1024;

/// The most bytes of answers that wait.
const DEFERRED_BYTES: usize = 32 * 1024;

/// The byte stream under hyper.
pub(crate) struct Stream {
    connection: Connection,
    info: Arc<ConnectionInfo>,
    http2: bool,
    /// Bytes that were read before hyper began.
    ahead: Bytes,
    /// Bytes behind the only request that hyper is given.
    behind: Vec<u8>,
    /// The last read gave bytes, so hyper may have another request in its buffer.
    fresh: bool,
    /// Answers that wait, and how much of them is written.
    waiting: Vec<u8>,
    sent: usize,
    /// `waiting` has grown since the last flush.
    grown: bool,
    is_reset: bool,
    _gone: Gone,
}

/// Says that the byte stream is gone.
struct Gone(Arc<ConnectionInfo>);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.wire().gone.set();
        self.0.driver.wake();
    }
}

impl Stream {
    pub(crate) fn new(connection: Connection, info: Arc<ConnectionInfo>) -> Self {
        // There may have been another before.
        info.wire().gone.clear();
        Self {
            connection,
            _gone: Gone(Arc::clone(&info)),
            info,
            http2: false,
            ahead: Bytes::new(),
            behind: Vec::new(),
            fresh: false,
            waiting: Vec::new(),
            sent: 0,
            grown: false,
            is_reset: false,
        }
    }

    pub(crate) fn info(&self) -> &Arc<ConnectionInfo> {
        &self.info
    }

    pub(crate) fn set_http2(&mut self) {
        self.http2 = true;
    }

    /// Has `bytes` read before those of the socket: the beginning of a request.
    pub(crate) fn set_ahead(&mut self, bytes: Bytes) {
        self.wire().receiving.set();
        self.ahead = bytes;
    }

    /// Has the first `length` bytes of `bytes` read as the only request, and keeps what comes behind it for whoever
    /// has the connection next.
    pub(crate) fn set_only_request(&mut self, mut bytes: Bytes, length: usize) {
        self.wire().only.set();
        self.behind = bytes.split_off(length).into();
        self.set_ahead(bytes);
    }

    /// What was read behind `bytes`, which hyper has read too far, and not used.
    pub(crate) fn take_behind(&mut self, bytes: Bytes) -> Bytes {
        if self.behind.is_empty() {
            return bytes;
        }
        [&bytes[..], &std::mem::take(&mut self.behind)]
            .concat()
            .into()
    }

    /// Reads what comes behind the only request, and learns of the client's end so.
    fn poll_behind(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.fresh = false;
        let mut space = [MaybeUninit::uninit(); 4 * 1024];
        while self.behind.len() < BEHIND_BYTES && !self.wire().eof.is_set() {
            let mut buffer = ReadBuf::uninit(&mut space);
            ready!(Pin::new(&mut self.connection).poll_read(cx, &mut buffer))?;
            match buffer.filled() {
                [] => self.note_end(),
                bytes => self.behind.extend_from_slice(bytes),
            }
        }
        Poll::Pending
    }

    /// The connection alone. What waits to be written is lost.
    pub(crate) fn into_connection(self) -> Connection {
        self.connection
    }

    /// Gives back memory that an idle connection does not need.
    #[cfg(feature = "hyper-http1")]
    pub(crate) fn rest(&mut self) {
        if self.waiting.is_empty() {
            self.waiting = Vec::new();
        }
    }

    /// Has the connection end with a reset rather than properly.
    pub(crate) fn reset(&mut self) {
        self.is_reset = true;
        close::reset(&self.connection, true);
    }

    /// Whether the connection ends with a reset, as soon as it is dropped.
    pub(crate) fn is_reset(&self) -> bool {
        self.is_reset
    }

    fn wire(&self) -> &Wire {
        self.info.wire()
    }

    fn check_cut(&self) -> io::Result<()> {
        if self.wire().cut.is_set() {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        Ok(())
    }

    /// Takes note of bytes that were read.
    fn note_read(&mut self, bytes: &[u8]) {
        self.fresh = true;
        let wire = self.wire();
        wire.progress.add();
        let upload = wire.upload();
        if wire.upgraded.is_set() || self.http2 || matches!(upload, Upload::Open | Upload::Draining)
        {
            return;
        }
        let idle = wire.answer() == Answer::None;
        wire.fragments.look(bytes, idle && !wire.receiving.is_set());
        if idle {
            wire.receiving.set();
        }
    }

    /// Whether hyper must not learn of the end of the stream.
    fn hides_end(&self) -> bool {
        let wire = self.wire();
        !self.http2 && !wire.upgraded.is_set() && wire.is_busy()
    }

    fn note_end(&mut self) {
        self.fresh = false;
        let wire = self.wire();
        wire.eof.set();
        wire.progress.add();
        wire.body_reader.wake();
    }

    /// Takes note of how a write went.
    fn note_write(&self, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        let wire = self.wire();
        match &result {
            Poll::Ready(Ok(count)) => {
                wire.write_blocked.clear();
                wire.progress.add();
                let written = wire.written.load(Ordering::Relaxed) + *count as u64;
                wire.written.store(written, Ordering::Relaxed);
            }
            Poll::Ready(Err(_)) => {}
            Poll::Pending => wire.write_blocked.set(),
        }
        result
    }

    /// Swallows what hyper writes because it could not parse a head, and keeps the status of it.
    fn swallow(&self, data: &[u8]) -> bool {
        let wire = self.wire();
        if self.http2 || wire.answer() != Answer::None || wire.upgraded.is_set() {
            return false;
        }
        let status = data
            .get("HTTP/1.1 ".len().."HTTP/1.1 400".len())
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| digits.parse().ok());
        if let Some(status) = status {
            wire.refused.store(status, Ordering::Release);
        }
        true
    }

    /// Whether the answer that hyper writes is complete and another one may follow in the same breath.
    ///
    /// The first conditions say that hyper will go on to the next head: it parses it from its buffer, or
    /// reads, and both bring it back here. That the last read gave bytes says that it is worth waiting.
    fn may_defer(&self) -> bool {
        let wire = self.wire();
        self.fresh
            && !self.http2
            && wire.answer() == Answer::Handed
            && wire.upload() == Upload::None
            && !wire.may_leave.is_set()
            && !wire.upgraded.is_set()
    }

    /// Keeps `length` bytes for later when that is worth it, or when others wait already.
    fn defer(&mut self, length: usize, parts: &[IoSlice<'_>]) -> bool {
        if length > DEFERRED_ANSWER_BYTES
            || self.waiting.len() + length > DEFERRED_BYTES
            || (self.waiting.is_empty() && !self.may_defer())
        {
            return false;
        }
        self.waiting.reserve(length);
        for part in parts {
            self.waiting.extend_from_slice(part);
        }
        self.grown = true;
        true
    }

    /// Writes what waits.
    pub(crate) fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.waiting.is_empty() {
            return Poll::Ready(Ok(()));
        }
        self.wire().deferred.clear();
        while self.sent < self.waiting.len() {
            let result = Pin::new(&mut self.connection).poll_write(cx, &self.waiting[self.sent..]);
            let count = ready!(self.note_write(result))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent += count;
        }
        self.waiting.clear();
        self.sent = 0;
        self.grown = false;
        Poll::Ready(Ok(()))
    }

    /// For a stream that has left HTTP: has the reader or writer woken when the connection is cut.
    fn watch_cut(&self, cx: &Context<'_>, reading: bool) -> io::Result<()> {
        let wire = self.wire();
        if wire.upgraded.is_set() {
            let waker = if reading {
                &wire.body_reader
            } else {
                &wire.writer
            };
            waker.register(cx.waker());
        }
        self.check_cut()
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.check_cut()?;
        // Between two requests hyper may not come back for long. Within one it flushes before it rests.
        if this.wire().answer() == Answer::None {
            ready!(this.poll_send(cx))?;
        }
        if !this.ahead.is_empty() {
            // They were taken note of when they were read first.
            let count = this.ahead.len().min(buf.remaining());
            buf.put_slice(&this.ahead[..count]);
            this.ahead.advance(count);
            this.fresh = true;
            return Poll::Ready(Ok(()));
        }
        if this.wire().only.is_set() {
            if !this.wire().upgraded.is_set() {
                return this.poll_behind(cx);
            }
            if !this.behind.is_empty() {
                let count = this.behind.len().min(buf.remaining());
                buf.put_slice(&this.behind[..count]);
                this.behind.drain(..count);
                return Poll::Ready(Ok(()));
            }
        }
        if this.wire().eof.is_set() && this.hides_end() {
            this.fresh = false;
            return Poll::Pending;
        }
        let before = buf.filled().len();
        match Pin::new(&mut this.connection).poll_read(cx, buf)? {
            Poll::Ready(()) if buf.filled().len() > before => {
                this.note_read(&buf.filled()[before..]);
                Poll::Ready(Ok(()))
            }
            Poll::Ready(()) => {
                this.note_end();
                if this.hides_end() {
                    return Poll::Pending;
                }
                Poll::Ready(Ok(()))
            }
            Poll::Pending => {
                this.fresh = false;
                this.watch_cut(cx, true)?;
                Poll::Pending
            }
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.check_cut()?;
        if this.swallow(buf) || this.defer(buf.len(), &[IoSlice::new(buf)]) {
            return Poll::Ready(Ok(buf.len()));
        }
        ready!(this.poll_send(cx))?;
        let result = Pin::new(&mut this.connection).poll_write(cx, buf);
        if result.is_pending() {
            this.watch_cut(cx, false)?;
        }
        this.note_write(result)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.check_cut()?;
        let length = bufs.iter().map(|buf| buf.len()).sum();
        let head = bufs.first().map_or(&[][..], |buf| &**buf);
        if this.swallow(head) || this.defer(length, bufs) {
            return Poll::Ready(Ok(length));
        }
        ready!(this.poll_send(cx))?;
        let result = Pin::new(&mut this.connection).poll_write_vectored(cx, bufs);
        if result.is_pending() {
            this.watch_cut(cx, false)?;
        }
        this.note_write(result)
    }

    /// Not for HTTP/1: hyper then puts head and body into one buffer and writes them by a plain `send`, which
    /// costs less than the list of a `writev` for answers of the usual size. Large bodies are copied once more,
    /// in pieces.
    fn is_write_vectored(&self) -> bool {
        (self.http2 || self.wire().upgraded.is_set()) && self.connection.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.check_cut()?;
        if this.grown && this.may_defer() {
            this.grown = false;
            this.wire().deferred.set();
        } else {
            ready!(this.poll_send(cx))?;
            ready!(Pin::new(&mut this.connection).poll_flush(cx))?;
        }
        if !this.http2 && this.wire().answer() == Answer::Handed {
            this.wire().set_answer(Answer::None);
        }
        Poll::Ready(Ok(()))
    }

    /// Ends a stream that is no longer HTTP/1. Of one that is, only what waits is written.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_send(cx))?;
        if !this.http2 && !this.wire().upgraded.is_set() {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut this.connection).poll_shutdown(cx)
    }
}
