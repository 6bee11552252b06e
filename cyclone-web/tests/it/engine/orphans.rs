//! Request bodies in other hands than those of their handlers.

use std::future::pending;
use std::time::Duration;

use cyclone_core::{Connection, Protocol as _, ProtocolFactory as _, Session};
use cyclone_web::{Body, BodyErrorKind, Http, Limits};
use http::{Request, Response};
use http_body_util::BodyExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{Client, serve_in};

/// Gives every body to another task, which reads it and tells how it ended. Answers at once, or never.
fn serve(session: Session) -> (Client, UnboundedReceiver<BodyErrorKind>) {
    let (ends, ended) = unbounded_channel();
    let client = serve_in(session, Limits::default(), move |request: Request<Body>| {
        let ends: UnboundedSender<_> = ends.clone();
        async move {
            let answers = request.uri().path() == "/answer";
            tokio::spawn(async move {
                let error = request.into_body().collect().await.unwrap_err();
                ends.send(error.kind()).unwrap();
            });
            if answers {
                // The other task waits by then.
                tokio::task::yield_now().await;
                return Response::new(Body::from("hello"));
            }
            pending().await
        }
    });
    (client, ended)
}

async fn expect_end(ended: &mut UnboundedReceiver<BodyErrorKind>) {
    let end = timeout(Duration::from_secs(1), ended.recv()).await;
    assert_eq!(end.unwrap(), Some(BodyErrorKind::Disconnected));
}

const POST: &str = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\na";

#[tokio::test(start_paused = true)]
async fn the_reader_of_a_body_is_told_that_its_connection_was_cut() {
    let (draining, cut) = (CancellationToken::new(), CancellationToken::new());
    let session = Session::controlled(Default::default(), draining, cut.clone());
    let (mut client, mut ended) = serve(session);
    client.send(POST).await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    cut.cancel();
    expect_end(&mut ended).await;
}

#[tokio::test(start_paused = true)]
async fn the_reader_of_a_body_is_told_that_its_connection_was_dropped() {
    let (mut client, mut ended) = serve(Session::detached());
    client.send(POST).await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    client.server.abort();
    expect_end(&mut ended).await;
}

/// The answer did not need the body, and was the last one.
#[tokio::test(start_paused = true)]
async fn the_reader_of_a_body_is_told_that_its_connection_was_closed() {
    let (mut client, mut ended) = serve(Session::detached());
    let last = POST.replace("POST /", "POST /answer");
    let last = last.replace("host: a", "host: a\r\nconnection: close");
    assert_eq!(client.exchange(last).await.body, "hello");
    client.finish().await;
    expect_end(&mut ended).await;
}

/// A server, a client and the reader of a body in one task: each has the waker of all.
#[tokio::test(start_paused = true)]
async fn the_reader_of_a_body_may_share_the_task_of_its_connection() {
    let (bodies, mut given) = unbounded_channel();
    let service = tower::service_fn(move |request: Request<Body>| {
        let sent = bodies.send(request.into_body());
        async move {
            sent.unwrap();
            pending::<Result<Response<Body>, std::convert::Infallible>>().await
        }
    });
    let (connection, mut io) = Connection::in_memory();
    let server = Http::new(service).build(connection.peer()).unwrap();
    let read = async {
        let body: Body = given.recv().await.unwrap();
        // By then nothing else wakes the task.
        tokio::time::sleep(Duration::from_millis(1)).await;
        body.collect().await.unwrap().to_bytes()
    };
    let speak = async {
        let head = POST.strip_suffix('a').unwrap();
        let head = head.replace("\r\n\r\n", "\r\nexpect: 100-continue\r\n\r\n");
        io.write_all(head.as_bytes()).await.unwrap();
        let mut answer = [0; "HTTP/1.1 100 Continue\r\n\r\n".len()];
        io.read_exact(&mut answer).await.unwrap();
        io.write_all(b"abc").await.unwrap();
        pending::<()>().await;
    };
    let body = tokio::select! {
        biased;
        _ = server.run(connection) => None,
        body = read => Some(body),
        () = speak => None,
        () = tokio::time::sleep(Duration::from_secs(1)) => None,
    };
    assert_eq!(body.as_deref(), Some(&b"abc"[..]));
}
