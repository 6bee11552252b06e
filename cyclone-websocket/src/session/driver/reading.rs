//! Bytes of the peer, and what becomes of them.

use std::mem::MaybeUninit;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

use super::{Driver, Reading};
use crate::close::{CloseCause, CloseCode, CloseFrame, CloseInfo};
use crate::codec::decoder::Incoming;
use crate::message::Text;

/// How much is read at once, in bytes; on the stack, so that an idle socket owns no read buffer.
const READ_BYTES: usize = 8 * 1024;

impl<T, D> Driver<'_, T, D>
where
    T: AsyncRead + AsyncWrite + Unpin,
    D: Future<Output = ()>,
{
    /// Whether decoding may go on: a second message waits, unless it would be dropped anyway.
    pub(super) fn takes_frames(&self) -> bool {
        self.reading == Reading::Frames && (self.message.is_none() || self.closing.is_some())
    }

    pub(super) fn takes_bytes(&self) -> bool {
        match self.reading {
            Reading::Frames => self.takes_frames() && self.input.is_empty(),
            Reading::Discard => true,
            Reading::Done => false,
        }
    }

    /// Decodes what was read earlier.
    pub(super) fn decode_input(&mut self) -> bool {
        if self.input.is_empty() || !self.takes_frames() {
            return false;
        }
        let input = std::mem::take(&mut self.input);
        let mut rest = &input[self.input_at..];
        self.decode(&mut rest);
        if !rest.is_empty() {
            self.input_at = input.len() - rest.len();
            self.input = input;
        }
        true
    }

    pub(super) fn decode(&mut self, bytes: &mut &[u8]) {
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
        let mut chunk = [const { MaybeUninit::uninit() }; READ_BYTES];
        let mut chunk = ReadBuf::uninit(&mut chunk);
        match Pin::new(io).poll_read(cx, &mut chunk) {
            Poll::Ready(Ok(())) if !chunk.filled().is_empty() => {
                self.heartbeat.alive();
                if self.reading == Reading::Frames {
                    let mut rest = chunk.filled();
                    self.decode(&mut rest);
                    self.input = rest.to_vec();
                    self.input_at = 0;
                }
                true
            }
            Poll::Ready(_) => self.lose(),
            Poll::Pending => false,
        }
    }

    pub(super) fn take(&mut self, incoming: Incoming) {
        match incoming {
            Incoming::Message(message) if self.closing.is_none() => self.message = Some(message),
            Incoming::Pong(payload) if self.closing.is_none() => self.pong = Some(payload),
            // After our Close frame, or the decision to send it, nothing reaches the handler.
            Incoming::Message(_) | Incoming::Pong(_) => {}
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
