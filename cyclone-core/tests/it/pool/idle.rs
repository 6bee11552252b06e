use super::*;

#[tokio::test(start_paused = true)]
async fn idle_connections_are_reaped_at_their_limit() {
    let fake = Fake::new();
    let pool = lazy(&fake).idle_timeout(ms(60_000)).build();
    drop(all(&pool).await);
    assert_eq!(fake.open(), 10);
    sleep(ms(59_999)).await;
    assert_eq!(fake.open(), 10, "just under");
    sleep(ms(2)).await;
    assert_eq!(fake.open(), 0, "just over");
    assert_eq!((fake.goodbyes(), pool.statistics().reaped), (10, 10));
    assert_eq!(pool.statistics().size, 0);
    drop(all(&pool).await);
}

#[tokio::test(start_paused = true)]
async fn a_used_connection_is_not_idle() {
    let fake = Fake::new();
    let pool = lazy(&fake).idle_timeout(ms(1000)).build();
    for _ in 0..10 {
        assert_eq!(pool.get().await.unwrap().peek().id, 1);
        sleep(ms(999)).await;
    }
    assert_eq!(fake.attempts(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_minimum_is_opened_kept_and_refilled() {
    let fake = Fake::new();
    let pool = lazy(&fake).min_idle(3).idle_timeout(ms(1000)).build();
    pool.warm_up().await.unwrap();
    assert_eq!(pool.statistics().idle, 3);

    let held = [pool.get().await.unwrap(), pool.get().await.unwrap()];
    settle().await;
    assert_eq!((pool.statistics().idle, pool.statistics().size), (3, 5));
    drop(held);
    assert_eq!(pool.statistics().idle, 5);

    // The idle limit takes the surplus and never the minimum.
    for _ in 0..20 {
        sleep(ms(700)).await;
        assert!(pool.statistics().idle >= 3);
    }
    assert_eq!((pool.statistics().idle, fake.open()), (3, 3));
    assert_eq!(pool.statistics().reaped, 2);
}

#[tokio::test(start_paused = true)]
async fn the_minimum_is_kept_while_goodbyes_are_slow() {
    let fake = Fake::new();
    fake.on_close(Does::AnswerAfter(ms(5000)));
    let pool = lazy(&fake)
        .max_size(4)
        .min_idle(2)
        .idle_timeout(ms(1000))
        .build();
    drop(all(&pool).await);
    sleep(ms(1001)).await;
    let closing = pool.statistics();
    assert_eq!((closing.size, closing.idle, closing.closing), (2, 2, 2));
    // A use makes the keeper look again, a second later: those being closed are no surplus.
    drop(pool.get().await.unwrap());
    sleep(ms(1001)).await;
    assert_eq!((pool.statistics().idle, fake.open()), (2, 4));
    sleep(ms(5000)).await;
    assert_eq!((pool.statistics().idle, fake.open()), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn a_goodbye_has_a_limit() {
    let fake = Fake::new();
    fake.on_close(Does::Hang);
    let pool = lazy(&fake)
        .idle_timeout(ms(1000))
        .close_timeout(ms(500))
        .build();
    drop(pool.get().await.unwrap());
    sleep(ms(1499)).await;
    assert_eq!(fake.open(), 1);
    sleep(ms(2)).await;
    assert_eq!((fake.open(), pool.statistics().closing), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn the_minimum_never_exceeds_the_maximum() {
    let fake = Fake::new();
    for min_idle in [7, usize::MAX] {
        let pool = lazy(&fake).min_idle(min_idle).max_size(2).build();
        // Those who wait are added to those who are missing.
        let first = pool.get().await.unwrap();
        pool.warm_up().await.unwrap();
        drop(first);
        let held = all(&pool).await;
        sleep(ms(5000)).await;
        assert_eq!(fake.most_open(), 2, "at least {min_idle}");
        drop(held);
        pool.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_kept_minimum_costs_no_wakeups() {
    let fake = Fake::new();
    let pool = lazy(&fake).min_idle(2).idle_timeout(ms(1)).build();
    pool.warm_up().await.unwrap();
    // A keeper that looks again and again at an overdue connection would never let the time advance.
    sleep(Duration::from_secs(3600)).await;
    assert_eq!(pool.statistics().idle, 2);
}

#[tokio::test(start_paused = true)]
async fn old_connections_are_replaced_within_the_jitter() {
    // The keeper's randomness descends from that of its thread.
    fastrand::seed(1);
    let fake = Fake::new();
    let pool = lazy(&fake).min_idle(10).max_lifetime(ms(100_000)).build();
    pool.warm_up().await.unwrap();
    sleep(ms(89_999)).await;
    assert_eq!(fake.goodbyes(), 0, "not before nine tenths");
    sleep(ms(5_001)).await;
    let half_way = fake.goodbyes();
    assert!((1..10).contains(&half_way), "not all together: {half_way}");
    sleep(ms(5_001)).await;
    assert_eq!(fake.goodbyes(), 10, "not after the limit");
    settle().await;
    assert_eq!((fake.open(), pool.statistics().idle), (10, 10));
    assert_eq!(pool.statistics().reaped, 10);
}

#[tokio::test(start_paused = true)]
async fn a_lifetime_of_nothing_is_a_second() {
    let fake = Fake::new();
    let pool = lazy(&fake).max_lifetime(Duration::ZERO).build();
    drop(pool.get().await.unwrap());
    sleep(ms(899)).await;
    assert_eq!(fake.open(), 1);
    sleep(ms(102)).await;
    assert_eq!(fake.open(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_busy_connection_is_replaced_when_it_comes_back() {
    let fake = Fake::new();
    let pool = lazy(&fake).max_lifetime(ms(1000)).build();
    let held = pool.get().await.unwrap();
    sleep(ms(5000)).await;
    assert_eq!(fake.open(), 1, "not under its user");
    drop(held);
    assert_eq!(pool.get().await.unwrap().peek().id, 2);
    assert_eq!(fake.goodbyes(), 1);
}

#[tokio::test(start_paused = true)]
async fn silent_connections_are_checked_in_the_background() {
    let fake = Fake::new();
    let pool = lazy(&fake).min_idle(2).keepalive(ms(30_000)).build();
    pool.warm_up().await.unwrap();
    sleep(ms(29_999)).await;
    assert_eq!(fake.checks(), 0);
    sleep(ms(2)).await;
    assert_eq!(fake.checks(), 2);
    sleep(ms(30_000)).await;
    assert_eq!(fake.checks(), 4);
    assert_eq!(fake.attempts(), 2);
    drop(all(&pool).await);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_goes_away_is_noticed_without_callers() {
    let fake = Fake::new();
    let pool = Pool::new(fake.clone());
    pool.warm_up().await.unwrap();
    fake.on_connect(Does::Refuse);
    fake.on_check(Does::Refuse);
    let mut health = pool.health();
    health.changed().await;
    assert_eq!(health.current(), Health::Down("refused".into()));

    fake.on_connect(Does::Answer);
    fake.on_check(Does::Answer);
    assert!(health.wait_up().await);
    settle().await;
    assert_eq!(pool.statistics().idle, 1);
}

#[tokio::test(start_paused = true)]
async fn warming_up_tells_of_a_failure() {
    let fake = Fake::down();
    let pool = Pool::new(fake.clone());
    assert!(matches!(pool.warm_up().await, Err(PoolError::Connect(_))));

    fake.on_connect(Does::Hang);
    let pool = Pool::builder(fake.clone())
        .connect_timeout(Duration::MAX)
        .wait_timeout(ms(100))
        .build();
    assert!(matches!(
        pool.warm_up().await,
        Err(PoolError::Timeout { .. })
    ));

    let warming = tokio::spawn({
        let pool = pool.clone();
        async move { pool.warm_up().await }
    });
    settle().await;
    pool.close().await;
    assert!(matches!(warming.await.unwrap(), Err(PoolError::Closed)));

    fake.on_connect(Does::Answer);
    lazy(&fake).build().warm_up().await.unwrap();
}
