//! Facts about the runtime, from tokio's stable metrics.

use std::time::Duration;

use tokio::runtime::Handle;

/// Facts about the tokio runtime of a server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RuntimeFacts {
    /// Its worker threads.
    pub workers: usize,
    /// Tasks that have not ended.
    pub tasks: usize,
    /// Tasks that wait for a worker in the queue that all workers share.
    pub queued: usize,
    /// Time that the workers were busy since the runtime was made, all together.
    pub busy: Duration,
}

impl RuntimeFacts {
    pub(super) fn of(runtime: &Handle) -> Self {
        let metrics = runtime.metrics();
        let workers = metrics.num_workers();
        #[cfg(target_has_atomic = "64")]
        let busy = (0..workers)
            .map(|worker| metrics.worker_total_busy_duration(worker))
            .sum();
        #[cfg(not(target_has_atomic = "64"))]
        let busy = Duration::ZERO;
        Self {
            workers,
            tasks: metrics.num_alive_tasks(),
            queued: metrics.global_queue_depth(),
            busy,
        }
    }
}
