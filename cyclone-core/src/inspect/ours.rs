//! What pools, links and the event loop say of themselves.

use super::{Inspect, Inspection, Metric};
use crate::connector::Connector;
use crate::event_loop_delay::EventLoopDelay;
use crate::link::{Link, LinkState};
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
            Metric::counter("broken_total", "Connections found dead", now.broken),
            Metric::counter(
                "discarded_total",
                "Connections closed after an unfinished operation",
                now.discarded,
            ),
        ];
        Inspection {
            health: Some(self.health().current()),
            metrics: gauges.into_iter().chain(counters).collect(),
        }
    }
}

impl<C: Connector> Inspect for Link<C> {
    fn kind(&self) -> &'static str {
        "link"
    }

    fn inspect(&self) -> Inspection {
        let state = self.state();
        let inspection = Inspection::new()
            .health(self.health().current())
            .metric(Metric::gauge(
                "up",
                "1 while the session runs",
                state.is_up(),
            ));
        match state {
            LinkState::Up { generation, .. } => inspection.metric(Metric::gauge(
                "generation",
                "The number of the connection, one more with each",
                generation,
            )),
            LinkState::Connecting { attempt } => inspection.metric(Metric::gauge(
                "attempt",
                "The attempt to connect that is under way",
                attempt,
            )),
            LinkState::Down { .. } | LinkState::Stopped { .. } | LinkState::Closed => inspection,
        }
    }
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
