//! `EventSender`: events from a handler.

use std::error::Error;
use std::fmt;

use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::TrySendError as TrySend;

use crate::event::Event;

/// Sends events to one client; made by [`EventStream::channel`](crate::EventStream::channel).
///
/// The stream ends when the last clone is dropped.
#[derive(Clone, Debug)]
pub struct EventSender {
    sender: Sender<Event>,
}

impl EventSender {
    pub(super) fn new(sender: Sender<Event>) -> Self {
        Self { sender }
    }

    /// Sends an event, after waiting for room in the queue.
    ///
    /// That it was queued does not mean that the client got it.
    ///
    /// # Errors
    /// [`ClientGone`] when the client has gone or its stream has ended.
    ///
    /// # Cancel safety
    /// When the future is dropped the event was not sent.
    pub async fn send(&self, event: Event) -> Result<(), ClientGone> {
        self.sender.send(event).await.map_err(|_| ClientGone(()))
    }

    /// Sends an event if there is room in the queue.
    ///
    /// # Errors
    /// [`TrySendError`] with the event when there is not, or the client has gone.
    pub fn try_send(&self, event: Event) -> Result<(), TrySendError> {
        self.sender.try_send(event).map_err(|error| match error {
            TrySend::Full(event) => TrySendError::Full(event),
            TrySend::Closed(event) => TrySendError::ClientGone(event),
        })
    }

    /// Waits until the client has gone or its stream has ended.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn closed(&self) {
        self.sender.closed().await;
    }

    /// Whether the client has gone or its stream has ended.
    pub fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }
}

/// The error of an event for a client that has gone; a retry is pointless.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientGone(());

impl fmt::Display for ClientGone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the client has gone")
    }
}

impl Error for ClientGone {}

/// The error of [`EventSender::try_send`]; it gives the event back.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrySendError {
    /// The queue is full: the client is slow. A retry is safe.
    Full(Event),
    /// The client has gone; a retry is pointless.
    ClientGone(Event),
}

impl fmt::Display for TrySendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "the queue of the client is full",
            Self::ClientGone(_) => "the client has gone",
        })
    }
}

impl Error for TrySendError {}
