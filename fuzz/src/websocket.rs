//! WebSocket: the handshake and the frames.

use std::io::{Cursor, Read, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cyclone_web::{Application, RequestContext, RequestHandler};
use cyclone_websocket::{
    CloseCause, CloseInfo, Config, Message, Result, WebSocket, WebSocketHandler,
};
use http::header::{HeaderName, HeaderValue};
use http::{Method, Request, StatusCode, Version};
use tokio_tungstenite::tungstenite;
use tungstenite::protocol::{Role, WebSocketConfig};

/// Few enough bytes that the limits are met.
const MESSAGE_BYTES: usize = 300;
const FRAME_BYTES: usize = 200;

const HANDSHAKE: &[u8] =
    b"GET / HTTP/1.1\r\nhost: fuzz\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
    sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// What a handler was told.
#[derive(Debug, Default, PartialEq)]
struct Told {
    messages: Vec<Message>,
    end: Option<CloseInfo>,
}

#[derive(Clone, Default)]
struct Ear(Arc<Mutex<Told>>);

impl WebSocketHandler for Ear {
    fn config(&self) -> Config {
        Config::new()
            .max_message_bytes(MESSAGE_BYTES)
            .max_frame_bytes(FRAME_BYTES)
    }

    async fn message(&mut self, _socket: &WebSocket, message: Message) -> Result {
        self.0
            .lock()
            .expect("nobody panicked")
            .messages
            .push(message);
        Ok(())
    }

    async fn close(&mut self, _socket: &WebSocket, info: CloseInfo) {
        self.0.lock().expect("nobody panicked").end = Some(info);
    }
}

/// Time for what can be done at once; the clock does not wait.
const A_MOMENT: Duration = Duration::from_secs(1);

/// Opens a socket for every request.
struct Door(Ear);

impl RequestHandler for Door {
    async fn get(&self, cx: &mut RequestContext) -> cyclone_web::Result {
        cx.websocket(self.0.clone())
    }
}

fn tell<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Told {
    let ear = Ear::default();
    let app = Application::new()
        .route("/", Door(ear.clone()))
        .log_request(|_, _| {});
    let pieces = std::iter::once(HANDSHAKE).chain(pieces);
    let answer = crate::serve::block_on(async {
        let answer = crate::serve::converse(&app, pieces).await;
        // The session has a task of its own, which may end after the client has seen the end.
        tokio::time::sleep(A_MOMENT).await;
        answer
    });
    assert!(
        answer.starts_with(b"HTTP/1.1 101 "),
        "{}",
        answer.escape_ascii()
    );
    let told = std::mem::take(&mut *ear.0.lock().expect("nobody panicked"));
    assert!(told.end.is_some(), "the handler is told of the end");
    told
}

/// The first byte says how the rest is cut: frames of a client. However they are cut the same is told, and as far
/// as we go tungstenite reads the same; it takes some things that we refuse.
pub(crate) fn frames(data: &[u8]) {
    let Some((size, stream)) = data.split_first() else {
        return;
    };
    let whole = tell(std::iter::once(stream));
    let cut = tell(stream.chunks(usize::from(*size).max(1)));
    assert_eq!(whole, cut);
    let theirs = oracle(stream);
    let count = whole.messages.len();
    assert!(theirs.len() >= count, "{whole:?}, {theirs:?}");
    assert_eq!(whole.messages, theirs[..count]);
    let refused = whole.end.as_ref().map(CloseInfo::cause);
    if !matches!(
        refused,
        Some(CloseCause::ProtocolError | CloseCause::InvalidText | CloseCause::TooBig)
    ) {
        assert_eq!(count, theirs.len(), "{whole:?}, {theirs:?}");
    }
}

/// Reads from memory and writes to nowhere.
struct Tape<'a>(Cursor<&'a [u8]>);

impl Read for Tape<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Tape<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The messages that tungstenite reads before it refuses something, or a close.
fn oracle(stream: &[u8]) -> Vec<Message> {
    let config = WebSocketConfig::default()
        .max_message_size(Some(MESSAGE_BYTES))
        .max_frame_size(Some(FRAME_BYTES));
    let tape = Tape(Cursor::new(stream));
    let mut socket = tungstenite::WebSocket::from_raw_socket(tape, Role::Server, Some(config));
    let mut messages = Vec::new();
    loop {
        match socket.read() {
            Ok(tungstenite::Message::Text(text)) => messages.push(Message::text(text.as_str())),
            Ok(tungstenite::Message::Binary(bytes)) => messages.push(Message::Binary(bytes)),
            Ok(tungstenite::Message::Close(_)) | Err(_) => return messages,
            Ok(_) => {}
        }
    }
}

/// The first line is the method and the version, the others are headers. No request of any kind is more than
/// refused, and only one that is right comes as far as having no connection.
pub(crate) fn handshake(data: &[u8]) {
    let mut lines = crate::pieces(data);
    let first = lines.next().unwrap_or_default();
    let (method, version) = match first {
        b"" => (Method::GET, Version::HTTP_11),
        [b'2', method @ ..] => (
            Method::from_bytes(method).unwrap_or_default(),
            Version::HTTP_2,
        ),
        [b'0', method @ ..] => (
            Method::from_bytes(method).unwrap_or_default(),
            Version::HTTP_10,
        ),
        method => (
            Method::from_bytes(method).unwrap_or_default(),
            Version::HTTP_11,
        ),
    };
    let mut request = Request::new(());
    *request.method_mut() = method;
    *request.version_mut() = version;
    for line in lines {
        let colon = line.iter().position(|byte| *byte == b':');
        let Some(colon) = colon else { continue };
        let name = HeaderName::from_bytes(&line[..colon]);
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            request.headers_mut().append(name, value);
        }
    }
    let error = cyclone_websocket::upgrade(&mut request, Ear::default())
        .expect_err("there is no connection to upgrade");
    let shown = error.to_string();
    let response = error.into_response();
    let status = response.status();
    if status.is_client_error() || status == StatusCode::HTTP_VERSION_NOT_SUPPORTED {
        return;
    }
    assert_eq!(status.as_u16(), 500, "{shown}");
    assert_eq!(
        (request.method(), request.version()),
        (&Method::GET, Version::HTTP_11)
    );
    let is = |name: &str, wanted: &str| {
        let mut values = request.headers().get_all(name).iter();
        values.any(|value| {
            let text = String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase();
            text.contains(wanted)
        })
    };
    assert!(is("connection", "upgrade") && is("upgrade", "websocket"));
    assert!(is("sec-websocket-version", "13") && is("sec-websocket-key", "=="));
}
