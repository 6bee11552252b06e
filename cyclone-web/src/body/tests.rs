use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::stream;
use http::StatusCode;
use http_body::Body as _;
use http_body_util::{BodyExt as _, Empty, Full};

use super::{Body, BodyEnd, BodyError, BodyErrorKind, BodyGuard};

/// Keeps what it was told.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<BodyEnd>>>);

impl BodyGuard for Told {
    fn ended(self: Box<Self>, end: BodyEnd) {
        self.0.lock().unwrap().push(end);
    }
}

impl Told {
    fn guard(&self, body: impl Into<Body>) -> Body {
        body.into().with_guard(Box::new(self.clone()))
    }

    #[track_caller]
    fn assert(&self, complete: bool, bytes: u64) {
        let told = std::mem::take(&mut *self.0.lock().unwrap());
        let told: Vec<_> = told.iter().map(|end| (end.complete, end.bytes)).collect();
        assert_eq!(told, [(complete, bytes)]);
    }
}

async fn frame(body: &mut Body) -> Option<Result<Bytes, BodyError>> {
    let frame = poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await?;
    Some(frame.map(|frame| frame.into_data().unwrap()))
}

fn items(items: &[&'static str]) -> Body {
    let items: Vec<_> = items
        .iter()
        .map(|item| Ok::<_, io::Error>(Bytes::from_static(item.as_bytes())))
        .collect();
    Body::from_stream(stream::iter(items))
}

#[tokio::test]
async fn a_guard_is_told_once_when_the_body_is_read_to_its_end() {
    let told = Told::default();
    let mut body = told.guard("hello");
    assert_eq!(frame(&mut body).await.unwrap().unwrap(), "hello");
    // hyper takes the only frame and drops the body.
    told.assert(true, 5);
    assert!(frame(&mut body).await.is_none());
    drop(body);
    assert!(told.0.lock().unwrap().is_empty());

    let mut body = told.guard(items(&["ab", "c"]));
    frame(&mut body).await.unwrap().unwrap();
    frame(&mut body).await.unwrap().unwrap();
    assert!(told.0.lock().unwrap().is_empty());
    assert!(frame(&mut body).await.is_none());
    told.assert(true, 3);
}

#[tokio::test]
async fn a_guard_is_told_of_an_early_end() {
    let told = Told::default();
    drop(told.guard("hello"));
    told.assert(false, 0);

    let mut body = told.guard(items(&["ab", "c"]));
    frame(&mut body).await.unwrap().unwrap();
    drop(body);
    told.assert(false, 2);

    let broken = [Ok(Bytes::from("ab")), Err(io::Error::other("broken"))];
    let mut body = told.guard(Body::from_stream(stream::iter(broken)));
    frame(&mut body).await.unwrap().unwrap();
    let error = frame(&mut body).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), BodyErrorKind::Source);
    told.assert(false, 2);
    assert!(frame(&mut body).await.is_none());
}

#[test]
fn a_body_that_is_not_sent_is_complete() {
    let told = Told::default();
    drop(told.guard(Body::empty()));
    told.assert(true, 0);

    let mut body = told.guard("the body of an answer to HEAD");
    body.set_unsent();
    drop(body);
    told.assert(true, 0);
}

#[tokio::test]
async fn the_limit_is_exact() {
    for (limit, whole) in [(6, true), (5, true), (4, false), (0, false)] {
        for mut body in [
            Body::from("hello"),
            items(&["he", "l", "lo"]),
            Body::new(Full::new(Bytes::from("hello"))),
        ] {
            body.set_limit(limit);
            match body.collect().await {
                Ok(read) => assert!(whole && read.to_bytes() == "hello"),
                Err(error) => {
                    assert!(!whole);
                    assert_eq!(error.kind(), BodyErrorKind::TooLarge { limit });
                }
            }
        }
    }
    let mut body = Body::from("hello");
    assert!(body.check_declared().is_ok());
    body.set_limit(5);
    assert!(body.check_declared().is_ok());
    body.set_limit(4);
    let error = body.check_declared().unwrap_err();
    assert_eq!(error.status(), StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn a_body_inside_a_body_is_taken_out() {
    let told = Told::default();
    let mut body = Body::new(Body::new(told.guard("hello")));
    assert_eq!(format!("{body:?}"), "Body(5 bytes)");
    frame(&mut body).await.unwrap().unwrap();
    told.assert(true, 5);
}

#[test]
fn lengths_are_declared() {
    for (body, length) in [
        (Body::empty(), 0),
        (Body::from(()), 0),
        (Body::from(""), 0),
        (Body::from("abc"), 3),
        (Body::from(String::from("abc")), 3),
        (Body::from(vec![1, 2]), 2),
        (Body::from(&b"abcd"[..]), 4),
        (Body::new(Full::new(Bytes::from("abc"))), 3),
        (Body::new(Empty::new()), 0),
    ] {
        assert_eq!(body.size_hint().exact(), Some(length), "{body:?}");
        assert_eq!(body.is_end_stream(), length == 0, "{body:?}");
    }
    assert_eq!(items(&["a"]).size_hint().exact(), None);
}

/// A body that passes through layers of other libraries is boxed there, and so is its error.
#[tokio::test]
async fn an_error_stays_what_it_is() {
    let mut inner = items(&["abc"]);
    inner.set_limit(1);
    let error = Body::new(inner.boxed_unsync()).collect().await.unwrap_err();
    assert_eq!(error.kind(), BodyErrorKind::TooLarge { limit: 1 });
}

/// A body moves with every request.
#[test]
fn a_body_is_small() {
    assert!(size_of::<Body>() <= 80);
}
