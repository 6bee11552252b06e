//! The hooks of a handler: each once, in every way that a request can end.

use std::convert::Infallible;

use bytes::Bytes;
use cyclone_web::{
    Application, Body, Ending, Error, Finish, RequestContext, RequestHandler, Response, Result,
    log_request,
};
use futures_util::stream;
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tower::ServiceExt;

use crate::support::{call, exchange, get, listen, text};

mod failures;

/// What a handler does, and what its hooks do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Answer,
    FailInPrepare,
    AnswerInPrepare,
    Fail,
    PanicInDefaults,
    PanicInWriteError,
    FailInWriteError,
    PanicInClose,
    PanicInFinish,
    NoContent,
    NotModified,
    Foreign,
    ForeignFails,
    ForeignWithLength,
    FlushThenForeign,
    FlushThenStatus,
    Hang,
    Large,
    /// Brings a response of this status.
    Brings(u16),
    /// Sets this status.
    Sets(u16),
}

/// A body of this many bytes does not fit into the buffers of a socket.
const LARGE: usize = 32 * 1024 * 1024;

struct Probed {
    act: Act,
    told: mpsc::UnboundedSender<Told>,
}

#[derive(Debug, PartialEq)]
enum Told {
    Begun,
    Closed,
    Finished(u16, Ending, u64),
    Logged(u16, Ending),
}

impl RequestHandler for Probed {
    fn set_default_headers(&self, cx: &mut RequestContext) {
        assert_ne!(self.act, Act::PanicInDefaults, "on purpose");
        let headers = cx.response_headers_mut();
        headers.insert("x-default", http::HeaderValue::from_static("1"));
        headers.insert("x-both", http::HeaderValue::from_static("default"));
    }

    async fn prepare(&self, cx: &mut RequestContext) -> Result<Option<Response>> {
        cx.set_header("x-prepared", "1")?;
        cx.set_cookie(cyclone_web::SetCookie::new("prepared", "1"))?;
        match self.act {
            Act::FailInPrepare => Err(Error::new(StatusCode::FORBIDDEN)),
            Act::AnswerInPrepare => cx.text("prepared").map(Some),
            _ => Ok(None),
        }
    }

    async fn get(&self, cx: &mut RequestContext) -> Result {
        match self.act {
            Act::NoContent | Act::NotModified => {
                let no_content = self.act == Act::NoContent;
                cx.set_status(if no_content {
                    StatusCode::NO_CONTENT
                } else {
                    StatusCode::NOT_MODIFIED
                });
                cx.finish()
            }
            Act::Fail | Act::PanicInWriteError | Act::FailInWriteError => {
                Err(Error::new(StatusCode::CONFLICT).header(
                    http::HeaderName::from_static("x-both"),
                    http::HeaderValue::from_static("error"),
                ))
            }
            Act::Foreign => Ok(http::Response::new(Body::from("foreign")).into()),
            Act::ForeignFails => Ok(http::Response::new(Body::from_stream(stream::iter([
                Ok(Bytes::from_static(b"half")),
                Err(std::io::Error::other("on purpose")),
            ])))
            .into()),
            Act::ForeignWithLength => {
                let body = stream::iter([Ok::<_, Infallible>(Bytes::from_static(b"whole"))]);
                Ok(http::Response::builder()
                    .header("content-length", "5")
                    .body(Body::from_stream(body))?
                    .into())
            }
            Act::FlushThenForeign => {
                cx.write("flushed");
                cx.flush().await?;
                Ok(http::Response::new(Body::from("foreign")).into())
            }
            Act::FlushThenStatus => {
                cx.write("flushed");
                cx.flush().await?;
                cx.set_status(StatusCode::IM_A_TEAPOT);
                cx.finish()
            }
            Act::Hang => {
                self.told.send(Told::Begun)?;
                std::future::pending().await
            }
            Act::Brings(status) => Ok(http::Response::builder()
                .status(status)
                .body(Body::empty())?
                .into()),
            Act::Sets(status) => {
                cx.set_status(StatusCode::from_u16(status)?);
                cx.finish()
            }
            Act::Large => cx.text(vec![b'x'; LARGE]),
            _ => cx.text("answer"),
        }
    }

    async fn post(&self, cx: &mut RequestContext) -> Result {
        self.get(cx).await
    }

    async fn write_error(&self, cx: &mut RequestContext, error: &Error) -> Result {
        match self.act {
            Act::PanicInWriteError => panic!("on purpose"),
            Act::FailInWriteError => Err(Error::internal("on purpose")),
            _ => cx.text(format!("error {}", error.status().as_u16())),
        }
    }

    fn on_finish(&self, _cx: &RequestContext, finish: &Finish) {
        let status = finish.status.as_u16();
        let told = Told::Finished(status, finish.ending, finish.body_bytes);
        self.told.send(told).unwrap();
        assert_ne!(self.act, Act::PanicInFinish, "on purpose");
    }

