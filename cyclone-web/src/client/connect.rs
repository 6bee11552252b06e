//! A new connection: the socket, the tunnel, TLS, and the protocol above.

use std::collections::HashMap;
use std::error::Error as StdError;
use std::time::Duration;

#[cfg(feature = "tls")]
use cyclone_core::tls::{ClientTls, ClientTlsBuilder};
use cyclone_core::{ClientEndpoint, Transport};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
#[cfg(feature = "tls")]
use tokio::sync::OnceCell;
use tokio::time::timeout;

use super::error::{ClientError, ClientErrorKind, ClientPhase, Outcome};
use super::pool::Opened;
use super::proxy::ProxyServer;
use super::route::Route;
use super::timeouts::ClientTimeouts;

/// The largest head of a proxy's answer to `CONNECT`, in bytes.
pub const MAX_TUNNEL_HEAD: usize = 16 * 1024;

/// Silence after which an HTTP/2 connection with exchanges is probed, and how long the answer may take.
const PING: Duration = Duration::from_secs(20);

/// What a stream and a connection of HTTP/2 may send before it is read, in bytes.
const STREAM_WINDOW: u32 = 1024 * 1024;
const CONNECTION_WINDOW: u32 = 4 * 1024 * 1024;

/// The least buffer that hyper takes.
const LEAST_BUFFER: usize = 8192;

/// How connections are made.
pub(crate) struct Connector {
    pub(crate) endpoints: HashMap<(String, u16), ClientEndpoint>,
    pub(crate) head: usize,
    pub(crate) fields: usize,
    #[cfg(feature = "tls")]
    pub(crate) tls: Tls,
}

/// TLS, made when it is needed first: that reads files.
#[cfg(feature = "tls")]
pub(crate) struct Tls {
    builder: ClientTlsBuilder,
    http2: bool,
    servers: OnceCell<ClientTls>,
    proxies: OnceCell<ClientTls>,
}

impl Connector {
    pub(crate) async fn open(
        &self,
        route: &Route,
        timeouts: &ClientTimeouts,
    ) -> Result<Opened, ClientError> {
        let connecting = self.connect(route, timeouts);
        let connected = timeout(timeouts.connect, connecting).await;
        let transport = connected.unwrap_or_else(|_| Err(late(ClientPhase::Connect)))?;
        if !route.secure {
            return self.speak(transport, route.prior_knowledge).await;
        }
        self.speak_securely(route, transport, timeouts.tls).await
    }

    /// The bytes to the server, or to the proxy that is given whole URLs.
    async fn connect(
        &self,
        route: &Route,
        timeouts: &ClientTimeouts,
    ) -> Result<Transport, ClientError> {
        let Some(proxy) = &route.proxy else {
            return self.dial(&route.host, route.port, timeouts.connect).await;
        };
        let transport = self.dial(&proxy.host, proxy.port, timeouts.connect).await;
        let mut transport = transport.map_err(|error| error.text("on the way to the proxy"))?;
        if proxy.secure {
            transport = self.shake_proxy(proxy, transport, timeouts.tls).await?;
        }
        if route.secure {
            tunnel(&mut transport, route, proxy).await?;
        }
        Ok(transport)
    }

    async fn dial(&self, host: &str, port: u16, limit: Duration) -> Result<Transport, ClientError> {
        let endpoint = match self.endpoints.get(&(host.to_owned(), port)) {
            Some(endpoint) => endpoint.clone(),
            None => ClientEndpoint::tcp(host, port),
        };
        match endpoint.timeout(limit).connect().await {
            Ok(connection) => Ok(connection.into_parts().0),
            Err(error) if error.is_timeout() => Err(late(ClientPhase::Connect).because(error)),
            Err(error) => Err(failed(ClientErrorKind::Connect, error)),
        }
    }

    #[cfg(feature = "tls")]
    async fn speak_securely(
        &self,
        route: &Route,
        transport: Transport,
        limit: Duration,
    ) -> Result<Opened, ClientError> {
        let alpn: &[&str] = match self.tls.http2 {
            true => &["h2", "http/1.1"],
            false => &["http/1.1"],
        };
        let tls = self.tls.make(&self.tls.servers, alpn).await?;
        let stream = shake(tls, &route.host, transport, limit).await?;
        let is_http2 = stream.info().alpn() == Some(b"h2");
        self.speak(stream.into(), is_http2).await
    }

    #[cfg(not(feature = "tls"))]
    async fn speak_securely(
        &self,
        _route: &Route,
        _transport: Transport,
        _limit: Duration,
    ) -> Result<Opened, ClientError> {
        Err(without_tls())
    }

    #[cfg(feature = "tls")]
    async fn shake_proxy(
        &self,
        proxy: &ProxyServer,
        transport: Transport,
        limit: Duration,
    ) -> Result<Transport, ClientError> {
        let tls = self.tls.make(&self.tls.proxies, &["http/1.1"]).await?;
        let stream = shake(tls, &proxy.host, transport, limit).await;
        Ok(stream.map_err(|error| error.text("with the proxy"))?.into())
    }

    #[cfg(not(feature = "tls"))]
    async fn shake_proxy(
        &self,
        _proxy: &ProxyServer,
        _transport: Transport,
        _limit: Duration,
    ) -> Result<Transport, ClientError> {
        Err(without_tls())
    }

