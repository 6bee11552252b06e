//! The event socket: its framing, the client and the server, with recordings of a real FreeSWITCH and a stand-in.

use std::path::Path;
use std::time::Duration;

use bytes::BytesMut;
use cyclone_core::{BackoffPolicy, ConnectionError, FrameError, Jitter, LinkState};
use cyclone_examples::freeswitch::{
    EslClient, EslClientBuilder, Frame, FrameCodec, FrameLimits, Recording, Side,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_util::codec::Decoder;

use crate::tour::PATIENCE;

mod commands;
mod events;
mod framing;
mod gaps;
mod inbound;
mod lost;
mod outbound;
mod recorded;
mod silence;
mod stand_in;
mod subscriptions;

/// Every recording.
const RECORDINGS: [&str; 9] = [
    "api",
    "auth-bad",
    "events-json",
    "events-plain",
    "events-xml",
    "no-auth",
    "outbound-async-full",
    "pipelined",
    "userauth-bad",
];

fn recording(name: &str) -> Recording {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("freeswitch/tests/data");
    Recording::parse(&std::fs::read(folder.join(name)).unwrap()).unwrap()
}

/// Everything that FreeSWITCH says in a recording.
fn said(name: &str) -> Vec<u8> {
    recording(name).said_by(Side::Switch)
}

/// All that a codec takes out of these pieces, up to the end or the first error.
fn decode<D: Decoder<Error = FrameError>>(
    mut codec: D,
    pieces: &[&[u8]],
) -> (Vec<D::Item>, Option<FrameError>) {
    let (mut source, mut items) = (BytesMut::new(), Vec::new());
    for piece in pieces.iter().copied().map(Some).chain([None]) {
        source.extend_from_slice(piece.unwrap_or_default());
        loop {
            let read = match piece {
                Some(_) => codec.decode(&mut source),
                None => codec.decode_eof(&mut source),
            };
            match read {
                Ok(Some(item)) => items.push(item),
                Ok(None) => break,
                Err(error) => return (items, Some(error)),
            }
        }
    }
    (items, None)
}

/// The frames in these bytes, which have to be whole.
fn frames(bytes: &[u8]) -> Vec<Frame> {
    let (frames, error) = decode(FrameCodec::new(FrameLimits::default()), &[bytes]);
    assert!(error.is_none(), "{error:?}");
    frames
}

/// FreeSWITCH's side of the connections, played by a test.
struct Fake {
    listener: TcpListener,
}

impl Fake {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self { listener }
    }

    /// A client that connects here, again at once when it has to.
    fn client(&self) -> EslClientBuilder {
        let address = self.listener.local_addr().unwrap().to_string();
        let backoff = BackoffPolicy::reconnect().base(Duration::from_millis(1));
        EslClient::builder(address).backoff(backoff.jitter(Jitter::None))
    }

    /// A client that does not come back during the test once it has been turned away: why can be seen.
    fn slow_client(&self) -> EslClientBuilder {
        self.client()
            .backoff(BackoffPolicy::reconnect().base(PATIENCE).max(PATIENCE))
    }

    async fn accept(&self) -> Peer {
        let accepted = timeout(PATIENCE, self.listener.accept()).await;
        Peer(accepted.expect("nobody connects").unwrap().0)
    }

    /// The next connection, when it has logged in.
    async fn logged_in(&self) -> Peer {
        let mut peer = self.accept().await;
        peer.say("Content-Type: auth/request\n\n").await;
        peer.hears("auth ClueCon\n\n").await;
        peer.reply("+OK accepted").await;
        peer
    }
}

/// The other end of a connection.
struct Peer(TcpStream);

impl Peer {
    async fn say(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    async fn reply(&mut self, text: &str) {
        let reply = format!("Content-Type: command/reply\nReply-Text: {text}\n\n");
        self.say(&reply).await;
    }

    async fn printed(&mut self, text: &str) {
        let length = text.len();
        let answer = format!("Content-Type: api/response\nContent-Length: {length}\n\n{text}");
        self.say(&answer).await;
    }

    async fn event(&mut self, headers: &[(&str, &str)]) {
        let lines = headers.iter();
        let lines = lines.map(|(name, value)| format!("{name}: {value}\n"));
        let body = lines.collect::<String>() + "\n";
        let length = body.len();
        let head = format!("Content-Length: {length}\nContent-Type: text/event-plain\n\n");
        self.say(&(head + &body)).await;
    }

    /// Waits for exactly these bytes.
    async fn hears(&mut self, expected: &str) {
        let mut heard = vec![0; expected.len()];
        let read = timeout(PATIENCE, self.0.read_exact(&mut heard)).await;
        read.expect("nothing comes").expect("the end comes");
        assert_eq!(String::from_utf8_lossy(&heard), expected);
    }

    /// Waits for the end of the connection; what came before it.
    async fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        // A reset is an end too.
        let _ = timeout(PATIENCE, self.0.read_to_end(&mut rest))
            .await
            .expect("the end does not come");
        String::from_utf8(rest).unwrap()
    }
}

/// Why a [slow client](Fake::slow_client) lost its connection, or got none.
async fn why_down(client: &EslClient) -> ConnectionError {
    let mut link = client.link().clone();
    loop {
        if let LinkState::Down { error, .. } = within(link.changed()).await {
            return error;
        }
    }
}

async fn within<F: Future>(work: F) -> F::Output {
    timeout(PATIENCE, work).await.expect("the test hangs")
}
