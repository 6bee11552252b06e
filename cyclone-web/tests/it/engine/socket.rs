//! What needs real sockets: resets, and other programs as clients.

use std::convert::Infallible;
use std::io::ErrorKind;
use std::net::SocketAddr;

use bytes::Bytes;
use cyclone_core::{Endpoint, RunningServer, Server};
use cyclone_web::{Application, Body, Http, Limits, RequestContext};
use http::{Request, Response};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::Command;

use super::{GET, hello, mirror, on_chosen_engine};
use crate::support::listen;

async fn start<F, Fut>(limits: Limits, handler: F) -> (RunningServer, SocketAddr)
where
    F: Fn(Request<Body>) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Response<Body>> + Send + 'static,
{
    let service = tower::service_fn(move |request| {
        let answer = handler(request);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let endpoint: Endpoint = "tcp:0:interface=127.0.0.1".parse().unwrap();
    let server = Server::new()
        .listen(
            endpoint,
            on_chosen_engine(Http::new(service).limits(limits)),
        )
        .start()
        .await
        .unwrap();
    let address = server.local_addresses()[0].to_string().parse().unwrap();
    (server, address)
}

/// A client that uploads much more than the limit, and reads only when it is done, still reads the 413.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_uploading_client_reads_why_it_is_refused() {
    const SIZE: usize = 50 * 1024 * 1024;
    let (_server, address) = start(Limits::default(), mirror).await;
    for head in [
        format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {SIZE}\r\n\r\n"),
        format!("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n{SIZE:x}\r\n"),
    ] {
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(head.as_bytes()).await.unwrap();
        client.write_all(&vec![b'x'; SIZE]).await.unwrap();
        client.shutdown().await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer:?}");
        assert!(answer.contains("connection: close\r\n"), "{answer:?}");
    }
}

/// The same for heads that are refused before anybody could read a body.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_uploading_client_reads_what_is_wrong_with_its_head() {
    const SIZE: usize = 5 * 1024 * 1024;
    let (_server, address) = start(Limits::default(), mirror).await;
    for (head, status) in [
        (
            format!("POST / HTTP/1.1\r\ncontent-length: {SIZE}\r\n\r\n"),
            "400",
        ),
        (
            format!("POST / HTTP/3.0\r\nhost: a\r\ncontent-length: {SIZE}\r\n\r\n"),
            "505",
        ),
        (
            format!("POST / HTTP/1.1\r\nhost: a\r\nexpect: x\r\ncontent-length: {SIZE}\r\n\r\n"),
            "417",
        ),
    ] {
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(head.as_bytes()).await.unwrap();
        client.write_all(&vec![b'x'; SIZE]).await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer:?}"
        );
    }
}

/// A client that never stops sending is not read for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lingering_is_bounded_in_bytes() {
    let limits = Limits::new().linger_bytes(1024 * 1024);
    let (_server, address) = start(limits, mirror).await;
    let mut client = TcpStream::connect(address).await.unwrap();
    client
        .write_all(b"POST / HTTP/1.1\r\ncontent-length: 1000000000\r\n\r\n")
        .await
        .unwrap();
    let chunk = vec![b'x'; 64 * 1024];
    let mut sent = 0_usize;
    let error = loop {
        match client.write_all(&chunk).await {
            Ok(()) => sent += chunk.len(),
            Err(error) => break error,
        }
        assert!(sent < 500 * 1024 * 1024);
    };
    assert!(
        matches!(
            error.kind(),
            ErrorKind::ConnectionReset | ErrorKind::BrokenPipe
        ),
        "{error}"
    );
}

/// A broken response without length must not look whole to an HTTP/1.0 client.
#[tokio::test]
async fn a_broken_http_1_0_response_ends_with_a_reset() {
    let (_server, address) = start(Limits::default(), |_request| async {
        let items = [Ok(Bytes::from("a")), Err(std::io::Error::other("broken"))];
        Response::new(Body::from_stream(futures_util::stream::iter(items)))
    })
    .await;
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let error = client.read_to_end(&mut answer).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

/// The same for one that somebody cuts, and that one which ends is whole.
#[tokio::test]
async fn a_cut_http_1_0_response_ends_with_a_reset() {
    let app = Application::new()
        .get("/endless", async |cx: &mut RequestContext| {
            cx.write("a");
            cx.flush().await?;
            std::future::pending().await
        })
        .get("/whole", async |cx: &mut RequestContext| {
            for _ in 0..3 {
                cx.write("a");
                cx.flush().await?;
            }
            cx.finish()
        });
    let (server, address) = listen(app).await;
    let mut client = TcpStream::connect(address).await.unwrap();
    // What follows is never read, and no reason to lose the answer.
    let request = b"GET /whole HTTP/1.0\r\n\r\nGET / HTTP/1.0\r\n\r\n";
    client.write_all(request).await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("\r\n\r\naaa"), "{answer:?}");

    let mut client = TcpStream::connect(address).await.unwrap();
    client
        .write_all(b"GET /endless HTTP/1.0\r\n\r\n")
        .await
        .unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\na") {
        assert!(client.read_buf(&mut answer).await.unwrap() > 0);
    }
    for connection in server.registry().snapshot() {
        assert!(server.registry().close(connection.id()));
    }
    let error = client.read_to_end(&mut answer).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_client_that_resets_ends_its_handler() {
    let (started, mut starts) = tokio::sync::mpsc::unbounded_channel();
    let (server, address) = start(Limits::default(), move |_request| {
        let started = started.clone();
        async move {
            started.send(()).unwrap();
            std::future::pending().await
        }
    })
    .await;
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(GET.as_bytes()).await.unwrap();
    starts.recv().await.unwrap();
    client.set_zero_linger().unwrap();
    drop(client);
    while !server.registry().is_empty() {
        tokio::task::yield_now().await;
    }
}

async fn curl(arguments: &[&str], url: String) -> Option<String> {
    let output = Command::new("curl")
        .args([
            "--silent",
            "--show-error",
            "--max-time",
            "20",
            "--noproxy",
            "*",
        ])
        .args(arguments)
        .arg(url)
        .output()
        .await;
    match output {
        Ok(output) => {
            assert!(
                output.status.success(),
                "{}",
                String::from_utf8_lossy(&output.stderr)
            );
            Some(String::from_utf8(output.stdout).unwrap())
        }
        // A machine without curl has the other tests.
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn curl_speaks_every_version() {
    let (_server, address) = start(Limits::default(), mirror).await;
    for version in ["--http1.0", "--http1.1", "--http2-prior-knowledge"] {
        let arguments = [version, "--data", "abc", "--write-out", " %{http_version}"];
        if let Some(output) = curl(&arguments, format!("http://{address}/x")).await {
            let number = match version {
                "--http1.0" => "1",
                "--http1.1" => "1.1",
                _ => "2",
            };
            assert!(output.starts_with("POST "), "{output}");
            assert!(
                output.ends_with(&format!("/x abc {number}")),
                "{version}: {output}"
            );
        }
    }
}

/// curl offers an upgrade to HTTP/2, which servers may ignore.
#[tokio::test]
async fn an_offer_of_http2_is_declined() {
    let (_server, address) = start(Limits::default(), hello).await;
    let arguments = ["--http2", "--write-out", " %{http_version}"];
    if let Some(output) = curl(&arguments, format!("http://{address}/")).await {
        assert_eq!(output, "hello 1.1");
    }
}
