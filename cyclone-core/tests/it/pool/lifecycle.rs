use std::sync::Arc;

use cyclone_core::{BackoffPolicy, Link};

use super::*;

#[tokio::test(start_paused = true)]
async fn closing_says_goodbye_and_turns_callers_away() {
    let fake = Fake::new();
    let pool = lazy(&fake).max_size(2).build();
    let mut held = all(&pool).await;
    drop(held.pop());
    let last = held.pop().unwrap();
    let _also = pool.get().await.unwrap();

    let waiting: Vec<_> = (0..3)
        .map(|_| {
            let pool = pool.clone();
            tokio::spawn(async move { pool.get().await.map(drop) })
        })
        .collect();
    settle().await;
    let began = Instant::now();
    let closing = pool.close();
    assert!(pool.is_closed());
    for waiter in waiting {
        let error = waiter.await.unwrap().unwrap_err();
        assert!(matches!(error, PoolError::Closed));
        assert!(error.is_not_sent() && !error.is_retryable());
    }
    assert!(matches!(pool.get().await, Err(PoolError::Closed)));
    assert_eq!(began.elapsed(), Duration::ZERO, "all of them at once");

    drop(_also);
    let mut closing = pin!(closing);
    tokio::select! {
        biased;
        _ = &mut closing => panic!("a connection is in use"),
        () = sleep(ms(3000)) => {}
    }
    assert_eq!(fake.goodbyes(), 1);
    drop(last);
    assert_eq!(closing.await, 0);
    assert_eq!((fake.goodbyes(), fake.open()), (2, 0));
    assert_eq!(pool.health().current(), Health::Down("closed".into()));
    assert_eq!(pool.close().await, 0, "closing twice is no error");
}

#[tokio::test(start_paused = true)]
async fn closing_lets_operations_end_and_begins_none() {
    for (takes, left) in [(1999, 0), (2001, 1)] {
        let fake = Fake::new();
        let pool = lazy(&fake).max_size(1).close_timeout(ms(2000)).build();
        let run = |does| {
            let pool = pool.clone();
            tokio::spawn(async move { pool.run(async |one| one.ask(does).await).await })
        };
        let running = run(Does::AnswerAfter(ms(takes)));
        settle().await;
        let waiting = run(Does::Answer);
        settle().await;
        assert_eq!(pool.close().await, left, "an operation of {takes} ms");
        assert!(waiting.await.unwrap().unwrap_err().is_not_sent());
        assert_eq!(running.await.unwrap().unwrap(), 1, "it is not cut");
        settle().await;
        assert_eq!((fake.open(), fake.goodbyes()), (0, 1 - left));
    }
}

