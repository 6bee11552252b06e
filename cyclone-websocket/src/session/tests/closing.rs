//! Ways to end: who closes, with which code, and that `close` is called once.

use std::time::Duration;

use cyclone_core::{Resources, Session};
use tokio::io::AsyncWriteExt;
use tokio_util::sync::CancellationToken;

use super::{Script, Seen, Setup, body, close, frame, start, text};
use crate::close::{CloseCause, CloseCode, CloseError};
use crate::config::Config;
use crate::error::PingError;
use crate::message::Message;

#[tokio::test(start_paused = true)]
async fn the_peer_closes() {
    let table: [(Vec<u8>, Vec<u8>, u16, &str); 4] = [
        (close(1000, "done"), body(1000, ""), 1000, "done"),
        (close(4999, ""), body(4999, ""), 4999, ""),
        (
            close(1001, &"r".repeat(123)),
            body(1001, ""),
            1001,
            &"r".repeat(123),
        ),
        (frame(0x88, ""), Vec::new(), 1005, ""),
    ];
    for (sent, answer, code, reason) in table {
        let mut bench = start();
        bench.send(sent).await;
        bench.expect(0x88, answer).await;
        assert_eq!(bench.frame().await, None, "the server closes TCP first");
        let info = bench.closed().await;
        assert_eq!((info.code().as_u16(), info.reason()), (code, reason));
        assert_eq!((info.cause(), info.is_clean()), (CloseCause::Peer, true));
    }
}

#[tokio::test(start_paused = true)]
async fn the_application_closes_after_what_is_queued() {
    let mut bench = start();
    bench.expect_seen(Seen::Open).await;
    bench.sender.try_send("first").unwrap();
    bench.sender.try_send(vec![7; 70_000]).unwrap();
    bench.sender.close(1000, "done").unwrap();
    assert!(!bench.sender.is_open());
    assert!(bench.sender.try_send("late").unwrap_err().is_closed());
    let error = bench.sender.send("late").await.unwrap_err();
    assert_eq!(error.into_message(), Message::from("late"));
    assert_eq!(bench.sender.ping(""), Err(PingError::Closed));
    // The first close stands.
    bench.sender.close(4000, "").unwrap();
    bench.expect(0x81, "first").await;
    bench.expect(0x82, vec![7; 70_000]).await;
    bench.expect(0x88, body(1000, "done")).await;
    bench.send(text("crossing")).await;
    bench.send(close(1000, "")).await;
    assert_eq!(bench.frame().await, None);
    let info = bench.closed().await;
    assert_eq!((info.code().as_u16(), info.reason()), (1000, "done"));
    assert_eq!((info.cause(), info.is_clean()), (CloseCause::Local, true));
}

#[tokio::test(start_paused = true)]
async fn close_checks_code_and_reason() {
    let bench = start();
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535] {
        let error = bench.sender.close(code, "").unwrap_err();
        assert_eq!(error, CloseError::InvalidCode(CloseCode::from(code)));
    }
    let error = bench.sender.close(1000, "r".repeat(124)).unwrap_err();
    assert_eq!(error, CloseError::ReasonTooLong(124));
    assert!(bench.sender.is_open());
    bench.sender.close(1000, "r".repeat(123)).unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_queue_is_written_before_the_peers_close_is_answered() {
    let mut bench = start();
    bench.expect_seen(Seen::Open).await;
    bench.sender.try_send("queued").unwrap();
    bench.send(close(1000, "")).await;
    bench.expect(0x81, "queued").await;
    bench.expect(0x88, body(1000, "")).await;
    bench.expect_closed(1000, CloseCause::Peer, true).await;
}

