//! What a server says of itself.

#![expect(clippy::panic, reason = "helpers of tests")]

use std::time::Duration;

use cyclone_core::{
    Address, BackoffPolicy, BusLimits, CallQueue, Connection, Endpoint, EventLoopDelay, Health,
    Inspect, Inspection, Link, LocalBus, LogLimits, MAX_SOURCES, MemoryLog, MemoryStore, Metric,
    Pool, ProtocolFactory, Readiness, Server, ServiceGroup, Snapshot, Store, protocol_fn,
};
use tokio::io::AsyncWriteExt;

use crate::fake_connector::Fake;
use crate::support::{echo, greeted, ping, polite, rest, tcp_address, within};

/// The value of a metric with these labels.
fn value(snapshot: &Snapshot, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let metrics = snapshot.metrics();
    let found = metrics.iter().find(|metric| {
        let own = metric
            .labels
            .iter()
            .map(|(name, value)| (&**name, value.as_str()));
        metric.name == name && own.eq(labels.iter().copied())
    });
    found.map(|metric| metric.value.as_f64())
}

/// Turns into another protocol at once.
fn turncoat() -> impl ProtocolFactory {
    protocol_fn("caterpillar", |mut connection: Connection| async move {
        connection.session().set_protocol("butterfly");
        connection.session().set_protocol("butterfly");
        connection.write_all(b"hi").await?;
        connection.session().draining().await;
        Ok(())
    })
}

#[tokio::test]
async fn connections_are_counted_by_protocol_as_they_come_change_and_go() {
    let server = Server::new()
        .listen(Endpoint::loopback(0), echo())
        .listen(Endpoint::loopback(0), turncoat())
        .max_connections(77)
        .version("1.2.3")
        .start()
        .await
        .unwrap();
    let handle = server.handle().clone();
    let before = handle.snapshot();
    assert_eq!(before.connections.open, 0);
    assert_eq!(before.connections.protocols, []);
    assert_eq!(before.readiness, Readiness::Ready);

    let mut first = greeted(tcp_address(&server, 0)).await;
    let second = greeted(tcp_address(&server, 0)).await;
    let changed = greeted(tcp_address(&server, 1)).await;
    ping(&mut first).await;
    drop(second);
    while handle.registry().len() > 2 {
        tokio::task::yield_now().await;
    }

    let now = handle.snapshot();
    let connections = &now.connections;
    assert_eq!((connections.open, connections.limit), (2, 77));
    assert_eq!((connections.accepted, connections.refused), (3, 0));
    let protocols: Vec<_> = connections
        .protocols
        .iter()
        .map(|one| (one.protocol, one.open, one.begun))
        .collect();
    assert_eq!(
        protocols,
        [("butterfly", 1, 1), ("caterpillar", 0, 1), ("echo", 1, 2)]
    );
    assert_eq!(now.version.as_deref(), Some("1.2.3"));
    let listeners: Vec<_> = now
        .listeners
        .iter()
        .map(|one| (one.protocol, one.address.clone(), one.endpoint.as_str()))
        .collect();
    let address = |at| Address::Tcp(tcp_address(&server, at));
    let endpoint = Endpoint::loopback(0).to_string();
    assert_eq!(
        listeners,
        [
            ("echo", address(0), endpoint.as_str()),
            ("caterpillar", address(1), endpoint.as_str())
        ]
    );
    let open = |protocol| value(&now, "cyclone_connections_open", &[("protocol", protocol)]);
    assert_eq!(open("echo"), Some(1.0));
    assert_eq!(open("butterfly"), Some(1.0));
    assert_eq!(open("caterpillar"), Some(0.0));
    let total = value(&now, "cyclone_connections_accepted_total", &[]);
    assert_eq!(total, Some(3.0));
    assert_eq!(value(&now, "cyclone_connections_limit", &[]), Some(77.0));
    assert_eq!(value(&now, "cyclone_ready", &[]), Some(1.0));

    server.shutdown();
    drop(first);
    within(server.wait()).await;
    assert_eq!(rest(&mut { changed }).await, "");
    assert_eq!(handle.snapshot().readiness, Readiness::Draining);
    assert_eq!(value(&handle.snapshot(), "cyclone_ready", &[]), Some(0.0));
}

#[tokio::test]
async fn the_newest_connections_just_under_at_and_over_what_is_open() {
    let server = Server::new()
        .listen(Endpoint::loopback(0), polite())
        .start()
        .await
        .unwrap();
    let mut open = Vec::new();
    for _ in 0..5 {
        open.push(greeted(tcp_address(&server, 0)).await);
    }
    for (limit, expected) in [
        (0, &[][..]),
        (1, &[5][..]),
        (4, &[5, 4, 3, 2]),
        (5, &[5, 4, 3, 2, 1]),
        (6, &[5, 4, 3, 2, 1]),
    ] {
        let newest = server.registry().newest(limit);
        let ids: Vec<_> = newest.iter().map(|info| info.id().get()).collect();
        assert_eq!(ids, expected, "{limit}");
    }
}

