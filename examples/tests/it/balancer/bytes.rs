//! What happens to the bytes: all arrive, in order, and each end is passed on.

use std::io::ErrorKind;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixListener};
use tokio::time::{sleep, timeout};

use super::{Bench, echo, listen};
use crate::tour::PATIENCE;

const NO_CHECKS: &str = "check = { interval_s = 86400 }";

/// A client and its backend, with the balancer between them.
async fn pair(bench: &Bench, listener: &tokio::net::TcpListener) -> (TcpStream, TcpStream) {
    let (client, accepted) = tokio::join!(bench.connect(), listener.accept());
    (client, accepted.unwrap().0)
}

/// RFC 9293, 3.6: each side may close its half and still hear the other.
#[tokio::test(start_paused = true)]
async fn half_closes_go_both_ways() {
    let (listener, a) = listen().await;
    let bench = Bench::start(NO_CHECKS, &[&a], "").await;
    for client_first in [true, false] {
        let (client, backend) = pair(&bench, &listener).await;
        let (mut first, mut second) = if client_first {
            (client, backend)
        } else {
            (backend, client)
        };
        first.write_all(b"that is all").await.unwrap();
        first.shutdown().await.unwrap();
        let mut heard = String::new();
        let reading = second.read_to_string(&mut heard);
        timeout(PATIENCE, reading).await.unwrap().unwrap();
        assert_eq!(heard, "that is all");
        second.write_all(b"thank you").await.unwrap();
        second.shutdown().await.unwrap();
        let mut heard = String::new();
        let reading = first.read_to_string(&mut heard);
        timeout(PATIENCE, reading).await.unwrap().unwrap();
        assert_eq!(heard, "thank you");
        bench.until("g/a", |one| one.open == 0).await;
    }
    let did = bench.backend("g/a").statistics;
    assert_eq!((did.bytes_up, did.bytes_down, did.broken), (20, 20, 0));
}

#[tokio::test(start_paused = true)]
async fn much_arrives_whole_in_both_directions_at_once() {
    const BYTES: usize = 20_000_000;
    let bench = Bench::start(NO_CHECKS, &[&echo('a').await], "").await;
    let (_, client) = bench.name().await;
    let (mut reader, mut writer) = client.into_split();
    let sent: Vec<u8> = (0..BYTES).map(|at| ((at * 31) >> 3) as u8).collect();
    let copy = sent.clone();
    let writing = tokio::spawn(async move {
        writer.write_all(&copy).await.unwrap();
        writer.shutdown().await.unwrap();
    });
    let mut got = Vec::new();
    let reading = reader.read_to_end(&mut got);
    timeout(PATIENCE, reading).await.unwrap().unwrap();
    writing.await.unwrap();
    assert!(got == sent, "{} bytes came back", got.len());
    let did = bench.backend("g/a").statistics;
    assert_eq!(did.bytes_up, BYTES as u64);
    assert_eq!(did.bytes_down, BYTES as u64 + 1);
}

/// A backend that does not read stops the client: the balancer does not collect.
#[tokio::test(start_paused = true)]
async fn nothing_is_collected_for_a_slow_reader() {
    let (listener, a) = listen().await;
    let bench = Bench::start(NO_CHECKS, &[&a], "").await;
    let (client, mut backend) = pair(&bench, &listener).await;
    let block = vec![1; 1 << 16];
    let (mut sent, mut still) = (0, 0);
    // Until the kernel's buffers are full for good.
    while still < 1000 {
        match client.try_write(&block) {
            Ok(count) => (sent, still) = (sent + count as u64, 0),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                still += 1;
                sleep(Duration::from_millis(1)).await;
            }
            Err(error) => panic!("{error}"),
        }
        assert!(sent < 1 << 30, "it takes without end");
    }
    let before = bench.backend("g/a").statistics.bytes_up;
    // What is in it is one buffer; the rest is in the kernel.
    let mut taken = vec![0; 1 << 20];
    backend.read_exact(&mut taken).await.unwrap();
    bench
        .until("g/a", |one| one.statistics.bytes_up > before)
        .await;
    drop(client);
    let mut rest = Vec::new();
    let reading = backend.read_to_end(&mut rest);
    timeout(PATIENCE, reading).await.unwrap().unwrap();
    assert_eq!((taken.len() + rest.len()) as u64, sent);
}

#[tokio::test(start_paused = true)]
async fn a_reset_is_passed_on_as_a_reset() {
    let (listener, a) = listen().await;
    let bench = Bench::start(NO_CHECKS, &[&a], "").await;
    for client_first in [true, false] {
        let (mut client, mut backend) = pair(&bench, &listener).await;
        client.write_all(b"x").await.unwrap();
        backend.write_all(b"y").await.unwrap();
        backend.read_u8().await.unwrap();
        client.read_u8().await.unwrap();
        let (first, mut second) = if client_first {
            (client, backend)
        } else {
            (backend, client)
        };
        first.set_zero_linger().unwrap();
        drop(first);
        let ended = timeout(PATIENCE, second.read(&mut [0])).await.unwrap();
        assert_eq!(ended.unwrap_err().kind(), ErrorKind::ConnectionReset);
    }
}

#[tokio::test(start_paused = true)]
async fn unix_domain_sockets_are_backends_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let address = format!("unix:{}", path.display());
    let bench = Bench::start(NO_CHECKS, &[&address], "").await;
    let (client, accepted) = tokio::join!(bench.connect(), listener.accept());
    let (mut client, mut backend) = (client, accepted.unwrap().0);
    client.write_all(b"up").await.unwrap();
    backend.read_exact(&mut [0; 2]).await.unwrap();
    backend.write_all(b"down").await.unwrap();
    drop(backend);
    let mut got = String::new();
    client.read_to_string(&mut got).await.unwrap();
    assert_eq!(got, "down");
}
