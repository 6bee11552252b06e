//! Inside a cyclone server: registered, told of the shutdown, cut at the deadline.

use cyclone_websocket::{CloseCause, Config};
use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::support::{Raw, WAYS, closed, connect, echoes, frame, opened, serve_cyclone};

#[tokio::test]
async fn sockets_are_in_the_registry_until_close_has_returned() {
    for way in WAYS {
        let (makes, mut reports) = echoes(Config::new());
        let (server, address) = serve_cyclone(makes, way).await;
        let mut client = connect(address).await;
        opened(&mut reports).await;
        client.send(Message::text("hi")).await.unwrap();
        client.next().await.unwrap().unwrap();
        assert_eq!(server.registry().counts()["websocket"], 1);
        client.close(None).await.unwrap();
        closed(&mut reports).await;
        server.registry().wait_empty().await;
    }
}

#[tokio::test]
async fn shutdown_says_1001_and_is_clean_when_the_client_answers() {
    for way in WAYS {
        let (makes, mut reports) = echoes(Config::new());
        let (server, address) = serve_cyclone(makes, way).await;
        let mut client = connect(address).await;
        opened(&mut reports).await;
        server.shutdown();
        match client.next().await {
            Some(Ok(Message::Close(Some(frame)))) => assert_eq!(frame.code, CloseCode::Away),
            other => panic!("{other:?}"),
        }
        assert!(client.next().await.is_none());
        let info = closed(&mut reports).await;
        assert_eq!(
            (info.cause(), info.is_clean()),
            (CloseCause::GoingAway, true)
        );
        assert!(server.wait().await.is_clean());
    }
}

#[tokio::test]
async fn sockets_that_do_not_answer_are_cut_at_the_deadline() {
    for way in WAYS {
        let (makes, mut reports) = echoes(Config::new());
        let (server, address) = serve_cyclone(makes, way).await;
        // One idle, one with a handler that never returns.
        let mut idle = Raw::connect(address).await;
        opened(&mut reports).await;
        let mut busy = Raw::connect(address).await;
        opened(&mut reports).await;
        busy.write(frame(0x81, "wait")).await;
        server.shutdown();
        let report = server.wait().await;
        assert_eq!(report.cut.len(), 2);
        // `close` was awaited by the shutdown.
        for _ in 0..2 {
            let info = reports.try_recv();
            assert!(
                matches!(&info, Ok(crate::support::Seen::Close(info))
                    if info.cause() == CloseCause::Cut && info.code().as_u16() == 1006),
                "{info:?}"
            );
        }
        assert_eq!(idle.rest().await, [0x88, 2, 3, 233]);
        assert_eq!(busy.rest().await, [0x88, 2, 3, 233]);
    }
}

#[tokio::test]
async fn an_operator_closes_one_socket() {
    for way in WAYS {
        let (makes, mut reports) = echoes(Config::new());
        let (server, address) = serve_cyclone(makes, way).await;
        let mut client = connect(address).await;
        opened(&mut reports).await;
        let id = server.registry().snapshot()[0].id();
        assert!(server.registry().close(id));
        let info = closed(&mut reports).await;
        assert_eq!(info.cause(), CloseCause::Cut);
        assert!(!matches!(client.next().await, Some(Ok(_))));
        server.registry().wait_empty().await;
    }
}
