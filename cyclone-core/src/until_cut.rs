//! Work that ends when its connection is cut, at no cost to each of its polls.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use pin_project_lite::pin_project;

use crate::session::{Session, SessionGuard, Signal, Wait};

pin_project! {
    /// Runs work until it ends, or until its connection is cut, which gives `None`. Holds the connection in
    /// the registry.
    ///
    /// A plain `select!` would ask the signal at every poll of the work, and so several times for every
    /// request. Here a poll costs one look at a flag, and the task registers for the signal once.
    ///
    /// A type of its own and no `async fn`, whose future would have room for the work twice: once as its
    /// argument, once pinned.
    ///
    /// # Cancel safety
    /// Dropping the future drops the work, and then leaves the registry.
    pub(crate) struct UntilCut<F> {
        #[pin]
        work: F,
        // The task that is registered.
        task: Option<Waker>,
        cut: Wait<SessionGuard>,
    }
}

impl<F: Future> UntilCut<F> {
    pub(crate) fn new(guard: SessionGuard, work: F) -> Self {
        Self {
            work,
            task: None,
            cut: Wait::new(guard, Signal::Cut),
        }
    }

    pub(crate) fn session(&self) -> &Session {
        self.cut.session()
    }
}

impl<F: Future> Future for UntilCut<F> {
    type Output = Option<F::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let is_registered = this
            .task
            .as_ref()
            .is_some_and(|task| task.will_wake(cx.waker()));
        if is_registered {
            if this.cut.is_over() {
                return Poll::Ready(None);
            }
        } else {
            if this.cut.poll_over(cx).is_ready() {
                return Poll::Ready(None);
            }
            *this.task = Some(cx.waker().clone());
        }
        let _entered = this.cut.session().enter();
        this.work.poll(cx).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, poll_fn};
    use std::task::Poll;

    use super::UntilCut;
    use crate::session::Session;

    #[tokio::test]
    async fn work_that_ends_gives_its_output() {
        let guard = Session::detached().hold();
        assert_eq!(UntilCut::new(guard, async { 7 }).await, Some(7));
    }

    #[tokio::test]
    async fn a_cut_before_and_a_cut_during_the_work_both_end_it() {
        let session = Session::detached();
        let (begun, wait) = tokio::sync::oneshot::channel();
        let work = tokio::spawn(UntilCut::new(session.hold(), async {
            begun.send(()).unwrap();
            pending::<()>().await;
        }));
        wait.await.unwrap();
        session.close();
        assert_eq!(work.await.unwrap(), None);
        let late = UntilCut::new(session.hold(), pending::<()>());
        assert_eq!(late.await, None);
    }

    #[tokio::test]
    async fn a_task_with_another_waker_is_woken_too() {
        // `join!` inside another task polls with wakers that change.
        let session = Session::detached();
        let cut = async {
            tokio::task::yield_now().await;
            session.close();
        };
        let work = UntilCut::new(session.hold(), pending::<()>());
        let (ended, ()) = tokio::join!(work, cut);
        assert_eq!(ended, None);
    }

    #[tokio::test]
    async fn work_that_moved_to_another_task_is_cut_there() {
        let session = Session::detached();
        let mut work = Box::pin(UntilCut::new(session.hold(), pending::<()>()));
        let first = poll_fn(|cx| Poll::Ready(work.as_mut().poll(cx))).await;
        assert!(first.is_pending());
        let work = tokio::spawn(work);
        tokio::task::yield_now().await;
        session.close();
        assert_eq!(work.await.unwrap(), None);
    }

    /// Every connection is in one of these.
    #[test]
    fn it_adds_little_to_the_work() {
        let guard = Session::detached().hold();
        let work = UntilCut::new(guard, std::future::ready([0u8; 1024]));
        let bytes = size_of_val(&work) - size_of::<std::future::Ready<[u8; 1024]>>();
        assert!(bytes <= 64, "{bytes} bytes");
    }
}
