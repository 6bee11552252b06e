//! What a database says of itself to a server.

use cyclone_core::{Health, Inspect, Inspection, MetricValue};

use crate::support::{Plug, file, open, send};

/// The value of a metric and its limit.
fn metric(inspection: &Inspection, name: &str) -> Option<(MetricValue, Option<u64>)> {
    let metrics = inspection.metrics.iter();
    let mut named = metrics.filter(|metric| metric.name == name);
    named
        .next()
        .map(|metric| (metric.value.clone(), metric.limit))
}

#[tokio::test]
async fn a_database_says_what_waits_and_what_it_did() {
    let file = file();
    let db = open(&file, |b| b.write_queue(2).read_queue(3)).await;
    db.execute("INSERT INTO t VALUES (1)", ()).await.unwrap();
    db.execute("INSERT INTO nowhere VALUES (1)", ())
        .await
        .unwrap_err();
    let before = db.inspect();
    assert_eq!(
        (db.kind(), before.health.as_ref()),
        ("sqlite", Some(&Health::Up))
    );
    let is = |value: u64, limit| Some((MetricValue::from(value), limit));
    let committed = db.statistics().committed;
    assert!(committed > 0);
    assert_eq!(metric(&before, "committed_total"), is(committed, None));
    assert_eq!(metric(&before, "failed_total"), is(1, None));
    assert_eq!(metric(&before, "write_queue"), is(0, Some(2)));
    assert_eq!(metric(&before, "read_queue"), is(0, Some(3)));

    let plug = Plug::writer(&db).await;
    let mut waiting = Box::pin(db.execute("INSERT INTO t VALUES (2)", ()));
    assert!(send(&mut waiting).await.is_none());
    let plugged = db.inspect();
    assert_eq!(metric(&plugged, "write_queue"), is(1, Some(2)));
    assert_eq!(metric(&plugged, "running"), is(1, None));
    plug.pull().await;
    waiting.await.unwrap();

    db.close().await;
    assert!(db.inspect().health.as_ref().is_some_and(Health::is_down));
}
