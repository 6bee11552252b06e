//! The running handler of a request.

use std::cell::Cell;
use std::task::{Context, Poll};

use tokio_util::sync::ReusableBoxFuture;

use crate::kept;
use crate::request_span::RequestSpan;
use crate::stream::Outcome;

type Boxed = ReusableBoxFuture<'static, Outcome>;

/// The running handler of one request, its type erased where the route is registered.
///
/// Its memory is the thread's: that of a handler that has ended serves the next one of the same size.
pub(crate) struct Running {
    /// Only a handler that was dropped before its end takes its memory with it.
    future: Option<Boxed>,
    has_ended: bool,
    span: RequestSpan,
}

thread_local! {
    /// The memory of a handler that has ended; nothing of it is left there.
    static KEPT: Cell<Option<Boxed>> = const { Cell::new(None) };
}

impl Running {
    pub(crate) fn new(future: impl Future<Output = Outcome> + Send + 'static) -> Self {
        let future = match kept::take(&KEPT) {
            Some(mut kept) => {
                kept.set(future);
                kept
            }
            None => Boxed::new(future),
        };
        Self {
            future: Some(future),
            has_ended: false,
            span: RequestSpan::default(),
        }
    }

    /// Has what the handler logs belong to the request.
    pub(crate) fn set_span(&mut self, span: RequestSpan) {
        self.span = span;
    }

    /// Ready with the outcome, once.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Outcome> {
        match &mut self.future {
            Some(future) if !self.has_ended => {
                let _entered = self.span.enter();
                let polled = future.poll(cx);
                self.has_ended = polled.is_ready();
                if let Poll::Ready(outcome) = &polled {
                    self.span.record(|| outcome.status());
                }
                polled
            }
            _ => Poll::Pending,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.has_ended {
            kept::keep(&KEPT, self.future.take());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::task::{Context, Poll, Waker};

    use super::{KEPT, Running};
    use crate::stream::Outcome;

    fn outcome() -> Outcome {
        Outcome::Response(Box::new(http::Response::new(crate::Body::empty())))
    }

    fn is_kept() -> bool {
        let kept = KEPT.take();
        let is_kept = kept.is_some();
        KEPT.set(kept);
        is_kept
    }

    /// What a handler holds goes with its end, whoever has its memory next.
    #[test]
    fn the_memory_of_an_ended_handler_is_used_again_and_holds_nothing() {
        let mut cx = Context::from_waker(Waker::noop());
        let held = Arc::new(());
        let theirs = Arc::clone(&held);
        let mut running = Running::new(async move {
            let _held = theirs;
            outcome()
        });
        assert!(running.poll(&mut cx).is_ready());
        assert!(running.poll(&mut cx).is_pending());
        assert_eq!(Arc::strong_count(&held), 1);
        drop(running);
        assert!(is_kept());
        // Of another size.
        let mut other = Running::new(async move {
            let large = [1_u8; 1000];
            tokio::task::yield_now().await;
            assert_eq!(large.len(), 1000);
            outcome()
        });
        assert!(!is_kept());
        assert!(matches!(other.poll(&mut cx), Poll::Pending));
    }

    /// A handler whose client is gone ends at once.
    #[test]
    fn a_handler_that_is_dropped_before_its_end_is_not_kept() {
        KEPT.take();
        let held = Arc::new(());
        let theirs = Arc::clone(&held);
        let running = Running::new(async move {
            let _held = theirs;
            std::future::pending().await
        });
        drop(running);
        assert_eq!(Arc::strong_count(&held), 1);
        assert!(!is_kept());
    }
}
