//! One stream of requests, served by one engine; and what came of it.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use cyclone_core::{Connection, Protocol, ProtocolFactory};
use cyclone_web::{
    Application, Body, BodyErrorKind, Http, Http1Engine, Limits, RequestContext, RequestHandler,
    Response,
};
use http::{HeaderMap, Request, StatusCode, Version};
use http_body_util::BodyExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// How long a connection that is to be used again may be quiet. No time limit of a server is as short.
const QUIET: Duration = Duration::from_secs(1);

/// More than all limits of a connection together.
const FOREVER: Duration = Duration::from_secs(3600);

/// What the handler does.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mode {
    /// It leaves the bodies of requests alone.
    pub(crate) unread: bool,
    /// It does not say how long its answers are.
    pub(crate) streams: bool,
}

/// A request as the handler saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) uri: String,
    pub(crate) version: Version,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: SeenBody,
}

#[derive(Clone, PartialEq, Eq)]
pub(crate) enum SeenBody {
    Unread,
    Whole(Vec<u8>, Option<Vec<(String, Vec<u8>)>>),
    Failed(BodyErrorKind),
}

impl fmt::Debug for SeenBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unread => f.write_str("unread"),
            Self::Failed(kind) => write!(f, "{kind:?}"),
            Self::Whole(bytes, trailers) => {
                let shown = &bytes[..bytes.len().min(100)];
                write!(
                    f,
                    "{} bytes {}, trailers {trailers:?}",
                    bytes.len(),
                    shown.escape_ascii()
                )
            }
        }
    }
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The handler answered it.
    Served {
        seen: Seen,
        status: u16,
        body: Vec<u8>,
        close: bool,
    },
    /// The engine answered it.
    Refused { status: u16, reason: String },
    /// Nobody did, though the handler had it.
    Unanswered { seen: Seen },
}

/// What came of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) events: Vec<Event>,
    /// The server closed the connection without being asked.
    pub(crate) closed: bool,
    /// What cannot be understood as answers.
    pub(crate) garbage: Vec<u8>,
}

#[derive(Default)]
struct Scene {
    mode: Mode,
    seen: Vec<Option<Seen>>,
}

type Shared = Arc<Mutex<Scene>>;

fn lock(scene: &Shared) -> MutexGuard<'_, Scene> {
    scene.lock().unwrap()
}

/// A handler that remembers what it sees.
#[derive(Clone)]
struct Witness(Shared);

impl Witness {
    async fn answer(self, request: Request<Body>) -> http::Response<Body> {
        let (parts, body) = request.into_parts();
        let (mode, number) = {
            let mut scene = lock(&self.0);
            scene.seen.push(None);
            (scene.mode, scene.seen.len() - 1)
        };
        let headless = parts.method == http::Method::HEAD;
        let mut seen = Seen {
            method: parts.method.to_string(),
            uri: parts.uri.to_string(),
            version: parts.version,
            headers: pairs(&parts.headers),
            body: SeenBody::Unread,
        };
        lock(&self.0).seen[number] = Some(seen.clone());
        let mut status = StatusCode::OK;
        if mode.unread {
            drop(body);
        } else {
            seen.body = match body.collect().await {
                Ok(whole) => {
                    let trailers = whole.trailers().map(pairs);
                    SeenBody::Whole(whole.to_bytes().to_vec(), trailers)
                }
                Err(error) => {
                    status = error.status();
                    SeenBody::Failed(error.kind())
                }
            };
            lock(&self.0).seen[number] = Some(seen);
        }
        let text = format!("answer {number}");
        let body = if mode.streams {
            let pieces = [text[..3].to_owned(), text[3..].to_owned()];
            Body::from_stream(futures_util::stream::iter(
                pieces.map(Ok::<_, std::io::Error>),
            ))
        } else {
            Body::from(text)
        };
        let response = http::Response::builder()
            .status(status)
            .header("x-number", number);
        let response = response.header("x-headless", headless.to_string());
        response.body(body).unwrap()
    }
}

impl RequestHandler for Witness {
    const STREAM_BODY: bool = true;

    async fn prepare(&self, cx: &mut RequestContext) -> cyclone_web::Result<Option<Response>> {
        let answer = self.clone().answer(cx.take_request()).await;
        Ok(Some(answer.into()))
    }
}

/// The fields by their names: what else stands between two of one name says nothing.
fn pairs(headers: &HeaderMap) -> Vec<(String, Vec<u8>)> {
    let pairs = headers.iter();
    let mut pairs: Vec<_> = pairs
        .map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()))
        .collect();
    pairs.sort_by(|(name, _), (other, _)| name.cmp(other));
    pairs
}

/// A way to serve.
pub(crate) struct Server {
    scene: Shared,
    app: Application,
    engine: Http1Engine,
    limits: Limits,
    /// The handler is behind a `tower::Service`.
    tower: bool,
}

