//! Whether a server is ready for work, as balancers and process managers ask.

use std::fmt;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use crate::health::Health;
use crate::shutdown::ServerHandle;

/// How often [`ServerHandle::wait_ready`] looks at the health of what is required, which tells nobody when it changes.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Whether a server is ready for work; if not, why.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Readiness {
    /// It accepts connections, and all that it waits for is there.
    Ready,
    /// It starts: with the paths of the services that have not been ready yet.
    Starting(Vec<String>),
    /// Something that is [required](crate::Server::ready_requires) does not work: the names, and how they are.
    Down(Vec<(String, Health)>),
    /// The shutdown has begun. What is open is served to its end.
    Draining,
}

impl Readiness {
    /// Whether it is ready.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        matches!(self, Self::Ready)
    }

    /// One word for it: `ready`, `starting`, `down` or `draining`.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Starting(_) => "starting",
            Self::Down(_) => "down",
            Self::Draining => "draining",
        }
    }
}

impl fmt::Display for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())?;
        match self {
            Self::Ready | Self::Draining => Ok(()),
            Self::Starting(paths) if paths.is_empty() => Ok(()),
            Self::Starting(paths) => write!(f, ": {}", paths.join(", ")),
            Self::Down(required) => {
                for (at, (name, health)) in required.iter().enumerate() {
                    let separator = if at == 0 { ":" } else { "," };
                    write!(f, "{separator} {name} {health}")?;
                }
                Ok(())
            }
        }
    }
}

impl ServerHandle {
    /// Whether the server is ready for work: it accepts connections, every service has been
    /// [ready](crate::ServiceContext::ready) once, what is [required](crate::Server::ready_requires) is neither
    /// down nor starting, and the shutdown has not begun.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        if self.is_draining() {
            return Readiness::Draining;
        }
        let mut waited_for = Vec::new();
        self.services.unready("", &mut waited_for);
        if !self.observed.is_serving() || !waited_for.is_empty() {
            return Readiness::Starting(waited_for);
        }
        let down = self.required_and_down();
        if down.is_empty() {
            Readiness::Ready
        } else {
            Readiness::Down(down)
        }
    }

    fn required_and_down(&self) -> Vec<(String, Health)> {
        let required = self.observed.required.iter();
        let looked_at = required.map(|name| {
            let service = self.services.service_named(name);
            let health = service.map(|service| service.health);
            let health = health.or_else(|| self.observed.source_health(name));
            let missing = || Health::Down("there is nothing of this name".to_owned());
            (name.clone(), health.unwrap_or_else(missing))
        });
        let is_unfit = |health: &Health| matches!(health, Health::Starting | Health::Down(_));
        looked_at.filter(|(_, health)| is_unfit(health)).collect()
    }

    /// Waits until the server is [ready](Self::readiness).
    ///
    /// # Errors
    /// Why it is not: after `limit`, or at once when the shutdown begins.
    ///
    /// # Cancel safety
    /// It only looks.
    pub async fn wait_ready(&self, limit: Duration) -> Result<(), Readiness> {
        let mut services = self.watch_services();
        let ready = async {
            loop {
                match self.readiness() {
                    Readiness::Ready => return Ok(()),
                    Readiness::Draining => return Err(Readiness::Draining),
                    Readiness::Starting(_) | Readiness::Down(_) => {}
                }
                tokio::select! {
                    _ = services.changed() => {}
                    () = sleep(LOOK_EVERY) => {}
                    () = self.draining.cancelled() => {}
                }
            }
        };
        match timeout(limit, ready).await {
            Ok(ended) => ended,
            Err(_elapsed) => Err(self.readiness()),
        }
    }
}
