//! Every time limit, under a paused clock.

use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Waker};
use std::time::Duration;

use cyclone_core::{Connection, Protocol as _, ProtocolFactory as _};
use cyclone_web::{Application, Body, Limits};
use http::{Request, Response};
use tokio::io::AsyncReadExt as _;
use tokio::time::{Instant, sleep};

use super::{Client, GET, hello, mirror, serve};

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// Asserts that `since` is `expected` ago, give or take the timer's step.
#[track_caller]
fn assert_elapsed(since: Instant, expected: Duration) {
    let elapsed = since.elapsed();
    assert!(
        elapsed >= expected && elapsed < expected + Duration::from_millis(10),
        "{elapsed:?} instead of {expected:?}"
    );
}

/// Sends `bytes` one at a time with `pause` before each, until the server answers or closes.
async fn dribble(client: &mut Client, bytes: &[u8], pause: Duration) {
    for byte in bytes {
        if !client.is_quiet_for(pause).await {
            return;
        }
        client.send([*byte]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_connection_is_closed_without_a_word() {
    let start = Instant::now();
    let mut client = serve(Limits::default(), hello);
    assert!(client.is_closed().await);
    assert_elapsed(start, seconds(15));
    client.server.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_slow_head_is_answered_with_408() {
    let start = Instant::now();
    let mut client = serve(Limits::default(), hello);
    dribble(&mut client, GET.as_bytes(), seconds(1)).await;
    let answer = client.answer().await;
    assert_eq!(answer.status, 408);
    assert!(answer.closes());
    assert_elapsed(start, seconds(15));
    assert!(client.is_closed().await);
}

#[tokio::test(start_paused = true)]
async fn a_head_just_in_time_is_served() {
    let mut client = serve(Limits::default(), hello);
    client.send(&GET[..GET.len() - 1]).await;
    sleep(Duration::from_millis(14_990)).await;
    assert_eq!(client.exchange("\n").await.status, 200);
}

/// The second head is timed from its first byte, also when the connection has rested before.
#[tokio::test(start_paused = true)]
async fn a_slow_second_head_is_answered_with_408() {
    for rest in [Duration::from_millis(100), seconds(30)] {
        let mut client = serve(Limits::default(), hello);
        assert_eq!(client.exchange(GET).await.status, 200);
        sleep(rest).await;
        client.send("G").await;
        let start = Instant::now();
        dribble(&mut client, &GET.as_bytes()[1..], seconds(1)).await;
        assert_eq!(client.answer().await.status, 408);
        assert_elapsed(start, seconds(15));
        assert!(client.is_closed().await);
    }
}

/// A part of a head that came with the request before it.
#[tokio::test(start_paused = true)]
async fn a_slow_pipelined_head_is_answered_with_408() {
    let mut client = serve(Limits::default(), hello);
    let start = Instant::now();
    assert_eq!(client.exchange(format!("{GET}GET /")).await.status, 200);
    assert_eq!(client.answer().await.status, 408);
    assert_elapsed(start, seconds(15));
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_closed_after_keep_alive() {
    for limits in [
        Limits::default(),
        Limits::new().keep_alive(Duration::from_millis(500)),
    ] {
        let keep_alive = if limits == Limits::default() {
            seconds(60)
        } else {
            Duration::from_millis(500)
        };
        let mut client = serve(limits, hello);
        for _ in 0..3 {
            assert_eq!(client.exchange(GET).await.status, 200);
            sleep(keep_alive - Duration::from_millis(10)).await;
        }
        assert_eq!(client.exchange(GET).await.status, 200);
        let start = Instant::now();
        assert!(client.is_closed().await);
        assert_elapsed(start, keep_alive);
        client.server.await.unwrap().unwrap();
    }
}

/// A connection that rested serves requests of every form, split at every byte.
#[tokio::test(start_paused = true)]
async fn a_rested_connection_serves_requests() {
    let request = "POST /p HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc";
    for split in 1..request.len() {
        let mut client = serve(Limits::default(), mirror);
        assert_eq!(client.exchange(GET).await.status, 200);
        sleep(seconds(5)).await;
        client.send(&request[..split]).await;
        tokio::task::yield_now().await;
        assert_eq!(client.exchange(&request[split..]).await.body, "POST /p abc");
        sleep(seconds(5)).await;
        assert_eq!(
            client.exchange(format!("{request}{GET}")).await.body,
            "POST /p abc"
        );
        assert_eq!(client.answer().await.body, "GET / ");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stalled_body_is_answered_with_408() {
    for limits in [Limits::default(), Limits::new().body_timeout(seconds(7))] {
        let wait = if limits == Limits::default() {
            seconds(60)
        } else {
            seconds(7)
        };
        let mut client = serve(limits, mirror);
        client
            .send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nab")
            .await;
        let start = Instant::now();
        let answer = client.answer().await;
        assert_eq!(
            (answer.status, &*answer.body),
            (408, "the body arrives too slowly")
        );
        assert!(answer.closes());
        assert_elapsed(start, wait);
        client.finish().await;
        assert!(client.is_closed().await);
    }
}

/// The wait adds up: a byte now and then does not help.
#[tokio::test(start_paused = true)]
async fn a_slow_body_is_answered_with_408() {
    let mut client = serve(Limits::default(), mirror);
    client
        .send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\n")
        .await;
    let start = Instant::now();
    dribble(&mut client, &[b'x'; 100], seconds(7)).await;
    assert_eq!(client.answer().await.status, 408);
    assert_elapsed(start, seconds(60));
}

/// Beyond the first bytes a body is allowed its time as long as it keeps its speed.
#[tokio::test(start_paused = true)]
async fn a_large_body_may_take_long() {
    let limits = Limits::new()
        .body_rate_after(10)
        .body_rate(1)
        .body_timeout(seconds(10));
    let mut client = serve(limits, mirror);
    client
        .send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 50\r\n\r\n")
        .await;
    for _ in 0..10 {
        client.send("xxxxx").await;
        assert!(client.is_quiet_for(seconds(4)).await || client.answer().await.status == 200);
    }
    drop(client);

    let limits = Limits::new()
        .body_rate_after(10)
        .body_rate(1)
        .body_timeout(seconds(10));
    let mut client = serve(limits, mirror);
    client
        .send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 50\r\n\r\n")
        .await;
    let start = Instant::now();
    dribble(&mut client, &[b'x'; 50], seconds(2)).await;
    assert_eq!(client.answer().await.status, 408);
    assert_elapsed(start, seconds(10));
}

/// The time in which the handler does not want to read is not the client's.
#[tokio::test(start_paused = true)]
async fn a_slow_handler_does_not_use_up_the_bodys_time() {
    async fn slow(request: Request<Body>) -> Response<Body> {
        sleep(seconds(100)).await;
        mirror(request).await
    }
    let mut client = serve(Limits::default(), slow);
    client
        .send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nab")
        .await;
    sleep(seconds(120)).await;
    assert_eq!(client.exchange("c").await.body, "POST / abc");
}

/// Also when another task reads it, and begins to long after the request.
#[tokio::test(start_paused = true)]
async fn a_stalled_body_in_other_hands_is_answered_with_408() {
    async fn delegate(request: Request<Body>) -> Response<Body> {
        sleep(seconds(100)).await;
        tokio::spawn(mirror(request)).await.unwrap()
    }
    let mut client = serve(Limits::default(), delegate);
    client
        .send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\n")
        .await;
    let start = Instant::now();
    assert_eq!(client.answer().await.status, 408);
    assert_elapsed(start, seconds(160));
}

/// A handler that does not heed the error does not hold the connection.
#[tokio::test(start_paused = true)]
async fn a_reader_that_ignores_the_time_limit_is_dropped() {
    async fn stubborn(mut request: Request<Body>) -> Response<Body> {
        {
            let mut cx = Context::from_waker(Waker::noop());
            let body = Pin::new(request.body_mut());
            assert!(http_body::Body::poll_frame(body, &mut cx).is_pending());
        }
        pending().await
    }
    let mut client = serve(Limits::default(), stubborn);
    client
        .send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\n")
        .await;
    let start = Instant::now();
    assert!(client.is_closed().await);
    assert_elapsed(start, seconds(70));
    client.server.await.unwrap().unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn the_drain_of_an_unread_body_is_bounded() {
    let mut client = serve(Limits::default(), hello);
    let request = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nab";
    assert_eq!(client.exchange(request).await.status, 200);
    let start = Instant::now();
    assert!(client.is_closed().await);
    assert_elapsed(start, seconds(5));
}

/// A body that somebody keeps without reading it does not keep the connection for ever.
#[tokio::test(start_paused = true)]
async fn a_hoarded_body_does_not_hold_the_connection() {
    async fn hoard(request: Request<Body>) -> Response<Body> {
        tokio::spawn(async move {
            let _body = request.into_body();
            pending::<()>().await;
        });
        Response::new(Body::from("hello"))
    }
    let mut client = serve(Limits::default(), hoard);
    let request = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nab";
    assert_eq!(client.exchange(request).await.status, 200);
    let start = Instant::now();
    assert!(client.is_closed().await);
    assert_elapsed(start, seconds(60));
}

async fn large(_request: Request<Body>) -> Response<Body> {
    Response::new(Body::from(vec![b'x'; 1024 * 1024]))
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_is_dropped() {
    let start = Instant::now();
    let mut client = serve(Limits::default(), large);
    client.send(GET).await;
    client.server.await.unwrap().unwrap_err();
    assert_elapsed(start, seconds(60));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_slowly_is_served() {
    let mut client = serve(Limits::default(), large);
    client.send(GET).await;
    let mut total = 0;
    let mut buffer = vec![0; 32 * 1024];
    while total < 1024 * 1024 {
        sleep(seconds(55)).await;
        total += client.io.read(&mut buffer).await.unwrap();
    }
    assert!(!client.server.is_finished());
}

/// Counts the drops of its clones.
#[derive(Clone, Default)]
struct Drops(Arc<AtomicUsize>);

struct DropGuard(Drops);

impl Drop for DropGuard {
    fn drop(&mut self) {
        self.0.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_closes_its_side_still_gets_its_answer() {
    async fn slow(request: Request<Body>) -> Response<Body> {
        let answer = mirror(request).await;
        sleep(seconds(9)).await;
        answer
    }
    for request in [
        GET,
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc",
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    ] {
        let mut client = serve(Limits::default(), slow);
        client.send(request).await;
        client.finish().await;
        assert_eq!(client.answer().await.status, 200);
        assert!(client.is_closed().await);
        client.server.await.unwrap().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn the_handler_of_a_vanished_client_is_dropped() {
    let drops = Drops::default();
    let counted = drops.clone();
    let client = serve(Limits::default(), move |_request| {
        let guard = DropGuard(counted.clone());
        async move {
            let _guard = guard;
            pending().await
        }
    });
    let Client { mut io, server, .. } = client;
    tokio::io::AsyncWriteExt::write_all(&mut io, GET.as_bytes())
        .await
        .unwrap();
    sleep(seconds(100)).await;
    assert_eq!(drops.0.load(Ordering::SeqCst), 0);
    drop(io);
    let start = Instant::now();
    server.await.unwrap().unwrap_err();
    assert_elapsed(start, seconds(10));
    assert_eq!(drops.0.load(Ordering::SeqCst), 1);
}

/// The client's half of the stream is closed and it reads on: the response may take longer than the grace.
#[tokio::test(start_paused = true)]
async fn a_half_closed_client_may_read_slowly() {
    let mut client = serve(Limits::default(), large);
    client.send(GET).await;
    client.finish().await;
    let mut total = 0;
    let mut buffer = vec![0; 32 * 1024];
    loop {
        sleep(seconds(9)).await;
        match client.io.read(&mut buffer).await.unwrap() {
            0 => break,
            count => total += count,
        }
    }
    assert!(total > 1024 * 1024);
}

#[tokio::test(start_paused = true)]
async fn an_old_connection_says_goodbye() {
    let start = Instant::now();
    let mut client = serve(Limits::default(), hello);
    loop {
        let answer = client.exchange(GET).await;
        if answer.closes() {
            break;
        }
        assert!(start.elapsed() < seconds(3600));
        // Some of the waits are rests and some are not.
        sleep(if start.elapsed() > seconds(3540) {
            Duration::from_millis(700)
        } else {
            seconds(30)
        })
        .await;
    }
    assert!(start.elapsed() >= seconds(3600));
    assert!(client.is_closed().await);
}

#[tokio::test(start_paused = true)]
async fn an_old_idle_connection_is_closed() {
    let start = Instant::now();
    let limits = Limits::new().connection_age(seconds(70));
    let mut client = serve(limits, hello);
    assert_eq!(client.exchange(GET).await.status, 200);
    sleep(seconds(30)).await;
    assert_eq!(client.exchange(GET).await.status, 200);
    assert!(client.is_closed().await);
    assert_elapsed(start, seconds(70));
}

/// Limits that nobody means to reach do not overflow.
/// Also when it is old before it would have to send its first request.
#[tokio::test(start_paused = true)]
async fn an_old_silent_connection_is_closed() {
    let start = Instant::now();
    let app = Application::new().limits(Limits::new().connection_age(seconds(5)));
    let (connection, mut io) = Connection::in_memory();
    let protocol = app.build(connection.peer()).unwrap();
    tokio::spawn(protocol.run(connection));
    assert_eq!(io.read(&mut [0]).await.unwrap(), 0);
    assert_elapsed(start, seconds(5));
}

#[tokio::test(start_paused = true)]
async fn endless_limits_are_allowed() {
    let limits = Limits::new()
        .header_timeout(Duration::MAX)
        .keep_alive(Duration::MAX)
        .body_timeout(Duration::MAX)
        .write_stall(Duration::MAX)
        .connection_age(Duration::MAX);
    let mut client = serve(limits, mirror);
    client.send("GET").await;
    sleep(seconds(1_000_000)).await;
    assert_eq!(client.exchange(&GET[3..]).await.status, 200);
    sleep(seconds(1_000_000)).await;
    assert_eq!(client.exchange(GET).await.status, 200);
}
