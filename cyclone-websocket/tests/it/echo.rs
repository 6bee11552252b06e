//! tokio-tungstenite as client; axum, hyper and one that needs neither as servers.

use std::net::SocketAddr;
use std::time::Duration;

use cyclone_websocket::{CloseCause, Config};
use futures_util::{SinkExt, StreamExt};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tokio_tungstenite::tungstenite::{Bytes, Message};

use crate::support::{
    Client, Seen, closed, connect, echoes, opened, serve_axum, serve_core, serve_hyper,
};

const LIMIT: usize = 200_000;

/// Runs `test` against all servers.
async fn all<F>(test: impl Fn(SocketAddr, mpsc::UnboundedReceiver<Seen>) -> F)
where
    F: Future<Output = ()>,
{
    let config = Config::new().max_message_bytes(LIMIT);
    let (makes, reports) = echoes(config.clone());
    test(serve_axum(makes).await, reports).await;
    let (makes, reports) = echoes(config.clone());
    test(serve_hyper(makes).await, reports).await;
    let (makes, reports) = echoes(config);
    test(serve_core(makes).await, reports).await;
}

async fn roundtrip(client: &mut Client, message: Message) {
    client.send(message.clone()).await.unwrap();
    let answer = client.next().await.unwrap().unwrap();
    assert!(answer == message);
}

#[tokio::test]
async fn text_and_binary_of_all_sizes_up_to_the_limit() {
    all(async |address, mut reports| {
        let mut client = connect(address).await;
        for length in [0, 1, 125, 126, 4096, 65_535, 65_536, LIMIT - 1, LIMIT] {
            roundtrip(&mut client, Message::text("x".repeat(length))).await;
            roundtrip(&mut client, Message::binary(vec![0xfe; length])).await;
        }
        client.close(None).await.unwrap();
        while client.next().await.is_some() {}
        opened(&mut reports).await;
        let info = closed(&mut reports).await;
        assert_eq!((info.code().as_u16(), info.is_clean()), (1005, true));
    })
    .await;
}

#[tokio::test]
async fn a_message_over_the_limit_is_1009() {
    all(async |address, mut reports| {
        for fragments in [1, 2] {
            let mut client = connect(address).await;
            let half = vec![0; (LIMIT + 2) / fragments];
            for number in 0..fragments {
                let data = if number == 0 {
                    Data::Binary
                } else {
                    Data::Continue
                };
                let last = number + 1 == fragments;
                let frame = Frame::message(half.clone(), OpCode::Data(data), last);
                client.feed(Message::Frame(frame)).await.unwrap();
            }
            let _ = client.flush().await;
            match client.next().await {
                Some(Ok(Message::Close(Some(frame)))) => {
                    assert_eq!(frame.code, CloseCode::Size);
                }
                other => panic!("{other:?}"),
            }
            drop(client);
            opened(&mut reports).await;
            let info = closed(&mut reports).await;
            assert_eq!(info.cause(), CloseCause::TooBig);
        }
    })
    .await;
}

#[tokio::test]
async fn fragments_with_control_frames_between() {
    all(async |address, _reports| {
        let mut client = connect(address).await;
        let part = |text: &'static str, data, last| {
            Message::Frame(Frame::message(text, OpCode::Data(data), last))
        };
        client.feed(part("one ", Data::Text, false)).await.unwrap();
        client.feed(Message::Ping("p".into())).await.unwrap();
        client.feed(part("", Data::Continue, false)).await.unwrap();
        client
            .feed(part("two", Data::Continue, true))
            .await
            .unwrap();
        client.flush().await.unwrap();
        let pong = client.next().await.unwrap().unwrap();
        assert_eq!(pong, Message::Pong("p".into()));
        let answer = client.next().await.unwrap().unwrap();
        assert_eq!(answer, Message::text("one two"));
    })
    .await;
}

#[tokio::test]
async fn a_thousand_messages_in_flight() {
    all(async |address, _reports| {
        let (mut sink, mut stream) = connect(address).await.split();
        let sending = tokio::spawn(async move {
            for number in 0..1000u32 {
                let message = Message::binary(number.to_be_bytes().repeat(500));
                sink.feed(message).await.unwrap();
            }
            sink.flush().await.unwrap();
            sink
        });
        for number in 0..1000u32 {
            let answer = stream.next().await.unwrap().unwrap();
            assert_eq!(answer.into_data(), number.to_be_bytes().repeat(500));
        }
        drop(sending.await.unwrap());
    })
    .await;
}

