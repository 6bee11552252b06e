//! Health of a service, pool or link as a value that can be read and watched.

use std::fmt;

use tokio::sync::watch;

/// How well a part of the server works right now.
///
/// The reasons are for operators: they may name hosts and errors, so they belong in logs and on internal pages,
/// not in answers to strangers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Health {
    /// Nothing is known yet: the part is starting, or has not been used.
    Starting,
    /// Works.
    Up,
    /// Works in part, or is about to fail; says why.
    Degraded(String),
    /// Does not work; says why.
    Down(String),
}

impl Health {
    /// Whether the part works fully.
    #[must_use]
    pub fn is_up(&self) -> bool {
        matches!(self, Self::Up)
    }

    /// Whether the part does not work at all.
    #[must_use]
    pub fn is_down(&self) -> bool {
        matches!(self, Self::Down(_))
    }

    /// The reason, when the part is degraded or down.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Degraded(reason) | Self::Down(reason) => Some(reason),
            Self::Starting | Self::Up => None,
        }
    }
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Starting => f.write_str("starting"),
            Self::Up => f.write_str("up"),
            Self::Degraded(reason) => write!(f, "degraded: {reason}"),
            Self::Down(reason) => write!(f, "down: {reason}"),
        }
    }
}

/// The side that says how it is: owned by the service, pool or link itself.
///
/// ```
/// use cyclone_core::{Health, HealthReporter};
///
/// let reporter = HealthReporter::new(Health::Starting);
/// let watch = reporter.watch();
/// reporter.set(Health::Up);
/// assert!(watch.current().is_up());
/// ```
#[derive(Debug)]
pub struct HealthReporter {
    sender: watch::Sender<Health>,
}

impl HealthReporter {
    /// A reporter whose first word is `initial`.
    #[must_use]
    pub fn new(initial: Health) -> Self {
        Self {
            sender: watch::Sender::new(initial),
        }
    }

    /// Says how it is from now on; watchers are woken only when this differs from before.
    ///
    /// Returns whether it differed.
    pub fn set(&self, health: Health) -> bool {
        self.sender.send_if_modified(|current| {
            let differs = *current != health;
            if differs {
                *current = health;
            }
            differs
        })
    }

    /// What was said last.
    #[must_use]
    pub fn current(&self) -> Health {
        self.sender.borrow().clone()
    }

    /// A watch that has seen the current value.
    #[must_use]
    pub fn watch(&self) -> HealthWatch {
        HealthWatch {
            receiver: self.sender.subscribe(),
        }
    }
}

impl Default for HealthReporter {
    /// A reporter that says [`Health::Starting`].
    fn default() -> Self {
        Self::new(Health::Starting)
    }
}

/// The side that looks: reads the health of something, or waits for it to change.
///
/// A clone has its own memory of what was seen.
#[derive(Clone, Debug)]
pub struct HealthWatch {
    receiver: watch::Receiver<Health>,
}

impl HealthWatch {
    /// A watch of something whose health never changes.
    #[must_use]
    pub fn fixed(health: Health) -> Self {
        HealthReporter::new(health).watch()
    }

    /// The health now, or the last word of a reporter that is gone.
    #[must_use]
    pub fn current(&self) -> Health {
        self.receiver.borrow().clone()
    }

    /// Waits for a value this watch has not seen; `None` once the reporter is gone.
    ///
    /// Only the newest value is kept: quick changes in between are not shown.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped: the change is still unseen.
    pub async fn changed(&mut self) -> Option<Health> {
        self.receiver.changed().await.ok()?;
        Some(self.receiver.borrow_and_update().clone())
    }

    /// Waits until the health is [`Health::Up`]; `false` when the reporter is gone before.
    ///
    /// # Cancel safety
    ///
    /// Safe: it only looks.
    pub async fn wait_up(&mut self) -> bool {
        self.receiver.wait_for(Health::is_up).await.is_ok()
    }
}

#[cfg(test)]
mod tests;
