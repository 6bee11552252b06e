//! A scripted session, split at every byte, and lost after every byte.

use tokio::io::AsyncWriteExt;

use super::{Bench, Seen, Setup, body, close, frame, ping, start, text};
use crate::close::CloseCause;

/// Everything a client may say, once.
fn script() -> Vec<u8> {
    let mut script = text("hello");
    script.extend(frame(0x82, vec![9; 130]));
    script.extend(frame(0x01, "gr\u{fc}".as_bytes()));
    script.extend(ping("p1"));
    script.extend(frame(0x00, ""));
    script.extend(frame(0x80, "n\u{20ac}"));
    script.extend(frame(0x8a, "unasked"));
    script.extend(text(""));
    script.extend(ping(""));
    script.extend(close(3000, "end"));
    script
}

/// Reads all that the server sends.
async fn transcript(bench: &mut Bench) -> Vec<(u8, Vec<u8>)> {
    let mut frames = Vec::new();
    while let Some(frame) = bench.frame().await {
        frames.push(frame);
    }
    // Pongs may overtake messages; their place depends on the pieces.
    frames.sort_by_key(|(first, _)| *first == 0x8a);
    frames
}

#[tokio::test(start_paused = true)]
async fn every_split_of_a_session_gives_the_same_session() {
    let script = script();
    let answers = vec![
        (0x81, b"hello".to_vec()),
        (0x82, vec![9; 130]),
        (0x81, "gr\u{fc}n\u{20ac}".as_bytes().to_vec()),
        (0x81, Vec::new()),
        (0x88, body(3000, "")),
    ];
    for split in 0..=script.len() {
        let mut bench = start();
        let (front, back) = script.split_at(split);
        bench.send(front).await;
        // The session takes all of the front before the back arrives.
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        bench.send(back).await;
        let frames = transcript(&mut bench).await;
        assert_eq!(frames[..answers.len()], answers, "split at {split}");
        let pongs = &frames[answers.len()..];
        assert!(pongs.ends_with(&[(0x8a, Vec::new())]), "split at {split}");
        bench.expect_closed(3000, CloseCause::Peer, true).await;
    }
}

#[tokio::test(start_paused = true)]
async fn byte_by_byte_gives_the_same_session() {
    let mut bench = Setup {
        pipe: 1 << 16,
        ..Setup::default()
    }
    .start();
    for byte in script() {
        bench.send([byte]).await;
        for _ in 0..5 {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(transcript(&mut bench).await.len(), 7);
    bench.expect_closed(3000, CloseCause::Peer, true).await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_lost_after_any_byte_closes_exactly_once() {
    let script = script();
    for count in 0..=script.len() {
        let mut bench = start();
        bench.send(&script[..count]).await;
        bench.peer.shutdown().await.unwrap();
        bench.expect_seen(Seen::Open).await;
        // `closed` fails when something follows.
        let info = bench.closed().await;
        let whole = count == script.len();
        let cause = if whole {
            CloseCause::Peer
        } else {
            CloseCause::Lost
        };
        assert_eq!(info.cause(), cause, "after {count} bytes");
        assert_eq!(
            info.code().as_u16(),
            if whole { 3000 } else { 1006 },
            "after {count} bytes"
        );
    }
}

/// The peer vanishes after it read `count` bytes: reads and writes fail.
#[tokio::test(start_paused = true)]
async fn a_peer_gone_after_reading_any_byte_closes_exactly_once() {
    use tokio::io::AsyncReadExt;
    for count in 0..160 {
        let setup = Setup {
            pipe: 32,
            ..Setup::default()
        };
        let mut bench = setup.start();
        bench.expect_seen(Seen::Open).await;
        for _ in 0..4 {
            bench.sender.try_send("a message of the server").unwrap();
        }
        bench.sender.try_send(vec![0; 5000]).unwrap();
        let mut read = vec![0; count];
        bench.peer.read_exact(&mut read).await.unwrap();
        drop(std::mem::replace(&mut bench.peer, tokio::io::duplex(1).0));
        bench.expect_closed(1006, CloseCause::Lost, false).await;
    }
}
