//! `Pool` against a fake other side, in paused time.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::{
    future::{Future, poll_fn},
    io,
    pin::{Pin, pin},
    task::Poll,
    time::Duration,
};

use cyclone_core::{Health, Pool, PoolBuilder, PoolError, Pooled};
use tokio::time::{Instant, sleep};

use crate::fake_connector::{Does, Fake};

mod cancel;
mod checkout;
mod idle;
mod lifecycle;
mod operation;
mod outage;
mod reset;
mod threads;
mod trying;
mod warnings;

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// A pool without background work on idle connections, so that each test sees only its own.
fn lazy(fake: &Fake) -> PoolBuilder<Fake> {
    Pool::builder(fake.clone())
        .min_idle(0)
        .keepalive(Duration::MAX)
        .idle_timeout(Duration::MAX)
        .max_lifetime(Duration::MAX)
}

/// Lets every task that can run do so, without letting time pass.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

/// Makes the driver know that a connection is dead.
fn break_it(connection: &mut Pooled<Fake>) {
    let mut operation = connection.begin().unwrap();
    operation.broken = true;
    operation.end();
}

/// Polls `future` once, with the waker of the test.
async fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    poll_fn(|cx| Poll::Ready(Pin::new(&mut *future).poll(cx))).await
}

/// Checks out all connections that `pool` may have, which shows that no slot was lost, and no more.
async fn all(pool: &Pool<Fake>) -> Vec<Pooled<Fake>> {
    let mut held = Vec::new();
    for _ in 0..pool.statistics().max_size {
        held.push(pool.get().await.unwrap());
    }
    settle().await;
    let statistics = pool.statistics();
    assert_eq!(statistics.in_use, statistics.max_size);
    assert_eq!(statistics.size, statistics.max_size);
    assert_eq!((statistics.waiting, statistics.connecting), (0, 0));
    held
}
