use cyclone_core::{ConnectionError, ConnectionErrorKind};
use futures_util::future::join_all;

use super::*;

#[tokio::test(start_paused = true)]
async fn while_down_callers_fail_at_once_and_nothing_was_sent() {
    let fake = Fake::down();
    let pool = lazy(&fake).build();
    let error = pool.get().await.unwrap_err();
    assert!(error.is_not_sent() && error.is_retryable());
    let PoolError::Connect(cause) = &error else {
        panic!("{error}");
    };
    assert_eq!(cause.kind(), ConnectionErrorKind::Failed);
    let driver: &io::Error = cause.downcast_ref().unwrap();
    assert_eq!(driver.kind(), io::ErrorKind::ConnectionRefused);
    assert_eq!(error.to_string(), "not sent: not connected: refused");
    assert_eq!(pool.health().current(), Health::Down("refused".into()));

    let attempts = fake.attempts();
    let began = Instant::now();
    for _ in 0..1000 {
        assert!(matches!(pool.get().await, Err(PoolError::Connect(_))));
    }
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert_eq!(fake.attempts(), attempts, "callers do not hammer");
    assert!(poll_once(&mut Box::pin(pool.get())).await.is_ready());
}

#[tokio::test(start_paused = true)]
async fn it_recovers_without_callers() {
    let fake = Fake::down();
    let pool = lazy(&fake).build();
    pool.get().await.unwrap_err();
    sleep(Duration::from_secs(60)).await;
    let attempts = fake.attempts();
    // 50 ms doubled up to 5 s, each shortened by up to half: seven or more to the limit, then 12 to 24 a minute.
    assert!(
        (15..=40).contains(&attempts),
        "{attempts} attempts in a minute"
    );

    fake.on_connect(Does::Answer);
    let mut health = pool.health();
    let began = Instant::now();
    assert!(health.wait_up().await);
    assert!(began.elapsed() <= Duration::from_secs(5));
    assert_eq!(pool.get().await.unwrap().peek().id, fake.attempts());
    assert_eq!(pool.statistics().failed, attempts as u64);
}

/// A thousand callers that never give up: returns how many checkouts succeeded.
async fn besiege(pool: &Pool<Fake>, duration: Duration) -> usize {
    let until = Instant::now() + duration;
    let callers = (0..1000).map(|_| {
        let pool = pool.clone();
        tokio::spawn(async move {
            let mut served = 0;
            while Instant::now() < until {
                if let Ok(connection) = pool.get().await {
                    served += 1;
                    drop(connection);
                }
                sleep(ms(50)).await;
            }
            served
        })
    });
    join_all(callers)
        .await
        .into_iter()
        .map(Result::unwrap)
        .sum()
}

