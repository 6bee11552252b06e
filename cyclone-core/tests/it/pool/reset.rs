//! What a user leaves behind: a transaction that was begun and not ended.

use super::*;

/// Leaves something on a connection; returns its number.
async fn soil(pool: &Pool<Fake>) -> usize {
    let left = pool.run(async |connection| {
        connection.soiled = true;
        Ok(connection.id)
    });
    left.await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_a_user_leaves_is_ended_before_the_next_use() {
    let fake = Fake::new();
    let pool = lazy(&fake).max_size(1).build();
    for n in 1..=3 {
        assert_eq!(soil(&pool).await, 1, "the connection is kept");
        let next = pool.get().await.unwrap();
        assert!(!next.peek().soiled);
        drop(next);
        assert_eq!(pool.statistics().reset, n);
    }
    settle().await;
    assert_eq!((fake.attempts(), pool.statistics().idle), (1, 1));

    // Somebody waits already.
    let mut held = pool.get().await.unwrap();
    let mut operation = held.begin().unwrap();
    operation.soiled = true;
    operation.end();
    let mut waits = Box::pin(pool.get());
    assert!(poll_once(&mut waits).await.is_pending());
    drop(held);
    let next = waits.await.unwrap();
    assert_eq!((next.peek().id, next.peek().soiled), (1, false));
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_cannot_be_reset_is_closed() {
    for does in [
        Does::Refuse,
        Does::Panic,
        Does::Hang,
        Does::AnswerAfter(ms(299)),
    ] {
        let fake = Fake::new();
        fake.on_reset(does);
        let pool = lazy(&fake).check_timeout(ms(300)).build();
        soil(&pool).await;
        sleep(ms(301)).await;
        assert_eq!(fake.open(), 0, "{does:?}");
        assert_eq!(pool.statistics().broken, 1, "{does:?}");
        assert_eq!(pool.get().await.unwrap().peek().id, 2);
        drop(all(&pool).await);
    }
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_closes_resets_nothing() {
    let fake = Fake::new();
    fake.on_reset(Does::Hang);
    let pool = lazy(&fake).build();
    let mut held = [pool.get().await.unwrap(), pool.get().await.unwrap()];
    for held in &mut held {
        let mut operation = held.begin().unwrap();
        operation.soiled = true;
        operation.end();
    }
    let [before, after] = held;
    drop(before);
    let closing = pool.close();
    drop(after);
    assert_eq!(closing.await, 0);
    assert_eq!((fake.open(), fake.goodbyes()), (0, 2));
}