/// A queue with a health.
struct Queue(Health);

impl Inspect for Queue {
    fn kind(&self) -> &'static str {
        "queue"
    }
    fn inspect(&self) -> Inspection {
        Inspection::new()
            .health(self.0.clone())
            .metric(Metric::gauge("length", "Waiting", 3_u64).limit(10_u64))
    }
}

/// Counts for a whole server.
#[derive(Default)]
struct Tally;

impl Inspect for Tally {
    fn kind(&self) -> &'static str {
        "tally"
    }
    fn inspect(&self) -> Inspection {
        panic!("on purpose");
    }
}

#[tokio::test]
async fn what_is_inspected_has_names_limits_and_a_say_in_readiness() {
    let down = Health::Down("full".to_owned());
    let server = Server::new()
        .inspect("in", Queue(Health::Up))
        .inspect("out", Queue(down.clone()))
        .inspect("queue", Queue(Health::Up))
        .ready_requires("out")
        .start()
        .await
        .unwrap();
    let handle = server.handle();
    let readiness = Readiness::Down(vec![("out".to_owned(), down)]);
    let now = handle.snapshot();
    assert_eq!(now.readiness, readiness);
    for (name, labels, expected) in [
        ("cyclone_queue_length", &[("queue", "in")][..], 3.0),
        ("cyclone_queue_length_limit", &[("queue", "in")], 10.0),
        ("cyclone_queue_up", &[("queue", "in")], 1.0),
        ("cyclone_queue_up", &[("queue", "out")], 0.0),
        ("cyclone_queue_up", &[], 1.0),
    ] {
        assert_eq!(value(&now, name, labels), Some(expected), "{name}");
    }
    let limits = now.limits();
    let limit = limits.iter().find(|limit| limit.name == "queue out length");
    let limit = limit.unwrap();
    assert_eq!((limit.used, limit.limit), (3.0, 10));
    assert_eq!(limits[0].name, "connections");

    // What is of the same kind and name takes the place.
    assert!(handle.inspect("out", Queue(Health::Up)));
    assert!(handle.readiness().is_ready());
    assert_eq!(handle.snapshot().sources.len(), 3);
    assert!(handle.forget("in"));
    assert!(!handle.forget("in"));
    assert_eq!(handle.snapshot().sources.len(), 2);
    assert!(handle.forget("out"));
    assert!(!handle.readiness().is_ready());
}

#[tokio::test]
async fn a_tally_is_shared_and_may_panic() {
    let server = Server::new().start().await.unwrap();
    let handle = server.handle();
    let tally = handle.inspected::<Tally>("tally");
    assert!(std::sync::Arc::ptr_eq(&tally, &handle.inspected("tally")));
    assert!(!std::sync::Arc::ptr_eq(&tally, &handle.inspected("other")));
    let now = handle.snapshot();
    assert_eq!(now.sources.len(), 2);
    assert!(matches!(now.sources[0].health, Some(Health::Down(_))));
    assert_eq!(value(&now, "cyclone_tally_up", &[]), Some(0.0));
}

#[tokio::test]
async fn sources_just_under_at_and_over_the_limit() {
    let server = Server::new().start().await.unwrap();
    let handle = server.handle();
    for number in 0..MAX_SOURCES {
        assert!(handle.inspect(&number.to_string(), Queue(Health::Up)));
    }
    assert!(!handle.inspect("one more", Queue(Health::Up)));
    // One that is there may change, and a protocol counts although nobody sees it.
    assert!(handle.inspect("7", Queue(Health::Up)));
    let _unseen = handle.inspected::<Tally>("tally");
    assert_eq!(handle.snapshot().sources.len(), MAX_SOURCES);
    assert!(handle.forget("7"));
    assert!(handle.inspect("one more", Queue(Health::Up)));
}

