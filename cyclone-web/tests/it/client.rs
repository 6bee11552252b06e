//! The HTTP client, against servers that are written down, our own, and those of others.

mod auth;
mod bodies;
mod connections;
mod cut;
mod foreign;
mod limits;
mod proxies;
mod redirects;
mod times;
#[cfg(all(feature = "self-signed", feature = "ring"))]
mod versions;
mod xml;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cyclone_web::client::{Client, ClientBuilder};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// A client that keeps to itself.
fn client(build: impl FnOnce(ClientBuilder) -> ClientBuilder) -> Client {
    build(Client::builder()).build()
}

async fn within<F: Future>(work: F) -> F::Output {
    let limit = Duration::from_secs(60);
    timeout(limit, work).await.expect("the test hangs")
}

/// What a written-down server says to a request: bytes, and whether it closes afterwards.
type Says = Arc<dyn Fn(&str) -> (Vec<u8>, bool) + Send + Sync>;

/// A server whose answers are written down, byte by byte.
struct Written {
    address: SocketAddr,
    /// The head and body of each request, with the number of its connection.
    seen: Arc<Mutex<Vec<(usize, String)>>>,
    _serving: JoinSet<()>,
}

impl Written {
    async fn new(says: impl Fn(&str) -> (Vec<u8>, bool) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (says, log): (Says, _) = (Arc::new(says), Arc::clone(&seen));
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            for number in 0.. {
                let (stream, _) = listener.accept().await.unwrap();
                let (says, log) = (Arc::clone(&says), Arc::clone(&log));
                connections.spawn(converse(stream, number, says, log));
            }
        });
        Self {
            address,
            seen,
            _serving: serving,
        }
    }

    /// The same bytes to all.
    async fn always(answer: impl Into<Vec<u8>>, closes: bool) -> Self {
        let answer = answer.into();
        Self::new(move |_| (answer.clone(), closes)).await
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn seen(&self) -> Vec<(usize, String)> {
        self.seen.lock().unwrap().clone()
    }
}

async fn converse(
    mut stream: TcpStream,
    number: usize,
    says: Says,
    log: Arc<Mutex<Vec<(usize, String)>>>,
) {
    while let Some(request) = read_request(&mut stream).await {
        log.lock().unwrap().push((number, request.clone()));
        let (answer, closes) = says(&request);
        if stream.write_all(&answer).await.is_err() || closes {
            return;
        }
    }
}

/// One request with its body, by `content-length` or in chunks.
async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let lower = head.to_ascii_lowercase();
            let length = lower.split("content-length: ").nth(1).map_or(0, |rest| {
                rest.lines().next().unwrap().parse::<usize>().unwrap()
            });
            let is_chunked = lower.contains("transfer-encoding: chunked");
            if (is_chunked && body.ends_with("0\r\n\r\n")) || (!is_chunked && body.len() >= length)
            {
                return Some(text);
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

fn ok(body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

fn redirect(status: u16, location: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status} Moved\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n")
        .into_bytes()
}
