use cyclone_web::client::{ClientError, ClientErrorKind, Outcome};

use super::{Written, client, ok, within};

/// The answers that are cut, with their bodies and whether the end of the connection is the end of the body.
fn answers() -> Vec<(&'static str, Vec<u8>, bool)> {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nx: y\r\n\r\n";
    let before = "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n";
    vec![
        ("length", ok("hello"), false),
        ("chunks", chunked.into(), false),
        ("1xx", [before.as_bytes(), &ok("hello")].concat(), false),
        ("close", "HTTP/1.0 200 OK\r\nx: y\r\n\r\nhello".into(), true),
    ]
}

async fn fetch(answer: &[u8]) -> Result<String, ClientError> {
    let server = Written::always(answer, true).await;
    let client = client(|builder| builder);
    let fetched = within(async {
        client
            .post(server.url("/"))
            .body("x")
            .send()
            .await?
            .text()
            .await
    })
    .await;
    assert_eq!(
        server.seen().len(),
        1,
        "a request that was seen is not sent again"
    );
    assert_eq!(client.open_connections(), 0);
    fetched
}

#[tokio::test]
async fn response_that_is_cut_at_any_byte_is_never_taken_for_whole() {
    for (name, answer, by_close) in answers() {
        let head = answer
            .windows(4)
            .rposition(|bytes| bytes == b"\r\n\r\n")
            .unwrap()
            + 4;
        let head = match name {
            // Its body ends in an empty line too.
            "chunks" => {
                answer
                    .windows(4)
                    .position(|bytes| bytes == b"\r\n\r\n")
                    .unwrap()
                    + 4
            }
            _ => head,
        };
        for end in 0..=answer.len() {
            let fetched = fetch(&answer[..end]).await;
            match fetched {
                Ok(text) if by_close => assert_eq!(text.len(), end - head, "{name} {end}"),
                Ok(text) => assert_eq!((end, text.as_str()), (answer.len(), "hello"), "{name}"),
                Err(error) => {
                    assert!(end < answer.len(), "{name} {end} {error}");
                    let outcome = match end < head {
                        true => Outcome::Unknown,
                        false => Outcome::Answered,
                    };
                    assert_eq!(error.outcome(), outcome, "{name} {end} {error}");
                    assert_eq!(
                        error.kind(),
                        ClientErrorKind::Closed,
                        "{name} {end} {error}"
                    );
                }
            }
        }
    }
}

#[tokio::test]
async fn what_is_no_http_is_told_so() {
    for answer in [
        "HTTP/1.1 abc\r\n\r\n",
        "SSH-2.0-x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: +5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello!",
    ] {
        let error = fetch(answer.as_bytes()).await.unwrap_err();
        assert_eq!(error.kind(), ClientErrorKind::Malformed, "{answer} {error}");
    }
    for answer in [
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n+5\r\nhello\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhelloX\r\n0\r\n\r\n",
    ] {
        assert_eq!(
            fetch(answer.as_bytes()).await.unwrap_err().outcome(),
            Outcome::Answered
        );
    }
}
