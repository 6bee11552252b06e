//! How late the runtime is: the first sign that something blocks it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::lock::lock;
use crate::service::{Service, ServiceContext, ServiceError};

/// The time between two measurements unless said otherwise.
pub const DEFAULT_RESOLUTION: Duration = Duration::from_millis(100);

const SHORTEST_RESOLUTION: Duration = Duration::from_millis(1);
const LONGEST_RESOLUTION: Duration = Duration::from_secs(3600);

/// Measurements kept: the last 10 s at the default resolution.
const KEPT_MEASUREMENTS: usize = 100;

/// Measures by how much timers fire late: the delay that every task of the runtime suffers.
///
/// A healthy runtime stays at one or two milliseconds (the clock's own step); a handler that computes or
/// blocks shows at once. Added to a server as a service; clones read the same measurements. One that is a resource of the
/// server too is in its [snapshots](crate::ServerHandle::snapshot).
///
/// ```
/// use cyclone_core::{EventLoopDelay, Server};
///
/// let delay = EventLoopDelay::default();
/// let server = Server::new().service(delay.clone()).resource(delay);
/// # let _ = server;
/// ```
#[derive(Clone, Debug)]
pub struct EventLoopDelay {
    resolution: Duration,
    measured: Arc<Mutex<VecDeque<Duration>>>,
}

impl EventLoopDelay {
    /// Measures once every `resolution`, between a millisecond and an hour.
    #[must_use]
    pub fn new(resolution: Duration) -> Self {
        Self {
            resolution: resolution.clamp(SHORTEST_RESOLUTION, LONGEST_RESOLUTION),
            measured: Arc::default(),
        }
    }

    /// The largest of the last 100 delays; zero before the first measurement.
    #[must_use]
    pub fn worst(&self) -> Duration {
        lock(&self.measured)
            .iter()
            .max()
            .copied()
            .unwrap_or_default()
    }

    /// The mean of the last 100 delays; zero before the first measurement.
    #[must_use]
    pub fn mean(&self) -> Duration {
        let measured = lock(&self.measured);
        let count = u32::try_from(measured.len()).unwrap_or(u32::MAX).max(1);
        measured.iter().sum::<Duration>() / count
    }

    fn record(&self, delay: Duration) {
        let mut measured = lock(&self.measured);
        if measured.len() == KEPT_MEASUREMENTS {
            measured.pop_front();
        }
        measured.push_back(delay);
    }
}

impl Default for EventLoopDelay {
    fn default() -> Self {
        Self::new(DEFAULT_RESOLUTION)
    }
}

impl Service for EventLoopDelay {
    fn name(&self) -> &str {
        "event-loop-delay"
    }

    async fn run(&self, cx: &ServiceContext) -> Result<(), ServiceError> {
        loop {
            let due = Instant::now() + self.resolution;
            tokio::select! {
                () = sleep_until(due) => {}
                () = cx.stopping() => return Ok(()),
            }
            self.record(due.elapsed());
        }
    }
}
