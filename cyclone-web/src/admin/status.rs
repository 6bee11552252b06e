//! A snapshot of the server as JSON.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use cyclone_core::{
    ConnectionsSnapshot, Health, Metric, MetricValue, ProcessFacts, Readiness, RuntimeFacts,
    ServerHandle, ServiceFailure, ServiceInfo, Snapshot, SourceSnapshot,
};
use serde::Serialize;
use tokio::time::Instant;

use super::{Shared, health};
use crate::context::RequestContext;
use crate::error::Result;

pub(super) fn answer(shared: &Shared, cx: &mut RequestContext) -> Result {
    let servers = shared.servers(cx)?;
    let snapshots: Vec<_> = servers.iter().map(ServerHandle::snapshot).collect();
    cx.json(&StatusJson::of(&snapshots))
}

/// What `/status.json` answers. Times are in seconds; fields may be added.
#[derive(Debug, Serialize)]
pub(super) struct StatusJson {
    /// The version of cyclone.
    cyclone: &'static str,
    /// That of the program.
    version: Option<String>,
    taken_at: f64,
    uptime_s: f64,
    /// How many servers this is about.
    servers: usize,
    readiness: ReadinessJson,
    connections: ConnectionsJson,
    listeners: Vec<ListenerJson>,
    services: Vec<ServiceJson>,
    sources: Vec<SourceJson>,
    limits: Vec<LimitJson>,
    process: ProcessJson,
    runtime: RuntimeJson,
}

#[derive(Debug, Serialize)]
pub(super) struct ReadinessJson {
    ready: bool,
    state: &'static str,
    /// Services that have not been ready.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    waiting_for: Vec<String>,
    /// What is required and does not work, with its health.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    down: BTreeMap<String, HealthJson>,
}

#[derive(Debug, Serialize)]
struct HealthJson {
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

#[derive(Debug, Default, Serialize)]
struct ConnectionsJson {
    open: usize,
    limit: usize,
    accepted: u64,
    refused: u64,
    protocols: Vec<ProtocolJson>,
}

#[derive(Debug, Serialize)]
struct ProtocolJson {
    protocol: &'static str,
    open: usize,
    begun: u64,
}

#[derive(Debug, PartialEq, Serialize)]
struct ListenerJson {
    endpoint: String,
    address: String,
    protocol: &'static str,
}

#[derive(Debug, Serialize)]
struct ServiceJson {
    name: String,
    path: String,
    state: &'static str,
    since_s: f64,
    health: HealthJson,
    restarts: u64,
    failures: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<FailureJson>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    parts: Vec<ServiceJson>,
}

#[derive(Debug, Serialize)]
struct FailureJson {
    error: String,
    in_a_row: u32,
    /// How long ago the first of the row was, and the last.
    since_s: f64,
    ago_s: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_in_s: Option<f64>,
}

#[derive(Debug, Serialize)]
struct SourceJson {
    name: String,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    health: Option<HealthJson>,
    metrics: Vec<MetricJson>,
}

#[derive(Debug, Serialize)]
struct MetricJson {
    name: String,
    help: &'static str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<String, String>,
    value: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<u64>,
    /// Of a histogram: the sum of what was observed, and upper bounds with how many were not above them.
    #[serde(skip_serializing_if = "Option::is_none")]
    sum: Option<f64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    buckets: Vec<(f64, u64)>,
}

#[derive(Debug, Serialize)]
struct LimitJson {
    name: String,
    used: f64,
    limit: u64,
}

#[derive(Debug, Default, Serialize)]
struct ProcessJson {
    pid: u32,
    started_at: Option<f64>,
    cpu_s: Option<f64>,
    resident_bytes: Option<u64>,
    virtual_bytes: Option<u64>,
    threads: Option<u64>,
    open_files: Option<usize>,
    max_files: Option<u64>,
}

#[derive(Debug, Default, Serialize)]
struct RuntimeJson {
    workers: usize,
    tasks: usize,
    queued: usize,
    busy_s: f64,
}

impl StatusJson {
    /// Several servers as one: what each has is shown with its number, what can be is added up.
    pub(super) fn of(snapshots: &[Snapshot]) -> Self {
        let first = snapshots.first();
        let readiness = health::worst(snapshots.iter().map(|one| one.readiness.clone()));
        let uptime = snapshots.iter().map(|one| one.uptime).max();
        let mut status = Self {
            cyclone: env!("CARGO_PKG_VERSION"),
            version: first.and_then(|first| first.version.clone()),
            taken_at: first.map_or(0.0, |first| since_1970(first.taken_at)),
            uptime_s: uptime.unwrap_or_default().as_secs_f64(),
            servers: snapshots.len(),
            readiness: (&readiness).into(),
            connections: ConnectionsJson::default(),
            listeners: Vec::new(),
            services: Vec::new(),
            sources: Vec::new(),
            limits: Vec::new(),
            process: first.map_or_else(ProcessJson::default, |first| (&first.process).into()),
            runtime: RuntimeJson::default(),
        };
        for (at, snapshot) in snapshots.iter().enumerate() {
            let number = (snapshots.len() > 1).then_some(at + 1);
            status.connections.add(&snapshot.connections);
            status.add_listeners(snapshot);
            status.add_parts(snapshot, number);
            status.runtime.add(&snapshot.runtime);
        }
        status
    }

