//! A caller that waits for a connection.

use tokio::sync::oneshot;

use super::{PoolError, entry::Entry, shared::Shared};
use crate::connector::Connector;

/// What a waiting caller is given.
pub(super) type Delivery<C> = Result<Entry<C>, PoolError>;

/// A caller's place in the queue for a connection.
pub(super) struct Waiter<'a, C: Connector> {
    shared: &'a Shared<C>,
    receiver: oneshot::Receiver<Delivery<C>>,
}

impl<'a, C: Connector> Waiter<'a, C> {
    pub(super) fn new(shared: &'a Shared<C>, receiver: oneshot::Receiver<Delivery<C>>) -> Self {
        Self { shared, receiver }
    }

    pub(super) async fn delivery(mut self) -> Delivery<C> {
        (&mut self.receiver).await.unwrap_or(Err(PoolError::Closed))
    }
}

impl<C: Connector> Drop for Waiter<'_, C> {
    fn drop(&mut self) {
        self.receiver.close();
        match self.receiver.try_recv() {
            // Delivered to a caller who went away at that moment.
            Ok(Ok(entry)) => self.shared.offer(entry),
            _ => self.shared.forget_waiters(),
        }
    }
}
