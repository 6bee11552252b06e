//! Request bodies: limits, framing, and what becomes of those that nobody reads.

use cyclone_core::{Connection, Protocol as _, ProtocolFactory as _};
use cyclone_web::{Application, Body, BodyErrorKind, Limits, RequestContext};
use http::{Request, Response};
use http_body_util::BodyExt as _;

use super::{Client, GET, hello, mirror, serve};

fn post(length: usize) -> String {
    format!("POST /p HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n")
}

const CHUNKED: &str = "POST /p HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";

#[tokio::test]
async fn the_limit_holds_for_declared_and_chunked_bodies() {
    for (length, status) in [(9, 200), (10, 200), (11, 413)] {
        let text = "x".repeat(length);
        for request in [
            format!("{}{text}", post(length)),
            format!("{CHUNKED}{length:x}\r\n{text}\r\n0\r\n\r\n"),
            format!(
                "{CHUNKED}1\r\nx\r\n{:x}\r\n{}\r\n0\r\n\r\n",
                length - 1,
                &text[1..]
            ),
        ] {
            let mut client = serve(Limits::new().body(10), mirror);
            let answer = client.exchange(&request).await;
            assert_eq!(answer.status, status, "{request:?}");
            if status == 200 {
                assert_eq!(answer.body, format!("POST /p {text}"));
                assert_eq!(client.exchange(GET).await.status, 200);
            } else {
                assert!(answer.closes());
                client.finish().await;
                assert!(client.is_closed().await);
            }
        }
    }
}

/// Nothing of the body has come, nor has `100 Continue` been sent.
#[tokio::test]
async fn a_declared_length_over_the_limit_is_refused_at_once() {
    let mut client = serve(Limits::new().body(10), mirror);
    let request = post(11).replace("\r\n\r\n", "\r\nexpect: 100-continue\r\n\r\n");
    assert_eq!(client.exchange(request).await.status, 413);
}

#[tokio::test]
async fn a_handler_may_set_another_limit() {
    async fn small(request: Request<Body>) -> Response<Body> {
        let mut body = request.into_body();
        body.set_limit(3);
        let error = body.collect().await.unwrap_err();
        assert_eq!(error.kind(), BodyErrorKind::TooLarge { limit: 3 });
        Response::new(Body::from("refused"))
    }
    let mut client = serve(Limits::default(), small);
    assert_eq!(
        client.exchange(format!("{}abcd", post(4))).await.body,
        "refused"
    );
}

#[tokio::test]
async fn an_expecting_client_is_told_to_go_on_when_somebody_reads() {
    let mut client = serve(Limits::default(), mirror);
    let request = post(3).replace("\r\n\r\n", "\r\nexpect: 100-continue\r\n\r\n");
    assert_eq!(client.exchange(&request).await.status, 100);
    let answer = client.exchange("abc").await;
    assert_eq!((answer.status, &*answer.body), (200, "POST /p abc"));
    assert_eq!(client.exchange(GET).await.status, 200);
}

#[tokio::test]
async fn an_expecting_client_is_not_told_to_go_on_when_nobody_reads() {
    let mut client = serve(Limits::default(), hello);
    let request = post(3).replace("\r\n\r\n", "\r\nexpect: 100-continue\r\n\r\n");
    let answer = client.exchange(&request).await;
    assert_eq!(answer.status, 200);
    assert!(answer.closes());
    client.finish().await;
    assert!(client.is_closed().await);
}

/// RFC 9110 section 10.1.1: HTTP/1.0 knows no answer before the answer.
#[tokio::test]
async fn a_client_of_http_1_0_is_not_told_to_go_on() {
    let mut client = serve(Limits::default(), mirror);
    let request = post(3).replace("HTTP/1.1\r\n", "HTTP/1.0\r\nexpect: 100-continue\r\n");
    client.send(request).await;
    tokio::task::yield_now().await;
    client.send("abc").await;
    let answer = client.answer().await;
    assert_eq!((answer.status, &*answer.body), (200, "POST /p abc"));
}

/// RUSTSEC-2020-0093, RUSTSEC-2025-0037, RUSTSEC-2020-0031: an ignored body is never read as a request.
#[tokio::test]
async fn an_unread_body_is_drained_up_to_a_bound() {
    for (length, reused) in [(1, true), (99, true), (100, true), (101, false)] {
        for late in [false, true] {
            let mut client = serve(Limits::new().drain_bytes(100), hello);
            let mut body = GET.repeat(10);
            body.truncate(length);
            if late {
                client.send(post(length)).await;
                let answer = client.answer().await;
                assert_eq!(answer.closes(), !reused, "{length} {late}");
                client.send(&body).await;
            } else {
                client.send(format!("{}{body}", post(length))).await;
                assert_eq!(client.answer().await.status, 200);
            }
            if reused {
                assert_eq!(client.exchange(GET).await.body, "hello", "{length} {late}");
            } else if late {
                client.finish().await;
                assert!(client.is_closed().await, "{length} {late}");
            }
        }
    }
}