    fn on_connection_close(&self, _cx: &RequestContext) {
        self.told.send(Told::Closed).unwrap();
        assert_ne!(self.act, Act::PanicInClose, "on purpose");
    }
}

struct Probe {
    app: Application,
    told: mpsc::UnboundedReceiver<Told>,
}

fn probe(act: Act) -> Probe {
    let (told, receiver) = mpsc::unbounded_channel();
    let log = told.clone();
    Probe {
        app: Application::new()
            .route("/", Probed { act, told })
            .log_request(move |cx, finish| {
                log_request(cx, finish);
                let told = Told::Logged(finish.status.as_u16(), finish.ending);
                log.send(told).unwrap();
            }),
        told: receiver,
    }
}

impl Probe {
    /// What the hooks were told, up to the log, which must be the last and the only one.
    async fn told(&mut self) -> Vec<Told> {
        let mut all = Vec::new();
        while !matches!(all.last(), Some(Told::Logged(..))) {
            all.push(self.told.recv().await.unwrap());
        }
        assert!(self.told.try_recv().is_err(), "told twice");
        all
    }

    #[track_caller]
    fn assert_told(&mut self, status: u16, ending: Ending, bytes: u64) {
        let mut expected = vec![
            Told::Finished(status, ending, bytes),
            Told::Logged(status, ending),
        ];
        if ending == Ending::Disconnected {
            expected.insert(0, Told::Closed);
        }
        let mut all = Vec::new();
        while let Ok(told) = self.told.try_recv() {
            all.push(told);
        }
        assert_eq!(all, expected);
    }
}

fn with_method(method: Method, mut request: Request<Body>) -> Request<Body> {
    *request.method_mut() = method;
    request
}

#[tokio::test]
async fn every_answer_ends_once() {
    let table = [
        (Act::Answer, 200, "answer"),
        (Act::FailInPrepare, 403, "error 403"),
        (Act::AnswerInPrepare, 200, "prepared"),
        (Act::Fail, 409, "error 409"),
        (Act::NoContent, 204, ""),
        (Act::NotModified, 304, ""),
        (Act::Foreign, 200, "foreign"),
    ];
    for (act, status, body) in table {
        let mut probe = probe(act);
        let response = call(&probe.app, get("/")).await;
        assert_eq!(
            (response.status().as_u16(), text(&response)),
            (status, body),
            "{act:?}"
        );
        probe.assert_told(status, Ending::Complete, body.len() as u64);
    }
}

#[tokio::test]
async fn a_broken_write_error_leaves_the_plain_page() {
    for act in [Act::PanicInWriteError, Act::FailInWriteError] {
        let mut probe = probe(act);
        let response = call(&probe.app, get("/")).await;
        assert_eq!(response.status(), StatusCode::CONFLICT, "{act:?}");
        assert!(text(&response).contains("409: Conflict"), "{act:?}");
        assert!(!text(&response).contains("on purpose"), "{act:?}");
        probe.assert_told(409, Ending::Complete, response.body().len() as u64);
    }
}

#[tokio::test]
async fn an_error_response_has_nothing_of_what_was_set_before() {
    let probe = probe(Act::Fail);
    let response = call(&probe.app, get("/")).await;
    assert_eq!(response.headers()["x-default"], "1");
    assert!(!response.headers().contains_key("x-prepared"));
    assert!(!response.headers().contains_key("set-cookie"));
}

#[tokio::test]
async fn a_panic_in_on_finish_harms_nobody() {
    let mut probe = probe(Act::PanicInFinish);
    let (_server, address) = listen(probe.app.clone()).await;
    for _ in 0..2 {
        let answer = exchange(
            address,
            b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
        )
        .await;
        assert!(answer.ends_with("answer"), "{answer}");
        let told = probe.told.recv().await.unwrap();
        assert_eq!(told, Told::Finished(200, Ending::Complete, 6));
        while let Ok(told) = probe.told.try_recv() {
            assert!(matches!(told, Told::Logged(..)), "{told:?}");
        }
    }
}

#[tokio::test]
async fn a_request_that_was_never_polled_ends_once() {
    let mut probe = probe(Act::Answer);
    drop(tower_service::Service::call(
        &mut probe.app.clone(),
        get("/"),
    ));
    probe.assert_told(499, Ending::Disconnected, 0);
}

/// RFC 9110 section 15.2: an informational response ends no request.
#[tokio::test]
async fn an_informational_status_is_a_failure_and_told_as_one() {
    for act in [
        Act::Brings(100),
        Act::Brings(103),
        Act::Sets(102),
        Act::Sets(199),
    ] {
        let mut probe = probe(act);
        let (_server, address) = listen(probe.app.clone()).await;
        let answer = exchange(
            address,
            b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
        )
        .await;
        assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
        let told = probe.told().await;
        let length = answer.split_once("\r\n\r\n").unwrap().1.len() as u64;
        assert_eq!(told[0], Told::Finished(500, Ending::Complete, length));
    }
}

