//! What the connection's task waits for besides hyper: the server's signals and one timer.
//!
//! They are polled with a waker of their own, so that a poll of the task for any other reason costs them
//! nothing but the look at a flag.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Waker};

use tokio::time::{Instant, Sleep};

use super::ConnectionInfo;

/// A signal of the session.
pub(crate) type Signal<'a> = Pin<&'a mut (dyn Future<Output = ()> + Send)>;

/// The signals and the timer of a connection.
pub(crate) struct Watch<'a> {
    info: Arc<ConnectionInfo>,
    draining: Signal<'a>,
    cut: Signal<'a>,
    sleep: Pin<&'a mut Sleep>,
    /// When the timer fires.
    armed: Instant,
    elapsed: bool,
    is_draining: bool,
    is_cut: bool,
    /// The waker of signals and timer.
    waker: Waker,
    /// The waker of the task, as it was last registered.
    task: Option<Waker>,
}

impl<'a> Watch<'a> {
    pub(crate) fn new(
        info: Arc<ConnectionInfo>,
        draining: Signal<'a>,
        cut: Signal<'a>,
        sleep: Pin<&'a mut Sleep>,
    ) -> Self {
        info.signalled.set();
        Self {
            waker: Waker::from(Arc::clone(&info)),
            armed: sleep.deadline(),
            info,
            draining,
            cut,
            sleep,
            elapsed: false,
            is_draining: false,
            is_cut: false,
            task: None,
        }
    }

    /// Looks at signals and timer if they ask for it. Call it first in every poll of the task.
    pub(crate) fn poll(&mut self, cx: &Context<'_>) {
        if !self
            .task
            .as_ref()
            .is_some_and(|task| task.will_wake(cx.waker()))
        {
            self.info.driver.set(cx.waker());
            self.task = Some(cx.waker().clone());
        }
        if self.info.signalled.take() {
            self.look();
        }
    }

    #[cold]
    fn look(&mut self) {
        let mut cx = Context::from_waker(&self.waker);
        self.is_cut = self.is_cut || self.cut.as_mut().poll(&mut cx).is_ready();
        self.is_draining = self.is_draining || self.draining.as_mut().poll(&mut cx).is_ready();
        self.elapsed = self.elapsed || self.sleep.as_mut().poll(&mut cx).is_ready();
    }

    /// Whether the connection must end at once.
    pub(crate) fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// Whether the server shuts down.
    pub(crate) fn is_draining(&self) -> bool {
        self.is_draining
    }

    /// Whether the timer has fired since it was last set.
    pub(crate) fn is_elapsed(&self) -> bool {
        self.elapsed
    }

    /// Has the task polled at `deadline` at the latest. It may be polled earlier: a timer that is set for
    /// earlier stays so, because most deadlines are moved on long before they are reached.
    pub(crate) fn wake_at(&mut self, deadline: Instant) {
        if self.elapsed || deadline < self.armed {
            self.armed = deadline;
            self.sleep.as_mut().reset(deadline);
            let mut cx = Context::from_waker(&self.waker);
            self.elapsed = self.sleep.as_mut().poll(&mut cx).is_ready();
            if self.elapsed {
                self.info.driver.wake();
            }
        }
    }
}
