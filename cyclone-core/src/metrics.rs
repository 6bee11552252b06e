//! All numbers of a server as metrics, with stable names.

use std::borrow::Cow;
use std::time::SystemTime;

use crate::health::Health;
use crate::inspect::{Metric, MetricKind};
use crate::service::{ServiceInfo, ServiceState};
use crate::snapshot::{Snapshot, SourceSnapshot};

#[cfg(feature = "opentelemetry")]
mod otel;
#[cfg(feature = "metrics")]
mod publish;
#[cfg(test)]
mod tests;
mod text;

#[cfg(feature = "opentelemetry")]
pub use otel::export_metrics;
#[cfg(feature = "metrics")]
pub use publish::METRICS_INTERVAL;
#[cfg(feature = "metrics")]
pub(crate) use publish::Published;

impl Snapshot {
    /// All numbers of the server, those of one name one after the other.
    ///
    /// | name | labels | says |
    /// |---|---|---|
    /// | `cyclone_build_info` | `version`, `program` | 1; the versions of this crate and [of the program](crate::Server::version) |
    /// | `cyclone_uptime_seconds` | | for how long the server has been there |
    /// | `cyclone_ready` | | 1 while it is [ready](crate::ServerHandle::readiness) |
    /// | `cyclone_connections_open` | `protocol` | open connections |
    /// | `cyclone_connections_begun_total` | `protocol` | connections that have begun to speak it |
    /// | `cyclone_connections_accepted_total` | | connections accepted |
    /// | `cyclone_connections_refused_total` | | peers that a factory refused |
    /// | `cyclone_connections_limit` | | how many may be open |
    /// | `cyclone_service_up` | `service` | 1 while its health is up or degraded; the label is its path |
    /// | `cyclone_service_restarts_total` | `service` | how often it was run again |
    /// | `cyclone_service_failures_total` | `service` | how often it failed |
    /// | `cyclone_runtime_workers`, `cyclone_runtime_tasks`, `cyclone_runtime_queued_tasks` | | of the tokio runtime |
    /// | `cyclone_runtime_busy_seconds_total` | | time that its workers were busy |
    /// | `cyclone_process_resident_memory_bytes`, `cyclone_process_virtual_memory_bytes` | | of the process |
    /// | `cyclone_process_open_fds`, `cyclone_process_max_fds`, `cyclone_process_threads` | | of the process |
    /// | `cyclone_process_cpu_seconds_total`, `cyclone_process_start_time_seconds` | | of the process |
    ///
    /// What is [inspected](crate::Server::inspect) adds `cyclone_KIND_NAME`, with its name as the label `KIND` (none
    /// where kind and name are the same), `cyclone_KIND_up` where it knows its health, and `..._limit` where a number
    /// has a limit. So it is for those of this crate:
    ///
    /// | kind | names behind `cyclone_KIND_` |
    /// |---|---|
    /// | `pool` | `up`, `connections`, `connections_idle`, `connections_in_use`, `connections_in_use_limit`, `connections_connecting`, `connections_closing`, `waiting`, `created_total`, `connect_failures_total`, `timeouts_total`, `refused_total`, `slow_total`, `reaped_total`, `resets_total`, `broken_total`, `discarded_total`, and of its operations `operations_answered_total`, `operations_unanswered_total`, `operations_cancelled_total`, `operations_barred_total`, `breaker_openings_total` |
    /// | `link` | `up`, `attempts_total`, `connects_total`, `connect_failures_total`, `losses_total`, `uptime_seconds_total`, and with calls `calls_pending`, `calls_pending_limit`, `calls_refused_total` and the same of its operations |
    /// | `bus` | `topics`, `topics_limit`, `subscriptions`, `subscriptions_limit`, `published_total`, `missed_total` |
    /// | `log` | `streams`, `streams_limit`, `bytes`, `bytes_limit` |
    /// | `store` | `keys`, `keys_limit`, `bytes`, `bytes_limit` |
    /// | `event_loop` | `delay_mean_seconds`, `delay_worst_seconds` |
    ///
    /// These names stay. There may be more of them, and more labels, in a minor version.
    #[must_use]
    pub fn metrics(&self) -> Vec<Metric> {
        let mut all = Vec::new();
        self.add_server(&mut all);
        self.add_services(&mut all);
        self.add_runtime(&mut all);
        self.add_process(&mut all);
        for source in &self.sources {
            add_source(source, &mut all);
        }
        // Stable: what has one name stays in its order.
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    fn add_server(&self, all: &mut Vec<Metric>) {
        let mut info = Metric::gauge(
            "cyclone_build_info",
            "Always 1; the labels tell versions",
            1_u64,
        )
        .label("version", env!("CARGO_PKG_VERSION"))
        .of_process();
        if let Some(version) = &self.version {
            info = info.label("program", version.as_str());
        }
        let connections = &self.connections;
        all.extend([
            info,
            Metric::gauge(
                "cyclone_uptime_seconds",
                "For how long the server has been there",
                self.uptime,
            )
            .of_process(),
            Metric::gauge(
                "cyclone_ready",
                "1 while the server is ready for work",
                self.readiness.is_ready(),
            ),
            Metric::counter(
                "cyclone_connections_accepted_total",
                "Connections accepted",
                connections.accepted,
            ),
            Metric::counter(
                "cyclone_connections_refused_total",
                "Peers that a protocol refused",
                connections.refused,
            ),
            Metric::gauge(
                "cyclone_connections_limit",
                "How many connections may be open",
                connections.limit,
            ),
        ]);
        for protocol in &connections.protocols {
            let (name, open) = ("cyclone_connections_open", protocol.open);
            let open = Metric::gauge(name, "Open connections by protocol", open);
            all.push(open.label("protocol", protocol.protocol));
            let (name, begun) = ("cyclone_connections_begun_total", protocol.begun);
            let help = "Connections that have begun to speak a protocol";
            let begun = Metric::counter(name, help, begun);
            all.push(begun.label("protocol", protocol.protocol));
        }
    }

    fn add_services(&self, all: &mut Vec<Metric>) {
        let mut add = |info: &ServiceInfo| {
            let is_up = match info.health {
                Health::Up | Health::Degraded(_) => info.state != ServiceState::Finished,
                Health::Starting | Health::Down(_) => false,
            };
            for metric in [
                Metric::gauge("cyclone_service_up", "1 while the service works", is_up),
                Metric::counter(
                    "cyclone_service_restarts_total",
                    "How often the service was run again",
                    info.restarts,
                ),
                Metric::counter(
                    "cyclone_service_failures_total",
                    "How often the service failed",
                    info.failures,
                ),
            ] {
                all.push(metric.label("service", info.path.as_str()));
            }
        };
        for service in &self.services {
            service.visit(&mut add);
        }
    }

    fn add_runtime(&self, all: &mut Vec<Metric>) {
        let runtime = &self.runtime;
        all.extend([
            Metric::gauge(
                "cyclone_runtime_workers",
                "Worker threads of the runtime",
                runtime.workers,
            ),
            Metric::gauge(
                "cyclone_runtime_tasks",
                "Tasks that have not ended",
                runtime.tasks,
            ),
            Metric::gauge(
                "cyclone_runtime_queued_tasks",
                "Tasks in the queue that all workers share",
                runtime.queued,
            ),
            Metric::counter(
                "cyclone_runtime_busy_seconds_total",
                "Time that the workers were busy",
                runtime.busy,
            ),
        ]);
    }

    fn add_process(&self, all: &mut Vec<Metric>) {
        let process = &self.process;
        let mut add = |name, help, value: Option<u64>| {
            all.extend(value.map(|value| Metric::gauge(name, help, value).of_process()));
        };
        add(
            "cyclone_process_resident_memory_bytes",
            "Physical memory that the process uses",
            process.resident_bytes,
        );
        add(
            "cyclone_process_virtual_memory_bytes",
            "Addresses that the process uses",
            process.virtual_bytes,
        );
        add(
            "cyclone_process_open_fds",
            "Open files and sockets of the process",
            process.open_files.map(|files| files as u64),
        );
        add(
            "cyclone_process_max_fds",
            "How many files and sockets may be open",
            process.max_files,
        );
        add(
            "cyclone_process_threads",
            "Threads of the process",
            process.threads,
        );
        if let Some(time) = process.cpu_time {
            let (name, help) = (
                "cyclone_process_cpu_seconds_total",
                "Time that the process has computed",
            );
            all.push(Metric::counter(name, help, time).of_process());
        }
        let started = process.started_at;
        let since_1970 = started.and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
        if let Some(since_1970) = since_1970 {
            let (name, help) = (
                "cyclone_process_start_time_seconds",
                "When the process was started, in seconds since 1970",
            );
            all.push(Metric::gauge(name, help, since_1970).of_process());
        }
    }
}

/// The metrics of a source with their whole names.
fn add_source(source: &SourceSnapshot, all: &mut Vec<Metric>) {
    let kind = source.kind;
    let mut add = |mut metric: Metric| {
        metric.name = Cow::Owned(format!("cyclone_{kind}_{}", metric.name));
        if source.name != kind {
            let label = (Cow::Borrowed(kind), source.name.clone());
            metric.labels.insert(0, label);
        }
        if let Some(limit) = metric.limit.take() {
            let mut limited = metric.clone();
            limited.name = Cow::Owned(format!("{}_limit", metric.name));
            limited.kind = MetricKind::Gauge;
            limited.help = "The limit of the number of this name";
            limited.value = limit.into();
            all.push(limited);
        }
        all.push(metric);
    };
    // A link says more of its health in a number of its own.
    let says_up = source.metrics.iter().any(|metric| metric.name == "up");
    if let (Some(health), false) = (&source.health, says_up) {
        let is_up = matches!(health, Health::Up | Health::Degraded(_));
        add(Metric::gauge("up", "1 while it works", is_up));
    }
    for metric in &source.metrics {
        add(metric.clone());
    }
}
