//! Times to come.

use std::time::Duration;

use tokio::time::Instant;

/// As good as never.
const NEVER: Duration = Duration::from_secs(30 * 365 * 86_400);

/// The moment so long after another; the longest limit there is means that there is none.
pub(crate) fn after(moment: Instant, limit: Duration) -> Instant {
    moment.checked_add(limit).unwrap_or_else(|| moment + NEVER)
}