#[tokio::test]
async fn an_unread_chunked_body_is_drained_up_to_a_bound() {
    for (length, reused) in [(99, true), (100, true), (101, false)] {
        let mut client = serve(Limits::new().drain_bytes(100), hello);
        client.send(CHUNKED).await;
        assert_eq!(client.answer().await.status, 200);
        let (first, second) = ("x".repeat(50), "x".repeat(length - 50));
        client.send(format!("32\r\n{first}\r\n")).await;
        client
            .send(format!("{:x}\r\n{second}\r\n", length - 50))
            .await;
        if reused {
            client.send("0\r\n\r\n").await;
            assert_eq!(client.exchange(GET).await.body, "hello", "{length}");
        } else {
            // The server has closed its side and lingers.
            assert!(client.is_closed().await, "{length}");
        }
    }
}

#[tokio::test]
async fn a_body_cut_short_is_an_error_of_the_client() {
    for request in [
        format!("{}ab", post(3)),
        format!("{CHUNKED}3\r\nab"),
        format!("{CHUNKED}3\r\nabc\r\n"),
        format!("{CHUNKED}3\r\nabc\r\n0\r\n"),
    ] {
        let mut client = serve(Limits::default(), mirror);
        client.send(&request).await;
        client.finish().await;
        let answer = client.answer().await;
        assert_eq!(answer.status, 400, "{request:?}");
        assert_eq!(
            answer.body,
            "the client went away before the end of the body"
        );
        assert!(client.is_closed().await);
    }
}

#[tokio::test]
async fn malformed_chunks_are_refused() {
    for chunks in [
        "+3\r\nabc\r\n0\r\n\r\n",
        "0x3\r\nabc\r\n0\r\n\r\n",
        "3_0\r\nabc\r\n0\r\n\r\n",
        "-1\r\n\r\n",
        "\r\nabc\r\n",
        "zz\r\n",
        "3 x\r\nabc\r\n0\r\n\r\n",
        "3\r\nabcd\r\n0\r\n\r\n",
        "3\nabc\n0\n\n",
        "fffffffffffffffff\r\nabc\r\n",
        "3;\n\r\nabc\r\n0\r\n\r\n",
    ] {
        let mut client = serve(Limits::default(), mirror);
        let answer = client.exchange(format!("{CHUNKED}{chunks}{GET}")).await;
        assert_eq!(answer.status, 400, "{chunks:?}");
        assert!(answer.closes(), "{chunks:?}");
        assert_eq!(
            answer.body, "the framing of the body is malformed",
            "{chunks:?}"
        );
        client.finish().await;
        assert!(client.is_closed().await, "{chunks:?}");
    }
}

/// A request that stands where the trailers end is not taken for trailers, though nobody reads these.
#[tokio::test]
async fn malformed_trailers_of_an_unread_body_end_the_connection() {
    for (end, fine) in [
        ("0\r\n\r\n", true),
        ("0\r\nx: y\r\n\r\n", true),
        ("0\r\nGET /never HTTP/1.1\r\nhost: a\r\n\r\n", false),
        ("0\r\nx : y\r\n\r\n", false),
    ] {
        let mut client = serve(Limits::default(), hello);
        client.send(CHUNKED).await;
        assert_eq!(client.answer().await.status, 200);
        client.send(end).await;
        client.send(GET).await;
        client.finish().await;
        assert_eq!(client.is_closed().await, !fine, "{end:?}");
    }
}

#[tokio::test]
async fn trailers_arrive() {
    async fn trailers(request: Request<Body>) -> Response<Body> {
        let body = request.into_body().collect().await.unwrap();
        let trailer = body.trailers().unwrap()["x-sum"]
            .to_str()
            .unwrap()
            .to_owned();
        Response::new(Body::from(trailer))
    }
    let mut client = serve(Limits::default(), trailers);
    let request = format!("{CHUNKED}3\r\nabc\r\n0\r\nx-sum: 7\r\n\r\n");
    assert_eq!(client.exchange(request).await.body, "7");
    assert_eq!(
        client
            .exchange(format!("{CHUNKED}0\r\nX-Sum: 8\r\n\r\n"))
            .await
            .body,
        "8"
    );
}

