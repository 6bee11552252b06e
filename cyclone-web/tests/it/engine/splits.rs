//! Whatever the pieces are that a stream comes in, what comes of it is the same.

use std::time::Duration;

use cyclone_web::{Body, Limits};
use http::{Request, Response};
use http_body_util::BodyExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::serve;

/// Streams that are also cut in three.
const SHORT: &[&str] = &[
    "GET / HTTP/1.1\r\nhost: a\r\n\r\n",
    "\r\nGET / HTTP/1.0\r\n\r\n",
    "GET /#a HTTP/1.1\r\nhost: a\r\n\r\n",
    "GET / HTTP/1.1\nhost: a\n\n",
    "GET / HTTP/1.1\r\n\r\n",
    "A / HTTP/1.1\r\nhost:a\r\ncontent-length:2\r\n\r\nab",
    "A / HTTP/1.1\r\nhost:a\r\nte:b\r\ntransfer-encoding:c\r\n\r\n",
];

const LONG: &[&str] = &[
    "GET /1 HTTP/1.1\r\nhost: a\r\n\r\n\r\n\r\nGET /2 HTTP/1.1\r\nhost: a\r\nx:  y \r\nx-empty:\r\n\r\nHEAD /3 HTTP/1.1\r\nhost: a\r\n\r\n",
    "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 12\r\n\r\nGET / HTTP/1.POST / HTTP/1.0\r\nconnection: keep-alive\r\ncontent-length: 3\r\n\r\nabcGET / HTTP/1.1\r\nhost: a\r\n\r\n",
    "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0A;b=c\r\n0123456789\r\n1 ;x\r\n\n\r\n000\r\n\r\nGET /next HTTP/1.1\r\nhost: a\r\n\r\n",
    "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\nTrailer: x\r\n\r\n0\r\nx: 1\r\nx:2\r\ny: z\t\r\n\r\nGET /next HTTP/1.1\r\nhost: a\r\n\r\n",
    "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\nGET /never HTTP/1.1\r\nhost: a\r\n\r\n",
    "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\nGET /never HTTP/1.1\r\nhost: a\r\n\r\n",
    "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\nGET /never HTTP/1.1\r\nhost: a\r\n\r\n",
    "POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\r\nabcGET /next HTTP/1.1\r\nhost: a\r\n\r\n",
    "GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: a\r\n\r\nGET /next HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\nGET /never HTTP/1.1\r\nhost: a\r\n\r\n",
    "POST /unread HTTP/1.1\r\nhost: a\r\ncontent-length: 30\r\n\r\nGET /never HTTP/1.1\r\nhost: a\r\n\r\nGET /next HTTP/1.1\r\nhost: a\r\n\r\n",
    "POST /unread HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx: y\r\n\r\nGET /next HTTP/1.1\r\nhost: a\r\n\r\n",
    "GET / HTTP/1.1\r\nhost: a\r\nx: y\r\n z\r\n\r\nGET /never HTTP/1.1\r\nhost: a\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\nGET http://a/b?c HTTP/1.1\r\nhost: a\r\n\r\nGET http://b/ HTTP/1.1\r\nhost: a\r\n\r\n",
];

/// Answers with everything that can be seen of a request.
async fn tell(request: Request<Body>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let told = if head.uri.path() == "/unread" {
        drop(body);
        "unread".to_owned()
    } else {
        match body.collect().await {
            Ok(body) => {
                let trailers = body.trailers().cloned();
                format!("{:?} {trailers:?}", body.to_bytes())
            }
            Err(error) => error.to_string(),
        }
    };
    let text = format!(
        "{} {} {:?} {:?} {told}",
        head.method, head.uri, head.version, head.headers
    );
    Response::new(Body::from(text))
}

/// Sends the pieces, each when the server has done all it can with those before it, and reads everything.
async fn converse(pieces: &[&[u8]]) -> String {
    let mut client = serve(Limits::default(), tell);
    for piece in pieces {
        // The server may have closed.
        if client.io.write_all(piece).await.is_err() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    client.finish().await;
    let mut answers = Vec::new();
    client.io.read_to_end(&mut answers).await.unwrap();
    let answers = String::from_utf8(answers).unwrap();
    let kept = answers
        .split_inclusive('\n')
        .filter(|line| !line.starts_with("date: "));
    // Whether the client has to be told depends on how much of the body has come.
    let kept: String = kept.collect();
    let kept = kept.replace("HTTP/1.1 100 Continue\r\n\r\n", "");
    // A head that is wrong in two ways is refused for the one that is seen first.
    kept.replace(
        "a line of the request head does not end with CRLF",
        "malformed",
    )
}

#[tokio::test(start_paused = true)]
async fn answers_are_the_same_at_every_split_in_two() {
    for stream in SHORT.iter().chain(LONG) {
        let stream = stream.as_bytes();
        let whole = converse(&[stream]).await;
        assert!(!whole.contains("never"), "{whole}");
        assert!(whole.starts_with("HTTP/1."), "{whole}");
        assert_eq!(
            stream.windows(4).any(|part| part == b"next"),
            whole.contains("next")
        );
        for split in 1..stream.len() {
            let (first, second) = stream.split_at(split);
            let cut = converse(&[first, second]).await;
            assert_eq!(cut, whole, "{} at {split}", stream.escape_ascii());
        }
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        assert_eq!(
            converse(&bytes).await,
            whole,
            "{} in bytes",
            stream.escape_ascii()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn answers_are_the_same_at_every_split_in_three() {
    for stream in SHORT {
        let stream = stream.as_bytes();
        let whole = converse(&[stream]).await;
        for split in 1..stream.len() {
            for second in split + 1..stream.len() {
                let pieces = [&stream[..split], &stream[split..second], &stream[second..]];
                let cut = converse(&pieces).await;
                assert_eq!(cut, whole, "{} at {split}, {second}", stream.escape_ascii());
            }
        }
    }
}
