//! Sessions over in-memory streams, on a paused clock: no test waits, and times are exact.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cyclone_core::{Context, Resources, Session};
use http::Request;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::{Prepared, Start, upgraded};
use crate::close::{CloseCause, CloseInfo};
use crate::config::Config;
use crate::error::{HandlerError, Result};
use crate::handler::WebSocketHandler;
use crate::message::Message;
use crate::queue::Queue;
use crate::sender::WebSocketSender;
use crate::socket::WebSocket;

mod closing;
mod cost;
mod faults;
mod flow;
mod time;

const SECOND: Duration = Duration::from_secs(1);
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// What the handler of the tests has seen.
#[derive(Debug, PartialEq)]
enum Seen {
    Open,
    Message(Message),
    Pong(Bytes),
    Close(CloseInfo),
}

/// Reports all it sees, and does what the text of a message asks for.
struct Probe {
    seen: mpsc::UnboundedSender<Seen>,
    open: Script,
    close: Script,
}

#[derive(Clone, Copy, Default)]
enum Script {
    #[default]
    Succeed,
    Fail,
    Panic,
    Hang,
}

impl Probe {
    fn tell(&self, seen: Seen) {
        // The test may have stopped listening.
        let _ = self.seen.send(seen);
    }
}

impl WebSocketHandler for Probe {
    async fn open(&mut self, socket: &WebSocket) -> Result {
        assert!(socket.resources().get::<Resources>().is_err());
        match self.open {
            Script::Succeed => {}
            Script::Fail => return Err(HandlerError::close(4000, "no")),
            Script::Panic => panic!("secret"),
            Script::Hang => std::future::pending().await,
        }
        self.tell(Seen::Open);
        Ok(())
    }

    async fn message(&mut self, socket: &WebSocket, message: Message) -> Result {
        self.tell(Seen::Message(message.clone()));
        match message.as_text() {
            Some("wait") => std::future::pending().await,
            Some("wait for the end") => drop(socket.closed().await),
            Some("sleep") => tokio::time::sleep(SECOND * 600).await,
            Some("sleep and close") => {
                tokio::time::sleep(SECOND).await;
                socket.close(4000, "enough")?;
            }
            Some("panic") => panic!("secret"),
            Some("error") => return Err(std::io::Error::other("secret").into()),
            Some("policy") => return Err(HandlerError::close(1008, "policy")),
            Some("bad code") => return Err(HandlerError::close(1006, "")),
            Some("quiet") => {}
            _ => socket.send(message).await?,
        }
        Ok(())
    }

    async fn pong(&mut self, _socket: &WebSocket, payload: Bytes) -> Result {
        self.tell(Seen::Pong(payload));
        Ok(())
    }

    async fn close(&mut self, _socket: &WebSocket, info: CloseInfo) {
        self.tell(Seen::Close(info));
        match self.close {
            Script::Succeed | Script::Fail => {}
            Script::Panic => panic!("secret"),
            Script::Hang => std::future::pending().await,
        }
    }
}

/// A session and its peer, who speaks bytes.
struct Bench {
    peer: DuplexStream,
    seen: mpsc::UnboundedReceiver<Seen>,
    sender: WebSocketSender,
    started: Instant,
}

/// What is set up before a session starts.
struct Setup {
    config: Config,
    session: Session,
    open: Script,
    close: Script,
    pipe: usize,
    ahead: Bytes,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            config: Config::default(),
            session: Session::detached(),
            open: Script::Succeed,
            close: Script::Succeed,
            pipe: 1 << 20,
            ahead: Bytes::new(),
        }
    }
}