#[tokio::test]
async fn the_close_handshake_both_ways() {
    all(async |address, mut reports| {
        // The client begins.
        let mut client = connect(address).await;
        opened(&mut reports).await;
        let frame = CloseFrame {
            code: CloseCode::Library(4321),
            reason: "bye".into(),
        };
        client.close(Some(frame)).await.unwrap();
        match client.next().await {
            Some(Ok(Message::Close(Some(frame)))) => {
                assert_eq!(frame.code, CloseCode::Library(4321));
            }
            other => panic!("{other:?}"),
        }
        assert!(client.next().await.is_none());
        let info = closed(&mut reports).await;
        assert_eq!((info.code().as_u16(), info.reason()), (4321, "bye"));
        assert!(info.is_clean());

        // The server begins.
        let mut client = connect(address).await;
        let sender = opened(&mut reports).await;
        sender.send("last words").await.unwrap();
        sender.close(1000, "done").unwrap();
        let answer = client.next().await.unwrap().unwrap();
        assert_eq!(answer, Message::text("last words"));
        match client.next().await {
            Some(Ok(Message::Close(Some(frame)))) => {
                assert_eq!((frame.code, &*frame.reason), (CloseCode::Normal, "done"));
            }
            other => panic!("{other:?}"),
        }
        assert!(client.next().await.is_none());
        let info = closed(&mut reports).await;
        assert_eq!((info.cause(), info.is_clean()), (CloseCause::Local, true));
        assert_eq!(sender.closed().await, info);
    })
    .await;
}

#[tokio::test]
async fn a_panic_in_the_handler_is_1011_without_its_text() {
    all(async |address, mut reports| {
        let mut client = connect(address).await;
        opened(&mut reports).await;
        client.send(Message::text("panic")).await.unwrap();
        match client.next().await {
            Some(Ok(Message::Close(Some(frame)))) => {
                assert_eq!((frame.code, &*frame.reason), (CloseCode::Error, ""));
            }
            other => panic!("{other:?}"),
        }
        assert!(client.next().await.is_none());
        let info = closed(&mut reports).await;
        assert_eq!(info.cause(), CloseCause::HandlerPanic);
    })
    .await;
}

#[tokio::test]
async fn pings_go_both_ways() {
    all(async |address, mut reports| {
        let mut client = connect(address).await;
        let sender = opened(&mut reports).await;
        sender.ping("server").unwrap();
        let ping = client.next().await.unwrap().unwrap();
        assert_eq!(ping, Message::Ping("server".into()));
        let payload = Bytes::from(vec![7; 125]);
        client.send(Message::Ping(payload.clone())).await.unwrap();
        let pong = client.next().await.unwrap().unwrap();
        assert_eq!(pong, Message::Pong(payload));
    })
    .await;
}

#[tokio::test]
async fn a_broadcast_reaches_every_socket() {
    all(async |address, mut reports| {
        let mut clients = Vec::new();
        let mut senders = Vec::new();
        for _ in 0..50 {
            clients.push(connect(address).await);
            senders.push(opened(&mut reports).await);
        }
        let message = cyclone_websocket::Message::from("to all");
        for sender in &senders {
            sender.try_send(message.clone()).unwrap();
        }
        for client in &mut clients {
            let answer = client.next().await.unwrap().unwrap();
            assert_eq!(answer, Message::text("to all"));
        }
    })
    .await;
}

/// No wake-up is lost between senders on other threads and a session that falls idle again and again.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn senders_on_many_threads() {
    const SENDERS: usize = 4;
    const MESSAGES: usize = 5000;
    all(async |address, mut reports| {
        let mut client = connect(address).await;
        let sender = opened(&mut reports).await;
        for _ in 0..SENDERS {
            let sender = sender.clone();
            tokio::spawn(async move {
                for _ in 0..MESSAGES {
                    sender.send("message").await.unwrap();
                    tokio::task::yield_now().await;
                }
            });
        }
        let receiving = async {
            for _ in 0..SENDERS * MESSAGES {
                client.next().await.unwrap().unwrap();
            }
        };
        // Less than a heartbeat, which would wake the session and hide it.
        tokio::time::timeout(Duration::from_secs(25), receiving)
            .await
            .expect("a wake-up was lost");
    })
    .await;
}
