//! A pool that stops connecting, by itself or because it is told to, and its state as a value.

use cyclone_core::{BackoffPolicy, Jitter, PoolState};

use super::*;

/// Delays that can be foretold: 50 ms, doubled up to 5 s.
fn exact() -> BackoffPolicy {
    BackoffPolicy::reconnect().jitter(Jitter::None)
}

#[tokio::test(start_paused = true)]
async fn it_gives_up_after_so_many_attempts() {
    for attempts in [1, 2, 5] {
        let fake = Fake::down();
        let pool = Pool::builder(fake.clone())
            .backoff(exact())
            .max_attempts(attempts)
            .build();
        let mut states = pool.on_state();
        let stopped = states
            .wait_for(|state| matches!(state, PoolState::Stopped { .. }))
            .await;
        assert_eq!(fake.attempts(), attempts as usize);
        let Some(PoolState::Stopped { error: Some(error) }) = stopped else {
            panic!("{stopped:?}");
        };
        assert_eq!(error.to_string(), "refused");
        sleep(Duration::from_secs(3600)).await;
        assert_eq!(fake.attempts(), attempts as usize, "it stays so");

        let error = pool.get().await.unwrap_err();
        assert!(matches!(error, PoolError::Stopped(Some(_))));
        assert!(error.is_not_sent() && !error.is_retryable());
        assert_eq!(
            error.to_string(),
            "not sent: the pool stopped connecting: refused"
        );
        assert!(matches!(pool.warm_up().await, Err(PoolError::Stopped(_))));
        assert_eq!(
            pool.health().current(),
            Health::Down("stopped: refused".into())
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_success_gives_all_attempts_back() {
    let fake = Fake::down();
    let pool = lazy(&fake).backoff(exact()).max_attempts(3).build();
    for _ in 0..4 {
        fake.on_connect(Does::Refuse);
        let failed = pool.statistics().failed;
        pool.get().await.unwrap_err();
        while pool.statistics().failed < failed + 2 {
            sleep(ms(1)).await;
        }
        fake.on_connect(Does::Answer);
        assert!(pool.on_state().wait_for(PoolState::is_up).await.is_some());
        pool.get().await.unwrap().discard();
    }
}

#[tokio::test(start_paused = true)]
async fn attempts_that_fail_together_count_as_one() {
    let fake = Fake::new();
    fake.on_connect(Does::Hang);
    let pool = lazy(&fake)
        .connect_timeout(ms(100))
        .backoff(exact())
        .max_attempts(2)
        .build();
    futures_util::future::join_all((0..10).map(|_| pool.get())).await;
    sleep(Duration::from_secs(60)).await;
    assert_eq!(fake.attempts(), 11);
    assert!(matches!(pool.state(), PoolState::Stopped { .. }));
}

#[tokio::test(start_paused = true)]
async fn continuing_starts_over_at_once() {
    let fake = Fake::down();
    let pool = Pool::builder(fake.clone())
        .backoff(exact())
        .max_attempts(4)
        .build();
    for round in 0..3 {
        sleep(Duration::from_secs(60)).await;
        assert_eq!(fake.attempts(), 4 * (round + 1));
        pool.continue_trying();
        settle().await;
        assert_eq!(fake.attempts(), 4 * (round + 1) + 1, "at once");
        sleep(ms(50)).await;
        settle().await;
        assert_eq!(fake.attempts(), 4 * (round + 1) + 2, "with the first delay");
    }
    fake.on_connect(Does::Answer);
    pool.continue_trying();
    assert!(pool.on_state().wait_for(PoolState::is_up).await.is_some());
    drop(all(&pool).await);
}

#[tokio::test(start_paused = true)]
async fn continuing_cuts_a_delay_short() {
    let fake = Fake::down();
    let pool = lazy(&fake)
        .backoff(exact().base(ms(60_000)).max(ms(60_000)))
        .build();
    pool.get().await.unwrap_err();
    fake.on_connect(Does::Answer);
    let began = Instant::now();
    pool.continue_trying();
    assert!(pool.on_state().wait_for(PoolState::is_up).await.is_some());
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn told_to_stop_it_ends_attempts_and_keeps_connections() {
    let fake = Fake::new();
    let pool = lazy(&fake).max_size(3).build();
    let held = pool.get().await.unwrap();
    fake.on_connect(Does::Hang);
    let waiting = tokio::spawn({
        let pool = pool.clone();
        async move { pool.get().await.map(|connection| connection.peek().id) }
    });
    settle().await;
    assert_eq!(pool.statistics().connecting, 1);
    pool.stop_trying();
    settle().await;
    assert_eq!((pool.statistics().connecting, fake.attempts()), (0, 2));
    assert!(pool.state().is_up(), "{:?}", pool.state());
    drop(held);
    assert_eq!(waiting.await.unwrap().unwrap(), 1, "one is open");

    let last = pool.get().await.unwrap();
    let waiting = tokio::spawn({
        let pool = pool.clone();
        async move { pool.get().await.map(drop) }
    });
    settle().await;
    last.discard();
    let error = waiting.await.unwrap().unwrap_err();
    assert_eq!(error.to_string(), "not sent: the pool stopped connecting");
    assert_eq!(fake.attempts(), 2);
    fake.on_connect(Does::Answer);
    pool.continue_trying();
    settle().await;
    drop(all(&pool).await);
}

#[tokio::test(start_paused = true)]
async fn stopping_ends_a_warm_up() {
    let fake = Fake::new();
    fake.on_connect(Does::Hang);
    let pool = Pool::new(fake.clone());
    let warming = tokio::spawn({
        let pool = pool.clone();
        async move { pool.warm_up().await }
    });
    settle().await;
    pool.stop_trying();
    let warm = warming.await.unwrap();
    assert!(matches!(warm, Err(PoolError::Stopped(None))), "{warm:?}");
}

#[tokio::test(start_paused = true)]
async fn each_state_is_shown_once() {
    let fake = Fake::new();
    let pool = lazy(&fake).backoff(exact()).max_size(2).build();
    let mut states = pool.on_state();
    assert!(matches!(states.current(), PoolState::Starting));
    let held = pool.get().await.unwrap();
    assert!(states.changed().await.unwrap().is_up());

    fake.on_connect(Does::Refuse);
    let waiting = tokio::spawn({
        let pool = pool.clone();
        async move { pool.get().await.map(drop) }
    });
    let began = Instant::now();
    let shown = states.changed().await.unwrap();
    let PoolState::Degraded { retry_at, .. } = shown else {
        panic!("{shown:?}");
    };
    assert_eq!(retry_at, began + ms(50));
    held.discard();
    let shown = states.changed().await.unwrap();
    assert!(matches!(shown, PoolState::Down { .. }), "{shown:?}");
    assert!(waiting.await.unwrap().is_err());

    fake.on_connect(Does::Answer);
    assert!(states.wait_for(PoolState::is_up).await.is_some());
    pool.close().await;
    assert!(matches!(states.changed().await, Some(PoolState::Closed)));
    drop(pool);
    assert!(states.changed().await.is_none(), "there will be no more");
}
