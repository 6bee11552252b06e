#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::io::{self, ErrorKind};
use std::time::Duration;

use cyclone_core::{
    Address, Connection, Context, DEFAULT_IDLE_TIMEOUT, DEFAULT_MAX_LINE_BYTES,
    DEFAULT_WRITE_TIMEOUT, FrameError, IN_MEMORY_BUFFER_BYTES, Lines, Resources, Session,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::Instant;

mod raw;

fn lines() -> (Lines, DuplexStream) {
    let (connection, peer) = Connection::in_memory();
    (Lines::new(connection), peer)
}

/// Everything that `read` gives until the end.
async fn read_all(lines: &mut Lines) -> Vec<String> {
    let mut all = Vec::new();
    while let Some(line) = lines.read().await.unwrap() {
        all.push(line);
    }
    all
}

fn too_long(result: &io::Result<Option<String>>) -> bool {
    result.as_ref().is_err_and(|error| {
        let too_long = matches!(FrameError::of(error), Some(FrameError::TooLong { .. }));
        error.kind() == ErrorKind::InvalidData && too_long
    })
}

const SCRIPT: &[u8] = "one\ntwo\r\n\n\r\nthr\ree\r\r\nzwölf ünd €\r\nrest\r".as_bytes();

const READ: [&str; 7] = ["one", "two", "", "", "thr\ree\r", "zwölf ünd €", "rest\r"];

#[tokio::test]
async fn lines_end_at_lf_with_or_without_cr_and_at_the_end() {
    let (mut lines, mut peer) = lines();
    peer.write_all(SCRIPT).await.unwrap();
    drop(peer);
    assert_eq!(read_all(&mut lines).await, READ);
    // The end stays the end.
    assert_eq!(lines.read().await.unwrap(), None);
}

#[tokio::test]
async fn lines_are_the_same_at_every_split_point() {
    for split in 0..=SCRIPT.len() {
        let (mut lines, mut peer) = lines();
        let (first, second) = SCRIPT.split_at(split);
        let write = async {
            peer.write_all(first).await.unwrap();
            tokio::task::yield_now().await;
            peer.write_all(second).await.unwrap();
            drop(peer);
        };
        let ((), read) = tokio::join!(write, read_all(&mut lines));
        assert_eq!(read, READ, "split at {split}");
    }
}

#[tokio::test]
async fn lines_are_the_same_byte_by_byte() {
    let (mut lines, mut peer) = lines();
    let write = async {
        for byte in SCRIPT {
            peer.write_u8(*byte).await.unwrap();
            tokio::task::yield_now().await;
        }
        drop(peer);
    };
    let ((), read) = tokio::join!(write, read_all(&mut lines));
    assert_eq!(read, READ);
}

/// The future is dropped after every byte, also in the middle of a character.
#[tokio::test]
async fn nothing_is_lost_when_a_read_is_cancelled() {
    let (mut lines, mut peer) = lines();
    let mut read = Vec::new();
    for byte in SCRIPT {
        peer.write_u8(*byte).await.unwrap();
        tokio::select! {
            biased;
            line = lines.read() => read.extend(line.unwrap()),
            () = std::future::ready(()) => {}
        }
    }
    drop(peer);
    read.extend(read_all(&mut lines).await);
    assert_eq!(read, READ);
}

#[tokio::test]
async fn the_limit_holds_for_every_kind_of_end() {
    const LIMIT: usize = 10;
    for end in ["\n", "\r\n", ""] {
        for length in [LIMIT - 1, LIMIT, LIMIT + 1, LIMIT + 2, LIMIT + 3, 9000] {
            let (connection, mut peer) = Connection::in_memory();
            let mut lines = Lines::new(connection).max_line_bytes(LIMIT);
            let text = "x".repeat(length);
            peer.write_all(format!("{text}{end}quit\n").as_bytes())
                .await
                .unwrap();
            let first = lines.read().await;
            if end.is_empty() {
                // Then the line has four characters more.
                assert_eq!(first.is_ok(), length + 4 <= LIMIT, "{length}");
                continue;
            }
            if length <= LIMIT {
                assert_eq!(first.unwrap().unwrap(), text);
                assert_eq!(lines.read().await.unwrap().unwrap(), "quit");
            } else {
                assert!(too_long(&first), "{length} {end:?}");
                // What follows is not read as lines: it may be the rest of the long one.
                assert!(too_long(&lines.read().await), "{length} {end:?}");
            }
        }
    }
}

#[tokio::test]
async fn the_limit_holds_at_the_end_of_the_connection() {
    for (length, fits) in [(9, true), (10, true), (11, false), (12, false), (13, false)] {
        let (connection, mut peer) = Connection::in_memory();
        let mut lines = Lines::new(connection).max_line_bytes(10);
        let text = "x".repeat(length);
        peer.write_all(text.as_bytes()).await.unwrap();
        drop(peer);
        let read = lines.read().await;
        if fits {
            assert_eq!(read.unwrap().unwrap(), text);
            assert_eq!(lines.read().await.unwrap(), None);
        } else {
            assert!(too_long(&read), "{length}");
        }
    }
}

/// A peer that never ends its line is stopped at the limit; it does not fill the memory.
#[tokio::test]
async fn an_endless_line_is_refused_at_the_default_limit() {
    for (length, fits) in [
        (DEFAULT_MAX_LINE_BYTES - 1, true),
        (DEFAULT_MAX_LINE_BYTES, true),
        (DEFAULT_MAX_LINE_BYTES + 1, false),
    ] {
        let (mut lines, mut peer) = lines();
        let text = "y".repeat(length);
        peer.write_all(format!("{text}\r\n").as_bytes())
            .await
            .unwrap();
        let read = lines.read().await;
        assert_eq!(read.is_ok_and(|line| line == Some(text)), fits);
    }
    let (mut lines, mut peer) = lines();
    // Two bytes more than fit: the reader may not wait for an end that need not come.
    let text = "y".repeat(DEFAULT_MAX_LINE_BYTES + 2);
    peer.write_all(text.as_bytes()).await.unwrap();
    assert!(too_long(&lines.read().await));
}

#[tokio::test]
async fn a_limit_of_all_memory_is_no_overflow() {
    let (connection, mut peer) = Connection::in_memory();
    let mut lines = Lines::new(connection).max_line_bytes(usize::MAX);
    peer.write_all(b"fine\n").await.unwrap();
    assert_eq!(lines.read().await.unwrap().unwrap(), "fine");
}

#[tokio::test]
async fn bytes_that_are_no_utf_8_are_an_error() {
    for bad in [
        &b"caf\xe9\n"[..],
        b"\xff\r\n",
        b"\xe2\x82\n",
        b"\xed\xa0\x80\n",
        b"\xc0\xaf\n",
    ] {
        let (mut lines, mut peer) = lines();
        peer.write_all(bad).await.unwrap();
        let error = lines.read().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        assert_eq!(error.to_string(), "line is no utf-8");
    }
}

#[tokio::test(start_paused = true)]
async fn a_line_that_does_not_come_in_time_is_an_error_that_loses_nothing() {
    let (mut lines, mut peer) = lines();
    peer.write_all(b"be").await.unwrap();
    let begun = Instant::now();
    let error = lines.read().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert_eq!(begun.elapsed(), DEFAULT_IDLE_TIMEOUT);
    peer.write_all(b"gun\n").await.unwrap();
    assert_eq!(lines.read().await.unwrap().unwrap(), "begun");
}

/// A peer that sends a byte now and then does not put off the end (slowloris).
#[tokio::test(start_paused = true)]
async fn dripping_bytes_do_not_extend_the_time() {
    let (connection, mut peer) = Connection::in_memory();
    let mut lines = Lines::new(connection).idle_timeout(Duration::from_secs(5));
    let begun = Instant::now();
    tokio::select! {
        read = lines.read() => assert_eq!(read.unwrap_err().kind(), ErrorKind::TimedOut),
        () = async {
            loop {
                peer.write_all(b"z").await.unwrap();
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        } => {}
    }
    assert_eq!(begun.elapsed(), Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_read_is_given_up() {
    let (mut lines, mut peer) = lines();
    // With their two bytes of end these fill what the connection buffers.
    let line = "w".repeat(1022);
    for _ in 0..IN_MEMORY_BUFFER_BYTES / 1024 {
        lines.write(&line).await.unwrap();
    }
    let begun = Instant::now();
    let error = lines.write("one more").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert_eq!(begun.elapsed(), DEFAULT_WRITE_TIMEOUT);
    let mut taken = [0; 10];
    peer.read_exact(&mut taken).await.unwrap();
    lines = lines.write_timeout(Duration::from_secs(1));
    lines.write("12345678").await.unwrap();
    assert_eq!(
        lines.write("").await.unwrap_err().kind(),
        ErrorKind::TimedOut
    );
    assert_eq!(
        begun.elapsed(),
        DEFAULT_WRITE_TIMEOUT + Duration::from_secs(1)
    );
}

#[tokio::test]
async fn written_lines_end_with_cr_lf() {
    let (mut lines, mut peer) = lines();
    lines.write("hello").await.unwrap();
    lines.write("").await.unwrap();
    drop(lines);
    let mut text = String::new();
    peer.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "hello\r\n\r\n");
}

/// A text of somebody else's must not become a command of ours.
#[tokio::test]
async fn a_text_that_would_be_read_as_two_lines_is_not_written() {
    let (mut lines, mut peer) = lines();
    for text in ["hello\r\nDELETE *", "hello\n", "\n"] {
        let error = lines.write(text).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{text:?}");
    }
    lines.write("hello").await.unwrap();
    drop(lines);
    let mut text = String::new();
    peer.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "hello\r\n", "the connection can be used");
}

#[tokio::test]
async fn lines_know_their_connection() {
    struct Motd(&'static str);
    let resources = Resources::builder().insert(Motd("welcome")).build();
    let session = Session::detached_with(resources);
    let (connection, _peer) = Connection::in_memory_with(session);
    let lines = Lines::new(connection);
    assert_eq!(lines.peer().remote(), &Address::Memory);
    assert_eq!(lines.session().id().get(), 0);
    assert_eq!(lines.resources().get::<Motd>().unwrap().0, "welcome");
}
