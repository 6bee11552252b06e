//! Peers that stop reading, over TCP.

use std::time::Duration;

use cyclone_websocket::{CloseCause, Config, DEFAULT_OUTGOING_BYTES};

use crate::support::{Raw, closed, echoes, frame, opened, serve_both};

/// actix-web#2441, wstunnel#538: the buffer stays bounded, then the peer is disconnected.
#[tokio::test]
async fn a_peer_that_stops_reading_is_bounded_then_disconnected() {
    let stall = Duration::from_millis(200);
    let (makes, mut reports) = echoes(Config::new().write_stall_timeout(stall));
    for address in serve_both(makes).await {
        let raw = Raw::connect(address).await;
        let sender = opened(&mut reports).await;
        let message = cyclone_websocket::Message::from(vec![0; 64 * 1024]);
        let mut sent = 0u64;
        let error = loop {
            match sender.send(message.clone()).await {
                Ok(()) => sent += 1,
                Err(error) => break error,
            }
            assert!(sender.buffered_bytes() <= DEFAULT_OUTGOING_BYTES);
            // The system's buffers take some megabytes, and no more.
            assert!(sent < 10_000);
        };
        assert!(error.is_closed());
        let info = closed(&mut reports).await;
        assert_eq!(info.cause(), CloseCause::WriteStalled);
        assert_eq!(info.code().as_u16(), 1006);
        drop(raw);
    }
}

/// A peer that floods and never reads its answers is held back, then disconnected.
#[tokio::test]
async fn a_flood_without_reading_is_held_back_then_disconnected() {
    let stall = Duration::from_millis(200);
    let (makes, mut reports) = echoes(Config::new().write_stall_timeout(stall));
    for address in serve_both(makes).await {
        let mut raw = Raw::connect(address).await;
        let sender = opened(&mut reports).await;
        let flood: Vec<u8> = (0..1000).flat_map(|_| frame(0x82, [0; 125])).collect();
        let flooding = tokio::spawn(async move {
            while tokio::io::AsyncWriteExt::write_all(&mut raw.stream, &flood)
                .await
                .is_ok()
            {}
        });
        let info = closed(&mut reports).await;
        assert_eq!(info.cause(), CloseCause::WriteStalled);
        assert_eq!(sender.buffered_bytes(), 0);
        flooding.await.unwrap();
    }
}