impl Setup {
    fn start(self) -> Bench {
        let (peer, io) = tokio::io::duplex(self.pipe);
        let (tell, seen) = mpsc::unbounded_channel();
        let handler = Probe {
            seen: tell,
            open: self.open,
            close: self.close,
        };
        let (parts, ()) = Request::new(()).into_parts();
        let config = self.config.shared();
        let queue = Arc::new(Queue::new(Arc::clone(&config)));
        let sender = WebSocketSender::new(Arc::clone(&queue));
        let session = self.session.clone();
        let socket = WebSocket::new(sender.clone(), parts, self.session, None);
        let prepared = Prepared {
            handler,
            socket,
            queue,
            config,
        };
        let upgrade = std::future::ready(Ok::<_, std::io::Error>((io, self.ahead)));
        session.spawn(upgraded(Start::new(upgrade, prepared)));
        Bench {
            peer,
            seen,
            sender,
            started: Instant::now(),
        }
    }
}

fn start() -> Bench {
    Setup::default().start()
}

impl Bench {
    async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.peer.write_all(bytes.as_ref()).await.unwrap();
    }

    /// The next frame of the server: its first byte and its payload. `None` at the end.
    async fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut head = [0; 2];
        if self.peer.read_exact(&mut head).await.is_err() {
            return None;
        }
        assert_eq!(head[1] & 0x80, 0, "a server does not mask");
        let length = match head[1] {
            126 => usize::from(self.peer.read_u16().await.unwrap()),
            127 => usize::try_from(self.peer.read_u64().await.unwrap()).unwrap(),
            length => usize::from(length),
        };
        let mut payload = vec![0; length];
        self.peer.read_exact(&mut payload).await.unwrap();
        Some((head[0], payload))
    }

    async fn expect(&mut self, first: u8, payload: impl AsRef<[u8]>) {
        let frame = self.frame().await;
        assert_eq!(frame, Some((first, payload.as_ref().to_vec())));
    }

    async fn seen(&mut self) -> Seen {
        self.seen.recv().await.expect("the handler is gone")
    }

    async fn expect_seen(&mut self, seen: Seen) {
        assert_eq!(self.seen().await, seen);
    }

    async fn expect_message(&mut self, text: &str) {
        self.expect_seen(Seen::Message(text.into())).await;
    }

    /// Waits for `close`, which must be the last that the handler sees.
    async fn closed(&mut self) -> CloseInfo {
        loop {
            if let Seen::Close(info) = self.seen().await {
                assert!(
                    self.seen.recv().await.is_none(),
                    "nothing happens after close"
                );
                assert_eq!(self.sender.closed().await, info);
                return info;
            }
        }
    }

    async fn expect_closed(&mut self, code: u16, cause: CloseCause, clean: bool) {
        let info = self.closed().await;
        assert_eq!(
            (info.code().as_u16(), info.cause(), info.is_clean()),
            (code, cause, clean)
        );
    }

    fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}

/// A masked frame of a client.
fn frame(first: u8, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    let mut out = vec![first];
    match payload.len() {
        length @ 0..=125 => out.push(0x80 | length as u8),
        length @ 126..=65_535 => {
            out.push(0xfe);
            out.extend((length as u16).to_be_bytes());
        }
        length => {
            out.push(0xff);
            out.extend((length as u64).to_be_bytes());
        }
    }
    out.extend(MASK);
    out.extend(payload.iter().zip(MASK.iter().cycle()).map(|(a, b)| a ^ b));
    out
}

fn text(payload: &str) -> Vec<u8> {
    frame(0x81, payload)
}

fn ping(payload: impl AsRef<[u8]>) -> Vec<u8> {
    frame(0x89, payload)
}

fn pong() -> Vec<u8> {
    frame(0x8a, "")
}

fn close(code: u16, reason: &str) -> Vec<u8> {
    frame(0x88, body(code, reason))
}

/// The body of a Close frame.
fn body(code: u16, reason: &str) -> Vec<u8> {
    let mut body = code.to_be_bytes().to_vec();
    body.extend(reason.as_bytes());
    body
}

/// The length of a header of the server.
fn header(length: usize) -> usize {
    match length {
        0..=125 => 2,
        126..=65_535 => 4,
        _ => 10,
    }
}
