use std::time::Duration;

use cyclone_web::Body;
use cyclone_web::client::{ClientErrorKind, ClientPhase, ClientTimeouts, Outcome};
use futures_util::StreamExt as _;
use tokio::net::TcpListener;
use tokio::time::Instant;

use super::{Written, client, ok, within};

const SECOND: Duration = Duration::from_secs(1);

/// Long times, but for the one that is looked at.
fn times() -> ClientTimeouts {
    ClientTimeouts::new().total(None)
}

/// What is looked at has its time up, at the right time by the paused clock.
#[tokio::test(start_paused = true)]
async fn head_that_does_not_come() {
    let server = Written::always("HTTP/1.1 200", false).await;
    let client = client(|builder| builder.timeouts(times().first_byte(7 * SECOND)));
    let start = Instant::now();
    let error = client
        .post(server.url("/"))
        .body("x")
        .send()
        .await
        .unwrap_err();
    assert_eq!(
        error.kind(),
        ClientErrorKind::Timeout(ClientPhase::FirstByte)
    );
    assert_eq!(
        (error.outcome(), error.status().as_u16()),
        (Outcome::Unknown, 504)
    );
    assert_eq!(start.elapsed().as_secs(), 7);
    assert_eq!(client.open_connections(), 0);
}

#[tokio::test(start_paused = true)]
async fn body_that_does_not_go_on() {
    let server = Written::always("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhello", false).await;
    let client = client(|builder| builder.timeouts(times().between_bytes(7 * SECOND)));
    let mut response = client.get(server.url("/")).send().await.unwrap();
    assert_eq!(response.chunk().await.unwrap().unwrap(), "hello");
    // The time of the reader is not the server's.
    tokio::time::advance(60 * SECOND).await;
    let start = Instant::now();
    let error = response.chunk().await.unwrap_err();
    assert_eq!(
        error.kind(),
        ClientErrorKind::Timeout(ClientPhase::BetweenBytes)
    );
    assert_eq!(error.outcome(), Outcome::Answered);
    assert_eq!(start.elapsed().as_secs(), 7);
    assert_eq!(response.chunk().await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn all_of_it_has_one_time() {
    let first = Written::always("HTTP/1.1 200", false).await;
    let body = Written::always("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhello", false).await;
    let client = client(|builder| builder.timeouts(ClientTimeouts::new().total(7 * SECOND)));
    for server in [first, body] {
        let start = Instant::now();
        let fetched = async { client.get(server.url("/")).send().await?.bytes().await };
        let error = fetched.await.unwrap_err();
        assert_eq!(error.kind(), ClientErrorKind::Timeout(ClientPhase::Total));
        assert_eq!(start.elapsed().as_secs(), 7);
    }
}

/// A server that accepts and reads nothing.
async fn deaf() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    (listener, url)
}

#[tokio::test(start_paused = true)]
async fn server_that_takes_nothing_of_the_body() {
    let (_listener, url) = deaf().await;
    let client = client(|builder| builder.timeouts(times().send(7 * SECOND)));
    // More than the buffers of two sockets.
    let error = client
        .post(&url)
        .body(vec![0; 64 * 1024 * 1024])
        .send()
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ClientErrorKind::Timeout(ClientPhase::Send));
    assert_eq!(error.outcome(), Outcome::Unknown);
}

#[tokio::test(start_paused = true)]
async fn source_of_a_body_may_take_its_time() {
    let server = Written::always(ok("fine"), false).await;
    let client = client(|builder| builder.timeouts(times().send(SECOND).first_byte(SECOND)));
    let slow = futures_util::stream::iter(["a", "b", "c"]).then(async |piece| {
        tokio::time::sleep(60 * SECOND).await;
        Ok::<_, std::io::Error>(piece)
    });
    let sent = client
        .post(server.url("/"))
        .stream(Body::from_stream(slow))
        .send();
    assert_eq!(sent.await.unwrap().text().await.unwrap(), "fine");
}

#[tokio::test]
async fn address_that_does_not_answer() {
    // TEST-NET-1 (RFC 5737): nobody is there; where packets are refused at once, that is the error.
    let times = times().connect(Duration::from_millis(50));
    let client = client(|builder| builder.timeouts(times));
    let error = within(client.get("http://192.0.2.1/").send())
        .await
        .unwrap_err();
    assert_eq!(error.outcome(), Outcome::NotSent);
    let connect = [
        ClientErrorKind::Timeout(ClientPhase::Connect),
        ClientErrorKind::Connect,
    ];
    assert!(connect.contains(&error.kind()), "{error}");
}

#[cfg(feature = "ring")]
#[tokio::test]
async fn handshake_that_is_not_answered() {
    let (_listener, url) = deaf().await;
    let client = client(|builder| builder.timeouts(times().tls(Duration::from_millis(50))));
    let url = url.replace("http:", "https:");
    let error = within(client.get(url).send()).await.unwrap_err();
    assert_eq!(
        error.kind(),
        ClientErrorKind::Timeout(ClientPhase::Tls),
        "{error}"
    );
    assert_eq!(error.outcome(), Outcome::NotSent);
}

#[tokio::test]
async fn body_waits_for_100_continue() {
    let says = |request: &str| match request.contains("expect: 100-continue") {
        true => (
            b"HTTP/1.1 417 No\r\ncontent-length: 0\r\n\r\n".to_vec(),
            true,
        ),
        false => (ok(""), false),
    };
    let server = Written::new(says).await;
    let client = client(|builder| builder);
    // An empty body is not asked about.
    let sent = client.post(server.url("/")).expect_continue(true).send();
    assert_eq!(within(sent).await.unwrap().status(), 200);

    // The server reads the head only, refuses, and gets no body.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let (refuses, accepts) = ("HTTP/1.1 413 No\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n");
    for (says, status, body) in [(refuses, 413, ""), (accepts, 200, "hello")] {
        let sent = client.post(&url).expect_continue(true).body("hello").send();
        let serve = async {
            use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut read = Vec::new();
            while !read.ends_with(b"\r\n\r\n") {
                stream.read_buf(&mut read).await.unwrap();
            }
            stream.write_all(says.as_bytes()).await.unwrap();
            let mut rest = vec![0; body.len()];
            stream.read_exact(&mut rest).await.unwrap();
            assert_eq!(rest, body.as_bytes());
            if says == accepts {
                stream.write_all(&ok("")).await.unwrap();
            }
            stream.shutdown().await.unwrap();
            stream.read_to_end(&mut rest).await.unwrap();
            assert_eq!(rest, body.as_bytes(), "nothing more came");
        };
        let (sent, ()) = within(async {
            tokio::join!(
                async { sent.await.map(|response| response.status()) },
                serve
            )
        })
        .await;
        assert_eq!(sent.unwrap(), status);
    }
}

#[tokio::test(start_paused = true)]
async fn server_without_a_word_about_100_continue_gets_the_body() {
    let server = Written::always(ok("fine"), false).await;
    let sent = client(|builder| builder)
        .post(server.url("/"))
        .expect_continue(true)
        .body("hello");
    assert_eq!(sent.send().await.unwrap().text().await.unwrap(), "fine");
    assert!(server.seen()[0].1.ends_with("hello"));
}
