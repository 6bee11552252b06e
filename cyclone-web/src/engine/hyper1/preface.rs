//! Waits for the first bytes of a connection, or of its next request, and tells HTTP/2 from HTTP/1 by them.
//!
//! This is also where an idle connection rests: it holds no buffer here.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead as _, ReadBuf};
use tokio::time::Instant;

use super::clock::after;
use crate::engine::stream::Stream;
use crate::engine::watch::Watch;

/// What an HTTP/2 client with prior knowledge sends first (RFC 9113 section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The most bytes that are read in one go, in bytes; on the stack.
const SCRATCH_BYTES: usize = 4 * 1024;

/// What came.
pub(crate) enum Opening {
    /// The beginning of an HTTP/1 request, and when it began to come.
    Http1(Bytes, Instant),
    /// The beginning of an HTTP/2 connection.
    Http2(Bytes),
    /// Nothing, and the connection can be closed.
    Nothing,
    /// Too little for too long: an HTTP/2 preface that was begun.
    Late,
    /// The connection is dead.
    Dead(io::Error),
}

/// Where in its life a connection is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Age {
    /// It was accepted then.
    New(Instant),
    /// It has been idle since then.
    Idle(Instant),
}

/// Waits for the first bytes.
pub(crate) async fn open(
    stream: &mut Stream,
    watch: &mut Watch<'_>,
    ahead: Bytes,
    age: Age,
    old_at: Instant,
) -> Opening {
    if !ahead.is_empty()
        && let Age::Idle(since) = age
    {
        return Opening::Http1(ahead, since);
    }
    let mut waiting = Waiting {
        age,
        old_at,
        got: BytesMut::new(),
        closing_since: None,
    };
    std::future::poll_fn(|cx| waiting.poll(stream, watch, cx)).await
}

struct Waiting {
    age: Age,
    old_at: Instant,
    /// A part of the preface.
    got: BytesMut,
    closing_since: Option<Instant>,
}

impl Waiting {
    fn poll(
        &mut self,
        stream: &mut Stream,
        watch: &mut Watch<'_>,
        cx: &mut Context<'_>,
    ) -> Poll<Opening> {
        watch.poll(cx);
        if watch.is_cut() {
            return Poll::Ready(Opening::Dead(io::ErrorKind::ConnectionAborted.into()));
        }
        loop {
            let mut scratch = [const { MaybeUninit::uninit() }; SCRATCH_BYTES];
            let mut scratch = ReadBuf::uninit(&mut scratch);
            match Pin::new(&mut *stream).poll_read(cx, &mut scratch) {
                Poll::Ready(Ok(())) if scratch.filled().is_empty() => {
                    return Poll::Ready(if self.got.is_empty() {
                        Opening::Nothing
                    } else {
                        Opening::Dead(io::ErrorKind::UnexpectedEof.into())
                    });
                }
                Poll::Ready(Ok(())) => {
                    self.got.extend_from_slice(scratch.filled());
                    if let Some(opening) = self.decide() {
                        return Poll::Ready(opening);
                    }
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Opening::Dead(error)),
                Poll::Pending => return self.look_at_clock(stream, watch),
            }
        }
    }

    /// Decides when there is enough to decide.
    fn decide(&mut self) -> Option<Opening> {
        match self.age {
            Age::New(accepted) => {
                let known = self.got.len().min(PREFACE.len());
                if self.got[..known] != PREFACE[..known] {
                    return Some(Opening::Http1(self.got.split().freeze(), accepted));
                }
                (known == PREFACE.len()).then(|| Opening::Http2(self.got.split().freeze()))
            }
            Age::Idle(_) => Some(Opening::Http1(self.got.split().freeze(), Instant::now())),
        }
    }

    fn look_at_clock(&mut self, stream: &Stream, watch: &mut Watch<'_>) -> Poll<Opening> {
        let now = Instant::now();
        let limits = stream.info().limits();
        let mut until = match self.age {
            Age::New(accepted) => after(accepted, limits.header_timeout),
            Age::Idle(since) => after(since, limits.keep_alive).min(self.old_at),
        };
        if watch.is_draining() {
            let closing = *self.closing_since.get_or_insert(now);
            if self.got.is_empty() {
                until = until.min(after(closing, limits.shutdown_grace));
            }
        }
        if now < until {
            watch.wake_at(until);
            return Poll::Pending;
        }
        Poll::Ready(if self.got.is_empty() {
            Opening::Nothing
        } else {
            Opening::Late
        })
    }
}