#[tokio::test]
async fn a_foreign_response_after_a_flush_breaks_off() {
    let mut probe = probe(Act::FlushThenForeign);
    let response = probe.app.clone().oneshot(get("/")).await.unwrap();
    let mut body = response.into_body();
    assert_eq!(
        body.frame().await.unwrap().unwrap().into_data().unwrap(),
        "flushed"
    );
    assert!(body.frame().await.unwrap().is_err());
    drop(body);
    probe.assert_told(200, Ending::Aborted, 7);
}

#[tokio::test]
async fn answers_to_head_end_once() {
    for act in [Act::Answer, Act::Fail, Act::Foreign] {
        let status = if act == Act::Fail { 409 } else { 200 };
        let mut probe = probe(act);
        let (_server, address) = listen(probe.app.clone()).await;
        let answer = exchange(
            address,
            b"HEAD / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
        )
        .await;
        assert!(answer.ends_with("\r\n\r\n"), "{answer}");
        assert!(answer.contains("content-length: "), "{answer}");
        let told = probe.told().await;
        assert!(
            matches!(told[0], Told::Finished(s, Ending::Complete, _) if s == status),
            "{told:?}"
        );
    }
}

#[tokio::test]
async fn an_unread_body_does_not_hinder_the_answer() {
    let mut probe = probe(Act::FailInPrepare);
    let (_server, address) = listen(probe.app.clone()).await;
    let request = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhelloGET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    let answer = exchange(address, request).await;
    assert_eq!(answer.matches("error 403").count(), 2, "{answer}");
    for _ in 0..2 {
        assert_eq!(
            probe.told.recv().await.unwrap(),
            Told::Finished(403, Ending::Complete, 9)
        );
        assert_eq!(
            probe.told.recv().await.unwrap(),
            Told::Logged(403, Ending::Complete)
        );
    }
}

async fn http2(address: std::net::SocketAddr) -> hyper::client::conn::http2::SendRequest<Body> {
    let stream = TcpStream::connect(address).await.unwrap();
    let (sender, connection) = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
        .handshake(TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    sender
}

fn http2_request(method: &str) -> Request<Body> {
    let request = Request::builder().method(method).uri("http://h/");
    request.body(Body::empty()).unwrap()
}

#[tokio::test]
async fn a_reset_stream_ends_its_handler_once() {
    let mut probe = probe(Act::Hang);
    let (_server, address) = listen(probe.app.clone()).await;
    let mut sender = http2(address).await;
    let mut pending = Box::pin(sender.send_request(http2_request("GET")));
    tokio::select! {
        _ = &mut pending => unreachable!("the handler hangs"),
        told = probe.told.recv() => assert_eq!(told, Some(Told::Begun)),
    }
    drop(pending);
    assert_eq!(
        probe.told().await,
        [
            Told::Closed,
            Told::Finished(499, Ending::Disconnected, 0),
            Told::Logged(499, Ending::Disconnected)
        ]
    );
}

/// RFC 9110, 9.3.2 and 15.3.5: no content, whatever the version of HTTP.
#[tokio::test]
async fn http2_answers_without_a_body_have_none() {
    for (method, act, status) in [
        ("HEAD", Act::Answer, 200),
        ("HEAD", Act::Fail, 409),
        ("GET", Act::NoContent, 204),
    ] {
        let mut probe = probe(act);
        let (_server, address) = listen(probe.app.clone()).await;
        let mut sender = http2(address).await;
        let response = sender.send_request(http2_request(method)).await.unwrap();
        assert_eq!(response.status(), status);
        let body = response.into_body().collect().await;
        assert!(body.unwrap().to_bytes().is_empty(), "{method} {act:?}");
        assert_eq!(probe.told().await.len(), 2);
    }
}

/// A server that is not ours drops the body of an answer to HEAD unread, as hyper and axum do.
#[tokio::test]
async fn head_through_a_foreign_server_is_complete() {
    for act in [Act::Answer, Act::Foreign] {
        let mut probe = probe(act);
        let head = with_method(Method::HEAD, get("/"));
        drop(probe.app.clone().oneshot(head).await.unwrap());
        probe.assert_told(200, Ending::Complete, 0);
    }
}

#[tokio::test]
async fn a_mounted_application_is_told_the_end() {
    let mut inner = probe(Act::Answer);
    let outer = Application::new().mount("/in", inner.app.clone());
    let response = call(&outer, get("/in")).await;
    assert_eq!(text(&response), "answer");
    inner.assert_told(200, Ending::Complete, 6);
}
