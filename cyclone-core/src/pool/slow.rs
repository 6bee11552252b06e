//! Warnings of slow checkouts, few enough to be read.

use std::{sync::Mutex, time::Duration};

use tokio::time::Instant;

use crate::lock::lock;

/// Between two warnings of one pool.
const WARNING_INTERVAL: Duration = Duration::from_secs(10);

#[derive(Debug, Default)]
pub(super) struct SlowLog(Mutex<Suppressed>);

#[derive(Debug, Default)]
struct Suppressed {
    last: Option<Instant>,
    count: u64,
}

impl SlowLog {
    /// Whether to warn now: `Some` with the number of warnings that were left out since the last.
    pub(super) fn warn(&self, now: Instant) -> Option<u64> {
        let mut suppressed = lock(&self.0);
        if let Some(last) = suppressed.last
            && now.saturating_duration_since(last) < WARNING_INTERVAL
        {
            suppressed.count += 1;
            return None;
        }
        suppressed.last = Some(now);
        Some(std::mem::take(&mut suppressed.count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_warning_per_interval_counts_the_rest() {
        let log = SlowLog::default();
        let start = Instant::now();
        assert_eq!(log.warn(start), Some(0));
        assert_eq!(log.warn(start), None);
        assert_eq!(
            log.warn(start + WARNING_INTERVAL - Duration::from_millis(1)),
            None
        );
        assert_eq!(log.warn(start + WARNING_INTERVAL), Some(2));
    }
}
