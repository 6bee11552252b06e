//! Servers, clients and a handler that reports what it sees.

use std::convert::Infallible;
use std::net::SocketAddr;

use cyclone_core::{Connection, Endpoint, Peer, RunningServer, Server, Session, protocol_fn};
use cyclone_websocket::{
    CloseInfo, Config, Message, Result, WebSocket, WebSocketHandler, WebSocketSender,
    WebSocketService, upgrade_with,
};
use http::request::Parts;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

pub(crate) const MASK: [u8; 4] = [1, 2, 3, 4];

/// What a handler has seen.
#[derive(Debug)]
pub(crate) enum Seen {
    Open(WebSocketSender),
    Close(CloseInfo),
}

/// Makes echoing handlers that report to the test.
#[derive(Clone)]
pub(crate) struct Echoes {
    seen: mpsc::UnboundedSender<Seen>,
    config: Config,
}

pub(crate) struct Echo {
    seen: mpsc::UnboundedSender<Seen>,
    config: Config,
}

pub(crate) fn echoes(config: Config) -> (Echoes, mpsc::UnboundedReceiver<Seen>) {
    let (seen, reports) = mpsc::unbounded_channel();
    (Echoes { seen, config }, reports)
}

impl Echoes {
    pub(crate) fn handler(&self) -> Echo {
        Echo {
            seen: self.seen.clone(),
            config: self.config.clone(),
        }
    }
}

impl WebSocketHandler for Echo {
    async fn open(&mut self, socket: &WebSocket) -> Result {
        let _ = self.seen.send(Seen::Open(socket.sender().clone()));
        Ok(())
    }

    async fn message(&mut self, socket: &WebSocket, message: Message) -> Result {
        match message.as_text() {
            Some("panic") => panic!("secret"),
            Some("wait") => std::future::pending().await,
            Some("quiet") => return Ok(()),
            _ => {}
        }
        Ok(socket.send(message).await?)
    }

    async fn close(&mut self, _socket: &WebSocket, info: CloseInfo) {
        let _ = self.seen.send(Seen::Close(info));
    }

    fn select_subprotocol(&mut self, offered: &[&str]) -> Option<String> {
        offered.contains(&"echo").then(|| "echo".into())
    }

    fn config(&self) -> Config {
        self.config.clone()
    }
}

pub(crate) async fn opened(reports: &mut mpsc::UnboundedReceiver<Seen>) -> WebSocketSender {
    match reports.recv().await {
        Some(Seen::Open(sender)) => sender,
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn closed(reports: &mut mpsc::UnboundedReceiver<Seen>) -> CloseInfo {
    match reports.recv().await {
        Some(Seen::Close(info)) => info,
        other => panic!("{other:?}"),
    }
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// An axum server that upgrades `/`.
pub(crate) async fn serve_axum(echoes: Echoes) -> SocketAddr {
    let (listener, address) = listen().await;
    let service = WebSocketService::new(move |_: &Parts| echoes.handler());
    let app = axum::Router::new().route_service("/", service);
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    address
}

/// A hyper server that upgrades every target.
pub(crate) async fn serve_hyper(echoes: Echoes) -> SocketAddr {
    let (listener, address) = listen().await;
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(serve_stream(TokioIo::new(stream), echoes.clone(), None));
        }
    });
    address
}

async fn serve_stream<T>(io: TokioIo<T>, echoes: Echoes, session: Option<Session>)
where
    TokioIo<T>: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    let service = service_fn(|mut request: http::Request<hyper::body::Incoming>| {
        if let Some(session) = &session {
            request.extensions_mut().insert(session.clone());
        }
        let response = match upgrade_with(&mut request, |_| echoes.handler()) {
            Ok(response) => response.map(|()| String::new()),
            Err(error) => error.into_response(),
        };
        async { Ok::<_, Infallible>(response) }
    });
    // Errors are connections that the tests broke on purpose.
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(io, service)
        .with_upgrades()
        .await;
}

/// The least of a server that hands over its connections by `cyclone_core::upgrade`, for every target.
pub(crate) async fn serve_core(echoes: Echoes) -> SocketAddr {
    let (listener, address) = listen().await;
    tokio::spawn(async move {
        loop {
            let (stream, remote) = listener.accept().await.unwrap();
            let peer = Peer::new(remote.into(), address.into());
            let connection = Connection::new(stream, peer, Session::detached());
            tokio::spawn(serve_connection(connection, echoes.clone()));
        }
    });
    address
}