#[tokio::test(start_paused = true)]
async fn pools_buses_logs_stores_and_the_event_loop_say_how_they_are() {
    let pool = Pool::builder(Fake::new()).max_size(9).build();
    pool.warm_up().await.unwrap();
    let bus = LocalBus::with_limits(BusLimits::new().topics(5).queue(1.into()));
    let log = MemoryLog::with_limits(LogLimits::new().streams(6));
    let store = MemoryStore::new();
    store.put("key", "value".into(), None).await.unwrap();
    let delay = EventLoopDelay::default();
    let server = Server::new()
        .inspect("main", pool.clone())
        .inspect("news", bus.clone())
        .inspect("replay", log)
        .inspect("sessions", store)
        .resource(delay.clone())
        .service(ServiceGroup::new("group").service(delay))
        .start()
        .await
        .unwrap();
    pool.run(async |_| Ok(())).await.unwrap();
    let held = pool.get().await.unwrap();
    let _subscription = bus.listen("topic").unwrap();
    for _ in 0..3 {
        bus.send("topic", &"x".into()).unwrap();
    }
    bus.send("nobody", &"x".into()).unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;

    let now = server.handle().snapshot();
    for (name, labels, expected) in [
        (
            "cyclone_pool_connections_in_use_limit",
            &[("pool", "main")][..],
            9.0,
        ),
        ("cyclone_pool_connections_in_use", &[("pool", "main")], 1.0),
        ("cyclone_pool_up", &[("pool", "main")], 1.0),
        (
            "cyclone_pool_operations_answered_total",
            &[("pool", "main")],
            1.0,
        ),
        ("cyclone_bus_topics", &[("bus", "news")], 1.0),
        ("cyclone_bus_topics_limit", &[("bus", "news")], 5.0),
        ("cyclone_bus_subscriptions", &[("bus", "news")], 1.0),
        ("cyclone_bus_published_total", &[("bus", "news")], 4.0),
        ("cyclone_bus_missed_total", &[("bus", "news")], 2.0),
        ("cyclone_log_streams_limit", &[("log", "replay")], 6.0),
        ("cyclone_store_keys", &[("store", "sessions")], 1.0),
        ("cyclone_store_bytes", &[("store", "sessions")], 8.0),
        ("cyclone_service_up", &[("service", "group")], 1.0),
        (
            "cyclone_service_up",
            &[("service", "group/event-loop-delay")],
            1.0,
        ),
    ] {
        assert_eq!(value(&now, name, labels), Some(expected), "{name}");
    }
    assert!(value(&now, "cyclone_event_loop_delay_worst_seconds", &[]).is_some());
    assert!(now.process.pid > 0);
    assert!(now.runtime.tasks > 0);
    assert_eq!(now.runtime.workers, 1);
    assert_eq!(now.uptime, Duration::from_secs(1));
    drop(held);
    let text = now.to_prometheus();
    assert!(text.contains("\ncyclone_pool_connections_in_use{pool=\"main\"} 1\n"));
    assert!(text.contains("# TYPE cyclone_uptime_seconds gauge\ncyclone_uptime_seconds 1\n"));
    // Each name has one head.
    let heads: Vec<_> = text
        .lines()
        .filter(|line| line.starts_with("# TYPE"))
        .collect();
    let mut unique = heads.clone();
    unique.dedup();
    assert_eq!(heads, unique);
    assert!(heads.is_sorted());
}

#[tokio::test(start_paused = true)]
async fn links_say_how_they_are() {
    let fake = Fake::new();
    let plain = Link::spawn(
        fake.clone(),
        BackoffPolicy::reconnect(),
        |_, context| async move {
            context.closing().await;
            Ok(())
        },
    );
    let calls = Link::builder(fake.clone()).max_pending(7).spawn_with_calls(
        |_, _, mut queue: CallQueue<u32, u32, _>| async move {
            while let Some((request, answer)) = queue.next().await {
                match request {
                    0 => return Ok(()),
                    request => answer.send(Ok(request)),
                }
            }
            Ok(())
        },
    );
    let server = Server::new()
        .inspect("events", plain.clone())
        .inspect("switch", calls.clone())
        .start()
        .await
        .unwrap();
    plain.wait_up(Duration::from_secs(1)).await.unwrap();
    assert_eq!(calls.call(1).await.unwrap(), 1);
    assert!(calls.call(0).await.unwrap_err().is_outcome_unknown());
    tokio::time::sleep(Duration::from_secs(1)).await;

    let now = server.handle().snapshot();
    for (name, events, switch) in [
        ("up", Some(1.0), Some(1.0)),
        ("attempts_total", Some(1.0), Some(2.0)),
        ("connects_total", Some(1.0), Some(2.0)),
        ("connect_failures_total", Some(0.0), Some(0.0)),
        ("losses_total", Some(0.0), Some(1.0)),
        ("uptime_seconds_total", Some(1.0), None),
        ("calls_pending", None, Some(0.0)),
        ("calls_pending_limit", None, Some(7.0)),
        ("calls_refused_total", None, Some(0.0)),
        ("operations_answered_total", None, Some(1.0)),
        ("operations_unanswered_total", None, Some(1.0)),
        ("operations_cancelled_total", None, Some(0.0)),
        ("operations_barred_total", None, Some(0.0)),
        ("breaker_openings_total", None, Some(0.0)),
    ] {
        let name = format!("cyclone_link_{name}");
        assert_eq!(value(&now, &name, &[("link", "events")]), events, "{name}");
        let of_switch = value(&now, &name, &[("link", "switch")]);
        if switch.is_some() {
            assert_eq!(of_switch, switch, "{name}");
        }
    }
}
