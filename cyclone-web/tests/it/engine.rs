//! The HTTP connection engine over raw bytes: an in-memory connection, a scripted client, and a paused clock
//! where time matters.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::time::Duration;

use cyclone_core::{Connection, Protocol, ProtocolFactory, Session};
use cyclone_web::{Body, Http, Limits};
use http::{Request, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::task::JoinHandle;

mod body;
mod buffered;
mod detour;
mod framing;
mod head;
mod held;
mod http2;
mod keep_alive;
mod memory;
#[cfg(feature = "hyper-http1")]
mod oracle;
mod orphans;
mod panics;
mod socket;
mod splits;
mod take_over;
mod time;
mod turns;
mod upgrade;

/// A client's end of a connection, and the task that serves the other end.
pub(crate) struct Client {
    pub(crate) io: DuplexStream,
    pub(crate) server: JoinHandle<io::Result<()>>,
    /// Bytes read beyond the last answer.
    rest: Vec<u8>,
}

/// One answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The head without the status line, in lower case.
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (field, value) = line.split_once(':')?;
            (field == name).then(|| value.trim())
        })
    }

    pub(crate) fn closes(&self) -> bool {
        self.header("connection") == Some("close")
    }
}

/// Serves `handler` on one connection.
pub(crate) fn serve<F, Fut>(limits: Limits, handler: F) -> Client
where
    F: Fn(Request<Body>) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Response<Body>> + Send + 'static,
{
    serve_in(Session::detached(), limits, handler)
}

/// Serves `handler` on one connection of `session`.
pub(crate) fn serve_in<F, Fut>(session: Session, limits: Limits, handler: F) -> Client
where
    F: Fn(Request<Body>) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Response<Body>> + Send + 'static,
{
    let (connection, io) = Connection::in_memory_with(session);
    let service = tower::service_fn(move |request| {
        let answer = handler(request);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let protocol = on_chosen_engine(Http::new(service).limits(limits))
        .build(connection.peer())
        .unwrap();
    let server = tokio::spawn(protocol.run(connection));
    Client {
        io,
        server,
        rest: Vec::new(),
    }
}

/// Has the engine under test serve HTTP/1.
fn on_chosen_engine<S>(http: Http<S>) -> Http<S> {
    #[cfg(feature = "hyper-http1")]
    let http = http.http1_engine(oracle::chosen());
    http
}

/// Answers with method, path and body of the request.
pub(crate) async fn mirror(request: Request<Body>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    match http_body_util::BodyExt::collect(body).await {
        Ok(body) => {
            let body = String::from_utf8_lossy(&body.to_bytes()).into_owned();
            Response::new(Body::from(format!("{} {} {body}", parts.method, parts.uri)))
        }
        Err(error) => {
            let mut response = Response::new(Body::from(error.to_string()));
            *response.status_mut() = error.status();
            response
        }
    }
}

/// Answers without reading the body.
pub(crate) async fn hello(_request: Request<Body>) -> Response<Body> {
    Response::new(Body::from("hello"))
}

impl Client {
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.io.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Closes the write side.
    pub(crate) async fn finish(&mut self) {
        self.io.shutdown().await.unwrap();
    }

    /// Reads one answer, with `content-length` or until the end.
    pub(crate) async fn answer(&mut self) -> Answer {
        self.answer_to("GET").await
    }

    pub(crate) async fn answer_to(&mut self, method: &str) -> Answer {
        let end = loop {
            if let Some(end) = find(&self.rest, b"\r\n\r\n") {
                break end;
            }
            assert!(
                self.fill().await,
                "the connection ended without an answer: {:?}",
                String::from_utf8_lossy(&self.rest)
            );
        };
        let head: Vec<u8> = self.rest.drain(..end + 4).collect();
        let head = String::from_utf8(head).unwrap();
        let (line, fields) = head.split_once("\r\n").unwrap();
        let status = line.split(' ').nth(1).unwrap().parse().unwrap();
        let mut answer = Answer {
            status,
            head: fields.trim_end().to_ascii_lowercase(),
            body: String::new(),
        };
        if method == "HEAD" || status == 101 || status == 100 || status == 204 || status == 304 {
            return answer;
        }
        let length = match answer.header("content-length") {
            Some(length) => length.parse().unwrap(),
            None if answer.header("transfer-encoding") == Some("chunked") => {
                answer.body = self.chunked().await;
                return answer;
            }
            None => {
                while self.fill().await {}
                self.rest.len()
            }
        };
        while self.rest.len() < length {
            assert!(self.fill().await, "the body is cut short");
        }
        answer.body = String::from_utf8(self.rest.drain(..length).collect()).unwrap();
        answer
    }

    async fn chunked(&mut self) -> String {
        let mut body = Vec::new();
        loop {
            let end = loop {
                if let Some(end) = find(&self.rest, b"\r\n") {
                    break end;
                }
                assert!(self.fill().await, "the body is cut short");
            };
            let size = std::str::from_utf8(&self.rest[..end]).unwrap();
            let size = usize::from_str_radix(size, 16).unwrap();
            while self.rest.len() < end + 2 + size + 2 {
                assert!(self.fill().await, "the body is cut short");
            }
            let chunk: Vec<u8> = self.rest.drain(..end + 2 + size + 2).collect();
            body.extend_from_slice(&chunk[end + 2..end + 2 + size]);
            if size == 0 {
                return String::from_utf8(body).unwrap();
            }
        }
    }

    /// Reads more; false at the end of the stream.
    async fn fill(&mut self) -> bool {
        self.io.read_buf(&mut self.rest).await.unwrap_or(0) > 0
    }

    /// Sends a request and reads its answer.
    pub(crate) async fn exchange(&mut self, request: impl AsRef<[u8]>) -> Answer {
        self.send(request).await;
        self.answer().await
    }

    /// Whether the server closes without sending another byte.
    pub(crate) async fn is_closed(&mut self) -> bool {
        !self.fill().await && self.rest.is_empty()
    }

    /// Whether the server neither sends nor closes for `time`.
    pub(crate) async fn is_quiet_for(&mut self, time: Duration) -> bool {
        tokio::time::timeout(time, self.fill()).await.is_err()
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}

pub(crate) const GET: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
