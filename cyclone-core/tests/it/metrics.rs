//! Metrics through the facade, as a recorder sees them.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cyclone_core::{Endpoint, Inspect, Inspection, METRICS_INTERVAL, Metric, Server};
use metrics::{
    Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit,
    set_default_local_recorder, with_local_recorder,
};
use tokio::time::sleep;

use crate::support::{echo, greeted, ping, tcp_address, within};

/// Keeps what it is told.
#[derive(Default)]
struct Book {
    counters: Mutex<BTreeMap<String, Arc<AtomicU64>>>,
    gauges: Mutex<BTreeMap<String, Arc<AtomicU64>>>,
    described: Mutex<Vec<String>>,
}

fn entry(of: &Mutex<BTreeMap<String, Arc<AtomicU64>>>, key: &Key) -> Arc<AtomicU64> {
    let labels: Vec<_> = key
        .labels()
        .map(|label| format!("{}={}", label.key(), label.value()))
        .collect();
    let name = format!("{}{{{}}}", key.name(), labels.join(","));
    Arc::clone(of.lock().unwrap().entry(name).or_default())
}

impl Recorder for Book {
    fn describe_counter(&self, name: KeyName, _unit: Option<Unit>, _text: SharedString) {
        self.described
            .lock()
            .unwrap()
            .push(name.as_str().to_owned());
    }
    fn describe_gauge(&self, name: KeyName, _unit: Option<Unit>, _text: SharedString) {
        self.described
            .lock()
            .unwrap()
            .push(name.as_str().to_owned());
    }
    fn describe_histogram(&self, _name: KeyName, _unit: Option<Unit>, _text: SharedString) {}
    fn register_counter(&self, key: &Key, _metadata: &Metadata<'_>) -> Counter {
        Counter::from_arc(entry(&self.counters, key))
    }
    fn register_gauge(&self, key: &Key, _metadata: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(entry(&self.gauges, key))
    }
    fn register_histogram(&self, _key: &Key, _metadata: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

impl Book {
    fn counter(&self, name: &str) -> Option<u64> {
        let counters = self.counters.lock().unwrap();
        counters
            .get(name)
            .map(|counter| counter.load(Ordering::SeqCst))
    }

    fn gauge(&self, name: &str) -> Option<f64> {
        let gauges = self.gauges.lock().unwrap();
        let bits = gauges.get(name).map(|gauge| gauge.load(Ordering::SeqCst));
        bits.map(f64::from_bits)
    }
}

const OPEN: &str = "cyclone_connections_open{protocol=echo}";
const ACCEPTED: &str = "cyclone_connections_accepted_total{}";

/// A number that the test sets.
struct Level(Arc<AtomicU64>);

impl Inspect for Level {
    fn kind(&self) -> &'static str {
        "level"
    }
    fn inspect(&self) -> Inspection {
        let level = self.0.load(Ordering::SeqCst);
        Inspection::new().metric(Metric::gauge("now", "The level", level).limit(100_u64))
    }
}

#[tokio::test]
async fn servers_of_one_process_add_up_and_take_their_gauges_back() {
    let book = Book::default();
    let server = || Server::new().listen(Endpoint::loopback(0), echo()).start();
    let (one, two) = (server().await.unwrap(), server().await.unwrap());
    let publish = || {
        with_local_recorder(&book, || {
            one.handle().publish_metrics();
            two.handle().publish_metrics();
        });
    };
    publish();
    let mut peers = Vec::new();
    for at in [&one, &one, &two] {
        let mut peer = greeted(tcp_address(at, 0)).await;
        ping(&mut peer).await;
        peers.push(peer);
    }
    publish();
    assert_eq!(book.gauge(OPEN), Some(3.0));
    assert_eq!(book.counter(ACCEPTED), Some(3));
    // Publishing again changes nothing.
    publish();
    assert_eq!(book.gauge(OPEN), Some(3.0));
    assert_eq!(book.counter(ACCEPTED), Some(3));
    peers.pop();
    while !two.registry().is_empty() {
        tokio::task::yield_now().await;
    }
    publish();
    assert_eq!(book.gauge(OPEN), Some(2.0));
    assert_eq!(book.counter(ACCEPTED), Some(3));
    // What is of the process is not doubled.
    let threads = book.gauge("cyclone_process_threads{}").unwrap();
    let now = one.handle().snapshot().process.threads.unwrap();
    assert!(threads <= now as f64 + 8.0, "{threads} of {now}");
    let described = book.described.lock().unwrap().clone();
    assert!(described.contains(&"cyclone_connections_open".to_owned()));
}

#[tokio::test]
async fn the_gauges_of_what_is_gone_count_no_more() {
    let book = Book::default();
    let server = Server::new().start().await.unwrap();
    let handle = server.handle();
    let publish = || with_local_recorder(&book, || handle.publish_metrics());
    let level = Arc::new(AtomicU64::new(7));
    assert!(handle.inspect("a", Level(Arc::clone(&level))));
    publish();
    const NOW: &str = "cyclone_level_now{level=a}";
    assert_eq!(book.gauge(NOW), Some(7.0));
    assert_eq!(book.gauge("cyclone_level_now_limit{level=a}"), Some(100.0));
    level.store(2, Ordering::SeqCst);
    publish();
    assert_eq!(book.gauge(NOW), Some(2.0));
    assert!(handle.forget("a"));
    publish();
    assert_eq!(book.gauge(NOW), Some(0.0));
    assert!(handle.inspect("a", Level(level)));
    publish();
    assert_eq!(book.gauge(NOW), Some(2.0));
}

#[tokio::test(start_paused = true)]
async fn a_server_publishes_by_itself_until_it_ends() {
    // The recorder is the thread's, and so is the runtime of the test.
    let book = Box::leak(Box::new(Book::default()));
    let _recorder = set_default_local_recorder(book);
    let level = Arc::new(AtomicU64::new(3));
    let server = Server::new()
        .inspect("a", Level(Arc::clone(&level)))
        .start()
        .await
        .unwrap();
    const NOW: &str = "cyclone_level_now{level=a}";
    sleep(Duration::from_millis(1)).await;
    assert_eq!(book.gauge(NOW), Some(3.0));
    level.store(4, Ordering::SeqCst);
    sleep(METRICS_INTERVAL - Duration::from_millis(10)).await;
    assert_eq!(book.gauge(NOW), Some(3.0));
    sleep(Duration::from_millis(20)).await;
    assert_eq!(book.gauge(NOW), Some(4.0));
    let handle = server.handle().clone();
    server.shutdown();
    within(server.wait()).await;
    sleep(Duration::from_millis(1)).await;
    assert_eq!(book.gauge(NOW), Some(0.0));
    // Admin pages may still look at it.
    handle.publish_metrics();
    assert_eq!(book.gauge(NOW), Some(0.0));
}
