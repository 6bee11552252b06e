//! Writing the response: what is sent, what is refused, what is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use cyclone_web::{Application, Body, Error, RequestContext, RequestHandler, Result, SetCookie};
use futures_util::FutureExt as _;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tower::ServiceExt;

use crate::support::{call, exchange, get, listen, text};

/// A handler may be helped by other threads while it waits.
#[test]
fn a_context_is_shared_between_threads() {
    fn is<T: Send + Sync>() {}
    is::<RequestContext>();
    is::<Error>();
    is::<Application>();
}

#[tokio::test]
async fn what_is_written_after_a_flush_follows_it() {
    let app = Application::new().get("/", async |cx: &mut RequestContext| {
        cx.write("a");
        cx.flush().await?;
        cx.flush().await?;
        cx.write("b");
        cx.write("c");
        cx.flush().await?;
        cx.text("d")
    });
    let response = call(&app, get("/")).await;
    assert_eq!(text(&response), "abcd");
    assert_eq!(
        response.headers()[header::CONTENT_TYPE],
        "text/html; charset=utf-8"
    );
}

#[tokio::test]
async fn an_empty_flush_sends_the_head() {
    let app = Application::new().get("/", async |cx: &mut RequestContext| {
        cx.set_status(StatusCode::ACCEPTED);
        cx.set_cookie(SetCookie::new("a", "b"))?;
        cx.flush().await?;
        std::future::pending().await
    });
    let response = app.clone().oneshot(get("/")).await.unwrap();
    assert_eq!(response.status(), StatusCode::ACCEPTED);
    assert!(response.headers().contains_key(header::SET_COOKIE));
}

#[tokio::test]
async fn a_status_without_a_body_is_not_flushed() {
    let app = Application::new().get("/{status}", async |cx: &mut RequestContext| {
        cx.set_status(StatusCode::from_bytes(
            cx.path_argument("status")?.as_bytes(),
        )?);
        cx.write("never");
        cx.flush().await?;
        cx.finish()
    });
    for status in ["204", "304"] {
        let response = call(&app, get(&format!("/{status}"))).await;
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert!(!text(&response).contains("never"));
    }
}

#[tokio::test]
async fn headers_of_the_context_join_a_foreign_response() {
    let app = Application::new().get("/", async |cx: &mut RequestContext| {
        cx.set_header("x-ours", "1")?;
        cx.set_header("x-both", "ours")?;
        cx.set_cookie(SetCookie::new("ours", "1"))?;
        cx.write("dropped");
        let response = http::Response::builder()
            .header("x-both", "theirs")
            .header("set-cookie", "theirs=1");
        Ok(response.body(Body::from("theirs"))?.into())
    });
    let response = call(&app, get("/")).await;
    assert_eq!(text(&response), "theirs");
    assert_eq!(response.headers()["x-ours"], "1");
    let both: Vec<_> = response.headers().get_all("x-both").iter().collect();
    assert_eq!(both, ["theirs"]);
    assert_eq!(response.headers().get_all("set-cookie").iter().count(), 2);
}

#[tokio::test]
async fn trailers_of_a_foreign_response_are_sent() {
    let app = Application::new().get("/", async |_: &mut RequestContext| {
        let mut trailers = HeaderMap::new();
        trailers.insert("x-sum", HeaderValue::from_static("7"));
        let frames = [
            Ok::<_, std::io::Error>(Frame::data(Bytes::from_static(b"data"))),
            Ok(Frame::trailers(trailers)),
        ];
        let body = Body::new(StreamBody::new(futures_util::stream::iter(frames)));
        let response = http::Response::builder().header("trailer", "x-sum");
        Ok(response.body(body)?.into())
    });
    let (_server, address) = listen(app).await;
    let request = b"GET / HTTP/1.1\r\nHost: h\r\nTE: trailers\r\nConnection: close\r\n\r\n";
    let answer = exchange(address, request).await;
    assert!(answer.ends_with("0\r\nx-sum: 7\r\n\r\n"), "{answer}");
}

struct Streaming {
    flushed: Arc<AtomicUsize>,
}

/// Chunks of the stream below, of 64 KiB.
const CHUNKS: usize = 2048;

impl RequestHandler for Streaming {
    async fn get(&self, cx: &mut RequestContext) -> Result {
        for _ in 0..CHUNKS {
            cx.write(vec![b'x'; 64 * 1024]);
            cx.flush().await?;
            self.flushed.fetch_add(1, Ordering::SeqCst);
        }
        cx.finish()
    }
}

/// What the handler is ahead of its client is what the sockets hold, however much it has to send.
#[tokio::test]
async fn a_slow_client_stops_its_handler() {
    let flushed = Arc::<AtomicUsize>::default();
    let app = Application::new().route(
        "/",
        Streaming {
            flushed: Arc::clone(&flushed),
        },
    );
    let (_server, address) = listen(app).await;
    let mut client = TcpStream::connect(address).await.unwrap();
    client
        .write_all(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    client.readable().await.unwrap();
    // Until it stands still: the runtime has one thread, which is idle when the handler waits.
    let mut before = usize::MAX;
    loop {
        for _ in 0..1000 {
            tokio::task::yield_now().await;
        }
        let now = flushed.load(Ordering::SeqCst);
        if now == before {
            break;
        }
        before = now;
    }
    assert!(
        before < CHUNKS / 2,
        "{before} chunks are ahead of the client"
    );
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).await.unwrap();
    assert!(answer.len() > CHUNKS * 64 * 1024);
    assert!(answer.ends_with(b"\r\n0\r\n\r\n"));
    assert_eq!(flushed.load(Ordering::SeqCst), CHUNKS);
}

