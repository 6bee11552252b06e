use cyclone_core::NotSent;

use super::*;

#[tokio::test(start_paused = true)]
async fn a_connection_comes_back() {
    let fake = Fake::new();
    let pool = lazy(&fake).build();
    for _ in 0..3 {
        let connection = pool.get().await.unwrap();
        assert_eq!(connection.peek().id, 1);
        assert_eq!(pool.statistics().in_use, 1);
    }
    assert_eq!(fake.attempts(), 1);
    assert_eq!((pool.statistics().idle, pool.statistics().created), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_lazy_pool_connects_when_it_is_used() {
    let fake = Fake::new();
    let pool = lazy(&fake).build();
    settle().await;
    assert_eq!(fake.attempts(), 0);
    assert_eq!(pool.health().current(), Health::Starting);
    drop(pool.get().await.unwrap());
    assert_eq!(pool.health().current(), Health::Up);
}

#[tokio::test(start_paused = true)]
async fn max_size_bounds_the_connections() {
    let fake = Fake::new();
    let pool = lazy(&fake).max_size(2).wait_timeout(ms(700)).build();
    let _first = pool.get().await.unwrap();
    let second = pool.get().await.unwrap();

    let began = Instant::now();
    let error = pool.get().await.unwrap_err();
    assert!(matches!(error, PoolError::Timeout { waited, error: None } if waited == ms(700)));
    assert_eq!(began.elapsed(), ms(700));
    assert!(error.is_not_sent() && error.is_retryable());
    assert_eq!(pool.statistics().timeouts, 1);

    drop(second);
    assert_eq!(pool.get().await.unwrap().peek().id, 2);
    assert_eq!(fake.most_open(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_size_of_zero_is_one() {
    let pool = lazy(&Fake::new()).max_size(0).build();
    drop(pool.get().await.unwrap());
    assert_eq!(pool.statistics().max_size, 1);
}

#[tokio::test(start_paused = true)]
async fn a_caller_just_in_time_is_served() {
    let pool = lazy(&Fake::new())
        .max_size(1)
        .wait_timeout(ms(1000))
        .build();
    for (held_for, served) in [(999, true), (1001, false)] {
        let held = pool.get().await.unwrap();
        let waiting = tokio::spawn({
            let pool = pool.clone();
            async move { pool.get().await.is_ok() }
        });
        settle().await;
        sleep(ms(held_for)).await;
        drop(held);
        assert_eq!(waiting.await.unwrap(), served, "held for {held_for} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn waiting_callers_are_bounded() {
    let pool = lazy(&Fake::new()).max_size(1).max_waiting(3).build();
    let held = pool.get().await.unwrap();
    let waiting: Vec<_> = (0..3)
        .map(|_| {
            let pool = pool.clone();
            tokio::spawn(async move { pool.get().await.map(drop) })
        })
        .collect();
    settle().await;
    assert_eq!(pool.statistics().waiting, 3);

    let began = Instant::now();
    assert!(matches!(
        pool.get().await,
        Err(PoolError::Full { limit: 3 })
    ));
    assert_eq!(began.elapsed(), Duration::ZERO, "refused at once");
    assert_eq!(pool.statistics().refused, 1);

    drop(held);
    for waiter in waiting {
        waiter.await.unwrap().unwrap();
    }
    assert_eq!(pool.statistics().waiting, 0);
}

#[tokio::test(start_paused = true)]
async fn no_waiting_at_all_still_gives_what_is_free() {
    let pool = lazy(&Fake::new()).max_size(1).max_waiting(0).build();
    let held = pool.get().await.unwrap();
    assert!(matches!(
        pool.get().await,
        Err(PoolError::Full { limit: 0 })
    ));
    drop(held);
    drop(pool.get().await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn callers_are_served_in_their_order() {
    let fake = Fake::new();
    let pool = lazy(&fake).max_size(2).build();
    let held = all(&pool).await;
    let (sender, mut served) = tokio::sync::mpsc::unbounded_channel();
    for n in 0..6 {
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
    for n in 0..6 {
        assert_eq!(served.recv().await, Some(n));
    }
}

#[tokio::test(start_paused = true)]
async fn only_silent_connections_are_checked() {
    for (silent_for, checks) in [(499, 0), (500, 1), (501, 1)] {
        let fake = Fake::new();
        let pool = lazy(&fake).check_after(ms(500)).build();
        drop(pool.get().await.unwrap());
        sleep(ms(silent_for)).await;
        drop(pool.get().await.unwrap());
        assert_eq!(fake.checks(), checks, "silent for {silent_for} ms");
    }
}

/// A transaction that is held open while something else is waited for: what the network forgot meanwhile is unknown.
#[tokio::test(start_paused = true)]
async fn a_connection_that_was_held_in_silence_is_checked() {
    for (used, checks) in [(false, 1), (true, 0)] {
        let fake = Fake::new();
        let pool = lazy(&fake).check_after(ms(500)).build();
        let mut held = pool.get().await.unwrap();
        sleep(ms(600_000)).await;
        if used {
            held.begin().unwrap().end();
        }
        drop(held);
        drop(pool.get().await.unwrap());
        assert_eq!(fake.checks(), checks, "used at the end: {used}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_dead_connection_is_replaced() {
    let fake = Fake::new();
    let pool = lazy(&fake).check_after(Duration::ZERO).build();
    drop(pool.get().await.unwrap());
    fake.on_check(Does::Refuse);
    // The first check fails; the new connection would be checked too, were it not new.
    let waiting = tokio::spawn({
        let pool = pool.clone();
        async move { pool.get().await.unwrap().peek().id }
    });
    settle().await;
    fake.on_check(Does::Answer);
    assert!(waiting.await.unwrap() > 1);
    assert_eq!(fake.open(), 1);
    assert!(pool.statistics().broken >= 1);
}

#[tokio::test(start_paused = true)]
async fn a_hanging_check_hits_its_limit() {
    let fake = Fake::new();
    let pool = lazy(&fake).check_timeout(ms(300)).build();
    drop(pool.get().await.unwrap());
    sleep(ms(1000)).await;
    fake.on_check(Does::Hang);
    let began = Instant::now();
    assert_eq!(pool.get().await.unwrap().peek().id, 2);
    assert_eq!(began.elapsed(), ms(300));
    assert_eq!(fake.open(), 1, "the silent one was dropped");
}

#[tokio::test(start_paused = true)]
async fn a_panicking_check_is_a_failed_one() {
    let fake = Fake::new();
    let pool = lazy(&fake).build();
    drop(pool.get().await.unwrap());
    sleep(ms(1000)).await;
    fake.on_check(Does::Panic);
    assert_eq!(pool.get().await.unwrap().peek().id, 2);
    drop(all(&pool).await);
}

#[tokio::test(start_paused = true)]
async fn one_dead_connection_makes_the_others_suspect() {
    let fake = Fake::new();
    let pool = lazy(&fake)
        .check_timeout(ms(1000))
        .check_after(ms(100))
        .wait_timeout(ms(5000))
        .build();
    drop(all(&pool).await);
    sleep(ms(100)).await;
    // A network that swallows everything: ten checks one after the other would take ten seconds.
    fake.on_check(Does::Hang);
    let began = Instant::now();
    assert_eq!(pool.get().await.unwrap().peek().id, 11);
    assert!(began.elapsed() <= ms(2000), "{:?}", began.elapsed());
    sleep(ms(2000)).await;
    assert_eq!(fake.open(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_suspect_connection_is_checked_although_it_worked_a_moment_ago() {
    let fake = Fake::new();
    let pool = lazy(&fake).build();
    let mut broken = pool.get().await.unwrap();
    drop(pool.get().await.unwrap());
    break_it(&mut broken);
    drop(broken);
    // At once, before the background could have looked.
    assert!(poll_once(&mut Box::pin(pool.get())).await.is_ready());
    assert_eq!(fake.checks(), 1);
    settle().await;
    drop(pool.get().await.unwrap());
    assert_eq!(fake.checks(), 1, "suspicion ends with a check");
}

#[tokio::test(start_paused = true)]
async fn a_broken_connection_does_not_go_back() {
    let fake = Fake::new();
    let pool = lazy(&fake).build();
    let mut connection = pool.get().await.unwrap();
    break_it(&mut connection);
    drop(connection);
    assert_eq!(fake.open(), 0);
    assert_eq!(pool.get().await.unwrap().peek().id, 2);
    assert_eq!(pool.statistics().broken, 1);
}

#[tokio::test(start_paused = true)]
async fn an_unfinished_operation_closes_its_connection() {
    let fake = Fake::new();
    let pool = lazy(&fake).build();

    let mut finished = pool.get().await.unwrap();
    finished.begin().unwrap().end();
    drop(finished);
    assert_eq!(fake.open(), 1);

    let mut unfinished = pool.get().await.unwrap();
    let _ = unfinished.begin().unwrap();
    let again = unfinished.begin();
    assert!(
        matches!(again, Err(NotSent::Unfinished)),
        "its answer may come"
    );
    drop(unfinished);
    assert_eq!(fake.open(), 0);

    pool.get().await.unwrap().discard();
    assert_eq!(fake.open(), 0);
    assert_eq!(pool.statistics().discarded, 2);

    let task = tokio::spawn({
        let pool = pool.clone();
        async move {
            let _connection = pool.get().await.unwrap();
            panic!("the user panics");
        }
    });
    assert!(task.await.unwrap_err().is_panic());
    assert_eq!(fake.open(), 0);
    assert_eq!(fake.goodbyes(), 0, "no goodbye in the middle of something");
    drop(all(&pool).await);
}

#[tokio::test(start_paused = true)]
async fn a_taken_connection_counts_no_longer() {
    let fake = Fake::new();
    let pool = lazy(&fake).max_size(1).build();
    let taken = pool.get().await.unwrap().take();
    assert_eq!(taken.id, 1);
    settle().await;
    assert_eq!((pool.statistics().size, pool.statistics().in_use), (0, 0));
    assert_eq!(pool.get().await.unwrap().peek().id, 2);
    drop(taken);
    drop(all(&pool).await);
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_waits_is_counted_once_whatever_it_waits_for() {
    let fake = Fake::new();
    let pool = lazy(&fake).max_size(1).build();
    let held = pool.get().await.unwrap();
    let mut waits = Box::pin(pool.get());
    assert!(poll_once(&mut waits).await.is_pending());
    assert_eq!(pool.statistics().waiting, 1, "for a slot");
    fake.on_connect(Does::AnswerAfter(ms(100)));
    held.discard();
    settle().await;
    assert!(poll_once(&mut waits).await.is_pending());
    assert_eq!(pool.statistics().waiting, 1, "for a connection");
    drop(waits.await.unwrap());
    assert_eq!(pool.statistics().waiting, 0);
}

#[tokio::test(start_paused = true)]
async fn slow_checkouts_are_counted() {
    for (held_for, slow) in [(999, 0), (1000, 0), (1001, 1)] {
        let pool = lazy(&Fake::new()).max_size(1).build();
        let held = pool.get().await.unwrap();
        let waiting = tokio::spawn({
            let pool = pool.clone();
            async move { pool.get().await.map(drop) }
        });
        settle().await;
        sleep(ms(held_for)).await;
        drop(held);
        waiting.await.unwrap().unwrap();
        assert_eq!(pool.statistics().slow, slow, "held for {held_for} ms");
    }
}
