//! The HTTP/1 engine beside readers that are slow and plain.

use std::sync::{Arc, Mutex};

use cyclone_core::upgrade::OnUpgrade;
use cyclone_web::{Application, Body, BodyErrorKind, RequestContext, RequestHandler, Response};
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::serve::{block_on, converse};

mod reference;

/// More header fields than the limit.
const MANY_FIELDS: usize = 200;

/// The most requests before one that switches protocols.
const BEFORE_UPGRADE: u8 = 4;

/// A request as the handler saw it; an error for a body that was not whole.
#[derive(Debug)]
struct Seen {
    head: http::request::Parts,
    body: Result<(Vec<u8>, Vec<reference::Field>), BodyErrorKind>,
}

/// Keeps what it sees, and switches to an echo when it is asked to.
#[derive(Clone)]
struct Witness(Arc<Mutex<Vec<Seen>>>);

impl RequestHandler for Witness {
    const STREAM_BODY: bool = true;

    async fn prepare(&self, cx: &mut RequestContext) -> cyclone_web::Result<Option<Response>> {
        let session = cx.session().clone();
        let (mut head, body) = cx.take_request().into_parts();
        if let Some(on_upgrade) = head.extensions.remove::<OnUpgrade>() {
            session.spawn(echo(on_upgrade));
            let mut response = http::Response::new(Body::empty());
            *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            return Ok(Some(response.into()));
        }
        let body = match body.collect().await {
            Ok(body) => {
                let trailers = body.trailers().map(fields).unwrap_or_default();
                Ok((body.to_bytes().to_vec(), trailers))
            }
            Err(error) => Err(error.kind()),
        };
        self.0.lock().expect("no panic").push(Seen { head, body });
        Ok(Some(http::Response::new(Body::from("seen")).into()))
    }
}

async fn echo(on_upgrade: OnUpgrade) {
    let Ok(mut connection) = on_upgrade.await else {
        return;
    };
    let mut bytes = Vec::new();
    // A client that is gone reads nothing.
    if connection.read_to_end(&mut bytes).await.is_ok() {
        let _ = connection.write_all(&bytes).await;
        let _ = connection.shutdown().await;
    }
}

/// Names and values, sorted by the names.
fn fields(headers: &HeaderMap) -> Vec<reference::Field> {
    let fields = headers.iter();
    sorted(
        fields
            .map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()))
            .collect(),
    )
}

fn sorted(mut fields: Vec<reference::Field>) -> Vec<reference::Field> {
    fields.sort_by(|(name, _), (other, _)| name.cmp(other));
    fields
}

/// The fields of a head as a handler sees them: a length beside a coding does not count, and equal ones are one.
fn shown(mut fields: Vec<reference::Field>) -> Vec<reference::Field> {
    let has_coding = fields.iter().any(|(name, _)| name == "transfer-encoding");
    let mut lengths = 0;
    fields.retain(|(name, _)| {
        lengths += usize::from(name == "content-length");
        name != "content-length" || (lengths == 1 && !has_coding)
    });
    sorted(fields)
}

/// What a handler sees of a stream that comes in pieces of `size` bytes.
fn serve(stream: &[u8], size: u8) -> Vec<Seen> {
    let witness = Witness(Arc::default());
    let seen = Arc::clone(&witness.0);
    let app = Application::new()
        .default_handler(witness)
        .log_request(|_, _| {});
    let size = if size == 0 { stream.len() } else { size.into() };
    block_on(converse(&app, stream.chunks(size.max(1))));
    std::mem::take(&mut *seen.lock().expect("no panic"))
}

/// Requests: each that is served is one for a reader that knows nothing but the grammar, and the same one.
pub(crate) fn requests(data: &[u8]) {
    let Some((size, stream)) = data.split_first() else {
        return;
    };
    if stream.starts_with(b"PRI * HTTP/2.0") {
        return;
    }
    let seen = serve(stream, *size);
    let expected = reference::requests(stream);
    assert!(seen.len() <= expected.len(), "{seen:?} {expected:?}");
    for (seen, expected) in seen.iter().zip(expected) {
        assert_eq!(seen.head.method.as_str(), expected.method);
        let target = std::str::from_utf8(&expected.target).expect("a target is text");
        let uri: http::Uri = target.parse().expect("a target is one");
        assert_eq!(seen.head.uri, uri);
        assert_eq!(fields(&seen.head.headers), shown(expected.fields));
        check_body(seen, expected.body);
    }
}