struct Closing;

impl RequestHandler for Closing {
    const KEEP_ALIVE: bool = false;

    async fn get(&self, _cx: &mut RequestContext) -> Result {
        Err(Error::not_found())
    }
}

#[tokio::test]
async fn keep_alive_false_holds_for_errors_too() {
    let (_server, address) = listen(Application::new().route("/", Closing)).await;
    let answer = exchange(address, b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    assert!(answer.contains("connection: close\r\n"), "{answer}");
}

#[tokio::test]
async fn a_redirect_needs_a_status_of_redirects() {
    let app = Application::new().get("/", async |cx: &mut RequestContext| {
        cx.redirect_with(StatusCode::OK, "/x")
    });
    let response = call(&app, get("/")).await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert!(!response.headers().contains_key(header::LOCATION));
}

#[tokio::test]
async fn the_type_that_was_set_wins_over_the_shorthands() {
    let app = Application::new().get("/", async |cx: &mut RequestContext| {
        cx.set_header(header::CONTENT_TYPE, "text/csv")?;
        cx.text("a,b")
    });
    assert_eq!(
        call(&app, get("/")).await.headers()[header::CONTENT_TYPE],
        "text/csv"
    );
}

#[tokio::test]
async fn a_length_may_be_set_on_an_answer_to_head() {
    let app = Application::new().on(Method::HEAD, "/", async |cx: &mut RequestContext| {
        cx.set_header(header::CONTENT_LENGTH, "1000")?;
        cx.finish()
    });
    let (_server, address) = listen(app).await;
    let answer = exchange(
        address,
        b"HEAD / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
    )
    .await;
    assert!(answer.contains("content-length: 1000\r\n"), "{answer}");
}

/// hyper trusts a `content-length` that the handler set (and panics in debug builds when it is wrong): bytes
/// beyond it would be read as the next response.
#[tokio::test]
async fn a_wrong_length_is_an_error_in_the_handler() {
    let app = Application::new().get("/{length}", async |cx: &mut RequestContext| {
        let length = cx.path_argument("length")?;
        cx.set_header(header::CONTENT_LENGTH, length)?;
        cx.text("hello")
    });
    for length in ["4", "6"] {
        let (_server, address) = listen(app.clone()).await;
        let request = format!("GET /{length} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        let answer = exchange(address, request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 "), "{answer:?}");
    }
}

/// A handler that polls another application while its own first flush waits must not swap responses with it.
#[tokio::test(start_paused = true)]
async fn a_flush_beside_another_exchange_stays_its_own() {
    let inner = Application::new().get("/", async |cx: &mut RequestContext| {
        tokio::task::yield_now().await;
        cx.text("inner")
    });
    let outer = Application::new().get("/", async |cx: &mut RequestContext| {
        let inner: Application = cx.extensions().get::<Application>().unwrap().clone();
        cx.set_header("x-outer", "1")?;
        cx.write("outer ");
        let (flushed, response) = tokio::join!(cx.flush(), inner.oneshot(get("/")));
        flushed?;
        let response = response.unwrap();
        assert!(!response.headers().contains_key("x-outer"));
        let body = response.into_body().collect().await?.to_bytes();
        cx.write(body);
        cx.finish()
    });
    let mut request = get("/");
    request.extensions_mut().insert(inner);
    let called = tokio::time::timeout(std::time::Duration::from_secs(10), call(&outer, request));
    let response = called.await.expect("the flush waits for ever");
    assert_eq!(response.headers()["x-outer"], "1");
    assert_eq!(text(&response), "outer inner");
}

/// A flush that was given up (a time limit around it) may not leave a hole in what follows.
#[tokio::test]
async fn a_cancelled_flush_loses_nothing_that_comes_before_the_next() {
    let app = Application::new().get("/", async |cx: &mut RequestContext| {
        cx.write("a");
        cx.flush().await?;
        cx.write("b");
        let given_up = cx.flush().now_or_never();
        assert!(given_up.is_none());
        cx.write("c");
        cx.flush().await?;
        cx.finish()
    });
    assert_eq!(text(&call(&app, get("/")).await), "abc");
}

#[tokio::test]
async fn a_redirect_after_a_flush_is_an_error() {
    let app = Application::new().get("/", async |cx: &mut RequestContext| {
        cx.write("a");
        cx.flush().await?;
        cx.redirect("/elsewhere")
    });
    let response = app.clone().oneshot(get("/")).await.unwrap();
    assert!(response.into_body().collect().await.is_err());
}

#[tokio::test]
async fn a_location_is_ascii() {
    let app = Application::new().get("/", async |cx: &mut RequestContext| {
        cx.redirect("/caf\u{e9}?q=a b")
    });
    let response = call(&app, get("/")).await;
    assert_eq!(response.headers()[header::LOCATION], "/caf%C3%A9?q=a%20b");
}
