//! Messages, control frames, back-pressure.

use super::{Bench, SECOND, Seen, Setup, close, frame, header, ping, start, text};
use crate::close::CloseCause;
use crate::config::Config;
use crate::error::{MAX_PING_BYTES, PingError, SendError};
use crate::message::Message;

#[tokio::test(start_paused = true)]
async fn messages_are_echoed_in_order_in_one_piece() {
    let mut bench = start();
    bench.expect_seen(Seen::Open).await;
    let mut burst = text("one");
    burst.extend(frame(0x82, b"\x00\xff"));
    burst.extend(frame(0x01, "thr"));
    burst.extend(ping("p"));
    burst.extend(frame(0x80, "ee"));
    bench.send(burst).await;
    bench.expect(0x8a, "p").await;
    bench.expect(0x81, "one").await;
    bench.expect(0x82, b"\x00\xff").await;
    bench.expect(0x81, "three").await;
}

#[tokio::test(start_paused = true)]
async fn big_and_empty_messages_pass() {
    let mut bench = start();
    for length in [0, 125, 126, 4096, 4097, 65_535, 65_536, 3_000_000] {
        let payload = vec![b'x'; length];
        let mut peer = tokio::io::split(std::mem::replace(&mut bench.peer, tokio::io::duplex(1).0));
        let bytes = frame(0x82, &payload);
        // Both directions at once: the pipe is smaller than the message.
        let writing = tokio::io::AsyncWriteExt::write_all(&mut peer.1, &bytes);
        let mut answer = vec![0; payload.len() + header(length)];
        let reading = tokio::io::AsyncReadExt::read_exact(&mut peer.0, &mut answer);
        let (wrote, read) = tokio::join!(writing, reading);
        wrote.unwrap();
        read.unwrap();
        assert_eq!(answer[0], 0x82);
        assert!(answer[header(length)..] == payload);
        bench.peer = peer.0.unsplit(peer.1);
    }
}

#[tokio::test(start_paused = true)]
async fn the_next_message_waits_for_the_handler() {
    let mut bench = start();
    bench.expect_seen(Seen::Open).await;
    bench.send(text("sleep")).await;
    bench.send(text("a")).await;
    bench.expect_message("sleep").await;
    tokio::time::sleep(SECOND * 10).await;
    assert!(bench.seen.try_recv().is_err());
    bench.expect_message("a").await;
    assert_eq!(bench.elapsed(), SECOND * 600);
}

/// Back-pressure: while the handler is busy one message is read ahead, no more.
#[tokio::test(start_paused = true)]
async fn the_peer_is_held_back_by_a_busy_handler() {
    let setup = Setup {
        pipe: 1024,
        ..Setup::default()
    };
    let mut bench = setup.start();
    bench.send(text("wait")).await;
    bench.expect_seen(Seen::Open).await;
    bench.expect_message("wait").await;
    let mut sent = 0;
    let big = frame(0x82, vec![0; 10_000]);
    let limit = std::pin::pin!(tokio::time::sleep(SECOND * 10));
    tokio::select! {
        () = limit => {}
        () = async {
            loop {
                tokio::io::AsyncWriteExt::write_all(&mut bench.peer, &big).await.unwrap();
                sent += 1;
            }
        } => {}
    }
    // One read ahead; the second is stuck in the read chunk and the pipe.
    assert_eq!(sent, 1);
}

#[tokio::test(start_paused = true)]
async fn pings_are_answered_and_messages_written_while_the_handler_waits() {
    let mut bench = start();
    bench.send(text("wait")).await;
    bench.expect_seen(Seen::Open).await;
    bench.expect_message("wait").await;
    bench.send(ping("are you there")).await;
    bench.expect(0x8a, "are you there").await;
    bench.sender.send("from elsewhere").await.unwrap();
    bench.expect(0x81, "from elsewhere").await;
}

/// snapview/tungstenite-rs#393: the pong leaves although nobody reads or writes a message.
#[tokio::test(start_paused = true)]
async fn pings_are_answered_on_an_idle_session() {
    let mut bench = start();
    for payload in [&b""[..], b"x", &[0xff; 125]] {
        bench.send(ping(payload)).await;
        bench.expect(0x8a, payload).await;
    }
}

/// As Autobahn 2.10 wants it.
#[tokio::test(start_paused = true)]
async fn pings_that_arrive_together_are_all_answered() {
    let mut bench = start();
    let burst: Vec<u8> = (0..10u8).flat_map(|n| ping([n; 20])).collect();
    bench.send(burst).await;
    for number in 0..10 {
        bench.expect(0x8a, [number; 20]).await;
    }
}

/// Tornado 6.6: a flood of pings must not grow a queue of pongs.
#[tokio::test(start_paused = true)]
async fn a_ping_flood_leaves_one_pong() {
    let setup = Setup {
        pipe: 256,
        config: Config::new().ping_interval(None),
        ..Setup::default()
    };
    let mut bench = setup.start();
    for number in 0..10_000u32 {
        bench.send(ping(number.to_be_bytes())).await;
    }
    bench.send(text("end")).await;
    let mut pongs = Vec::new();
    while let Some((0x8a, payload)) = bench.frame().await {
        pongs.push(payload);
    }
    // A kilobyte of pongs begun, six bytes each, and one waiting.
    assert!(pongs.len() < 200, "{} pongs", pongs.len());
    assert_eq!(pongs.last().unwrap(), &9_999u32.to_be_bytes());
}

