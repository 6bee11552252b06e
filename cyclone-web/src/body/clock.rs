//! The time limit of a body on an HTTP/2 stream.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use crate::limits::Limits;

/// Measures how long a handler has waited for the client.
#[derive(Default)]
pub(crate) struct StreamClock {
    /// Waits that are over.
    waited: Duration,
    /// The wait that is not, and when it is too long.
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl StreamClock {
    /// Bytes have come.
    pub(crate) fn stop(&mut self) {
        if let Some((since, _)) = self.waiting.take() {
            self.waited += since.elapsed();
        }
    }

    /// Ready when the client has used up its time.
    pub(crate) fn poll_late(
        &mut self,
        limits: &Limits,
        received: u64,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let waited = self.waited;
        let (_, sleep) = self.waiting.get_or_insert_with(|| {
            let now = Instant::now();
            let left = limits
                .body_allowance(received)
                .saturating_sub(waited)
                .min(limits.body_timeout);
            (now, Box::pin(sleep_until(now + left)))
        });
        sleep.as_mut().poll(cx)
    }
}
