//! The events of a connection, and the gaps between them.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::broadcast::{self, error::RecvError};

use super::event::Event;
use super::message::{Disconnect, LogLine};

/// What a subscriber that does not keep up may be behind; then it has a gap.
pub const EVENT_QUEUE: usize = 1024;

/// Something that a subscriber is told.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Notice {
    /// An event.
    Event(Arc<Event>),
    /// A line of the log.
    Log(Arc<LogLine>),
    /// The channel of an outbound connection ended; the last of its events come still.
    Lingering(Arc<Disconnect>),
    /// There may have been events that are not here.
    Gap(Gap),
}

/// Why events may be missing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Gap {
    /// The connection was lost; from here on the events of a new one come, to which everything was subscribed again.
    Reconnected {
        /// The number of the connection, see [`LinkContext::generation`](cyclone_core::LinkContext::generation).
        generation: u64,
    },
    /// This subscriber was more than [`EVENT_QUEUE`] behind.
    Slow {
        /// So many notices were dropped for it.
        missed: u64,
    },
    /// An event could not be read.
    Unreadable {
        /// What is wrong with it.
        reason: &'static str,
    },
}

/// The events of a connection, for one who asked for them. Each has its own place in them.
#[derive(Debug)]
pub struct Events {
    receiver: broadcast::Receiver<Notice>,
}

impl Events {
    /// The next notice; `None` when no more will come: the client was closed, or the call has ended.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn recv(&mut self) -> Option<Notice> {
        match self.receiver.recv().await {
            Ok(notice) => Some(notice),
            Err(RecvError::Lagged(missed)) => Some(Notice::Gap(Gap::Slow { missed })),
            Err(RecvError::Closed) => None,
        }
    }

    /// The next event of this name, past everything else; `None` when no more will come. A gap may have had it.
    ///
    /// # Cancel safety
    /// What was passed over is gone.
    pub async fn named(&mut self, name: &str) -> Option<Arc<Event>> {
        loop {
            match self.recv().await? {
                Notice::Event(event) if event.name() == name => return Some(event),
                _ => {}
            }
        }
    }
}

/// Where events come from.
#[derive(Debug)]
pub(super) struct Stage {
    /// Taken when no more will come.
    sender: Mutex<Option<broadcast::Sender<Notice>>>,
}

impl Stage {
    pub(super) fn new() -> Self {
        let (sender, _) = broadcast::channel(EVENT_QUEUE);
        Self {
            sender: Mutex::new(Some(sender)),
        }
    }

    pub(super) fn tell(&self, notice: Notice) {
        if let Some(sender) = &*self.lock() {
            // Nobody may listen.
            let _ = sender.send(notice);
        }
    }

    pub(super) fn subscribe(&self) -> Events {
        let receiver = match &*self.lock() {
            Some(sender) => sender.subscribe(),
            // The end at once.
            None => broadcast::channel(1).1,
        };
        Events { receiver }
    }

    /// No more will come.
    pub(super) fn close(&self) {
        self.lock().take();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<broadcast::Sender<Notice>>> {
        self.sender.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
