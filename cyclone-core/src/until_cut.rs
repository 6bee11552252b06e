//! Work that ends when its connection is cut, at no cost to each of its polls.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use crate::lock::lock;
use crate::session::Session;

/// Runs `work` until it ends, or until the connection of `session` is cut, which gives `None`.
///
/// A plain `select!` would look at the cut signal at every poll of the work, and so several times for every
/// request. Here the signal has a waker of its own and is looked at only when that was called.
///
/// # Cancel safety
/// Dropping the future drops the work.
pub(crate) async fn until_cut<F: Future>(session: &Session, work: F) -> Option<F::Output> {
    let alarm = Arc::new(Alarm {
        raised: AtomicBool::new(true),
        task: Mutex::new(None),
    });
    let alarm_waker = Waker::from(Arc::clone(&alarm));
    let mut task: Option<Waker> = None;
    let mut cut = pin!(session.cut());
    let mut work = pin!(work);
    poll_fn(|cx| {
        if !task.as_ref().is_some_and(|task| task.will_wake(cx.waker())) {
            task = Some(cx.waker().clone());
            *lock(&alarm.task) = Some(cx.waker().clone());
        }
        if alarm.take() {
            let mut cx = Context::from_waker(&alarm_waker);
            if cut.as_mut().poll(&mut cx).is_ready() {
                return Poll::Ready(None);
            }
        }
        work.as_mut().poll(cx).map(Some)
    })
    .await
}

/// Says that the cut signal is worth a look, and wakes the task to take it.
struct Alarm {
    raised: AtomicBool,
    task: Mutex<Option<Waker>>,
}

impl Alarm {
    fn take(&self) -> bool {
        self.raised.load(Ordering::Acquire) && self.raised.swap(false, Ordering::AcqRel)
    }
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.raised.store(true, Ordering::Release);
        if let Some(task) = &*lock(&self.task) {
            task.wake_by_ref();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::until_cut;
    use crate::session::Session;

    #[tokio::test]
    async fn work_that_ends_gives_its_output() {
        let session = Session::detached();
        assert_eq!(until_cut(&session, async { 7 }).await, Some(7));
    }

    #[tokio::test]
    async fn a_cut_before_and_a_cut_during_the_work_both_end_it() {
        let session = Session::detached();
        let (begun, wait) = tokio::sync::oneshot::channel();
        let work = tokio::spawn({
            let session = session.clone();
            async move {
                let work = async {
                    begun.send(()).unwrap();
                    pending::<()>().await;
                };
                until_cut(&session, work).await
            }
        });
        wait.await.unwrap();
        session.close();
        assert_eq!(work.await.unwrap(), None);
        assert_eq!(until_cut(&session, pending::<()>()).await, None);
    }

    #[tokio::test]
    async fn a_task_with_another_waker_is_woken_too() {
        // `join!` inside another task polls with wakers that change.
        let session = Session::detached();
        let cut = async {
            tokio::task::yield_now().await;
            session.close();
        };
        let (ended, ()) = tokio::join!(until_cut(&session, pending::<()>()), cut);
        assert_eq!(ended, None);
    }
}
