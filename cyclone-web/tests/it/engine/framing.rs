//! What the head of a request must be: RFC 9112, RFC 9110.

use cyclone_web::Limits;

use super::{hello, mirror, serve};

/// Sends `request` and expects `status`; the connection closes after every status but 200.
async fn expect(request: &[u8], status: u16) {
    let shown = String::from_utf8_lossy(&request[..request.len().min(120)]).into_owned();
    let mut client = serve(Limits::default(), hello);
    client.send(request).await;
    let answer = client.answer().await;
    assert_eq!(answer.status, status, "{shown:?}");
    assert!(answer.header("date").is_some(), "{shown:?}");
    if status != 200 {
        assert!(answer.closes(), "{shown:?}: {}", answer.head);
        assert!(
            answer.body.ends_with('\n') && answer.body.len() > 1,
            "{shown:?}"
        );
        client.finish().await;
        assert!(client.is_closed().await, "{shown:?}");
        client.server.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn hosts() {
    for (request, status) in [
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", 200),
        ("GET / HTTP/1.1\r\nHost: example.com:8888\r\n\r\n", 200),
        ("GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", 200),
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: y\r\nhOST: b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost:\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a:x\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a:70000\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: \u{e4}\r\n\r\n", 400),
        // HTTP/1.0 may do without, but not with two.
        ("GET / HTTP/1.0\r\n\r\n", 200),
        ("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    ] {
        expect(request.as_bytes(), status).await;
    }
}

#[tokio::test]
async fn targets() {
    for (request, status) in [
        ("GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 200),
        ("GET http://A:80/x HTTP/1.1\r\nHost: a\r\n\r\n", 200),
        ("GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET http://a:81/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET http://a/ HTTP/1.1\r\n\r\n", 400),
        ("GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 200),
        ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET / x HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /\u{1} HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /#top HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /a?b#top HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", 501),
        ("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 501),
    ] {
        expect(request.as_bytes(), status).await;
    }
}

#[tokio::test]
async fn versions() {
    for (request, status) in [
        ("GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505),
        ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
        ("GET / HTTP/0.9\r\n\r\n", 505),
        ("GET / HTTP/1\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTPS/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET / http/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /\r\n\r\n", 400),
        ("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 200),
    ] {
        expect(request.as_bytes(), status).await;
    }
}

/// Request smuggling: RUSTSEC-2021-0020, RUSTSEC-2021-0078, RUSTSEC-2021-0079, RUSTSEC-2026-0034,
/// GHSA-753j-mpmx-qq6g, GHSA-qppv-j76h-2rpx.
#[tokio::test]
async fn lengths_and_codings() {
    const HEAD: &str = "POST / HTTP/1.1\r\nHost: a\r\n";
    for (fields, status) in [
        ("Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 200),
        ("Transfer-Encoding: CHUNKED\r\n\r\n0\r\n\r\n", 200),
        ("Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400),
        ("Transfer-Encoding: identity\r\n\r\n", 400),
        ("Transfer-Encoding: chunked, identity\r\n\r\n", 400),
        ("Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400),
        ("Transfer-Encoding: \u{b}chunked\r\n\r\n0\r\n\r\n", 400),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
        ),
        (
            "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
        ),
        ("Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400),
        ("Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", 400),
        ("Content-Length: 0\r\n\r\n", 200),
        ("Content-Length: 0\r\nContent-Length: 0\r\n\r\n", 200),
        ("Content-Length: 0\r\nContent-Length: 1\r\n\r\n", 400),
        ("Content-Length: 0, 0\r\n\r\n", 400),
        ("Content-Length: +0\r\n\r\n", 400),
        ("Content-Length: -0\r\n\r\n", 400),
        ("Content-Length: 0_0\r\n\r\n", 400),
        ("Content-Length: 0x0\r\n\r\n", 400),
        ("Content-Length: 1 1\r\n\r\n", 400),
        ("Content-Length:\r\n\r\n", 400),
        ("Content-Length: 99999999999999999999\r\n\r\n", 400),
    ] {
        expect(format!("{HEAD}{fields}").as_bytes(), status).await;
    }
    expect(
        b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    )
    .await;
}

/// RFC 9112 section 6.3: served by the transfer coding, and the connection is not used again.
#[tokio::test]
async fn a_length_beside_a_coding_ends_the_connection() {
    for fields in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
    ] {
        let mut client = serve(Limits::default(), mirror);
        client
            .send(format!(
                "POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n3\r\nabc\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
            ))
            .await;
        let answer = client.answer().await;
        assert_eq!((answer.status, &*answer.body), (200, "POST / abc"));
        assert!(answer.closes());
        assert!(client.is_closed().await);
    }
}

/// RFC 9112 section 6.3: whoever passes the request on must not pass both; and a repeated length is one.
#[tokio::test]
async fn a_handler_sees_one_length_at_most() {
    async fn lengths(
        request: http::Request<cyclone_web::Body>,
    ) -> http::Response<cyclone_web::Body> {
        let lengths = request.headers().get_all("content-length");
        let lengths: Vec<_> = lengths
            .iter()
            .map(|length| length.to_str().unwrap())
            .collect();
        http::Response::new(lengths.join(" ").into())
    }
    for (fields, seen) in [
        ("content-length: 2\r\n\r\nab", "2"),
        ("content-length: 2\r\ncontent-length: 2\r\n\r\nab", "2"),
        (
            "content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            "",
        ),
        (
            "transfer-encoding: chunked\r\ncontent-length: 2\r\n\r\n0\r\n\r\n",
            "",
        ),
    ] {
        let mut client = serve(Limits::default(), lengths);
        let request = format!("POST / HTTP/1.1\r\nhost: a\r\n{fields}");
        assert_eq!(client.exchange(request).await.body, seen, "{fields:?}");
    }
}

#[tokio::test]
async fn header_fields() {
    const HEAD: &str = "GET / HTTP/1.1\r\nHost: a\r\n";
    for (fields, status) in [
        ("X: y\r\n\r\n", 200),
        ("X:\r\n\r\n", 200),
        ("X: \u{e4}\r\n\r\n", 200),
        ("X : y\r\n\r\n", 400),
        ("X\r\n\r\n", 400),
        (": y\r\n\r\n", 400),
        ("X: a\r\n b\r\n\r\n", 400),
        ("X: a\0b\r\n\r\n", 400),
        ("X: a\rb\r\n\r\n", 400),
        ("X(: a\r\n\r\n", 400),
        ("Expect: 100-continue\r\n\r\n", 200),
        ("Expect: 100-CONTINUE\r\n\r\n", 200),
        ("Expect: 200-ok\r\n\r\n", 417),
        ("Expect:\r\n\r\n", 417),
    ] {
        expect(format!("{HEAD}{fields}").as_bytes(), status).await;
    }
}

/// RFC 9112 section 2.2: a bare LF may be taken for a line end, and is not.
#[tokio::test]
async fn every_line_of_a_head_ends_with_crlf() {
    const HEAD: &str = "\r\nGET / HTTP/1.1\r\nHost: a\r\nX: y\r\nZ:\r\n\r\n";
    expect(HEAD.as_bytes(), 200).await;
    for (place, _) in HEAD.match_indices("\r\n") {
        let mut head = HEAD.to_owned();
        head.remove(place);
        expect(head.as_bytes(), 400).await;
    }
}

/// One request, split at every byte: the same answer.
#[tokio::test]
async fn a_refused_request_is_refused_at_every_split() {
    for request in [
        "GET /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET http://a/?b#c HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /a HTTP/3.4\r\nHost: a\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n",
    ] {
        for split in 1..request.len() {
            let mut client = serve(Limits::default(), hello);
            client.send(&request[..split]).await;
            tokio::task::yield_now().await;
            client.send(&request[split..]).await;
            let status = client.answer().await.status;
            assert!(matches!(status, 400 | 505), "{request:?} split at {split}");
        }
    }
}

/// `#` is welcome everywhere else.
#[tokio::test]
async fn other_hashes_are_no_fragments() {
    let mut client = serve(Limits::default(), mirror);
    for (request, body) in [
        (
            "GET /a HTTP/1.1\r\nHost: a\r\nX: GET /a#b HTTP/1.1\r\n\r\n",
            "GET /a ",
        ),
        ("GET /%23 HTTP/1.1\r\nHost: a\r\nX: #\r\n\r\n", "GET /%23 "),
        (
            "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 20\r\n\r\nGET /a#b HTTP/1.1\r\n\n",
            "POST /a GET /a#b HTTP/1.1\r\n\n",
        ),
        (
            "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 21\r\n\r\nPOST /b#b HTTP/1.1\r\n\n",
            "POST /a POST /b#b HTTP/1.1\r\n\n",
        ),
    ] {
        let answer = client.exchange(request).await;
        assert_eq!((answer.status, &*answer.body), (200, body), "{request:?}");
    }
}

/// RFC 9110 section 9.3.2
#[tokio::test]
async fn a_refusal_of_head_has_no_body() {
    let mut client = serve(Limits::default(), hello);
    client.send("HEAD / HTTP/1.1\r\n\r\n").await;
    let answer = client.answer_to("HEAD").await;
    assert_eq!(answer.status, 400);
    assert_eq!(answer.header("content-length"), Some("27"));
    client.finish().await;
    assert!(client.is_closed().await);
}

/// What was right before is answered before what is wrong.
#[tokio::test]
async fn a_malformed_pipelined_request_does_not_hide_earlier_answers() {
    for wrong in [
        "GET / HTTP/1.1\r\n\r\n",
        "\0\0\0\r\n\r\n",
        "GET / HTTP/7.7\r\n\r\n",
    ] {
        let mut client = serve(Limits::default(), mirror);
        let right = "GET /1 HTTP/1.1\r\nhost: a\r\n\r\nGET /2 HTTP/1.1\r\nhost: a\r\n\r\n";
        client.send(format!("{right}{wrong}")).await;
        assert_eq!(client.answer().await.body, "GET /1 ");
        assert_eq!(client.answer().await.body, "GET /2 ");
        assert!(matches!(client.answer().await.status, 400 | 505));
        client.finish().await;
        assert!(client.is_closed().await);
    }
}