#[tokio::test(start_paused = true)]
async fn pongs_reach_the_handler() {
    let mut bench = start();
    bench.expect_seen(Seen::Open).await;
    bench.sender.ping("question").unwrap();
    bench.expect(0x89, "question").await;
    bench.send(frame(0x8a, "question")).await;
    bench.expect_seen(Seen::Pong("question".into())).await;
}

#[tokio::test(start_paused = true)]
async fn a_ping_of_ours_has_at_most_125_bytes() {
    let mut bench = start();
    assert_eq!(bench.sender.ping(vec![0; 124]), Ok(()));
    assert_eq!(bench.sender.ping(vec![0; MAX_PING_BYTES]), Ok(()));
    let over = MAX_PING_BYTES + 1;
    assert_eq!(
        bench.sender.ping(vec![0; over]),
        Err(PingError::TooLong(over))
    );
    bench.expect(0x89, [0; 125]).await;
}

#[tokio::test(start_paused = true)]
async fn what_arrived_before_the_close_is_handled() {
    let mut bench = start();
    let mut burst = text("quiet");
    burst.extend(text("wait for the end"));
    burst.extend(text("last"));
    burst.extend(close(1000, ""));
    bench.send(burst).await;
    bench.expect_seen(Seen::Open).await;
    bench.expect_message("quiet").await;
    bench.expect_message("wait for the end").await;
    // The close frame stands behind a message that waits: only the handler can find out by the loss.
    drop(std::mem::replace(&mut bench.peer, tokio::io::duplex(1).0));
    bench.sender.try_send("x").unwrap();
    bench.expect_message("last").await;
    bench.closed().await;
}

async fn fill(bench: &Bench, bytes: usize) -> usize {
    let mut count = 0;
    loop {
        match bench.sender.try_send(vec![0; bytes]) {
            Ok(()) => count += 1,
            Err(SendError::Full(message)) => {
                assert_eq!(message.len(), bytes);
                return count;
            }
            Err(error) => panic!("{error}"),
        }
        // Lets the session move what it can into the pipe.
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_consumer_fills_its_queue_and_nothing_beyond() {
    let setup = Setup {
        pipe: 64,
        config: Config::new().outgoing_bytes(10_000),
        ..Setup::default()
    };
    let mut bench = setup.start();
    bench.expect_seen(Seen::Open).await;
    assert_eq!(fill(&bench, 1000).await, 10);
    assert_eq!(bench.sender.buffered_bytes(), 10_000);
    let waiting = bench.sender.clone();
    let waiting = tokio::spawn(async move { waiting.send("late").await });
    tokio::time::sleep(SECOND).await;
    assert!(!waiting.is_finished());
    for _ in 0..10 {
        bench.expect(0x82, [0; 1000]).await;
    }
    waiting.await.unwrap().unwrap();
    bench.expect(0x81, "late").await;
    tokio::task::yield_now().await;
    assert_eq!(bench.sender.buffered_bytes(), 0);
}

#[tokio::test(start_paused = true)]
async fn messages_are_counted_too() {
    let setup = Setup {
        pipe: 1,
        config: Config::new().outgoing_messages(7),
        ..Setup::default()
    };
    let mut bench = setup.start();
    bench.expect_seen(Seen::Open).await;
    assert_eq!(fill(&bench, 0).await, 7);
}

#[tokio::test(start_paused = true)]
async fn a_message_over_the_outgoing_limit_goes_alone() {
    let setup = Setup {
        pipe: 16,
        config: Config::new().outgoing_bytes(100),
        ..Setup::default()
    };
    let mut bench = setup.start();
    bench.expect_seen(Seen::Open).await;
    bench.sender.try_send("first").unwrap();
    assert!(bench.sender.try_send(vec![1; 500]).unwrap_err().is_full());
    bench.expect(0x81, "first").await;
    tokio::task::yield_now().await;
    bench.sender.try_send(vec![1; 500]).unwrap();
    assert!(bench.sender.try_send("x").unwrap_err().is_full());
    bench.expect(0x82, [1; 500]).await;
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_sends_much_waits_for_room_and_is_drained() {
    let setup = Setup {
        pipe: 64,
        config: Config::new().outgoing_bytes(100),
        ..Setup::default()
    };
    let mut bench = setup.start();
    for _ in 0..20 {
        let message = "m".repeat(90);
        bench.send(text(&message)).await;
        bench.expect(0x81, message).await;
    }
    bench.send(close(1000, "")).await;
    bench.expect_closed(1000, CloseCause::Peer, true).await;
}

#[tokio::test(start_paused = true)]
async fn senders_are_the_same_when_they_send_to_the_same_socket() {
    let (one, two) = (start(), start());
    assert_eq!(one.sender, one.sender.clone());
    assert_ne!(one.sender, two.sender);
    assert_eq!(Message::from("x"), Message::text("x"));
}

/// What was read with the request comes first, frames and parts of frames.
#[tokio::test(start_paused = true)]
async fn bytes_ahead_are_the_first_that_are_decoded() {
    for split in 0..=16 {
        let mut bytes = text("one");
        bytes.extend(text("two"));
        let behind = bytes.split_off(split);
        let setup = Setup {
            ahead: bytes.into(),
            ..Setup::default()
        };
        let mut bench = setup.start();
        bench.send(behind).await;
        bench.expect(0x81, "one").await;
        bench.expect(0x81, "two").await;
    }
}
