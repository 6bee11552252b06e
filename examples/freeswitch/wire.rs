//! The connection itself: commands are written and frames read until it ends.

use std::io;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::select;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tokio_util::codec::Decoder as _;

use super::command::{Command, Expects};
use super::error::EslError;
use super::esl::Shared;
use super::events::{Gap, Notice};
use super::exchange::{Exchange, Request};
use super::frame::{Frame, FrameCodec, FrameLimits};
use super::message::{Message, Reply};
use crate::deadline::after;

/// How long FreeSWITCH may owe an answer before the connection counts as dead, unless said otherwise. An `api` command
/// may take long, and everything behind it waits: `originate` alone takes up to a minute.
pub const DEFAULT_REPLY_TIMEOUT: Duration = Duration::from_secs(120);

/// How long nothing may come before FreeSWITCH is asked whether it is there, unless said otherwise.
pub const DEFAULT_PROBE_AFTER: Duration = Duration::from_secs(30);

/// How long it may take to answer that, when it has nothing else to do.
pub const PROBE_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes that are asked of the transport at a time.
const READ_BYTES: usize = 16 * 1024;

/// How long the peer of a connection may be silent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    pub(super) reply: Duration,
    pub(super) probe_after: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            reply: DEFAULT_REPLY_TIMEOUT,
            probe_after: DEFAULT_PROBE_AFTER,
        }
    }
}

/// A byte stream to FreeSWITCH, and what was read of it and is no frame yet.
#[derive(Debug)]
pub(super) struct Wire<T> {
    transport: T,
    codec: FrameCodec,
    buffer: BytesMut,
}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire<T> {
    pub(super) fn new(transport: T, limits: FrameLimits) -> Self {
        Self {
            transport,
            codec: FrameCodec::new(limits),
            buffer: BytesMut::new(),
        }
    }

    /// Sends a command where no other waits, and waits for its answer.
    pub(super) async fn ask(&mut self, command: &Command) -> Result<Reply, EslError> {
        self.transport.write_all(&command.to_bytes()?).await?;
        self.transport.flush().await?;
        loop {
            match self.next().await? {
                Message::Reply(reply) | Message::ApiResponse(reply) => return Ok(reply),
                Message::Disconnect(end) if !end.lingers() => return Err(EslError::Disconnected),
                Message::Rejected(text) => return Err(EslError::Denied { text }),
                _ => {}
            }
        }
    }

    /// The next message.
    pub(super) async fn next(&mut self) -> Result<Message, EslError> {
        let frame = loop {
            if let Some(frame) = self.codec.decode(&mut self.buffer)? {
                break frame;
            }
            self.buffer.reserve(READ_BYTES);
            if self.transport.read_buf(&mut self.buffer).await? == 0 {
                self.codec.decode_eof(&mut self.buffer)?;
                return Err(EslError::Disconnected);
            }
        };
        Message::from_frame(frame).map_err(|reason| EslError::Protocol { reason })
    }

    /// Carries commands there and everything else back until the connection ends, and says why it did.
    pub(super) async fn run(
        mut self,
        requests: &mut mpsc::Receiver<Request>,
        shared: &Shared,
        patience: Patience,
    ) -> EslError {
        let (mut reader, mut writer) = tokio::io::split(self.transport);
        let mut exchange = Exchange::default();
        let mut heard = Instant::now();
        let mut flushed = true;
        loop {
            self.buffer.reserve(READ_BYTES);
            let due = due(&exchange, heard, patience);
            let idle = flushed && exchange.unwritten().is_empty();
            let done = select! {
                read = reader.read_buf(&mut self.buffer) => match read {
                    Ok(0) => {
                        let rest = self.codec.decode_eof(&mut self.buffer);
                        return rest.err().map_or(EslError::Disconnected, Into::into);
                    }
                    Ok(_) => {
                        heard = Instant::now();
                        take(&mut self.codec, &mut self.buffer, &mut exchange, shared)
                    }
                    Err(error) => Err(error.into()),
                },
                wrote = write(&mut writer, exchange.unwritten()), if !idle => match wrote {
                    Ok(bytes) => {
                        exchange.wrote(bytes);
                        flushed = bytes == 0;
                        Ok(())
                    }
                    Err(error) => Err(error.into()),
                },
                Some(request) = requests.recv(), if exchange.has_room() => {
                    exchange.push(request, Instant::now());
                    while exchange.has_room() && let Ok(request) = requests.try_recv() {
                        exchange.push(request, Instant::now());
                    }
                    Ok(())
                }
                () = sleep_until(due) => match exchange.owed_since() {
                    Some(_) => Err(EslError::Protocol { reason: "no answer in time" }),
                    None => exchange.probe(Instant::now()),
                },
            };
            if let Err(error) = done {
                return error;
            }
        }
    }
}

/// Writes a part of `unwritten` and takes it off; how much. When there is nothing it flushes, which is 0.
async fn write(
    writer: &mut (impl AsyncWrite + Unpin),
    unwritten: &mut BytesMut,
) -> io::Result<usize> {
    if unwritten.is_empty() {
        return writer.flush().await.map(|()| 0);
    }
    match writer.write_buf(unwritten).await? {
        0 => Err(io::ErrorKind::WriteZero.into()),
        bytes => Ok(bytes),
    }
}

/// When the peer has been silent for too long.
fn due(exchange: &Exchange, heard: Instant, patience: Patience) -> Instant {
    match exchange.owed_since() {
        Some(since) if exchange.owes_only_a_probe() => after(since, PROBE_TIMEOUT),
        Some(since) => after(since, patience.reply),
        None => after(heard, patience.probe_after),
    }
}

/// Takes up every frame that has come.
fn take(
    codec: &mut FrameCodec,
    buffer: &mut BytesMut,
    exchange: &mut Exchange,
    shared: &Shared,
) -> Result<(), EslError> {
    while let Some(frame) = codec.decode(buffer)? {
        take_frame(frame, exchange, shared)?;
    }
    Ok(())
}

fn take_frame(frame: Frame, exchange: &mut Exchange, shared: &Shared) -> Result<(), EslError> {
    let message = match Message::from_frame(frame) {
        Ok(message) => message,
        Err(reason) => {
            tracing::warn!(reason, "freeswitch sent an event that cannot be read");
            shared.tell(Notice::Gap(Gap::Unreadable { reason }));
            return Ok(());
        }
    };
    let now = Instant::now();
    match message {
        Message::Reply(reply) => exchange.answer(Expects::Reply, reply, now)?,
        Message::ApiResponse(reply) => exchange.answer(Expects::ApiResponse, reply, now)?,
        Message::Event(event) => shared.event(event),
        Message::Log(line) => shared.tell(Notice::Log(line.into())),
        Message::Disconnect(end) if end.lingers() => shared.linger(end),
        Message::Disconnect(_) => return Err(EslError::Disconnected),
        Message::Rejected(text) => return Err(EslError::Denied { text }),
        Message::AuthRequest => {
            let reason = "a password is wanted again";
            return Err(EslError::Protocol { reason });
        }
        Message::Other(frame) => {
            let kind = frame.headers.get("Content-Type").unwrap_or_default();
            tracing::debug!(kind, "freeswitch sent a frame of an unknown kind");
        }
    }
    Ok(())
}