/// The default of `Limits::header_count`.
const MOST_TRAILERS: usize = 100;

fn check_body(seen: &Seen, expected: reference::Body) {
    match (&seen.body, expected) {
        (Ok((data, trailers)), reference::Body::Whole(bytes, fields)) => {
            assert_eq!(*data, bytes);
            assert_eq!(*trailers, sorted(fields));
        }
        (Err(BodyErrorKind::Disconnected), reference::Body::Cut)
        | (Err(BodyErrorKind::Malformed), reference::Body::Malformed)
        // From the length alone.
        | (Err(BodyErrorKind::TooLarge { .. }), _) => {}
        // The reader knows no limits.
        (Err(BodyErrorKind::Malformed), reference::Body::Whole(_, fields))
            if fields.len() > MOST_TRAILERS => {}
        (seen, expected) => panic!("{seen:?} for {expected:?}"),
    }
}

/// Chunked bodies: what is accepted, and what is not.
pub(crate) fn chunks(data: &[u8]) {
    let Some((size, body)) = data.split_first() else {
        return;
    };
    let head =
        b"POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n";
    let seen = serve(&[head, body].concat(), *size);
    let [seen] = &seen[..] else {
        panic!("{seen:?}");
    };
    check_body(seen, reference::chunked(body).0);
}

/// Heads: none is served that `httparse` alone refuses, and its fields are those that are seen.
pub(crate) fn head(data: &[u8]) {
    let Some((size, head)) = data.split_first() else {
        return;
    };
    if head.starts_with(b"PRI * HTTP/2.0") {
        return;
    }
    let head = [head, b"\r\n\r\n"].concat();
    let seen = serve(&head, *size);
    let Some(seen) = seen.first() else {
        return;
    };
    let mut parsed = [httparse::EMPTY_HEADER; MANY_FIELDS];
    let mut request = httparse::Request::new(&mut parsed);
    let status = request.parse(&head);
    assert!(
        matches!(status, Ok(httparse::Status::Complete(_))),
        "{status:?} for {seen:?}"
    );
    assert_eq!(request.method, Some(seen.head.method.as_str()));
    let uri: http::Uri = request
        .path
        .unwrap_or_default()
        .parse()
        .expect("a target is one");
    assert_eq!(seen.head.uri, uri);
    let found = request.headers.iter();
    let found = found.map(|field| (field.name.to_ascii_lowercase(), field.value.to_vec()));
    assert_eq!(fields(&seen.head.headers), shown(found.collect()));
}

/// Requests, one of which switches protocols: what is behind it belongs to the other protocol, every byte of it.
pub(crate) fn upgrade(data: &[u8]) {
    let [size, before, rest @ ..] = data else {
        return;
    };
    let (body, behind) = rest.split_at(rest.len() / 2);
    let mut stream = Vec::new();
    let before = before % BEFORE_UPGRADE;
    for _ in 0..before {
        stream.extend_from_slice(b"POST / HTTP/1.1\r\nhost: a\r\n");
        stream.extend_from_slice(format!("content-length: {}\r\n\r\n", body.len()).as_bytes());
        stream.extend_from_slice(body);
    }
    stream.extend_from_slice(
        b"GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n",
    );
    stream.extend_from_slice(behind);
    let witness = Witness(Arc::default());
    let seen = Arc::clone(&witness.0);
    let app = Application::new()
        .default_handler(witness)
        .log_request(|_, _| {});
    let size = if *size == 0 {
        stream.len()
    } else {
        (*size).into()
    };
    let answer = block_on(converse(&app, stream.chunks(size)));
    let seen = std::mem::take(&mut *seen.lock().expect("no panic"));
    assert_eq!(seen.len(), usize::from(before));
    for seen in seen {
        let (data, _) = seen.body.expect("a body is whole");
        assert_eq!(data, body);
    }
    let switch = b"HTTP/1.1 101 ";
    let place = answer
        .windows(switch.len())
        .position(|window| window == switch);
    let switched = &answer[place.expect("the protocol is switched")..];
    let end = switched.windows(4).position(|window| window == b"\r\n\r\n");
    assert_eq!(&switched[end.expect("a head ends") + 4..], behind);
}
