//! Services of other libraries, which only hyper can give a connection to: hyper sees the request that offers to
//! switch, and no other.

use std::convert::Infallible;
use std::time::Duration;

use cyclone_core::{Connection, Protocol as _, ProtocolFactory as _};
use cyclone_web::{Body, Http, Limits};
use http::{Request, Response};
use tokio::time::{Instant, sleep};

use super::{Client, GET};

const OFFER: &str = "GET /no HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n";

/// Declines every offer, after a while when the path asks for it.
async fn decline(request: Request<Body>) -> Result<Response<Body>, Infallible> {
    if request.uri().path() == "/slow" {
        sleep(Duration::from_secs(20)).await;
    }
    Ok(Response::new(Body::from(request.uri().to_string())))
}

fn serve() -> Client {
    let (connection, io) = Connection::in_memory();
    let protocol = Http::new(tower::service_fn(decline)).limits(Limits::default());
    let protocol = protocol.build(connection.peer()).unwrap();
    Client {
        io,
        server: tokio::spawn(protocol.run(connection)),
        rest: Vec::new(),
    }
}

/// CVE-2023-45539, and line ends that a proxy may read differently.
#[tokio::test(start_paused = true)]
async fn requests_after_an_offer_are_checked_like_all_others() {
    for bad in [
        "GET /a#b HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET /a HTTP/1.1\nhost: a\n\n",
        "GET /a HTTP/1.1\r\nhost: a\r\nx: y\n\r\n",
    ] {
        for before in ["", GET] {
            let stream = format!("{before}{OFFER}{bad}");
            for split in [OFFER.len() - 1, OFFER.len(), stream.len()] {
                let mut client = serve();
                client
                    .send(&stream[..before.len() + split.min(stream.len() - before.len())])
                    .await;
                sleep(Duration::from_millis(1)).await;
                let rest = &stream[before.len() + split.min(stream.len() - before.len())..];
                client.send(rest).await;
                if !before.is_empty() {
                    assert_eq!(client.answer().await.body, "/");
                }
                assert_eq!(client.answer().await.body, "/no");
                assert_eq!(client.answer().await.status, 400, "{bad:?} {split}");
            }
        }
    }
}

/// However often, and with whatever in between.
#[tokio::test(start_paused = true)]
async fn an_offer_may_follow_an_offer() {
    let start = Instant::now();
    let mut client = serve();
    client.send(format!("{OFFER}{GET}").repeat(20)).await;
    for _ in 0..20 {
        assert_eq!(client.answer().await.body, "/no");
        assert_eq!(client.answer().await.body, "/");
    }
    assert!(start.elapsed() < Duration::from_millis(10));
}

/// Requests that come while the service makes up its mind, more of them than are read ahead.
#[tokio::test(start_paused = true)]
async fn requests_wait_for_the_answer_to_an_offer() {
    let mut client = serve();
    client.send(OFFER.replace("/no", "/slow")).await;
    sleep(Duration::from_secs(1)).await;
    client.send(GET.repeat(3000)).await;
    assert_eq!(client.answer().await.body, "/slow");
    for _ in 0..3000 {
        assert_eq!(client.answer().await.body, "/");
    }
    client.finish().await;
    assert!(client.is_closed().await);
    client.server.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_client_that_closes_its_side_after_an_offer_is_still_answered() {
    let mut client = serve();
    client.send(OFFER).await;
    client.finish().await;
    assert_eq!(client.answer().await.body, "/no");
    assert!(client.is_closed().await);
    client.server.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_idle_after_an_offer_as_after_any_request() {
    // A service that takes longer than any limit has the timer set for much later.
    for target in ["/no", "/slow"] {
        let mut client = serve();
        let offer = OFFER.replace("/no", target);
        assert_eq!(client.exchange(offer).await.body, target);
        let start = Instant::now();
        assert!(client.is_closed().await);
        assert_eq!(start.elapsed().as_secs(), 60);
    }
}

/// Half closed and silent, it is gone.
#[tokio::test(start_paused = true)]
async fn a_client_that_vanishes_after_an_offer_does_not_keep_the_service_busy() {
    let start = Instant::now();
    let mut client = serve();
    client.send(OFFER.replace("/no", "/slow")).await;
    client.finish().await;
    assert!(client.is_closed().await);
    assert_eq!(start.elapsed().as_secs(), 10);
}