    /// Begins HTTP. The connection lives in a task, until nobody has it any more.
    async fn speak(&self, transport: Transport, is_http2: bool) -> Result<Opened, ClientError> {
        let io = TokioIo::new(transport);
        let failed = |error| failed(ClientErrorKind::Connect, error);
        if is_http2 {
            // Fields count 32 bytes more there (RFC 9113 section 6.5.2).
            let list = self.head.saturating_add(self.fields.saturating_mul(32));
            let (sender, connection) = http2::Builder::new(TokioExecutor::new())
                .timer(TokioTimer::new())
                .max_header_list_size(u32::try_from(list).unwrap_or(u32::MAX))
                .initial_stream_window_size(STREAM_WINDOW)
                .initial_connection_window_size(CONNECTION_WINDOW)
                .keep_alive_interval(PING)
                .keep_alive_timeout(PING)
                .handshake(io)
                .await
                .map_err(failed)?;
            tokio::spawn(async move { tell_end(connection.await) });
            return Ok(Opened::Http2(sender));
        }
        let (sender, connection) = http1::Builder::new()
            .max_headers(self.fields)
            .max_header_size(self.head)
            .max_buf_size(self.head.saturating_mul(2).max(LEAST_BUFFER))
            .handshake(io)
            .await
            .map_err(failed)?;
        tokio::spawn(async move { tell_end(connection.await) });
        Ok(Opened::Http1(sender))
    }
}

#[cfg(feature = "tls")]
impl Tls {
    pub(crate) fn new(builder: ClientTlsBuilder, http2: bool) -> Self {
        Self {
            builder,
            http2,
            servers: OnceCell::new(),
            proxies: OnceCell::new(),
        }
    }

    async fn make<'a>(
        &self,
        cell: &'a OnceCell<ClientTls>,
        alpn: &[&'static str],
    ) -> Result<&'a ClientTls, ClientError> {
        let make = || async {
            let builder = self.builder.clone().alpn(alpn.iter().copied());
            let built = tokio::task::spawn_blocking(move || builder.build()).await;
            let built = built.map_err(|error| failed(ClientErrorKind::Tls, error))?;
            built.map_err(|error| failed(ClientErrorKind::Tls, error))
        };
        cell.get_or_try_init(make).await
    }
}

#[cfg(feature = "tls")]
async fn shake(
    tls: &ClientTls,
    name: &str,
    transport: Transport,
    limit: Duration,
) -> Result<cyclone_core::tls::TlsStream, ClientError> {
    let shaken = timeout(limit, tls.connect(name, transport)).await;
    let shaken = shaken.map_err(|_| late(ClientPhase::Tls))?;
    shaken.map_err(|error| failed(ClientErrorKind::Tls, error))
}

#[cfg(not(feature = "tls"))]
fn without_tls() -> ClientError {
    ClientError::request("`https` needs the feature `ring` or `aws-lc-rs`")
}

/// Asks the proxy for a connection to the server.
async fn tunnel(
    transport: &mut Transport,
    route: &Route,
    proxy: &ProxyServer,
) -> Result<(), ClientError> {
    let broken = |error: std::io::Error| failed(ClientErrorKind::Proxy, error);
    let authority = route.authority();
    let mut head = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n").into_bytes();
    if let Some(credentials) = &proxy.credentials {
        head.extend_from_slice(b"Proxy-Authorization: ");
        head.extend_from_slice(credentials.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    transport.write_all(&head).await.map_err(broken)?;
    transport.flush().await.map_err(broken)?;

    let mut answer = Vec::new();
    loop {
        if transport.read_buf(&mut answer).await.map_err(broken)? == 0 {
            let text = "it closed the connection instead of an answer to CONNECT";
            return Err(ClientError::new(ClientErrorKind::Proxy, Outcome::NotSent).text(text));
        }
        if let Some(done) = tunnel_answer(&answer) {
            return done;
        }
    }
}

/// What the proxy says to `CONNECT`; `None` while more has to come.
fn tunnel_answer(answer: &[u8]) -> Option<Result<(), ClientError>> {
    let refuse = |text: String| {
        Some(Err(ClientError::new(
            ClientErrorKind::Proxy,
            Outcome::NotSent,
        )
        .text(text)))
    };
    let mut fields = [httparse::EMPTY_HEADER; 100];
    let mut response = httparse::Response::new(&mut fields);
    let end = match response.parse(answer) {
        Ok(httparse::Status::Complete(end)) => end,
        Ok(httparse::Status::Partial) if answer.len() <= MAX_TUNNEL_HEAD => return None,
        Ok(httparse::Status::Partial) => {
            return refuse(format!("its answer is larger than {MAX_TUNNEL_HEAD} bytes"));
        }
        Err(error) => return refuse(format!("its answer is no HTTP: {error}")),
    };
    if end > MAX_TUNNEL_HEAD {
        return refuse(format!("its answer is larger than {MAX_TUNNEL_HEAD} bytes"));
    }
    match response.code {
        // The server says nothing before we do.
        Some(200..=299) if end < answer.len() => refuse("it sent bytes of its own".to_owned()),
        Some(200..=299) => Some(Ok(())),
        code => refuse(format!("it answered {} to CONNECT", code.unwrap_or(0))),
    }
}

fn tell_end(ended: hyper::Result<()>) {
    if let Err(error) = ended {
        tracing::debug!(target: "cyclone::client", %error, "connection of the client ended");
    }
}

fn late(phase: ClientPhase) -> ClientError {
    ClientError::timeout(phase, Outcome::NotSent)
}

fn failed(kind: ClientErrorKind, error: impl StdError + Send + Sync + 'static) -> ClientError {
    ClientError::new(kind, Outcome::NotSent).because(error)
}