#[tokio::test(start_paused = true)]
async fn closing_waits_no_longer_than_its_limit() {
    for (held_for, left, took) in [(1999, 0, 1999), (2001, 1, 2000)] {
        let fake = Fake::new();
        let pool = lazy(&fake).close_timeout(ms(2000)).build();
        let held = pool.get().await.unwrap();
        let began = Instant::now();
        let closing = pool.close();
        let holder = tokio::spawn(async move {
            sleep(ms(held_for)).await;
            drop(held);
        });
        assert_eq!(closing.await, left, "held for {held_for} ms");
        assert_eq!(began.elapsed(), ms(took));
        holder.await.unwrap();
        assert_eq!(fake.open(), 0, "also when it comes back late");
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_whose_connection_is_checked_while_the_pool_closes_is_turned_away() {
    let fake = Fake::new();
    let pool = lazy(&fake).check_after(Duration::ZERO).build();
    drop(all(&pool).await);
    fake.on_check(Does::AnswerAfter(ms(500)));
    let checking = tokio::spawn({
        let pool = pool.clone();
        async move { pool.run(async |one| one.ask(Does::Answer).await).await }
    });
    settle().await;
    assert_eq!(pool.close().await, 0, "nothing is under way");
    let error = checking.await.unwrap().unwrap_err();
    assert_eq!(error.to_string(), "not sent: the pool is closed");
    assert_eq!(fake.open(), 0);
}

#[tokio::test(start_paused = true)]
async fn closing_ends_callers_who_wait_for_an_attempt() {
    let fake = Fake::new();
    fake.on_connect(Does::Hang);
    let pool = lazy(&fake).build();
    let waiting = tokio::spawn({
        let pool = pool.clone();
        async move { pool.get().await.map(drop) }
    });
    settle().await;
    assert_eq!(pool.close().await, 0);
    assert!(matches!(waiting.await.unwrap(), Err(PoolError::Closed)));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_say_goodbye_delays_closing_no_longer_than_its_limit() {
    for does in [Does::Hang, Does::Panic] {
        let fake = Fake::new();
        fake.on_close(does);
        let pool = lazy(&fake).close_timeout(ms(500)).build();
        drop(all(&pool).await);
        let began = Instant::now();
        assert_eq!(pool.close().await, 0);
        assert!(began.elapsed() <= ms(500));
        settle().await;
        assert_eq!(fake.open(), 0, "{does:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_last_handle_closes_the_pool() {
    let fake = Fake::new();
    let pool = Pool::new(fake.clone());
    let other = pool.clone();
    let held = pool.get().await.unwrap();
    settle().await;
    drop(pool);
    settle().await;
    assert_eq!(fake.open(), 2, "there is another handle");
    drop(other);
    settle().await;
    assert_eq!(fake.open(), 1, "only the one in use is left");
    drop(held);
    settle().await;
    assert_eq!((fake.open(), fake.goodbyes()), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn the_other_side_never_sees_more_than_the_maximum() {
    let fake = Fake::new();
    fake.on_close(Does::AnswerAfter(ms(300)));
    fake.on_connect(Does::AnswerAfter(ms(10)));
    let pool = lazy(&fake)
        .max_size(4)
        .min_idle(2)
        .max_lifetime(ms(1000))
        .idle_timeout(ms(200))
        .build();
    let callers: Vec<_> = (0..20)
        .map(|n| {
            let pool = pool.clone();
            tokio::spawn(async move {
                for round in 0..50 {
                    if let Ok(connection) = pool.get().await {
                        sleep(ms((n * 7 + round * 13) % 50)).await;
                        if (n + round) % 9 == 0 {
                            connection.discard();
                        }
                    }
                    sleep(ms((n * 11 + round * 5) % 300)).await;
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
    assert!(pool.statistics().reaped > 0);
    assert_eq!(fake.most_open(), 4);
    fake.assert_attempts_limited();
    drop(all(&pool).await);
}

#[tokio::test(start_paused = true)]
async fn a_pool_and_a_link_may_share_a_connector() {
    let fake = Arc::new(Fake::new());
    fake.break_new_connections();
    let pool = Pool::builder(Arc::clone(&fake)).min_idle(0).build();
    let link = Link::spawn(
        Arc::clone(&fake),
        BackoffPolicy::reconnect(),
        |_connection, context| async move {
            context.closing().await;
            Ok(())
        },
    );
    link.wait_up(ms(1000)).await.unwrap();
    assert_eq!((pool.name(), link.name()), ("fake", "fake"));
    assert!(pool.get().await.is_err(), "all of the connector is used");
    link.close().await;
    pool.close().await;
    assert_eq!(fake.open(), 0);
}

#[test]
fn closing_ends_with_the_runtime_of_the_pool() {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap()
    };
    let fake = Fake::new();
    let pool = lazy(&fake).close_timeout(Duration::MAX).build();
    let first = runtime();
    let held = first.block_on(pool.get()).unwrap();
    let entered = first.enter();
    let closing = pool.close();
    drop(entered);
    drop(first);
    let closed = runtime().block_on(async { tokio::time::timeout(ms(60_000), closing).await });
    assert_eq!(closed.unwrap(), 1);
    drop(held);
    assert_eq!(fake.open(), 0);
}

#[test]
fn a_pool_may_be_made_before_the_runtime_and_outlive_it() {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let fake = Fake::new();
    let pool = lazy(&fake).build();
    assert_eq!(fake.attempts(), 0);
    for _ in 0..3 {
        let runtime = runtime();
        runtime.block_on(async {
            let connection = pool.get().await.unwrap();
            assert_eq!(connection.peek().id, 1);
        });
    }
    runtime().block_on(async {
        pool.get().await.unwrap().discard();
        assert_eq!(
            pool.get().await.unwrap().peek().id,
            2,
            "a new keeper connects"
        );
        assert_eq!(pool.close().await, 0);
    });
    assert_eq!(fake.open(), 0);
}
