//! Time that passes when the test says so.

use std::time::Duration;

/// Stops the clock of tokio: from now on it moves by [`advance`], and jumps to the next timer whenever everything waits
/// for one. `#[tokio::test(start_paused = true)]` does the same from the start.
///
/// All time limits of servers, handlers and cookies of the [`TestClient`](super::TestClient) go by that clock;
/// signed values and `Expires` go by the calendar, which runs on.
///
/// # Panics
/// When the clock is stopped already, or the runtime has several threads: `#[tokio::test]` has one.
pub fn pause() {
    tokio::time::pause();
}

/// Lets time pass on a clock that is stopped. Every timer on the way fires in its order, and what it wakes works before
/// time goes on. It is up to a millisecond more than was asked for, as tokio counts in those.
///
/// ```
/// use std::time::Duration;
/// use cyclone_web::test;
/// use tokio::time::{Instant, sleep};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// test::pause();
/// let begun = Instant::now();
/// let job = tokio::spawn(sleep(Duration::from_secs(3600)));
/// test::advance(Duration::from_secs(3599)).await;
/// assert!(!job.is_finished());
/// test::advance(Duration::from_secs(1)).await;
/// job.await.unwrap();
/// assert_eq!(begun.elapsed().as_secs(), 3600); // and no time was spent
/// # }
/// ```
///
/// # Panics
/// When the clock is not stopped.
pub async fn advance(duration: Duration) {
    // Says so if the clock runs, and lets what is ready work.
    tokio::time::advance(Duration::ZERO).await;
    // A stopped clock jumps from timer to timer while everybody waits, this task too.
    tokio::time::sleep(duration).await;
    for _ in 0..WAKES {
        tokio::task::yield_now().await;
    }
}

/// How often others get their turn after the time has come: a timer wakes a task, which wakes another, …
const WAKES: usize = 32;
