//! A method of a handler, whose panic is a value.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

pin_project! {
    /// The future of a method. The handler is not used after a panic, but for its `close`.
    pub(super) struct Guarded<F> {
        #[pin]
        method: Option<F>,
    }
}

/// Calls a method, which may panic already before it has a future.
pub(super) fn guarded<F: Future>(call: impl FnOnce() -> F) -> Guarded<F> {
    Guarded {
        method: catch_unwind(AssertUnwindSafe(call)).ok(),
    }
}

impl<F: Future> Future for Guarded<F> {
    type Output = std::thread::Result<F::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(method) = self.project().method.as_pin_mut() else {
            return Poll::Ready(Err(Box::new("it panicked when it was called")));
        };
        match catch_unwind(AssertUnwindSafe(|| method.poll(cx))) {
            Ok(polled) => polled.map(Ok),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::guarded;

    #[tokio::test]
    async fn a_panic_is_a_value_whenever_it_comes() {
        assert!(matches!(guarded(|| async { 7 }).await, Ok(7)));
        let late = guarded(|| async { panic!("on purpose") });
        let _: Box<dyn std::any::Any + Send> = late.await.unwrap_err();
        let early = guarded(|| -> std::future::Ready<()> { panic!("on purpose") });
        assert!(early.await.is_err());
    }
}
