//! SIGTERM under load: nothing in flight is lost, sockets are told, the report names what was cut.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::StreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::tour::{PATIENCE, Tour};

const CLIENTS: usize = 30;
const SOCKETS: usize = 30;
/// Answers to wait for before the signal is sent.
const ANSWERS: usize = 2000;

/// Asks over one connection until the server closes it; the answers, and whether one was lost.
async fn ask_on(
    address: SocketAddr,
    count: Arc<AtomicUsize>,
    enough: Arc<Notify>,
) -> (usize, bool) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut answers = 0;
    let mut buffer = Vec::new();
    loop {
        let request = b"GET /status HTTP/1.1\r\nHost: tour\r\n\r\n";
        if stream.write_all(request).await.is_err() {
            return (answers, true);
        }
        buffer.clear();
        let Some(head) = read_head(&mut stream, &mut buffer).await else {
            return (answers, true);
        };
        let length = header(&head, "content-length")
            .unwrap()
            .parse::<usize>()
            .unwrap();
        let end = head.len() + 4 + length;
        while buffer.len() < end {
            if stream.read_buf(&mut buffer).await.unwrap_or(0) == 0 {
                return (answers, true);
            }
        }
        answers += 1;
        if count.fetch_add(1, Ordering::SeqCst) + 1 == ANSWERS {
            enough.notify_one();
        }
        if header(&head, "connection").is_some_and(|value| value == "close") {
            return (answers, false);
        }
    }
}

/// Reads up to the empty line; the head, while the buffer keeps all.
async fn read_head(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<String> {
    loop {
        if let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            return Some(String::from_utf8_lossy(&buffer[..end]).into_owned());
        }
        if stream.read_buf(buffer).await.unwrap_or(0) == 0 {
            return None;
        }
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines()
        .filter_map(|line| line.split_once(": "))
        .find_map(|(other, value)| (other == name).then_some(value))
}

/// Begins an upload and leaves it half done.
async fn half_an_upload(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = b"POST /rooms HTTP/1.1\r\nHost: tour\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 10\r\n\r\nname=";
    stream.write_all(head).await.unwrap();
    stream
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_loses_no_request_and_tells_every_socket() {
    let data = tempfile::tempdir().unwrap();
    let tour = Tour::start(data.path(), &["--deadline", "2"]).await;
    let (count, enough) = (Arc::<AtomicUsize>::default(), Arc::<Notify>::default());
    let mut sockets = Vec::new();
    for number in 0..SOCKETS {
        sockets.push(tour.join("lobby", &format!("guest-{number}"), 0).await);
    }
    let mut events = TcpStream::connect(tour.http).await.unwrap();
    events
        .write_all(b"GET /events HTTP/1.1\r\nHost: tour\r\n\r\n")
        .await
        .unwrap();
    read_head(&mut events, &mut Vec::new())
        .await
        .expect("no event stream");
    let mut finishing = half_an_upload(tour.http).await;
    let never = half_an_upload(tour.http).await;
    let never_address = never.local_addr().unwrap();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| tokio::spawn(ask_on(tour.http, Arc::clone(&count), Arc::clone(&enough))))
        .collect();
    timeout(PATIENCE, enough.notified())
        .await
        .expect("too few answers");

    tour.terminate().await;

    let mut answers = 0;
    for client in clients {
        let (more, lost) = timeout(PATIENCE, client).await.unwrap().unwrap();
        assert!(!lost, "a request was lost after {more} answers");
        answers += more;
    }
    assert!(answers >= ANSWERS);
    for mut socket in sockets {
        let close = loop {
            match timeout(PATIENCE, socket.next()).await.unwrap() {
                Some(Ok(Message::Close(frame))) => break frame.expect("a close without a code"),
                Some(Ok(_)) => {}
                other => panic!("no close frame: {other:?}"),
            }
        };
        assert_eq!(close.code, CloseCode::Away);
        // Answers the close, so that the closing handshake is complete.
        while let Some(Ok(_)) = socket.next().await {}
    }
    // The stream ends well: with its last chunk.
    let mut rest = Vec::new();
    timeout(PATIENCE, events.read_to_end(&mut rest))
        .await
        .unwrap()
        .unwrap();
    assert!(
        rest.ends_with(b"0\r\n\r\n"),
        "{}",
        String::from_utf8_lossy(&rest)
    );
    // A request that the server has begun to read is served although the shutdown began.
    finishing.write_all(b"later").await.unwrap();
    let answer = read_head(&mut finishing, &mut Vec::new())
        .await
        .expect("an upload was lost");
    assert!(answer.starts_with("HTTP/1.1 303 "), "{answer}");

    let (status, report) = tour.end().await;
    assert!(status.success(), "{status}");
    assert!(report[0].ends_with(" drained, 1 cut"), "{report:?}");
    let cut = &report[1];
    assert!(cut.starts_with("cut #") && cut.contains(" http "), "{cut}");
    assert!(cut.contains(&never_address.to_string()), "{cut}");
    drop(never);
}