    fn add_listeners(&mut self, snapshot: &Snapshot) {
        for one in &snapshot.listeners {
            let listener = ListenerJson {
                endpoint: one.endpoint.clone(),
                address: one.address.to_string(),
                protocol: one.protocol,
            };
            if !self.listeners.contains(&listener) {
                self.listeners.push(listener);
            }
        }
    }

    fn add_parts(&mut self, snapshot: &Snapshot, number: Option<usize>) {
        let services = snapshot.services.iter().map(ServiceJson::from);
        let sources = snapshot.sources.iter().map(SourceJson::from);
        let limits = snapshot.limits().into_iter().map(|one| LimitJson {
            name: one.name,
            used: one.used,
            limit: one.limit,
        });
        let Some(number) = number else {
            self.services.extend(services);
            self.sources.extend(sources);
            self.limits.extend(limits);
            return;
        };
        self.services
            .push(ServiceJson::server(snapshot, number, services.collect()));
        self.sources.extend(sources.map(|mut source| {
            source.name = format!("{} · {number}", source.name);
            source
        }));
        // Those of the process are there once.
        let own = limits.filter(|one| number == 1 || one.name != "open files");
        self.limits.extend(own.map(|mut one| {
            if one.name != "open files" {
                one.name = format!("{} · {number}", one.name);
            }
            one
        }));
    }
}

impl ConnectionsJson {
    fn add(&mut self, connections: &ConnectionsSnapshot) {
        self.open += connections.open;
        self.limit += connections.limit;
        self.accepted += connections.accepted;
        self.refused += connections.refused;
        for one in &connections.protocols {
            let mut known = self.protocols.iter_mut();
            if let Some(known) = known.find(|known| known.protocol == one.protocol) {
                known.open += one.open;
                known.begun += one.begun;
            } else {
                self.protocols.push(ProtocolJson {
                    protocol: one.protocol,
                    open: one.open,
                    begun: one.begun,
                });
            }
        }
    }
}

impl RuntimeJson {
    fn add(&mut self, runtime: &RuntimeFacts) {
        self.workers += runtime.workers;
        self.tasks += runtime.tasks;
        self.queued += runtime.queued;
        self.busy_s += runtime.busy.as_secs_f64();
    }
}

impl From<&ProcessFacts> for ProcessJson {
    fn from(process: &ProcessFacts) -> Self {
        Self {
            pid: process.pid,
            started_at: process.started_at.map(since_1970),
            cpu_s: process.cpu_time.map(|time| time.as_secs_f64()),
            resident_bytes: process.resident_bytes,
            virtual_bytes: process.virtual_bytes,
            threads: process.threads,
            open_files: process.open_files,
            max_files: process.max_files,
        }
    }
}

impl From<&Readiness> for ReadinessJson {
    fn from(readiness: &Readiness) -> Self {
        let mut json = Self {
            ready: readiness.is_ready(),
            state: readiness.as_str(),
            waiting_for: Vec::new(),
            down: BTreeMap::new(),
        };
        match readiness {
            Readiness::Starting(paths) => json.waiting_for.clone_from(paths),
            Readiness::Down(required) => {
                let required = required.iter();
                json.down = required
                    .map(|(name, health)| (name.clone(), health.into()))
                    .collect();
            }
            _ => {}
        }
        json
    }
}

impl From<&Health> for HealthJson {
    fn from(health: &Health) -> Self {
        Self {
            state: match health {
                Health::Starting => "starting",
                Health::Up => "up",
                Health::Degraded(_) => "degraded",
                _ => "down",
            },
            reason: health.reason().map(str::to_owned),
        }
    }
}

impl ServiceJson {
    /// A server among others, as the group of its services.
    fn server(snapshot: &Snapshot, number: usize, parts: Vec<Self>) -> Self {
        let name = format!("server {number}");
        let health = if snapshot.readiness.is_ready() {
            Health::Up
        } else {
            Health::Degraded(snapshot.readiness.to_string())
        };
        Self {
            path: name.clone(),
            name,
            state: "running",
            since_s: snapshot.uptime.as_secs_f64(),
            health: (&health).into(),
            restarts: 0,
            failures: 0,
            failure: None,
            parts,
        }
    }
}

impl From<&ServiceInfo> for ServiceJson {
    fn from(info: &ServiceInfo) -> Self {
        Self {
            name: info.name.clone(),
            path: info.path.clone(),
            state: info.state.as_str(),
            since_s: info.since.elapsed().as_secs_f64(),
            health: (&info.health).into(),
            restarts: info.restarts,
            failures: info.failures,
            failure: info.failure.as_ref().map(FailureJson::from),
            parts: info.parts.iter().map(Self::from).collect(),
        }
    }
}

impl From<&ServiceFailure> for FailureJson {
    fn from(failure: &ServiceFailure) -> Self {
        let now = Instant::now();
        let retry_in = failure.retry_at.map(|at| at.saturating_duration_since(now));
        Self {
            error: failure.error.clone(),
            in_a_row: failure.in_a_row,
            since_s: failure.since.elapsed().as_secs_f64(),
            ago_s: failure.at.elapsed().as_secs_f64(),
            retry_in_s: retry_in.as_ref().map(Duration::as_secs_f64),
        }
    }
}

impl From<&SourceSnapshot> for SourceJson {
    fn from(source: &SourceSnapshot) -> Self {
        Self {
            name: source.name.clone(),
            kind: source.kind,
            health: source.health.as_ref().map(HealthJson::from),
            metrics: source.metrics.iter().map(MetricJson::from).collect(),
        }
    }
}

impl From<&Metric> for MetricJson {
    fn from(metric: &Metric) -> Self {
        let labels = metric.labels.iter();
        let labels = labels.map(|(name, value)| (name.to_string(), value.clone()));
        let (sum, buckets) = match &metric.value {
            MetricValue::Histogram(histogram) => (Some(histogram.sum), histogram.buckets.clone()),
            _ => (None, Vec::new()),
        };
        Self {
            name: metric.name.to_string(),
            help: metric.help,
            labels: labels.collect(),
            value: metric.value.as_f64(),
            limit: metric.limit,
            sum,
            buckets,
        }
    }
}

fn since_1970(time: SystemTime) -> f64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap_or_default().as_secs_f64()
}
