//! A connection that is checked out.

use std::{fmt, sync::Arc};

use deadpool::managed::Object;
use tokio::time::Instant;

use super::{PooledOperation, manager::Manager, shared::Shared, statistics::InUse};
use crate::{connector::Connector, operation::NotSent};

/// A connection of a [`Pool`](super::Pool) that is yours until it is dropped.
///
/// Dropped, it goes back to the pool, unless the driver [knows it to be broken](Connector::is_broken), the thread
/// is panicking, or an operation was begun and not ended.
///
/// # Operations that may be cancelled
///
/// A request that was sent and whose answer was not read poisons a connection: the next user would read it. So the
/// connection is reached through an operation: [`run`](Self::run), or [`begin`](Self::begin) and
/// [`end`](PooledOperation::end). Cancelled by a drop, an error, a time limit or a panic in between, the connection
/// is closed instead of going back:
///
/// ```
/// # use std::error::Error;
/// # use cyclone_core::{Connector, Pooled};
/// # use tokio::{io::{AsyncReadExt, AsyncWriteExt}, net::TcpStream};
/// async fn ping<C>(mut connection: Pooled<C>) -> Result<[u8; 7], Box<dyn Error>>
/// where
///     C: Connector<Connection = TcpStream>,
/// {
///     let mut operation = connection.begin()?;
///     operation.write_all(b"PING\r\n").await?; // an error is an unfinished operation too
///     let mut answer = [0; 7];
///     operation.read_exact(&mut answer).await?;
///     operation.end();
///     Ok(answer)
/// }
/// ```
pub struct Pooled<C: Connector> {
    /// `None` only while the connection is being given away by value.
    object: Option<Object<Manager<C>>>,
    pub(super) shared: Arc<Shared<C>>,
    unfinished: bool,
    /// Last, so that the count falls when the connection is back.
    _in_use: InUse,
}

impl<C: Connector> Pooled<C> {
    pub(super) fn new(object: Object<Manager<C>>, shared: &Arc<Shared<C>>) -> Self {
        Self {
            object: Some(object),
            shared: Arc::clone(shared),
            unfinished: false,
            _in_use: InUse::start(&shared.counts),
        }
    }

    /// Begins an operation, through which the connection is reached; until it is
    /// [ended](PooledOperation::end), the connection is closed when it is dropped.
    ///
    /// Neither time limit nor breaker: [`run`](Self::run) has both.
    ///
    /// # Errors
    ///
    /// [`NotSent::Unfinished`] when an operation before was not ended: its answer may still come.
    pub fn begin(&mut self) -> Result<PooledOperation<'_, C>, NotSent> {
        if self.unfinished {
            return Err(NotSent::Unfinished);
        }
        self.unfinished = true;
        Ok(PooledOperation::new(self))
    }

    /// Notes that the operation was ended: the other side has answered.
    pub(super) fn set_finished(&mut self) {
        self.unfinished = false;
        present(self.object.as_mut()).seen = Instant::now();
    }

    /// Looks at the connection, at its number for instance. What is sent is sent by an operation.
    #[must_use]
    pub fn peek(&self) -> &C::Connection {
        &present(self.object.as_ref()).connection
    }

    pub(super) fn connection(&mut self) -> &mut C::Connection {
        &mut present(self.object.as_mut()).connection
    }

    /// The epoch of the pool in which the connection was last known to work.
    pub(super) fn epoch(&self) -> u64 {
        present(self.object.as_ref()).epoch
    }

    /// Closes the connection now, as its state is not known or is known to be bad; its place becomes free.
    pub fn discard(mut self) {
        self.unfinished = true;
    }

    /// Takes the connection out of the pool for good: it does not come back and counts no longer.
    #[must_use]
    pub fn take(mut self) -> C::Connection {
        let object = self.object.take();
        Object::take(present(object)).connection
    }
}

/// The object of a `Pooled` that nobody has given away.
#[expect(
    clippy::expect_used,
    reason = "only `take` and `drop` empty the option, and both end the `Pooled`"
)]
fn present<T>(object: Option<T>) -> T {
    object.expect("the connection is still there")
}

impl<C: Connector> Drop for Pooled<C> {
    fn drop(&mut self) {
        if let Some(object) = self.object.take() {
            let finished = !self.unfinished && !std::thread::panicking();
            self.shared.release(object, finished);
        }
    }
}

impl<C: Connector> fmt::Debug for Pooled<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pooled")
            .field("pool", &self.shared.settings.name)
            .field("unfinished", &self.unfinished)
            .finish_non_exhaustive()
    }
}
