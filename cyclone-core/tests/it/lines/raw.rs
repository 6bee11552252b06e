//! Raw bytes between lines, other ends, and long lines that are thrown away.

use std::io::ErrorKind;
use std::time::Duration;

use bytes::BytesMut;
use cyclone_core::{Connection, FrameError, LineCodec, Lines};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

use super::{lines, too_long};

const SCRIPT: &[u8] = b"get\r\n4\r\na\r\nb0\r\nraw\nx\ny!next\nrest";

/// Reads the script as a protocol would: counted raw bytes, and raw bytes up to a mark.
async fn converse(lines: &mut Lines) -> Vec<String> {
    let mut read = Vec::new();
    while let Some(line) = lines.read().await.unwrap() {
        if let Ok(bytes) = line.parse() {
            let raw = lines.read_raw_exact(bytes).await.unwrap();
            read.push(format!("raw {}", String::from_utf8(raw.into()).unwrap()));
        } else if line == "raw" {
            let mut raw = BytesMut::new();
            loop {
                let mut more = lines.read_raw().await.unwrap().unwrap();
                assert!(!more.is_empty());
                if let Some(end) = more.iter().position(|byte| *byte == b'!') {
                    lines.unread(more.split_off(end + 1));
                    raw.extend_from_slice(&more);
                    break;
                }
                raw.extend_from_slice(&more);
            }
            read.push(format!("raw {}", String::from_utf8(raw.into()).unwrap()));
        } else {
            read.push(line);
        }
    }
    read
}

const READ: [&str; 6] = ["get", "raw a\r\nb", "raw ", "raw x\ny!", "next", "rest"];

