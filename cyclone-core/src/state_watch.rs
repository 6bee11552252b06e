//! The watching side of something that has states.

use tokio::sync::watch;

/// Shows the states of a [`Link`](crate::Link), a [`Pool`](crate::Pool) or a [`Breaker`](crate::Breaker): reads the
/// newest, or waits for the next.
///
/// Only the newest state is kept: quick changes in between are not shown. A clone has its own memory of what was
/// seen.
#[derive(Clone, Debug)]
pub struct StateWatch<T> {
    receiver: watch::Receiver<T>,
}

impl<T: Clone> StateWatch<T> {
    /// A watch that has seen the current state.
    pub(crate) fn new(receiver: watch::Receiver<T>) -> Self {
        Self { receiver }
    }

    /// The state now, or the last one when what had states is gone.
    #[must_use]
    pub fn current(&self) -> T {
        self.receiver.borrow().clone()
    }

    /// Waits for a state that this watch has not shown; `None` when there will be no more.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped: the state is still unseen.
    pub async fn changed(&mut self) -> Option<T> {
        self.receiver.changed().await.ok()?;
        Some(self.receiver.borrow_and_update().clone())
    }

    /// Waits for a state, the current one included, for which `wanted` holds; `None` when there will be no more.
    ///
    /// # Cancel safety
    ///
    /// Safe: it only looks.
    pub async fn wait_for(&mut self, mut wanted: impl FnMut(&T) -> bool) -> Option<T> {
        let state = self.receiver.wait_for(|state| wanted(state)).await.ok()?;
        Some(state.clone())
    }
}
