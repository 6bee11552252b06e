//! Following a room: in order, once, across a disconnection and a restart.

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::tour::{PATIENCE, Socket, Tour, say};

/// The next frame of a type.
async fn next(socket: &mut Socket, wanted: &str) -> Value {
    loop {
        let frame = timeout(PATIENCE, socket.next()).await.unwrap();
        let frame = frame.expect("the socket closed").unwrap();
        let value: Value = serde_json::from_str(frame.to_text().unwrap()).unwrap();
        if value["type"] == wanted {
            return value;
        }
    }
}

#[tokio::test]
async fn what_was_missed_comes_first_and_a_repeated_message_is_stored_once() {
    let data = tempfile::tempdir().unwrap();
    let tour = Tour::start(data.path(), &[]).await;
    let mut ada = tour.join("lobby", "ada", 0).await;
    let mut bob = tour.join("lobby", "bob", 0).await;
    ada.send(say("1", "first")).await.unwrap();
    let ack = next(&mut ada, "ack").await;
    assert_eq!(next(&mut bob, "message").await["text"], "first");
    let seen = ack["seq"].as_i64().unwrap();
    drop(bob);

    // The second time is the page's doubt whether the first one arrived.
    for (id, text) in [("2", "second"), ("2", "second"), ("3", "third")] {
        ada.send(say(id, text)).await.unwrap();
        next(&mut ada, "ack").await;
    }
    tour.kill().await;

    let tour = Tour::start(data.path(), &[]).await;
    let mut bob = tour.join("lobby", "bob", seen).await;
    for text in ["second", "third"] {
        let message = next(&mut bob, "message").await;
        assert_eq!(
            (&message["text"], &message["author"]),
            (&text.into(), &"ada".into())
        );
    }
    bob.send(say("4", "live again")).await.unwrap();
    assert_eq!(next(&mut bob, "message").await["text"], "live again");
    assert_eq!(tour.history("lobby").await.len(), 4);
}

#[tokio::test]
async fn a_message_that_cannot_be_said_is_refused_with_its_id() {
    let data = tempfile::tempdir().unwrap();
    let tour = Tour::start(data.path(), &[]).await;
    let mut ada = tour.join("lobby", "ada", 0).await;
    for (length, stored) in [(1999, true), (2000, true), (2001, false)] {
        let id = length.to_string();
        ada.send(say(&id, &"x".repeat(length))).await.unwrap();
        let kind = if stored { "ack" } else { "refused" };
        assert_eq!(next(&mut ada, kind).await["id"], id.as_str());
    }
    assert_eq!(tour.history("lobby").await.len(), 2);
}

#[tokio::test]
async fn the_console_tells_who_is_there_and_speaks_into_the_lobby() {
    let data = tempfile::tempdir().unwrap();
    let tour = Tour::start(data.path(), &[]).await;
    let mut ada = tour.join("lobby", "ada", 0).await;
    ada.send(say("1", "hello")).await.unwrap();
    next(&mut ada, "ack").await;

    let console = TcpStream::connect(tour.console).await.unwrap();
    let (reader, mut writer) = console.into_split();
    let mut lines = BufReader::new(reader).lines();
    writer
        .write_all(b"who\nsay hi from the console\nstatus\nnonsense\nquit\n")
        .await
        .unwrap();
    let mut all = Vec::new();
    while let Some(line) = timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap() {
        all.push(line);
    }
    let all = all.join("\n");
    assert!(
        all.contains("websocket") && all.contains("ada in lobby"),
        "{all}"
    );
    assert!(all.contains("said as message 2"), "{all}");
    assert!(all.contains("database up"), "{all}");
    assert!(all.contains("unknown command"), "{all}");
    assert!(all.ends_with("good-bye"), "{all}");
    // Her own one may have come before its acknowledgement.
    let mut message = next(&mut ada, "message").await;
    if message["seq"] == 1 {
        message = next(&mut ada, "message").await;
    }
    assert_eq!(message["text"], "hi from the console");
}