#[tokio::test(start_paused = true)]
async fn the_handler_fails() {
    let table = [
        ("error", 1011, "", CloseCause::HandlerError),
        ("panic", 1011, "", CloseCause::HandlerPanic),
        ("policy", 1008, "policy", CloseCause::HandlerError),
        ("bad code", 1011, "", CloseCause::HandlerError),
    ];
    for (what, code, reason, cause) in table {
        let mut bench = start();
        bench.sender.send("queued before").await.unwrap();
        bench.send(text(what)).await;
        bench.send(text("never seen")).await;
        bench.expect(0x81, "queued before").await;
        bench.expect(0x88, body(code, reason)).await;
        bench.send(close(code, "")).await;
        bench.expect_seen(Seen::Open).await;
        bench.expect_message(what).await;
        let info = match bench.seen().await {
            Seen::Close(info) => info,
            other => panic!("{other:?}"),
        };
        assert_eq!(info.code().as_u16(), if code == 1011 { 1011 } else { code });
        assert_eq!((info.cause(), info.is_clean()), (cause, true));
    }
}

#[tokio::test(start_paused = true)]
async fn open_fails_and_close_is_not_called() {
    for (open, code, reason) in [(Script::Fail, 4000, "no"), (Script::Panic, 1011, "")] {
        let setup = Setup {
            open,
            ..Setup::default()
        };
        let mut bench = setup.start();
        bench.send(text("too early")).await;
        bench.expect(0x88, body(code, reason)).await;
        bench.send(close(code, "")).await;
        assert_eq!(bench.frame().await, None);
        assert!(bench.seen.recv().await.is_none());
        assert!(bench.sender.closed().await.is_clean());
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_close_hurts_nobody() {
    let setup = Setup {
        close: Script::Panic,
        ..Setup::default()
    };
    let mut bench = setup.start();
    bench.send(close(1000, "")).await;
    bench.expect_closed(1000, CloseCause::Peer, true).await;
}

#[tokio::test(start_paused = true)]
async fn the_peer_breaks_the_protocol() {
    let table: [(Vec<u8>, u16, CloseCause); 6] = [
        (vec![0x81, 1, b'a'], 1002, CloseCause::ProtocolError),
        (frame(0xc1, "a"), 1002, CloseCause::ProtocolError),
        (frame(0x88, body(1005, "")), 1002, CloseCause::ProtocolError),
        (frame(0x81, b"\xff"), 1007, CloseCause::InvalidText),
        (frame(0x88, b"\x03\xe8\xff"), 1007, CloseCause::InvalidText),
        (frame(0x82, vec![0; 1001]), 1009, CloseCause::TooBig),
    ];
    for (bytes, code, cause) in table {
        let setup = Setup {
            config: Config::new().max_message_bytes(1000),
            ..Setup::default()
        };
        let mut bench = setup.start();
        bench.send(frame(0x82, vec![0; 1000])).await;
        bench.expect(0x82, vec![0; 1000]).await;
        bench.send(bytes).await;
        let (first, payload) = bench.frame().await.unwrap();
        assert_eq!(first, 0x88);
        assert_eq!(payload[..2], code.to_be_bytes());
        // Nothing is understood any more, all is taken: no reset destroys the Close frame.
        bench.send(vec![0xff; 100_000]).await;
        assert_eq!(bench.frame().await, None, "our half is closed");
        bench.peer.shutdown().await.unwrap();
        bench.expect_closed(code, cause, false).await;
        assert_eq!(bench.elapsed(), Duration::ZERO, "no time-out was needed");
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_broke_the_protocol_and_stays_is_left() {
    let mut bench = start();
    bench.send(frame(0xc1, "a")).await;
    bench
        .expect_closed(1002, CloseCause::ProtocolError, false)
        .await;
    assert!(bench.elapsed() >= crate::config::DEFAULT_CLOSE_TIMEOUT);
}

/// The answer to our Close frame is found behind messages that wait for a busy handler.
#[tokio::test(start_paused = true)]
async fn a_busy_handler_does_not_hold_up_the_handshake() {
    let mut bench = start();
    bench.send(text("wait for the end")).await;
    bench.send(text("read ahead")).await;
    bench.send(text("in the way")).await;
    bench.expect_seen(Seen::Open).await;
    bench.expect_message("wait for the end").await;
    bench.sender.close(1000, "").unwrap();
    bench.expect(0x88, body(1000, "")).await;
    bench.send(close(1000, "")).await;
    bench.expect_message("read ahead").await;
    bench.expect_closed(1000, CloseCause::Local, true).await;
    assert_eq!(bench.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_once_the_peer_has_closed() {
    let setup = Setup {
        pipe: 64,
        ..Setup::default()
    };
    let mut bench = setup.start();
    bench.expect_seen(Seen::Open).await;
    bench.sender.try_send(vec![0; 100]).unwrap();
    bench.send(close(1000, "")).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(bench.sender.try_send("late").unwrap_err().is_closed());
    bench.expect(0x82, [0; 100]).await;
    bench.expect(0x88, body(1000, "")).await;
    bench.expect_closed(1000, CloseCause::Peer, true).await;
}

/// A peer that says good-bye and goes at once: our write fails, its words are still heard.
#[tokio::test(start_paused = true)]
async fn what_arrived_is_read_after_a_failed_write() {
    let mut bench = start();
    bench.sender.try_send("cannot be written").unwrap();
    let mut last = text("quiet");
    last.extend(close(4000, "gone"));
    bench.send(last).await;
    drop(std::mem::replace(&mut bench.peer, tokio::io::duplex(1).0));
    bench.expect_seen(Seen::Open).await;
    bench.expect_message("quiet").await;
    bench.expect_closed(4000, CloseCause::Peer, false).await;
}

#[tokio::test(start_paused = true)]
async fn a_lost_connection_is_1006() {
    let mut bench = start();
    bench.expect_seen(Seen::Open).await;
    bench.peer.shutdown().await.unwrap();
    bench.expect_closed(1006, CloseCause::Lost, false).await;
}

fn controlled() -> (Session, CancellationToken, CancellationToken) {
    let (draining, cut) = (CancellationToken::new(), CancellationToken::new());
    let session = Session::controlled(Resources::default(), draining.clone(), cut.clone());
    (session, draining, cut)
}

#[tokio::test(start_paused = true)]
async fn shutdown_sends_1001_idle_and_busy() {
    for busy in [false, true] {
        let (session, draining, _cut) = controlled();
        let setup = Setup {
            session,
            ..Setup::default()
        };
        let mut bench = setup.start();
        bench.expect_seen(Seen::Open).await;
        if busy {
            bench.send(text("wait for the end")).await;
            bench.expect_message("wait for the end").await;
        }
        draining.cancel();
        bench.expect(0x88, body(1001, "")).await;
        bench.send(close(1001, "")).await;
        bench.expect_closed(1001, CloseCause::GoingAway, true).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_that_starts_during_shutdown_is_told_at_once() {
    let (session, draining, _cut) = controlled();
    draining.cancel();
    let setup = Setup {
        session,
        ..Setup::default()
    };
    let mut bench = setup.start();
    bench.expect(0x88, body(1001, "")).await;
    bench
        .expect_closed(1001, CloseCause::GoingAway, false)
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_cut_ends_at_once_and_close_is_still_called() {
    for busy in [false, true] {
        let (session, _draining, cut) = controlled();
        let setup = Setup {
            session,
            ..Setup::default()
        };
        let mut bench = setup.start();
        bench.expect_seen(Seen::Open).await;
        if busy {
            bench.send(text("wait")).await;
            bench.expect_message("wait").await;
        }
        cut.cancel();
        assert_eq!(bench.frame().await, None, "no Close frame");
        bench.expect_closed(1006, CloseCause::Cut, false).await;
        assert_eq!(bench.elapsed(), Duration::ZERO);
    }
}

/// A message that was read ahead is still told, and does not make the session forget the close.
#[tokio::test(start_paused = true)]
async fn a_handler_that_closes_while_a_message_waits() {
    let mut bench = start();
    bench.send(text("sleep and close")).await;
    bench.send(text("quiet")).await;
    bench.expect_seen(Seen::Open).await;
    bench.expect_message("sleep and close").await;
    bench.expect_message("quiet").await;
    bench.expect(0x88, body(4000, "enough")).await;
    bench.send(close(4000, "")).await;
    bench.expect_closed(4000, CloseCause::Local, true).await;
}
