use futures_util::FutureExt;

use super::*;

/// Polls `get` the given number of times and drops it.
async fn give_up_after(pool: &Pool<Fake>, polls: usize) -> bool {
    let mut get = Box::pin(pool.get());
    for _ in 0..polls {
        if poll_once(&mut get).await.is_ready() {
            return true;
        }
        settle().await;
        sleep(ms(1)).await;
    }
    false
}

#[tokio::test(start_paused = true)]
async fn a_caller_may_give_up_at_any_point() {
    let slow = Does::AnswerAfter(ms(3));
    // While it waits for a slot, for a connection, or for a check.
    for (stage, connect, check) in [
        ("slot", Does::Answer, Does::Answer),
        ("connect", slow, Does::Answer),
        ("check", Does::Answer, slow),
    ] {
        for polls in 0..8 {
            let fake = Fake::new();
            let pool = lazy(&fake).max_size(2).check_after(Duration::ZERO).build();
            if stage != "connect" {
                drop(all(&pool).await);
            }
            fake.on_connect(connect);
            fake.on_check(check);
            let held = if stage == "slot" {
                all(&pool).await
            } else {
                Vec::new()
            };
            give_up_after(&pool, polls).await;
            drop(held);
            fake.on_connect(Does::Answer);
            fake.on_check(Does::Answer);
            sleep(ms(10)).await;
            drop(all(&pool).await);
            assert_eq!(fake.most_open(), 2, "{stage} given up after {polls} polls");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_made_for_someone_who_left_serves_the_next() {
    let fake = Fake::new();
    fake.on_connect(Does::AnswerAfter(ms(100)));
    let pool = lazy(&fake).build();
    assert!(!give_up_after(&pool, 1).await);
    let began = Instant::now();
    assert_eq!(pool.get().await.unwrap().peek().id, 1);
    assert!(began.elapsed() < ms(100));
    assert_eq!(fake.attempts(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_connection_given_to_someone_who_leaves_goes_to_the_next() {
    let fake = Fake::new();
    fake.on_connect(Does::AnswerAfter(ms(100)));
    let pool = lazy(&fake).build();
    let mut first = Box::pin(pool.get());
    assert!(poll_once(&mut first).await.is_pending());
    settle().await;
    // The connection is made and waits for the caller, who does not look any more.
    sleep(ms(150)).await;
    fake.on_connect(Does::Refuse);
    drop(first);
    assert_eq!(pool.get().await.unwrap().peek().id, 1);
}

#[tokio::test(start_paused = true)]
async fn a_connection_given_to_someone_who_leaves_a_closed_pool_is_closed() {
    let fake = Fake::new();
    let pool = lazy(&fake).build();
    let mut leaves = Box::pin(pool.get());
    assert!(poll_once(&mut leaves).await.is_pending());
    settle().await;
    assert_eq!(fake.open(), 1, "it is made and not fetched");
    assert_eq!(pool.close().await, 0);
    drop(leaves);
    assert_eq!(fake.open(), 0, "although there is a handle of the pool");
}

#[tokio::test(start_paused = true)]
async fn a_connection_whose_check_was_given_up_is_closed() {
    let fake = Fake::new();
    let pool = lazy(&fake).check_after(Duration::ZERO).build();
    drop(pool.get().await.unwrap());
    fake.on_check(Does::Hang);
    assert!(!give_up_after(&pool, 1).await);
    settle().await;
    assert_eq!(fake.open(), 0, "the answer to the check may still come");
}

#[tokio::test(start_paused = true)]
async fn those_behind_one_who_gives_up_are_served() {
    let fake = Fake::new();
    let pool = lazy(&fake).max_size(1).build();
    let held = pool.get().await.unwrap();
    let mut first = Box::pin(pool.get());
    let mut second = Box::pin(pool.get());
    assert!(poll_once(&mut first).await.is_pending() && poll_once(&mut second).await.is_pending());
    drop(held);
    drop(first);
    let Poll::Ready(Ok(connection)) = poll_once(&mut second).await else {
        panic!("the second in the queue is served");
    };
    assert_eq!(connection.peek().id, 1);
    assert_eq!(pool.statistics().waiting, 0);
}

#[tokio::test(start_paused = true)]
async fn dropping_the_close_future_still_closes() {
    let fake = Fake::new();
    let pool = lazy(&fake).build();
    drop(pool.get().await.unwrap());
    assert!(pool.close().now_or_never().is_none());
    settle().await;
    assert_eq!((fake.open(), fake.goodbyes()), (0, 1));
}

fn assert_send<T: Send>(value: T) -> T {
    value
}

#[tokio::test(start_paused = true)]
async fn futures_and_handles_may_cross_threads() {
    let pool = lazy(&Fake::new()).build();
    let connection = assert_send(assert_send(pool.clone()).get()).await.unwrap();
    drop(assert_send(connection));
    let closing: Box<dyn Future<Output = usize> + Send> = Box::new(pool.close());
    Box::into_pin(closing).await;
}
