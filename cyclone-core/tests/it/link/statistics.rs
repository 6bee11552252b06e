use super::*;

#[tokio::test(start_paused = true)]
async fn attempts_losses_and_uptime_are_counted() {
    let fake = Fake::new();
    let (link, sessions) = link(&fake, exact());
    let statistics = link.statistics();
    assert_eq!(
        (statistics.attempts, statistics.uptime),
        (0, Duration::ZERO)
    );

    link.wait_up(LONG).await.unwrap();
    let since = Instant::now();
    sleep(ms(1000)).await;
    let statistics = link.statistics();
    assert_eq!((statistics.attempts, statistics.connects), (1, 1));
    assert_eq!(
        (statistics.uptime, statistics.up_since),
        (ms(1000), Some(since))
    );
    assert!(statistics.last_error.is_none());

    fake.on_connect(Does::Refuse);
    sessions.end(Ends::WithError);
    // Attempts 50 and 150 ms after the loss.
    sleep(ms(160)).await;
    let statistics = link.statistics();
    assert_eq!((statistics.losses, statistics.failed), (1, 2));
    assert_eq!((statistics.attempts, statistics.connects), (3, 1));
    assert_eq!((statistics.uptime, statistics.up_since), (ms(1000), None));
    assert_eq!(statistics.last_error.unwrap().to_string(), "refused");

    fake.on_connect(Does::Answer);
    link.wait_up(LONG).await.unwrap();
    sleep(ms(500)).await;
    link.close().await;
    sleep(ms(500)).await;
    let statistics = link.statistics();
    assert_eq!((statistics.losses, statistics.connects), (1, 2));
    assert_eq!((statistics.uptime, statistics.up_since), (ms(1500), None));
}
