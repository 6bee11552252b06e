//! `Sqlite` in the snapshot of a server.

use cyclone_core::{Inspect, Inspection, Metric};

use crate::handle::Sqlite;

/// A server that inspects the database shows its health, its queues and what it did: `cyclone_sqlite_...`.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use cyclone_core::Server;
/// use cyclone_sqlite::Sqlite;
///
/// let db = Sqlite::memory().await?;
/// let server = Server::new().inspect("main", db.clone()).service(db).start().await?;
/// let text = server.handle().snapshot().to_prometheus();
/// assert!(text.contains("cyclone_sqlite_commits_total{sqlite=\"main\"} 0"));
/// # server.shutdown();
/// # server.wait().await;
/// # Ok(())
/// # }
/// ```
impl Inspect for Sqlite {
    fn kind(&self) -> &'static str {
        "sqlite"
    }

    fn inspect(&self) -> Inspection {
        let settings = self.owner.shared.opener.settings();
        let now = self.statistics();
        let queues = [
            Metric::gauge("read_queue", "Jobs that wait for a reader", now.read_queue)
                .limit(settings.read_queue),
            Metric::gauge(
                "write_queue",
                "Jobs that wait for the writer",
                now.write_queue,
            )
            .limit(settings.write_queue),
            Metric::gauge("running", "Jobs that run", now.running),
        ];
        let counters = [
            ("succeeded_total", "Jobs that succeeded", now.succeeded),
            ("failed_total", "Jobs that failed", now.failed),
            (
                "cancelled_total",
                "Jobs whose caller had gone before they began",
                now.cancelled,
            ),
            (
                "interrupted_total",
                "Jobs that were interrupted",
                now.interrupted,
            ),
            (
                "refused_total",
                "Jobs refused because a queue was full",
                now.refused,
            ),
            ("commits_total", "Commits of the writer", now.commits),
            (
                "committed_total",
                "Jobs that those commits stored",
                now.committed,
            ),
            (
                "repeated_total",
                "Grouped jobs that were run again",
                now.repeated,
            ),
            (
                "busy_waits_total",
                "Waits for another process that held the lock",
                now.busy_waits,
            ),
            (
                "slow_total",
                "Jobs slower than the limit for slow jobs",
                now.slow,
            ),
            (
                "reopened_total",
                "Connections that were lost and opened again",
                now.reopened,
            ),
        ];
        let counters = counters.map(|(name, help, value)| Metric::counter(name, help, value));
        queues
            .into_iter()
            .chain(counters)
            .fold(Inspection::new(), Inspection::metric)
            .health(Self::health(self).current())
    }
}
