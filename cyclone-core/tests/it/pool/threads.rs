//! The same pool under many threads, in real time: nothing here depends on how long anything takes.

use cyclone_core::MAX_ATTEMPTS_PER_SECOND;

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_threads_share_a_few_connections() {
    const SIZE: usize = 5;
    const TASKS: usize = 64;
    const ROUNDS: usize = 200;
    // Discards cost new connections, which are limited: a few, so that the test is quick.
    const DISCARDS: usize = MAX_ATTEMPTS_PER_SECOND - SIZE;

    let fake = Fake::new();
    let pool = lazy(&fake)
        .max_size(SIZE)
        .check_after(Duration::ZERO)
        .wait_timeout(Duration::from_secs(60))
        .build();
    let tasks: Vec<_> = (0..TASKS)
        .map(|n| {
            let pool = pool.clone();
            tokio::spawn(async move {
                for round in 0..ROUNDS {
                    // Some callers go away in the middle of it.
                    if round % 5 == 0 {
                        let mut get = Box::pin(pool.get());
                        if let Poll::Ready(result) = poll_once(&mut get).await {
                            drop(result.unwrap());
                        }
                        continue;
                    }
                    let connection = pool.get().await.unwrap();
                    tokio::task::yield_now().await;
                    if round == 1 && n < DISCARDS {
                        connection.discard();
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert!(fake.most_open() <= SIZE);
    fake.assert_attempts_limited();
    let held: Vec<_> = futures_util::future::join_all((0..SIZE).map(|_| pool.get())).await;
    assert!(held.iter().all(Result::is_ok));
    drop(held);
    assert_eq!(pool.close().await, 0);
    assert_eq!(fake.open(), 0);
}
