use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::io::{FdFlags, fcntl_getfd};

use super::{Channel, MAX_MESSAGE_BYTES, Message};
use crate::runner::exit::Exit;
use crate::runner::process::Ask;
use crate::runner::report::Report;

fn pair() -> (Channel, Channel) {
    let (one, other) = Channel::pair().unwrap();
    (Channel::new(one).unwrap(), Channel::new(other).unwrap())
}

/// What arrives of `message` on the other side.
async fn through(message: Message) -> Message {
    let (one, other) = pair();
    one.send(&message).await.unwrap();
    other.receive().await.unwrap().unwrap()
}

#[tokio::test]
async fn every_message_arrives_as_it_was_sent() {
    let report = Report {
        drained: 3,
        cut: vec!["connection 7".into(), String::new()],
        failed: vec!["service db did not stop".into()],
        elapsed: Duration::from_millis(1234),
    };
    let messages = [
        Message::Begin(2, 5),
        Message::AllBound,
        Message::Go,
        Message::Ready,
        Message::Failed(Exit::new(
            69,
            "cannot listen on `tcp:80`: permission denied",
        )),
        Message::Drain,
        Message::Cut,
        Message::Reload,
        Message::Reloaded(Vec::new()),
        Message::Reloaded(vec!["tls: no such file".into(), "config: line 3".into()]),
        Message::Reopen,
        Message::Ping,
        Message::Pong,
        Message::Ended(report),
        Message::Ended(Report::default()),
        Message::Ask(Ask::Upgrade),
    ];
    for message in messages {
        let sent = format!("{message:?}");
        assert_eq!(format!("{:?}", through(message).await), sent);
    }
}

#[tokio::test]
async fn a_socket_arrives_with_its_name_and_closes_on_exec() {
    let (mut near, far) = UnixStream::pair().unwrap();
    let name = "unix:/run/with\nline and \u{fc}.sock";
    let message = Message::Socket(4, name.into(), OwnedFd::from(far));
    let Message::Socket(worker, arrived, socket) = through(message).await else {
        panic!("another message arrived");
    };
    assert_eq!((worker, arrived.as_str()), (4, name));
    assert!(fcntl_getfd(&socket).unwrap().contains(FdFlags::CLOEXEC));
    // The one that was sent is closed; the other end is in the hands of the receiver alone.
    UnixStream::from(socket).write_all(b"it works").unwrap();
    let mut text = String::new();
    near.read_to_string(&mut text).unwrap();
    assert_eq!(text, "it works");
}

#[tokio::test]
async fn what_was_sent_before_the_end_is_received_even_if_our_last_word_was_not() {
    let (one, other) = pair();
    one.send(&Message::Failed(Exit::new(78, "why")))
        .await
        .unwrap();
    other.send(&Message::Go).await.unwrap();
    drop(one);
    let last = other.receive().await.unwrap();
    assert!(matches!(last, Some(Message::Failed(exit)) if exit.reason() == "why"));
    assert!(other.receive().await.unwrap().is_none());
    assert!(other.receive().await.unwrap().is_none());
    assert!(other.send(&Message::Go).await.is_err());
}

#[tokio::test]
async fn messages_of_another_version_are_ignored() {
    let (one, other) = Channel::pair().unwrap();
    let other = Channel::new(other).unwrap();
    for unknown in [
        "dance",
        "begin\x00x\x003",
        "begin\x003",
        "socket\x000\0no descriptor",
        "ended",
        "\0",
    ] {
        rustix::net::send(&one, unknown.as_bytes(), rustix::net::SendFlags::empty()).unwrap();
    }
    rustix::net::send(&one, b"go\0with more", rustix::net::SendFlags::empty()).unwrap();
    let known = other.receive().await.unwrap();
    assert!(matches!(known, Some(Message::Go)));
}

#[tokio::test]
async fn texts_are_cut_at_the_limit_and_not_inside_a_character() {
    let head = "failed\x0069\0".len();
    for (letters, expected) in [
        (MAX_MESSAGE_BYTES - head - 1, MAX_MESSAGE_BYTES - head - 1),
        (MAX_MESSAGE_BYTES - head, MAX_MESSAGE_BYTES - head),
        (MAX_MESSAGE_BYTES - head + 1, MAX_MESSAGE_BYTES - head),
    ] {
        let message = Message::Failed(Exit::new(69, "a".repeat(letters)));
        let Message::Failed(exit) = through(message).await else {
            panic!("another message arrived");
        };
        assert_eq!(exit.reason().len(), expected);
    }
    let message = Message::Failed(Exit::new(69, "\u{1f300}".repeat(MAX_MESSAGE_BYTES)));
    let Message::Failed(exit) = through(message).await else {
        panic!("another message arrived");
    };
    assert!(exit.reason().len() > MAX_MESSAGE_BYTES - head - 4);
    assert!(exit.reason().chars().all(|letter| letter == '\u{1f300}'));
}

#[tokio::test]
async fn the_separator_in_a_text_does_not_make_another_message_of_it() {
    let message = Message::Failed(Exit::new(69, "one\0two"));
    let Message::Failed(exit) = through(message).await else {
        panic!("another message arrived");
    };
    assert_eq!(exit.reason(), "one two");
}