/// Pipelined requests with bodies, cut in two at every byte: the same answers in the same order.
#[tokio::test]
async fn pipelined_requests_are_answered_in_order_at_every_split() {
    let stream = format!(
        "{GET}{}abc{CHUNKED}2\r\nde\r\n1;x=y\r\nf\r\n0\r\n\r\n\r\nHEAD /h HTTP/1.1\r\nhost: a\r\n\r\nGET /last HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
        post(3)
    );
    let stream = stream.as_bytes();
    for split in 1..stream.len() {
        let mut client = serve(Limits::default(), mirror);
        client.send(&stream[..split]).await;
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
        client.send(&stream[split..]).await;
        for (method, body) in [
            ("GET", "GET / "),
            ("POST", "POST /p abc"),
            ("POST", "POST /p def"),
            ("HEAD", ""),
            ("GET", "GET /last "),
        ] {
            let answer = client.answer_to(method).await;
            assert_eq!(
                (answer.status, &*answer.body),
                (200, body),
                "split at {split}"
            );
        }
        assert!(client.is_closed().await, "split at {split}");
    }
}

/// A body that outlives its request says nothing about the next one.
#[tokio::test(start_paused = true)]
async fn a_body_that_outlives_its_request_does_no_harm() {
    let (sender, mut bodies) = tokio::sync::mpsc::unbounded_channel();
    let mut client = serve(Limits::default(), move |request: Request<Body>| {
        let sender = sender.clone();
        async move {
            if request.uri().path() == "/keep" {
                sender.send(request.into_body()).unwrap();
                return Response::new(Body::from("kept"));
            }
            mirror(request).await
        }
    });
    let keep = "POST /keep HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc";
    for read in [true, false] {
        assert_eq!(client.exchange(keep).await.body, "kept");
        let kept = bodies.recv().await.unwrap();
        client.send(format!("{}d", post(3))).await;
        tokio::task::yield_now().await;
        if read {
            assert_eq!(kept.collect().await.unwrap().to_bytes(), "abc");
        } else {
            drop(kept);
        }
        tokio::task::yield_now().await;
        if read {
            assert_eq!(client.exchange("ef").await.body, "POST /p def");
        } else {
            // The time of the second body is still minded.
            assert_eq!(client.answer().await.status, 408);
        }
    }
}

/// The client goes away after every byte of a session: the server notices, and nothing is left behind.
#[tokio::test(start_paused = true)]
async fn a_session_may_break_off_anywhere() {
    let session = format!(
        "{GET}{}abc{CHUNKED}2\r\nde\r\n1\r\nf\r\n0\r\n\r\nGET /last HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
        post(3)
    );
    for count in 0..=session.len() {
        for reads in [true, false] {
            let start = tokio::time::Instant::now();
            let mut client = serve(Limits::default(), move |request| async move {
                if reads {
                    mirror(request).await
                } else {
                    hello(request).await
                }
            });
            client.send(&session.as_bytes()[..count]).await;
            drop(client.io);
            let _ = client.server.await.unwrap();
            assert!(
                start.elapsed() < std::time::Duration::from_secs(1),
                "after {count} bytes"
            );
        }
    }
}

/// Serves an application whose handlers do not look at the body.
fn serve_ignorant() -> Client {
    let app = Application::new()
        .limits(Limits::new().drain_bytes(100))
        .post("/p", async |cx: &mut RequestContext| cx.text("hello"))
        .post("/stream", async |cx: &mut RequestContext| {
            cx.write("hel");
            cx.flush().await?;
            cx.write("lo");
            cx.finish()
        })
        .post("/brought", async |_cx: &mut RequestContext| {
            Ok(Response::new(Body::from("hello")).into())
        });
    let (connection, io) = Connection::in_memory();
    let protocol = app.build(connection.peer()).unwrap();
    Client {
        io,
        server: tokio::spawn(protocol.run(connection)),
        rest: Vec::new(),
    }
}

/// A client that is not told sends its next request on a connection that closes, and cannot know whether it was
/// served.
#[tokio::test]
async fn the_answer_says_that_an_unread_body_ends_the_connection() {
    let expecting = post(3).replace("\r\n\r\n", "\r\nexpect: 100-continue\r\n\r\n");
    for (request, closes) in [
        (post(101), true),
        (expecting, true),
        (post(100), false),
        (format!("{}abc", post(3)), false),
    ] {
        for target in ["/p", "/brought"] {
            let mut client = serve_ignorant();
            let request = request.replace("/p ", &format!("{target} "));
            let answer = client.exchange(&request).await;
            assert_eq!(answer.body, "hello");
            assert_eq!(answer.closes(), closes, "{request:?}");
        }
    }
    // The handler of a stream may still read the body after the answer has begun.
    let mut client = serve_ignorant();
    let answer = client.exchange(post(101).replace("/p ", "/stream ")).await;
    assert_eq!(answer.body, "hello");
    client.finish().await;
    assert!(client.is_closed().await);
}