/// One request, which is taken to be well-formed.
async fn serve_connection(mut connection: Connection, echoes: Echoes) -> std::io::Result<()> {
    let mut head = Vec::new();
    let end = loop {
        if connection.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
        if let Some(end) = head.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
    };
    let ahead = head.split_off(end);
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.trim_end().split("\r\n");
    let target = lines.next().unwrap().split(' ').nth(1).unwrap();
    let mut request = http::Request::get(target);
    for line in lines {
        let (name, value) = line.split_once(": ").unwrap();
        request = request.header(name, value);
    }
    let (sender, on_upgrade) = cyclone_core::upgrade::channel();
    let request = request.extension(connection.session().clone());
    let mut request = request.extension(on_upgrade).body(()).unwrap();
    let response = match upgrade_with(&mut request, |_| echoes.handler()) {
        Ok(response) => response.map(|()| String::new()),
        Err(error) => error.into_response(),
    };
    let mut answer = format!("HTTP/1.1 {}\r\n", response.status());
    for (name, value) in response.headers() {
        answer += &format!("{name}: {}\r\n", value.to_str().unwrap());
    }
    answer += "\r\n";
    connection.write_all(answer.as_bytes()).await?;
    if response.status() == 101 {
        assert!(sender.is_awaited());
        sender.send(connection, ahead.into());
    }
    Ok(())
}

/// A server of each kind of upgrade, with the same handlers.
pub(crate) async fn serve_both(echoes: Echoes) -> [SocketAddr; 2] {
    [serve_hyper(echoes.clone()).await, serve_core(echoes).await]
}

/// Which way the connection leaves the HTTP of a cyclone server.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Way {
    Hyper,
    Core,
}

pub(crate) const WAYS: [Way; 2] = [Way::Hyper, Way::Core];

/// A cyclone server, with its registry and its shutdown.
pub(crate) async fn serve_cyclone(echoes: Echoes, way: Way) -> (RunningServer, SocketAddr) {
    let factory = protocol_fn("http", move |connection: Connection| {
        let echoes = echoes.clone();
        async move {
            match way {
                Way::Hyper => {
                    let session = connection.session().clone();
                    serve_stream(TokioIo::new(connection), echoes, Some(session)).await;
                    Ok(())
                }
                Way::Core => serve_connection(connection, echoes).await,
            }
        }
    });
    let server = Server::new()
        .listen(Endpoint::loopback(0), factory)
        .shutdown_deadline(std::time::Duration::from_millis(300))
        .start()
        .await
        .unwrap();
    let address = match &server.local_addresses()[0] {
        cyclone_core::Address::Tcp(address) => *address,
        other => panic!("{other}"),
    };
    (server, address)
}

pub(crate) type Client = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Connects tokio-tungstenite.
pub(crate) async fn connect(address: SocketAddr) -> Client {
    let config = WebSocketConfig::default().max_frame_size(None);
    let url = format!("ws://{address}/");
    let (client, response) = connect_async_with_config(url, Some(config), true)
        .await
        .unwrap();
    assert_eq!(response.status(), 101);
    client
}

/// The request of a valid handshake.
pub(crate) fn request(address: SocketAddr) -> String {
    format!(
        "GET / HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
}

/// A client that speaks bytes.
pub(crate) struct Raw {
    pub(crate) stream: TcpStream,
}

impl Raw {
    /// Connects and sends `request`; gives the head of the response too.
    pub(crate) async fn send(address: SocketAddr, request: &str) -> (Self, String) {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        (Self { stream }, String::from_utf8(head).unwrap())
    }

    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let (raw, head) = Self::send(address, &request(address)).await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        raw
    }

    pub(crate) async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
    }

    /// All that the server sends until it closes, or resets.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        let _ = self.stream.read_to_end(&mut rest).await;
        rest
    }
}

/// A masked frame of a client, at most 125 bytes long.
pub(crate) fn frame(first: u8, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    assert!(payload.len() <= 125);
    let mut out = vec![first, 0x80 | payload.len() as u8];
    out.extend(MASK);
    out.extend(payload.iter().zip(MASK.iter().cycle()).map(|(a, b)| a ^ b));
    out
}
