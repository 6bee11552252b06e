//! Heartbeats, stalls, grace: on the paused clock, to the millisecond.

use std::time::Duration;

use super::{SECOND, Script, Seen, Setup, close, ping, pong, start, text};
use crate::close::CloseCause;
use crate::config::{
    Config, DEFAULT_CLOSE_TIMEOUT, DEFAULT_HANDLER_GRACE, DEFAULT_PING_INTERVAL,
    DEFAULT_PONG_TIMEOUT, DEFAULT_WRITE_STALL_TIMEOUT,
};

/// The timer wheel of tokio counts milliseconds, and rounds up.
const TICK: Duration = Duration::from_millis(2);

fn assert_about(elapsed: Duration, wanted: Duration) {
    assert!(
        elapsed >= wanted && elapsed <= wanted + TICK,
        "{elapsed:?}, wanted {wanted:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_answer_a_ping_is_lost() {
    let mut bench = start();
    bench.expect(0x89, "").await;
    assert_about(bench.elapsed(), DEFAULT_PING_INTERVAL);
    bench
        .expect_closed(1006, CloseCause::PongTimeout, false)
        .await;
    assert_about(
        bench.elapsed(),
        DEFAULT_PING_INTERVAL + DEFAULT_PONG_TIMEOUT,
    );
    // No Close frame: nobody is there.
    assert_eq!(bench.frame().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_answers_lives_for_ever() {
    let mut bench = start();
    for round in 1..100 {
        bench.expect(0x89, "").await;
        assert_about(bench.elapsed(), DEFAULT_PING_INTERVAL * round);
        tokio::time::sleep(DEFAULT_PONG_TIMEOUT - TICK * 10).await;
        bench.send(pong()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn any_byte_is_an_answer() {
    let mut bench = start();
    let message = text("a long message that takes ten minutes to arrive");
    for byte in message {
        bench.send([byte]).await;
        tokio::time::sleep(SECOND * 20).await;
    }
    assert!(bench.sender.is_open());
}

#[tokio::test(start_paused = true)]
async fn no_pings_when_they_are_off() {
    let setup = Setup {
        config: Config::new().ping_interval(None),
        ..Setup::default()
    };
    let mut bench = setup.start();
    tokio::time::sleep(SECOND * 3600).await;
    bench.send(text("hello")).await;
    bench.expect(0x81, "hello").await;
}

#[tokio::test(start_paused = true)]
async fn pings_without_a_time_out_wait_for_ever() {
    let setup = Setup {
        config: Config::new().pong_timeout(None),
        ..Setup::default()
    };
    let mut bench = setup.start();
    tokio::time::sleep(SECOND * 3601).await;
    bench.send(text("hello")).await;
    bench.expect(0x89, "").await;
    bench.expect(0x81, "hello").await;
}

#[tokio::test(start_paused = true)]
async fn heartbeats_go_on_while_the_handler_waits() {
    let mut bench = start();
    bench.send(text("sleep")).await;
    for _ in 0..19 {
        bench.expect(0x89, "").await;
        bench.send(pong()).await;
    }
    assert_about(bench.elapsed(), DEFAULT_PING_INTERVAL * 19);
    bench.send(text("and on")).await;
    bench.expect_seen(Seen::Open).await;
    bench.expect_message("sleep").await;
    bench.expect_seen(Seen::Pong(bytes::Bytes::new())).await;
    bench.expect_message("and on").await;
}

#[tokio::test(start_paused = true)]
async fn a_dead_peer_is_noticed_while_the_handler_waits() {
    let mut bench = start();
    bench.send(text("wait for the end")).await;
    bench
        .expect_closed(1006, CloseCause::PongTimeout, false)
        .await;
    assert_about(
        bench.elapsed(),
        DEFAULT_PING_INTERVAL + DEFAULT_PONG_TIMEOUT,
    );
}

/// A second message waits, so nothing is read: the pong behind it cannot be missed.
#[tokio::test(start_paused = true)]
async fn a_slow_handler_does_not_kill_its_peer() {
    let mut bench = start();
    bench.send(text("sleep")).await;
    bench.send(text("next")).await;
    bench.expect(0x89, "").await;
    bench.send(pong()).await;
    bench.expect(0x81, "next").await;
    assert_about(bench.elapsed(), SECOND * 600);
    // The pong that was waiting is read now; another ping follows, which nobody answers.
    bench.expect(0x89, "").await;
    let pinged = bench.elapsed();
    bench
        .expect_closed(1006, CloseCause::PongTimeout, false)
        .await;
    assert_about(bench.elapsed(), pinged + DEFAULT_PONG_TIMEOUT);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_stops_reading_is_disconnected() {
    let setup = Setup {
        pipe: 64,
        ..Setup::default()
    };
    let mut bench = setup.start();
    bench.sender.send(vec![0; 1000]).await.unwrap();
    bench
        .expect_closed(1006, CloseCause::WriteStalled, false)
        .await;
    assert_about(bench.elapsed(), DEFAULT_WRITE_STALL_TIMEOUT);
    assert!(bench.sender.try_send("x").unwrap_err().is_closed());
    assert_eq!(bench.sender.buffered_bytes(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_stalled_peer_is_noticed_while_the_handler_waits_for_room() {
    let setup = Setup {
        pipe: 64,
        config: Config::new().outgoing_bytes(10),
        ..Setup::default()
    };
    let mut bench = setup.start();
    for _ in 0..4 {
        let message = "m".repeat(40);
        tokio::task::yield_now().await;
        bench.send(text(&message)).await;
    }
    bench
        .expect_closed(1006, CloseCause::WriteStalled, false)
        .await;
    assert_about(bench.elapsed(), DEFAULT_WRITE_STALL_TIMEOUT);
}

/// Slow is not stalled: a byte every 29 s keeps the connection, and is a sign of life.
#[tokio::test(start_paused = true)]
async fn a_peer_that_reads_slowly_stays() {
    let setup = Setup {
        pipe: 1,
        ..Setup::default()
    };
    let mut bench = setup.start();
    bench.sender.send("some text").await.unwrap();
    for _ in 0..10 {
        tokio::time::sleep(DEFAULT_WRITE_STALL_TIMEOUT - SECOND).await;
        tokio::io::AsyncReadExt::read_u8(&mut bench.peer)
            .await
            .unwrap();
    }
    assert!(bench.sender.is_open());
}

/// Taking bytes again after taking none is a sign of life too, the only one of a peer that is slow and says
/// nothing.
#[tokio::test(start_paused = true)]
async fn a_slow_reader_that_is_silent_stays() {
    let setup = Setup {
        pipe: 4,
        ..Setup::default()
    };
    let mut bench = setup.start();
    bench.expect(0x89, "").await;
    bench.sender.send(vec![0; 100]).await.unwrap();
    for _ in 0..50 {
        tokio::time::sleep(SECOND * 5).await;
        tokio::io::AsyncReadExt::read_u8(&mut bench.peer)
            .await
            .unwrap();
    }
    assert!(bench.sender.is_open());
}

#[tokio::test(start_paused = true)]
async fn a_close_that_is_not_answered_ends_by_its_time_out() {
    let mut bench = start();
    bench.sender.close(4001, "bye").unwrap();
    bench.expect(0x88, super::body(4001, "bye")).await;
    bench.send(ping("late")).await;
    bench.send(text("late")).await;
    bench.expect_closed(4001, CloseCause::Local, false).await;
    assert_about(bench.elapsed(), DEFAULT_CLOSE_TIMEOUT);
    assert_eq!(bench.frame().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_close_to_a_peer_that_does_not_read_ends_by_its_time_out() {
    let setup = Setup {
        pipe: 16,
        ..Setup::default()
    };
    let mut bench = setup.start();
    bench.sender.send(vec![0; 1000]).await.unwrap();
    bench.sender.close(1000, "").unwrap();
    bench.expect_closed(1000, CloseCause::Local, false).await;
    assert_about(bench.elapsed(), DEFAULT_CLOSE_TIMEOUT);
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_goes_on_after_the_end_is_dropped_after_the_grace() {
    let mut bench = start();
    bench.send(text("wait")).await;
    bench.expect_seen(Seen::Open).await;
    bench.expect_message("wait").await;
    bench.send(close(1000, "")).await;
    bench.expect(0x88, super::body(1000, "")).await;
    assert_eq!(bench.frame().await, None);
    assert_about(bench.elapsed(), Duration::ZERO);
    bench.expect_closed(1000, CloseCause::Peer, true).await;
    assert_about(bench.elapsed(), DEFAULT_HANDLER_GRACE);
}

/// The longest durations there are mean never; they do not overflow.
#[tokio::test(start_paused = true)]
async fn endless_times_are_endless() {
    let setup = Setup {
        pipe: 64,
        config: Config::new()
            .ping_interval(Some(Duration::MAX))
            .pong_timeout(Some(Duration::MAX))
            .write_stall_timeout(Duration::MAX)
            .close_timeout(Duration::MAX)
            .handler_grace(Duration::MAX),
        ..Setup::default()
    };
    let mut bench = setup.start();
    bench.sender.send(vec![0; 1000]).await.unwrap();
    bench.sender.close(1000, "").unwrap();
    tokio::time::sleep(SECOND * 86_400).await;
    bench.expect(0x82, [0; 1000]).await;
    bench.expect(0x88, super::body(1000, "")).await;
    bench.send(close(1000, "")).await;
    bench.expect_closed(1000, CloseCause::Local, true).await;
}

#[tokio::test(start_paused = true)]
async fn a_close_method_that_hangs_is_dropped_after_the_grace() {
    let setup = Setup {
        close: Script::Hang,
        ..Setup::default()
    };
    let mut bench = setup.start();
    bench.send(close(1000, "")).await;
    // Waits until the handler is gone.
    bench.expect_closed(1000, CloseCause::Peer, true).await;
    assert_about(bench.elapsed(), DEFAULT_HANDLER_GRACE);
}

/// The session works under `open` too; when the peer goes meanwhile, `close` is not called.
#[tokio::test(start_paused = true)]
async fn an_open_that_hangs_is_dropped_after_the_grace() {
    let setup = Setup {
        open: Script::Hang,
        ..Setup::default()
    };
    let mut bench = setup.start();
    bench.send(ping("waiting")).await;
    bench.expect(0x8a, "waiting").await;
    bench.send(close(1000, "")).await;
    bench.expect(0x88, super::body(1000, "")).await;
    assert_eq!(bench.seen.recv().await, None);
    assert_about(bench.elapsed(), DEFAULT_HANDLER_GRACE);
}
