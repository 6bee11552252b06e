//! The time limit of a test, by a clock that no test stops.

use std::future::Future;
use std::pin::pin;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use futures_util::future::{Either, select};
use tokio::sync::oneshot;

use super::{TestError, TestErrorKind};

/// Waits for so long, as the clock on the wall has it.
///
/// The clock of tokio may be paused, and then it jumps as soon as nobody works: a limit that it measures would pass at
/// once. So a thread measures it.
pub(super) async fn within<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, TestError>>,
) -> Result<T, TestError> {
    let (done, is_done) = mpsc::channel::<()>();
    let (alarm, alarmed) = oneshot::channel();
    let watch = move || {
        if is_done.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
            let _ = alarm.send(());
        }
    };
    // Without a thread the test has no limit.
    let _watch = thread::Builder::new()
        .name("test-time-limit".into())
        .spawn(watch);
    let outcome = match select(pin!(work), alarmed).await {
        Either::Left((outcome, _)) => outcome,
        Either::Right((Ok(()), _)) => {
            let seconds = limit.as_secs_f64();
            let message = format!("no answer within {seconds} s");
            Err(TestError::new(TestErrorKind::Timeout, message))
        }
        Either::Right((Err(_), work)) => work.await,
    };
    drop(done);
    outcome
}
