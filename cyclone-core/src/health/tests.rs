use super::{Health, HealthReporter, HealthWatch};

#[tokio::test]
async fn a_change_is_seen_once() {
    let reporter = HealthReporter::default();
    let mut watch = reporter.watch();
    assert_eq!(watch.current(), Health::Starting);

    assert!(reporter.set(Health::Up));
    assert!(!reporter.set(Health::Up), "the same word is no change");
    assert_eq!(watch.changed().await, Some(Health::Up));

    assert!(reporter.set(Health::Down("gone".into())));
    assert_eq!(watch.changed().await, Some(Health::Down("gone".into())));
    assert_eq!(reporter.current().reason(), Some("gone"));
}

#[tokio::test]
async fn the_last_word_outlives_the_reporter() {
    let reporter = HealthReporter::new(Health::Degraded("slow".into()));
    let mut watch = reporter.watch();
    drop(reporter);
    assert_eq!(watch.changed().await, None);
    assert!(!watch.wait_up().await);
    assert_eq!(watch.current().to_string(), "degraded: slow");
}

#[tokio::test]
async fn waiting_for_up() {
    assert!(HealthWatch::fixed(Health::Up).wait_up().await);

    let reporter = HealthReporter::default();
    let mut watch = reporter.watch();
    let waiting = tokio::spawn(async move { watch.wait_up().await });
    reporter.set(Health::Down("not yet".into()));
    reporter.set(Health::Up);
    assert!(waiting.await.unwrap());
}
