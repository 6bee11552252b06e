//! The closing handshake (RFC 6455 section 7), and the end.

use std::pin::Pin;
use std::task::Context;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::{Driver, Reading};
use crate::close::{CloseCause, CloseCode, CloseFrame, CloseInfo};
use crate::codec::Failure;
use crate::codec::decoder::Decoder;
use crate::message::Text;
use crate::session::writer::Writer;

/// A closing handshake that has begun.
#[derive(Debug)]
pub(super) struct Closing {
    pub(super) info: CloseInfo,
    /// The peer's Close frame has arrived.
    pub(super) answered: bool,
    /// Our half of the connection is shut down.
    shut: bool,
}

impl<T, D> Driver<'_, T, D>
where
    T: AsyncRead + AsyncWrite + Unpin,
    D: Future<Output = ()> + Unpin,
{
    /// The peer broke the protocol: it is told, and its bytes are no longer understood.
    pub(super) fn fail_peer(&mut self, failure: Failure) {
        tracing::debug!(?failure, "websocket peer failed");
        self.reading = Reading::Discard;
        let (frame, cause) = failure.into_frame();
        self.begin_close(frame, cause);
    }

    pub(super) fn begin_close(&mut self, frame: CloseFrame, cause: CloseCause) {
        let (code, reason) = (frame.code, frame.reason.clone());
        self.close_with(Some(frame), code, reason, cause);
    }

    pub(super) fn close_with(
        &mut self,
        frame: Option<CloseFrame>,
        code: CloseCode,
        reason: Text,
        cause: CloseCause,
    ) {
        if self.is_closing() {
            return;
        }
        self.queue.begin_close();
        self.heartbeat.stop();
        self.writer.close(frame);
        self.deadline = Instant::now().checked_add(self.config().close_timeout);
        self.closing = Some(Box::new(Closing {
            info: CloseInfo {
                code,
                reason,
                clean: false,
                cause,
            },
            answered: false,
            shut: false,
        }));
    }

    /// Ends the session when both Close frames are through; the server closes TCP first (section 7.1.1).
    pub(super) fn poll_end(&mut self, cx: &mut Context<'_>) -> bool {
        let (Some(io), Some(closing)) = (&mut self.io, &mut self.closing) else {
            return false;
        };
        if self.writer_failed {
            if !closing.answered {
                return false;
            }
        } else if self.writer.is_closed() && (closing.answered || self.reading == Reading::Discard)
        {
            if !closing.shut && Pin::new(io).poll_shutdown(cx).is_pending() {
                return false;
            }
            closing.shut = true;
            if !closing.answered {
                return false;
            }
            closing.info.clean = true;
        } else {
            return false;
        }
        let info = closing.info.clone();
        self.end(info);
        true
    }

    /// Ends the session: the socket is closed, senders and waiters are told.
    pub(super) fn end(&mut self, info: CloseInfo) {
        self.queue.end(&info);
        self.info = Some(Box::new(info));
        self.io = None;
        self.reading = Reading::Done;
        self.input = None;
        self.writer = Writer::default();
        self.decoder = Decoder::new(0, 0);
        self.draining = None;
        self.heartbeat.stop();
        self.deadline = None;
    }
}
