//! `Heartbeat`: says when a stream has been silent for long.

use std::num::NonZeroU64;
use std::time::Duration;

use tokio::time::Instant;

/// When the stream will have been silent for long.
pub(super) struct Heartbeat {
    /// In nanoseconds, of which there is room for centuries: a `Duration` is twice as large.
    interval: NonZeroU64,
    last: Instant,
}

impl Heartbeat {
    pub(super) fn new(interval: Duration) -> Self {
        Self {
            interval: nanos(interval),
            last: Instant::now(),
        }
    }

    /// Something was sent.
    pub(super) fn sent(&mut self) {
        self.last = Instant::now();
    }

    pub(super) fn due(&self) -> Instant {
        self.last + Duration::from_nanos(self.interval.get())
    }
}

/// A century counts as never.
const NEVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

fn nanos(interval: Duration) -> NonZeroU64 {
    let nanos = u64::try_from(interval.min(NEVER).as_nanos()).unwrap_or(u64::MAX);
    NonZeroU64::new(nanos).unwrap_or(NonZeroU64::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_just_under_at_and_over_the_bounds() {
        let shown = |interval| Duration::from_nanos(nanos(interval).get());
        let nano = Duration::from_nanos(1);
        for same in [nano, Duration::from_secs(15), NEVER - nano, NEVER] {
            assert_eq!(shown(same), same);
        }
        assert_eq!(shown(Duration::ZERO), nano);
        for never in [NEVER + nano, Duration::MAX] {
            assert_eq!(shown(never), NEVER);
        }
    }
}
