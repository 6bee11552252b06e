//! What pools, links and the event loop say of themselves.

use super::{Inspect, Inspection, Metric};
use crate::breaker::Breaker;
use crate::connector::Connector;
use crate::event_loop_delay::EventLoopDelay;
use crate::link::{CallLink, Link};
use crate::pool::Pool;

impl<C: Connector> Inspect for Pool<C> {
    fn kind(&self) -> &'static str {
        "pool"
    }

    fn inspect(&self) -> Inspection {
        let now = self.statistics();
        let in_use = Metric::gauge("connections_in_use", "Connections in use", now.in_use);
        let gauges = [
            in_use.limit(now.max_size as u64),
            Metric::gauge("connections", "Open connections", now.size),
            Metric::gauge("connections_idle", "Open connections not in use", now.idle),
            Metric::gauge(
                "connections_connecting",
                "Connections being made",
                now.connecting,
            ),
            Metric::gauge(
                "connections_closing",
                "Connections being closed",
                now.closing,
            ),
            Metric::gauge("waiting", "Callers that wait for a connection", now.waiting),
        ];
        let counters = [
            Metric::counter("created_total", "Connections made", now.created),
            Metric::counter("connect_failures_total", "Failed attempts", now.failed),
            Metric::counter(
                "timeouts_total",
                "Checkouts that ran into the time limit",
                now.timeouts,
            ),
            Metric::counter(
                "refused_total",
                "Checkouts refused because too many waited",
                now.refused,
            ),
            Metric::counter(
                "slow_total",
                "Checkouts slower than the threshold",
                now.slow,
            ),
            Metric::counter(
                "reaped_total",
                "Connections closed for their age",
                now.reaped,
            ),
            Metric::counter(
                "resets_total",
                "Connections on which something was left and ended",
                now.reset,
            ),
            Metric::counter("broken_total", "Connections found dead", now.broken),
            Metric::counter(
                "discarded_total",
                "Connections closed after an unfinished operation",
                now.discarded,
            ),
        ];
        let operations = operations(
            [now.answered, now.unanswered, now.cancelled, now.barred],
            self.breaker(),
        );
        Inspection {
            health: Some(self.health().current()),
            metrics: gauges
                .into_iter()
                .chain(counters)
                .chain(operations)
                .collect(),
        }
    }
}

impl<C: Connector> Inspect for Link<C> {
    fn kind(&self) -> &'static str {
        "link"
    }

    fn inspect(&self) -> Inspection {
        let now = self.statistics();
        let is_up = self.state().is_up();
        let mut metrics = vec![
            Metric::gauge("up", "1 while the session runs", is_up),
            Metric::counter("attempts_total", "Attempts to connect", now.attempts),
            Metric::counter(
                "connects_total",
                "Connections made, and so sessions",
                now.connects,
            ),
            Metric::counter("connect_failures_total", "Failed attempts", now.failed),
            Metric::counter("losses_total", "Connections lost", now.losses),
            Metric::counter(
                "uptime_seconds_total",
                "How long sessions ran, all together",
                now.uptime,
            ),
        ];
        if now.max_pending > 0 {
            let pending = Metric::gauge(
                "calls_pending",
                "Calls that wait, for their turn or their answer",
                now.pending,
            );
            metrics.extend([
                pending.limit(now.max_pending as u64),
                Metric::counter(
                    "calls_refused_total",
                    "Calls refused because too many waited",
                    now.refused,
                ),
            ]);
            metrics.extend(operations(
                [now.answered, now.unanswered, now.cancelled, now.barred],
                self.breaker(),
            ));
        }
        Inspection {
            health: Some(self.health().current()),
            metrics,
        }
    }
}

impl<C: Connector, Q: Send + 'static, A: Send + 'static> Inspect for CallLink<C, Q, A> {
    fn kind(&self) -> &'static str {
        self.link().kind()
    }

    fn inspect(&self) -> Inspection {
        self.link().inspect()
    }
}

/// What pools and links say of their operations.
fn operations(
    [answered, unanswered, cancelled, barred]: [u64; 4],
    breaker: &Breaker,
) -> [Metric; 5] {
    [
        Metric::counter(
            "operations_answered_total",
            "Operations that were answered, be it with an error",
            answered,
        ),
        Metric::counter(
            "operations_unanswered_total",
            "Operations that were lost, too slow, or not sent",
            unanswered,
        ),
        Metric::counter(
            "operations_cancelled_total",
            "Operations that their caller gave up",
            cancelled,
        ),
        Metric::counter(
            "operations_barred_total",
            "Operations that the open breaker refused",
            barred,
        ),
        Metric::counter(
            "breaker_openings_total",
            "How often the breaker opened",
            breaker.openings(),
        ),
    ]
}

impl Inspect for EventLoopDelay {
    fn kind(&self) -> &'static str {
        "event_loop"
    }

    fn inspect(&self) -> Inspection {
        Inspection::new()
            .metric(Metric::gauge(
                "delay_mean_seconds",
                "By how much timers fire late, mean of the last 100",
                self.mean(),
            ))
            .metric(Metric::gauge(
                "delay_worst_seconds",
                "By how much timers fire late, largest of the last 100",
                self.worst(),
            ))
    }
}
