//! Sessions split and cut at every byte, over TCP.

use cyclone_websocket::{CloseCause, Config};
use tokio::io::AsyncWriteExt;

use crate::support::{Raw, closed, echoes, frame, opened, serve_both};

fn script() -> Vec<u8> {
    let mut script = frame(0x81, "hello");
    script.extend(frame(0x02, [1, 2, 3]));
    script.extend(frame(0x89, "ping"));
    script.extend(frame(0x80, [4]));
    script.extend(frame(0x81, ""));
    script.extend(frame(0x88, b"\x03\xe8done"));
    script
}

#[tokio::test]
async fn every_split_over_tcp() {
    let (makes, mut reports) = echoes(Config::new());
    for address in serve_both(makes).await {
        let script = script();
        for split in 0..=script.len() {
            let mut raw = Raw::connect(address).await;
            opened(&mut reports).await;
            let (front, back) = script.split_at(split);
            raw.write(front).await;
            tokio::task::yield_now().await;
            raw.write(back).await;
            let rest = raw.rest().await;
            assert!(rest.ends_with(b"\x88\x02\x03\xe8"), "{split}: {rest:?}");
            for part in [
                &b"\x81\x05hello"[..],
                b"\x82\x04\x01\x02\x03\x04",
                b"\x8a\x04ping",
                b"\x81\x00",
            ] {
                let found = rest.windows(part.len()).any(|window| window == part);
                assert!(found, "{split}: {rest:?}");
            }
            let info = closed(&mut reports).await;
            assert!(info.is_clean(), "{split}");
            assert_eq!(info.reason(), "done");
        }
    }
}

#[tokio::test]
async fn lost_after_every_byte_closes_exactly_once() {
    for reset in [false, true] {
        let (makes, mut reports) = echoes(Config::new());
        for address in serve_both(makes).await {
            let script = script();
            for count in 0..script.len() {
                let mut raw = Raw::connect(address).await;
                opened(&mut reports).await;
                raw.write(&script[..count]).await;
                if reset {
                    raw.stream.set_zero_linger().unwrap();
                    drop(raw);
                } else {
                    raw.stream.shutdown().await.unwrap();
                    raw.rest().await;
                }
                // Reports of one connection only: a second `close` would come before the next `open`.
                let info = closed(&mut reports).await;
                assert_eq!(info.cause(), CloseCause::Lost, "{count}");
                assert_eq!(info.code().as_u16(), 1006);
            }
            assert!(reports.try_recv().is_err());
        }
    }
}

/// The Close frame of a failed connection arrives although more bytes were sent: no reset destroys it.
#[tokio::test]
async fn violations_are_told_before_the_end() {
    let table: [(&[u8], u16); 8] = [
        (b"\x81\x02hi", 1002),
        (&frame(0xc1, "x"), 1002),
        (&frame(0x83, "x"), 1002),
        (&frame(0x09, "x"), 1002),
        (&[0x89, 0xfe, 0, 126], 1002),
        (&frame(0x88, [3]), 1002),
        (&frame(0x88, [3, 237]), 1002),
        (&frame(0x81, [0xc3, 0x28]), 1007),
    ];
    let (makes, mut reports) = echoes(Config::new());
    for address in serve_both(makes).await {
        for (bytes, code) in table {
            let mut raw = Raw::connect(address).await;
            opened(&mut reports).await;
            let mut all = bytes.to_vec();
            all.extend(vec![0x55; 50_000]);
            raw.write(all).await;
            raw.stream.shutdown().await.unwrap();
            let rest = raw.rest().await;
            assert_eq!(rest[0], 0x88, "{bytes:?}");
            assert_eq!(rest[2..4], code.to_be_bytes(), "{bytes:?}");
            assert_eq!(rest.len(), 2 + usize::from(rest[1]));
            assert_eq!(closed(&mut reports).await.code().as_u16(), code);
        }
    }
}
