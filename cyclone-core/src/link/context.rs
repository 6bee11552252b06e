//! What a session knows of its link.

use tokio::sync::watch;

/// What a session of a [`Link`](super::Link) knows: which connection it is, and whether it should end.
#[derive(Clone, Debug)]
pub struct LinkContext {
    pub(super) generation: u64,
    pub(super) closing: watch::Receiver<bool>,
}

impl LinkContext {
    /// The number of this connection: 1 for the first, one more each time.
    ///
    /// Above 1 something may have been missed since the connection before.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Waits until the link is being closed: the session should say goodbye and return.
    ///
    /// # Cancel safety
    ///
    /// Safe: called again it resolves at once.
    pub async fn closing(&self) {
        // An error means that all handles are gone: closing as well.
        let _ = self.closing.clone().wait_for(|closing| *closing).await;
    }

    /// Whether the link is being closed.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        *self.closing.borrow() || self.closing.has_changed().is_err()
    }
}