#[tokio::test(start_paused = true)]
async fn a_thousand_callers_of_a_dead_server_cause_twenty_attempts_a_second_at_most() {
    let fake = Fake::down();
    let pool = Pool::builder(fake.clone()).max_size(100).build();
    assert_eq!(besiege(&pool, Duration::from_secs(10)).await, 0);
    fake.assert_attempts_limited();
    assert!(fake.attempts() > 5, "but it goes on trying");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_hangs_up_gets_twenty_attempts_a_second_at_most() {
    let fake = Fake::new();
    fake.break_new_connections();
    let pool = Pool::builder(fake.clone()).max_size(100).build();
    assert_eq!(besiege(&pool, Duration::from_secs(10)).await, 0);
    fake.assert_attempts_limited();
    assert!(fake.attempts() > 5);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_answers_no_check_gets_twenty_attempts_a_second_at_most() {
    let fake = Fake::new();
    fake.on_check(Does::Refuse);
    let pool = lazy(&fake)
        .max_size(100)
        .check_after(Duration::ZERO)
        .build();
    besiege(&pool, Duration::from_secs(10)).await;
    fake.assert_attempts_limited();
    assert!(fake.attempts() > 5);
}

#[tokio::test(start_paused = true)]
async fn the_first_connections_of_a_large_pool_are_limited_too() {
    let fake = Fake::new();
    let pool = lazy(&fake).max_size(50).build();
    let held = all(&pool).await;
    assert_eq!(held.len(), 50);
    fake.assert_attempts_limited();
    assert_eq!(fake.attempt_times().last(), Some(&Duration::from_secs(2)));
}

#[tokio::test(start_paused = true)]
async fn without_a_backoff_the_limit_still_holds() {
    let fake = Fake::down();
    let backoff = cyclone_core::BackoffPolicy::default().base(Duration::ZERO);
    let pool = lazy(&fake).backoff(backoff).build();
    pool.get().await.unwrap_err();
    sleep(Duration::from_secs(5)).await;
    fake.assert_attempts_limited();
    assert!(
        (100..=121).contains(&fake.attempts()),
        "{}",
        fake.attempts()
    );
}

#[tokio::test(start_paused = true)]
async fn a_hanging_server_hits_the_connect_limit() {
    let fake = Fake::new();
    fake.on_connect(Does::Hang);
    let pool = lazy(&fake).connect_timeout(ms(400)).build();
    let began = Instant::now();
    let callers = join_all((0..1000).map(|_| pool.get())).await;
    assert_eq!(began.elapsed(), ms(400), "all fail with the first attempt");
    for caller in callers {
        let error = caller.unwrap_err();
        let kind = error.connection_error().map(ConnectionError::kind);
        assert_eq!(kind, Some(ConnectionErrorKind::TimedOut), "{error}");
    }
    fake.assert_attempts_limited();
}

#[tokio::test(start_paused = true)]
async fn the_wait_limit_is_the_last_word() {
    let fake = Fake::new();
    fake.on_connect(Does::Hang);
    let pool = lazy(&fake)
        .connect_timeout(Duration::MAX)
        .wait_timeout(ms(250))
        .build();
    let began = Instant::now();
    assert!(matches!(pool.get().await, Err(PoolError::Timeout { .. })));
    assert_eq!(began.elapsed(), ms(250));
}

#[tokio::test(start_paused = true)]
async fn a_slow_server_just_within_the_limit_is_served() {
    for (delay, served) in [(399, true), (401, false)] {
        let fake = Fake::new();
        fake.on_connect(Does::AnswerAfter(ms(delay)));
        let pool = lazy(&fake).connect_timeout(ms(400)).build();
        assert_eq!(pool.get().await.is_ok(), served, "after {delay} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn a_panicking_driver_is_a_failed_attempt() {
    let fake = Fake::new();
    fake.on_connect(Does::Panic);
    let pool = lazy(&fake).build();
    let error = pool.get().await.unwrap_err();
    let cause = error.connection_error().unwrap();
    assert_eq!(cause.kind(), ConnectionErrorKind::Panicked);
    assert_eq!(cause.to_string(), "the driver panicked: the fake panics");
    fake.on_connect(Does::Answer);
    assert!(pool.health().wait_up().await);
    drop(all(&pool).await);
}

#[tokio::test(start_paused = true)]
async fn while_some_connections_are_open_callers_wait_for_them() {
    let fake = Fake::new();
    let pool = lazy(&fake).build();
    let held = pool.get().await.unwrap();
    // The server has reached its own limit of connections.
    fake.on_connect(Does::Refuse);
    let waiting = tokio::spawn({
        let pool = pool.clone();
        async move { pool.get().await.map(|connection| connection.peek().id) }
    });
    sleep(ms(500)).await;
    let health = pool.health().current();
    assert!(matches!(health, Health::Degraded(_)), "{health}");
    assert!(!waiting.is_finished());
    drop(held);
    assert_eq!(waiting.await.unwrap().unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn who_waits_longest_gets_the_connection_that_comes_back() {
    let fake = Fake::new();
    let pool = lazy(&fake).max_size(2).build();
    let held = pool.get().await.unwrap();
    fake.on_connect(Does::Refuse);
    // The first has a slot and waits for a connection, the others wait for a slot.
    let (sender, mut served) = tokio::sync::mpsc::unbounded_channel();
    for n in 0..4 {
        let (pool, sender) = (pool.clone(), sender.clone());
        tokio::spawn(async move {
            let connection = pool.get().await.unwrap();
            sender.send(n).unwrap();
            sleep(ms(1)).await;
            drop(connection);
        });
        settle().await;
    }
    drop(held);
    for n in 0..4 {
        assert_eq!(served.recv().await, Some(n));
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_came_back_in_between_is_found() {
    let fake = Fake::new();
    let pool = lazy(&fake)
        .max_size(3)
        .check_after(Duration::ZERO)
        .check_timeout(ms(300))
        .build();
    let held = pool.get().await.unwrap();
    let mut broken = pool.get().await.unwrap();
    // A third connection is made, and does not answer its check.
    fake.on_check(Does::Hang);
    let waiting = tokio::spawn({
        let pool = pool.clone();
        async move { pool.get().await.unwrap().peek().id }
    });
    settle().await;
    assert_eq!(fake.attempts(), 3);
    // All idle connections are looked at now: there is none.
    break_it(&mut broken);
    drop(broken);
    settle().await;
    // When the third is given up, the first has come back, and nobody was waiting for it at that moment.
    fake.on_check(Does::Answer);
    fake.on_connect(Does::Refuse);
    drop(held);
    assert_eq!(waiting.await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn when_the_last_connection_breaks_waiting_callers_are_told() {
    let fake = Fake::new();
    let pool = lazy(&fake).build();
    let held = pool.get().await.unwrap();
    fake.on_connect(Does::Refuse);
    let began = Instant::now();
    let waiting = tokio::spawn({
        let pool = pool.clone();
        async move { pool.get().await.map(drop) }
    });
    sleep(ms(500)).await;
    held.discard();
    assert!(matches!(waiting.await.unwrap(), Err(PoolError::Connect(_))));
    assert_eq!(began.elapsed(), ms(500));
    assert!(pool.health().current().is_down());
}

#[tokio::test(start_paused = true)]
async fn a_timeout_says_why_no_connection_could_be_made() {
    let fake = Fake::new();
    let pool = lazy(&fake).build();
    let _held = pool.get().await.unwrap();
    fake.on_connect(Does::Refuse);
    let error = pool.get().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "not sent: no connection became free within 5s and none could be made: refused"
    );
}

#[tokio::test(start_paused = true)]
async fn attempts_that_fail_together_lengthen_the_backoff_once() {
    let fake = Fake::new();
    fake.on_connect(Does::Hang);
    let backoff = cyclone_core::BackoffPolicy::default().jitter(cyclone_core::Jitter::None);
    let pool = lazy(&fake)
        .backoff(backoff)
        .connect_timeout(ms(100))
        .build();
    join_all((0..10).map(|_| pool.get())).await;
    sleep(ms(400)).await;
    let times = fake.attempt_times();
    assert_eq!(times[..10], [Duration::ZERO; 10]);
    assert_eq!(times[10..], [ms(150), ms(350)], "100 + 50, then 100 + 100");
}
