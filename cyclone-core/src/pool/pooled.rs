//! A connection that is checked out.

use std::{
    fmt,
    ops::{Deref, DerefMut},
    sync::Arc,
};

use deadpool::managed::Object;

use super::{manager::Manager, shared::Shared, statistics::InUse};
use crate::connector::Connector;

/// A connection of a [`Pool`](super::Pool) that is yours until it is dropped.
///
/// Dropped, it goes back to the pool, unless the driver [knows it to be broken](Connector::is_broken), the thread
/// is panicking, or an operation was begun and not ended.
///
/// # Operations that may be cancelled
///
/// A request that was sent and whose answer was not read poisons a connection: the next user would read it. So a
/// driver brackets what it sends. Cancelled by a drop, a time limit or a panic in between, the connection is
/// closed instead of going back:
///
/// ```
/// # use cyclone_core::{Connector, Pooled};
/// # use tokio::{io::{AsyncReadExt, AsyncWriteExt}, net::TcpStream};
/// async fn ping<C>(mut connection: Pooled<C>) -> std::io::Result<[u8; 7]>
/// where
///     C: Connector<Connection = TcpStream>,
/// {
///     connection.begin_operation();
///     connection.write_all(b"PING\r\n").await?; // an error is an unfinished operation too
///     let mut answer = [0; 7];
///     connection.read_exact(&mut answer).await?;
///     connection.end_operation();
///     Ok(answer)
/// }
/// ```
pub struct Pooled<C: Connector> {
    /// `None` only while the connection is being given away by value.
    object: Option<Object<Manager<C>>>,
    shared: Arc<Shared<C>>,
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

    /// Notes that something is about to be sent: until [`end_operation`](Self::end_operation), the connection is
    /// closed when it is dropped.
    pub fn begin_operation(&mut self) {
        self.unfinished = true;
    }

    /// Notes that everything that was sent has been answered, and the answer was read to its end.
    pub fn end_operation(&mut self) {
        self.unfinished = false;
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

impl<C: Connector> Deref for Pooled<C> {
    type Target = C::Connection;

    fn deref(&self) -> &C::Connection {
        &present(self.object.as_ref()).connection
    }
}

impl<C: Connector> DerefMut for Pooled<C> {
    fn deref_mut(&mut self) -> &mut C::Connection {
        &mut present(self.object.as_mut()).connection
    }
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
