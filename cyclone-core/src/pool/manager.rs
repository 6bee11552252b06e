//! What deadpool needs to know: where connections come from and whether an idle one may go out again.

use std::sync::Arc;

use deadpool::managed::{self, Metrics, RecycleError, RecycleResult};

use super::{PoolError, entry::Entry, shared::Shared};
use crate::connector::Connector;

/// deadpool's view of the pool. It never connects: connections come from the keeper.
pub(super) struct Manager<C: Connector>(pub(super) Arc<Shared<C>>);

impl<C: Connector> managed::Manager for Manager<C> {
    type Type = Entry<C>;
    type Error = PoolError;

    async fn create(&self) -> Result<Entry<C>, PoolError> {
        self.0.connection().await
    }

    async fn recycle(&self, entry: &mut Entry<C>, _: &Metrics) -> RecycleResult<PoolError> {
        if self.0.is_usable(entry).await {
            Ok(())
        } else {
            Err(RecycleError::message("not usable any more"))
        }
    }
}