impl Server {
    pub(crate) fn new(engine: Http1Engine, limits: Limits, tower: bool) -> Self {
        let witness = Witness(Shared::default());
        let scene = Arc::clone(&witness.0);
        let app = Application::new()
            .default_handler(witness)
            .limits(limits.clone())
            .log_request(|_, _| {})
            .http1_engine(engine);
        Self {
            scene,
            app,
            engine,
            limits,
            tower,
        }
    }

    /// Sends the pieces on a connection of their own.
    pub(crate) async fn serve(&self, mode: Mode, pieces: &[&[u8]]) -> Outcome {
        *lock(&self.scene) = Scene {
            mode,
            seen: Vec::new(),
        };
        let (connection, mut client) = Connection::in_memory();
        let server = if self.tower {
            let witness = Witness(Arc::clone(&self.scene));
            let service = tower::service_fn(move |request| {
                let answer = witness.clone().answer(request);
                async move { Ok::<_, std::convert::Infallible>(answer.await) }
            });
            let http = Http::new(service)
                .limits(self.limits.clone())
                .http1_engine(self.engine);
            tokio::spawn(http.build(connection.peer()).unwrap().run(connection))
        } else {
            tokio::spawn(self.app.build(connection.peer()).unwrap().run(connection))
        };
        for piece in pieces {
            if client.write_all(piece).await.is_err() {
                break;
            }
            for _ in 0..3 {
                tokio::task::yield_now().await;
            }
        }
        let mut answers = Vec::new();
        let closed = loop {
            match tokio::time::timeout(QUIET, client.read_buf(&mut answers)).await {
                Ok(Ok(1..)) => {}
                Ok(_) => break true,
                Err(_) => break false,
            }
        };
        // The server may have gone.
        let _ = client.shutdown().await;
        let rest = tokio::time::timeout(FOREVER, client.read_to_end(&mut answers)).await;
        let _ = rest.expect("the server closes");
        drop(client);
        let ended = tokio::time::timeout(FOREVER, server).await;
        // How a broken connection ends is nobody's business but that of its task; a panic is.
        let _ = ended.expect("the connection ends").expect("nothing panics");
        let mut outcome = Outcome {
            events: Vec::new(),
            closed,
            garbage: Vec::new(),
        };
        let seen = std::mem::take(&mut lock(&self.scene).seen);
        read_answers(&answers, seen, &mut outcome);
        outcome
    }
}

/// Takes the answers apart, and gives each its request.
fn read_answers(mut answers: &[u8], mut seen: Vec<Option<Seen>>, outcome: &mut Outcome) {
    let mut taken = 0;
    while !answers.is_empty() {
        let mut fields = [httparse::EMPTY_HEADER; 32];
        let mut head = httparse::Response::new(&mut fields);
        let Ok(httparse::Status::Complete(used)) = head.parse(answers) else {
            outcome.garbage = answers.to_vec();
            return;
        };
        let status = head.code.unwrap();
        let field = |name: &str| {
            let field = head.headers.iter().find(|field| field.name == name)?;
            std::str::from_utf8(field.value).ok()
        };
        let number: Option<usize> = field("x-number").map(|number| number.parse().unwrap());
        let connection = field("connection");
        let (mut body, rest) = match field("content-length") {
            _ if status < 200 || field("x-headless") == Some("true") => {
                (Vec::new(), &answers[used..])
            }
            Some(length) => {
                let rest = &answers[used..];
                let length = length.parse::<usize>().unwrap().min(rest.len());
                (rest[..length].to_vec(), &rest[length..])
            }
            None if field("transfer-encoding") == Some("chunked") => {
                match dechunk(&answers[used..]) {
                    Some(found) => found,
                    None => {
                        outcome.garbage = answers.to_vec();
                        return;
                    }
                }
            }
            None => (answers[used..].to_vec(), &[][..]),
        };
        answers = rest;
        match number {
            _ if status == 100 => {}
            Some(number) => {
                assert_eq!(number, taken, "answers are in order");
                taken += 1;
                let seen = seen[number].take().expect("an answer has a request");
                let close = match seen.version {
                    // We say so, hyper leaves it to the version.
                    Version::HTTP_10 => connection != Some("keep-alive"),
                    _ => connection == Some("close"),
                };
                outcome.events.push(Event::Served {
                    seen,
                    status,
                    body,
                    close,
                });
            }
            None => {
                assert!(connection.is_some_and(|value| value.starts_with("close")));
                body.truncate(200);
                let reason = String::from_utf8_lossy(&body).trim_end().to_owned();
                outcome.events.push(Event::Refused { status, reason });
            }
        }
    }
    let rest = seen.into_iter().skip(taken).flatten();
    outcome
        .events
        .extend(rest.map(|seen| Event::Unanswered { seen }));
}

/// A chunked body of our own making.
fn dechunk(mut bytes: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut body = Vec::new();
    loop {
        let end = bytes.windows(2).position(|end| end == b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&bytes[..end]).ok()?, 16).ok()?;
        let data = bytes.get(end + 2..end + 2 + size)?;
        let behind = bytes.get(end + 2 + size..)?.strip_prefix(b"\r\n")?;
        if size == 0 {
            return Some((body, behind));
        }
        body.extend_from_slice(data);
        bytes = behind;
    }
}
