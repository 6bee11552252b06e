//! Bytes of the peer, and what becomes of them.

use std::pin::pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};

use super::{Driver, Reading};
use crate::close::{CloseCause, CloseCode, CloseFrame, CloseInfo};
use crate::codec::decoder::Incoming;
use crate::message::Text;
use crate::session::scratch::Input;

impl<T, D> Driver<'_, T, D>
where
    T: AsyncRead + AsyncWrite + Unpin,
    D: Future<Output = ()> + Unpin,
{
    /// Whether decoding may go on: a second message waits, unless it would be dropped anyway.
    pub(super) fn takes_frames(&self) -> bool {
        self.reading == Reading::Frames && (self.message.is_none() || self.closing.is_some())
    }

    pub(super) fn takes_bytes(&self) -> bool {
        match self.reading {
            Reading::Frames => self.takes_frames() && self.input.is_none(),
            Reading::Discard => true,
            Reading::Done => false,
        }
    }

    /// Decodes what was read.
    pub(super) fn decode_input(&mut self) -> bool {
        if self.input.is_none() || !self.takes_frames() {
            return false;
        }
        let Some(mut input) = self.input.take() else {
            return false;
        };
        let mut rest = input.rest();
        self.decode(&mut rest);
        let left = rest.len();
        if left == 0 {
            input.give_back();
        } else {
            input.left(left);
            self.input = Some(input);
        }
        true
    }

    fn decode(&mut self, bytes: &mut &[u8]) {
        while self.takes_frames() {
            match self.decoder.decode(bytes) {
                Ok(Some(incoming)) => self.take(incoming),
                Ok(None) => return,
                Err(failure) => self.fail_peer(failure),
            }
        }
        if self.reading != Reading::Frames {
            *bytes = &[];
        }
    }

    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>) -> bool {
        if !self.takes_bytes() {
            return false;
        }
        let Some(io) = &mut self.io else { return false };
        if self.reading == Reading::Frames
            && let Some(mut room) = self.decoder.direct()
        {
            return match pin!(io.read_buf(&mut room)).poll(cx) {
                Poll::Ready(Ok(count)) if count > 0 => {
                    self.heartbeat.alive();
                    match self.decoder.arrived(count) {
                        Ok(()) => self.decode(&mut &[][..]),
                        Err(failure) => self.fail_peer(failure),
                    }
                    true
                }
                Poll::Ready(_) => self.lose(),
                Poll::Pending => false,
            };
        }
        let mut input = Input::lend();
        match input.poll_read(io, cx) {
            Poll::Ready(Ok(count)) if count > 0 => {
                self.heartbeat.alive();
                if self.reading == Reading::Frames {
                    self.input = Some(input);
                } else {
                    input.give_back();
                }
                true
            }
            Poll::Ready(_) => {
                input.give_back();
                self.lose()
            }
            Poll::Pending => {
                input.give_back();
                false
            }
        }
    }

    fn take(&mut self, incoming: Incoming) {
        match incoming {
            // After our Close frame, or the decision to send it, nothing reaches the handler.
            Incoming::Message(_) | Incoming::Pong(_) if self.closing.is_some() => {}
            Incoming::Message(message) => self.message = Some(message),
            Incoming::Pong(payload) => self.pong = Some(Box::new(payload)),
            Incoming::Ping(payload) => self.writer.pong(&payload),
            Incoming::Close(body) => self.take_close(body),
        }
    }

    pub(super) fn take_close(&mut self, body: Option<(CloseCode, Text)>) {
        self.reading = Reading::Done;
        if self.closing.is_none() {
            // RFC 6455 section 5.5.1: the answer echoes the code.
            let frame = body.as_ref().map(|(code, _)| CloseFrame::bare(*code));
            let (code, reason) = body.unwrap_or((CloseCode::NO_STATUS, Text::default()));
            self.close_with(frame, code, reason, CloseCause::Peer);
        }
        if let Some(closing) = &mut self.closing {
            closing.answered = true;
        }
    }

    /// The peer's bytes ended, or cannot be read.
    pub(super) fn lose(&mut self) -> bool {
        let lost = || CloseInfo::abnormal(CloseCause::Lost);
        let info = self
            .closing
            .take()
            .map_or_else(lost, |closing| closing.info);
        self.end(info);
        true
    }
}