#[tokio::test]
async fn raw_bytes_are_the_same_at_every_split_point() {
    for split in 0..=SCRIPT.len() {
        let (mut lines, mut peer) = lines();
        let (first, second) = SCRIPT.split_at(split);
        let write = async {
            peer.write_all(first).await.unwrap();
            tokio::task::yield_now().await;
            peer.write_all(second).await.unwrap();
            drop(peer);
        };
        let ((), read) = tokio::join!(write, converse(&mut lines));
        assert_eq!(read, READ, "split at {split}");
        assert_eq!(lines.read_raw().await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_socket_is_read_as_well() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (peer, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
    let (_, peer_address, session) = Connection::in_memory().0.into_parts();
    let connection = Connection::new(accepted.unwrap().0, peer_address, session);
    let (mut lines, mut peer) = (Lines::new(connection), peer.unwrap());
    let write = async {
        for piece in SCRIPT.chunks(3) {
            peer.write_all(piece).await.unwrap();
            tokio::task::yield_now().await;
        }
        drop(peer);
    };
    let ((), read) = tokio::join!(write, converse(&mut lines));
    assert_eq!(read, READ);
}

#[tokio::test]
async fn nothing_is_lost_when_a_raw_read_is_cancelled() {
    let (mut lines, mut peer) = lines();
    for byte in b"abc" {
        peer.write_u8(*byte).await.unwrap();
        tokio::select! {
            biased;
            _ = lines.read_raw_exact(4) => panic!("not all came"),
            () = std::future::ready(()) => {}
        }
    }
    peer.write_all(b"d!\n").await.unwrap();
    assert_eq!(lines.read_raw_exact(4).await.unwrap(), "abcd");
    assert_eq!(lines.read().await.unwrap().unwrap(), "!");
}

#[tokio::test]
async fn a_peer_that_closes_before_the_last_raw_byte_is_told_apart() {
    for (came, whole) in [("ab", false), ("abc", true), ("abcd", true)] {
        let (mut lines, mut peer) = lines();
        peer.write_all(came.as_bytes()).await.unwrap();
        drop(peer);
        let read = lines.read_raw_exact(3).await;
        assert_eq!(read.is_ok(), whole, "{came}");
        if let Err(error) = read {
            assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn raw_bytes_that_do_not_come_in_time_are_an_error_that_loses_nothing() {
    let (connection, mut peer) = Connection::in_memory();
    let mut lines = Lines::new(connection).idle_timeout(Duration::from_secs(5));
    let begun = Instant::now();
    let error = lines.read_raw().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    peer.write_all(b"ab").await.unwrap();
    let error = lines.read_raw_exact(3).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert_eq!(begun.elapsed(), Duration::from_secs(10));
    peer.write_all(b"c").await.unwrap();
    assert_eq!(lines.read_raw_exact(3).await.unwrap(), "abc");
}

/// A huge announcement allocates nothing before the bytes come.
#[tokio::test]
async fn nothing_is_allocated_because_it_was_announced() {
    let (mut lines, mut peer) = lines();
    peer.write_all(b"abc").await.unwrap();
    drop(peer);
    let error = lines.read_raw_exact(usize::MAX).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn long_lines_are_thrown_away_where_asked_for() {
    for (length, fits) in [(4, true), (5, true), (6, false), (7, false), (9000, false)] {
        let (connection, mut peer) = Connection::in_memory();
        let mut lines = Lines::new(connection)
            .max_line_bytes(5)
            .discard_long_lines();
        let text = "x".repeat(length);
        peer.write_all(format!("{text}\r\nquit\r\n").as_bytes())
            .await
            .unwrap();
        let first = lines.read().await;
        if fits {
            assert_eq!(first.unwrap().unwrap(), text);
        } else {
            assert!(too_long(&first), "{length}");
        }
        assert_eq!(lines.read().await.unwrap().unwrap(), "quit", "{length}");
    }
}

/// After a line that is too long there are no raw bytes either: they would be its rest.
#[tokio::test]
async fn no_raw_bytes_are_read_after_a_line_that_is_too_long() {
    let (connection, mut peer) = Connection::in_memory();
    let mut lines = Lines::new(connection).max_line_bytes(5);
    peer.write_all(b"123456\nraw").await.unwrap();
    peer.shutdown().await.unwrap();
    lines.read().await.unwrap_err();
    let error = lines.read_raw().await.unwrap_err();
    assert!(FrameError::of(&error).is_some());
    lines.unread("quit\n");
    lines.read_raw_exact(1).await.unwrap_err();
    assert!(too_long(&lines.read().await));
}

#[tokio::test]
async fn other_ends_are_those_of_the_codec() {
    let (connection, mut peer) = Connection::in_memory();
    let mut codec = LineCodec::delimited_by(b"\0").strict();
    codec.set_raw_mode();
    codec.set_line_mode("early\0");
    codec.set_raw_mode();
    let mut lines = Lines::with_codec(connection, codec);
    peer.write_all(b"a\r\n\0\xff\0cut").await.unwrap();
    peer.shutdown().await.unwrap();
    assert_eq!(lines.read_raw_exact(2).await.unwrap(), "ea");
    assert_eq!(lines.read().await.unwrap().unwrap(), "rly");
    assert_eq!(lines.read().await.unwrap().unwrap(), "a\r\n");
    assert_eq!(lines.read_bytes().await.unwrap().unwrap(), &b"\xff"[..]);
    let error = lines.read().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    lines.write("answer").await.unwrap();
    lines.write_raw(b"raw\0").await.unwrap();
    drop(lines);
    let mut said = String::new();
    peer.read_to_string(&mut said).await.unwrap();
    assert_eq!(said, "answer\0raw\0");
}

/// CVE-2011-0411: what was sent in clear text before `STARTTLS` took effect must be seen.
#[tokio::test]
async fn the_connection_comes_back_with_what_was_not_asked_for() {
    let (mut lines, mut peer) = lines();
    peer.write_all(b"STARTTLS\r\nRCPT TO:<x>\r\n")
        .await
        .unwrap();
    assert_eq!(lines.read().await.unwrap().unwrap(), "STARTTLS");
    let (mut connection, rest) = lines.into_parts();
    assert_eq!(rest, "RCPT TO:<x>\r\n");
    peer.write_all(b"later").await.unwrap();
    let mut later = [0; 5];
    connection.read_exact(&mut later).await.unwrap();
    assert_eq!(&later, b"later");
}
