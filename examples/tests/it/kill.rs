//! `kill -9` under load: what was acknowledged is there, once.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::tour::{PATIENCE, Socket, Tour, say};

const SENDERS: usize = 200;
/// Acknowledgements to wait for before the process is killed.
const ACKNOWLEDGED: usize = 3000;

/// What a sender knows when its connection is lost.
#[derive(Default)]
struct Sent {
    acknowledged: Vec<String>,
    /// Sent, fate unknown.
    open: Option<String>,
}

/// Says one thing after the other until the connection is lost.
async fn say_on(
    mut socket: Socket,
    number: usize,
    count: Arc<AtomicUsize>,
    enough: Arc<Notify>,
) -> Sent {
    let mut sent = Sent::default();
    for turn in 0.. {
        let id = format!("{number}-{turn}");
        sent.open = Some(id.clone());
        if socket.send(say(&id, "under load")).await.is_err() {
            return sent;
        }
        loop {
            let Some(Ok(frame)) = socket.next().await else {
                return sent;
            };
            let Ok(value) = serde_json::from_str::<Value>(frame.to_text().unwrap_or_default())
            else {
                return sent;
            };
            if value["type"] == "ack" && value["id"] == id.as_str() {
                break;
            }
        }
        sent.open = None;
        sent.acknowledged.push(id);
        if count.fetch_add(1, Ordering::SeqCst) + 1 == ACKNOWLEDGED {
            enough.notify_one();
        }
    }
    sent
}

fn count_ids(history: &[Value]) -> HashMap<String, usize> {
    let mut counts = HashMap::new();
    for message in history {
        *counts
            .entry(message["id"].as_str().unwrap().to_owned())
            .or_insert(0) += 1;
    }
    counts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledged_messages_survive_kill_9_exactly_once() {
    let data = tempfile::tempdir().unwrap();
    let tour = Tour::start(data.path(), &[]).await;
    let (count, enough) = (Arc::<AtomicUsize>::default(), Arc::<Notify>::default());
    let mut senders = Vec::new();
    for number in 0..SENDERS {
        let socket = tour
            .join("lobby", &format!("sender-{number}"), i64::MAX)
            .await;
        let (count, enough) = (Arc::clone(&count), Arc::clone(&enough));
        senders.push(tokio::spawn(say_on(socket, number, count, enough)));
    }
    timeout(PATIENCE, enough.notified())
        .await
        .expect("too few acknowledgements");
    tour.kill().await;
    let known: Mutex<Vec<(usize, Sent)>> = Mutex::default();
    for (number, sender) in senders.into_iter().enumerate() {
        let sent = timeout(PATIENCE, sender).await.unwrap().unwrap();
        known.lock().unwrap().push((number, sent));
    }
    let known = known.into_inner().unwrap();
    let acknowledged: usize = known.iter().map(|(_, sent)| sent.acknowledged.len()).sum();
    assert!(acknowledged >= ACKNOWLEDGED);

    let tour = Tour::start(data.path(), &[]).await;
    let counts = count_ids(&tour.history("lobby").await);
    for (_, sent) in &known {
        for id in &sent.acknowledged {
            assert_eq!(counts.get(id), Some(&1), "acknowledged message {id}");
        }
    }

    // The pages say again whatever they do not know to be stored; it must not be there twice.
    let mut again = 0;
    for (number, sent) in &known {
        let Some(id) = &sent.open else { continue };
        let mut socket = tour
            .join("lobby", &format!("sender-{number}"), i64::MAX)
            .await;
        socket.send(say(id, "under load")).await.unwrap();
        let ack = timeout(PATIENCE, socket.next())
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        assert!(ack.to_text().unwrap().contains("\"ack\""), "{ack}");
        again += 1;
    }
    let counts = count_ids(&tour.history("lobby").await);
    assert!(counts.values().all(|count| *count == 1));
    assert_eq!(counts.len(), acknowledged + again);
}
