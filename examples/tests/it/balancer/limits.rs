//! Limits of a balancer, just under, at and over.

use std::io::ErrorKind;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, sleep, timeout};

use super::{Bench, echo};
use crate::tour::PATIENCE;

const CHECK: &str = "check = { interval_s = 86400 }";

/// A balancer whose one backend takes so many clients.
async fn bench(most: usize, own: &str, more: &str) -> Bench {
    Bench::of(&format!(
        "[listeners.web]\nendpoints = [\"tcp:0:interface=127.0.0.1\"]\ngroup = \"g\"\n\
         [groups.g]\n{own}\n{CHECK}\n\
         backends = [{{ name = \"a\", address = \"{}\", max_connections = {most} }}]\n{more}",
        echo('a').await
    ))
    .await
}

#[tokio::test(start_paused = true)]
async fn a_full_backend_has_clients_wait_and_a_full_queue_turns_them_away() {
    let bench = bench(2, "max_queued = 1\nqueue_timeout_s = 3600", "").await;
    let (_, one) = bench.name().await;
    let (_, _other) = bench.name().await;
    let mut third = bench.connect().await;
    while bench.balancer.groups()[0].queued < 1 {
        sleep(Duration::from_millis(1)).await;
    }
    let mut fourth = bench.connect().await;
    let refused = timeout(PATIENCE, fourth.read(&mut [0])).await.unwrap();
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(bench.backend("g/a").open, 2);
    // What it says while it waits is kept by the kernel.
    third.write_all(b"x").await.unwrap();
    drop(one);
    let mut answer = [0; 2];
    let reading = third.read_exact(&mut answer);
    timeout(PATIENCE, reading).await.unwrap().unwrap();
    assert_eq!(&answer, b"ax");
}

#[tokio::test(start_paused = true)]
async fn who_waits_too_long_is_turned_away() {
    let bench = bench(1, "queue_timeout_s = 5", "").await;
    let (_, _one) = bench.name().await;
    let begun = Instant::now();
    let mut other = bench.connect().await;
    let refused = timeout(PATIENCE, other.read(&mut [0])).await.unwrap();
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(begun.elapsed().as_secs(), 5);
    assert_eq!(bench.balancer.groups()[0].queued, 0);
}

#[tokio::test(start_paused = true)]
async fn silence_ends_a_connection_and_a_byte_in_either_direction_does_not() {
    let bench = bench(9, "", "[limits]\nidle_limit_s = 600").await;
    let (_, mut client) = bench.name().await;
    for _ in 0..3 {
        sleep(Duration::from_secs(599)).await;
        client.write_all(b"x").await.unwrap();
        assert_eq!(client.read_u8().await.unwrap(), b'x');
    }
    let last = Instant::now();
    assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
    assert_eq!(last.elapsed().as_secs(), 600);
    bench.until("g/a", |one| one.open == 0).await;
}

#[tokio::test(start_paused = true)]
async fn connections_drain_until_the_deadline_and_are_cut_then() {
    let bench = bench(9, "", "[limits]\ndrain_deadline_s = 30").await;
    let (_, mut one) = bench.name().await;
    let (_, mut other) = bench.name().await;
    let begun = Instant::now();
    bench.server.shutdown();
    // They go on.
    sleep(Duration::from_secs(29)).await;
    one.write_all(b"x").await.unwrap();
    assert_eq!(one.read_u8().await.unwrap(), b'x');
    one.shutdown().await.unwrap();
    assert_eq!(one.read(&mut [0]).await.unwrap(), 0);
    let report = timeout(PATIENCE, bench.server.wait()).await.unwrap();
    assert_eq!((report.drained, report.cut.len()), (1, 1), "{report}");
    assert_eq!(begun.elapsed().as_secs(), 30);
    let ended = other.read(&mut [0]).await;
    assert!(!ended.is_ok_and(|count| count > 0));
}

#[tokio::test(start_paused = true)]
async fn silent_connections_end_sooner_while_it_drains_where_that_is_wanted() {
    let more = "[limits]\ndrain_deadline_s = 3600\ndrain_idle_limit_s = 10";
    let bench = bench(9, "", more).await;
    let (_, _silent) = bench.name().await;
    let (_, mut busy) = bench.name().await;
    sleep(Duration::from_secs(60)).await;
    busy.write_all(b"x").await.unwrap();
    busy.read_u8().await.unwrap();
    let begun = Instant::now();
    bench.server.shutdown();
    let report = timeout(PATIENCE, bench.server.wait()).await.unwrap();
    assert_eq!((report.drained, report.cut.len()), (2, 0), "{report}");
    assert_eq!(begun.elapsed().as_secs(), 10);
}
