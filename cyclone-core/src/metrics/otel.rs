//! Metrics for whichever OpenTelemetry SDK the program has, through the API crate.
//!
//! The instruments are observable: the SDK asks when it exports, and nothing is done in between. There is one for each
//! name, for all servers of the process, because an SDK takes only one of a name.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use opentelemetry::KeyValue;
use opentelemetry::metrics::Meter;

use crate::inspect::{Metric, MetricKind, MetricValue};
use crate::lock::lock;
use crate::shutdown::ServerHandle;

/// One export asks for each name in turn: what was read for the first serves the others.
const FRESH: Duration = Duration::from_millis(500);

static EXPORT: Mutex<Export> = Mutex::new(Export {
    servers: Vec::new(),
    meters: Vec::new(),
    read: None,
});

struct Export {
    servers: Vec<ServerHandle>,
    /// With the names that have an instrument there.
    meters: Vec<(Meter, HashSet<String>)>,
    read: Option<(Instant, Arc<Vec<Metric>>)>,
}

/// Exports the [metrics](crate::Snapshot::metrics) of all servers in this process through an OpenTelemetry meter, for
/// as long as the process runs. Servers that start later are among them, and those that ended are not; what has the same
/// name and labels in several servers is added up.
///
/// The SDK, and with it where the metrics go, is the program's. The names are those that Prometheus sees. Histograms are
/// not exported, as there are no observable ones: with its feature `opentelemetry`, `cyclone-web` records the durations of
/// requests as `http.server.request.duration` through the global meter provider.
///
/// ```
/// use cyclone_core::export_metrics;
/// use opentelemetry::global;
///
/// // After `global::set_meter_provider(...)`, with an SDK of the same version of `opentelemetry`.
/// export_metrics(global::meter("cyclone"));
/// ```
pub fn export_metrics(meter: Meter) {
    lock(&EXPORT).meters.push((meter, HashSet::new()));
    look_for_names();
}

/// A server whose metrics are exported while this lives.
pub(super) struct Exported(ServerHandle);

impl Exported {
    pub(super) fn new(server: &ServerHandle) -> Self {
        lock(&EXPORT).servers.push(server.clone());
        Self(server.clone())
    }
}

/// Reads anew, and makes instruments for the names that are new.
pub(super) fn look_for_names() {
    if lock(&EXPORT).meters.is_empty() {
        return;
    }
    lock(&EXPORT).read = None;
    let metrics = read();
    for metric in metrics
        .iter()
        .filter(|metric| metric.kind != MetricKind::Histogram)
    {
        let lacking: Vec<_> = {
            let mut export = lock(&EXPORT);
            let meters = export.meters.iter_mut();
            let lacking = meters.filter_map(|(meter, names)| {
                names.insert(metric.name.to_string()).then(|| meter.clone())
            });
            lacking.collect()
        };
        for meter in lacking {
            make(&meter, metric);
        }
    }
}

impl Drop for Exported {
    fn drop(&mut self) {
        let mut export = lock(&EXPORT);
        export.servers.retain(|server| !server.is_same(&self.0));
        export.read = None;
    }
}

/// The metrics of all servers, added up.
fn read() -> Arc<Vec<Metric>> {
    let (servers, read) = {
        let export = lock(&EXPORT);
        (export.servers.clone(), export.read.clone())
    };
    if let Some((at, metrics)) = read
        && at.elapsed() < FRESH
    {
        return metrics;
    }
    // Without the lock: it asks foreign code.
    let each = servers.iter().map(|server| server.snapshot().metrics());
    let metrics = Arc::new(added_up(each));
    lock(&EXPORT).read = Some((Instant::now(), Arc::clone(&metrics)));
    metrics
}

fn added_up(servers: impl Iterator<Item = Vec<Metric>>) -> Vec<Metric> {
    let mut all: Vec<Metric> = Vec::new();
    let mut places = HashMap::new();
    for metric in servers.flatten() {
        let series = (metric.name.clone(), metric.labels.clone());
        let Some(place) = places.get(&series) else {
            places.insert(series, all.len());
            all.push(metric);
            continue;
        };
        let known: Option<&mut Metric> = all.get_mut(*place);
        if let Some(known) = known
            && !known.of_process
        {
            known.value = match (&known.value, &metric.value) {
                (MetricValue::Integer(a), MetricValue::Integer(b)) => {
                    MetricValue::Integer(a.saturating_add(*b))
                }
                (a, b) => MetricValue::Float(a.as_f64() + b.as_f64()),
            };
        }
    }
    all
}

fn make(meter: &Meter, metric: &Metric) {
    let (name, help) = (metric.name.to_string(), metric.help);
    let observed = name.clone();
    match (metric.kind, &metric.value) {
        (MetricKind::Counter, MetricValue::Integer(_)) => {
            let counter = meter.u64_observable_counter(name).with_description(help);
            counter
                .with_callback(move |observer| {
                    each(&observed, |metric, labels| {
                        if let MetricValue::Integer(value) = metric.value {
                            observer.observe(value, labels);
                        }
                    });
                })
                .build();
        }
        (MetricKind::Counter, _) => {
            let counter = meter.f64_observable_counter(name).with_description(help);
            counter
                .with_callback(move |observer| {
                    each(&observed, |metric, labels| {
                        observer.observe(metric.value.as_f64(), labels);
                    });
                })
                .build();
        }
        (MetricKind::Gauge, _) => {
            let gauge = meter.f64_observable_gauge(name).with_description(help);
            gauge
                .with_callback(move |observer| {
                    each(&observed, |metric, labels| {
                        observer.observe(metric.value.as_f64(), labels);
                    });
                })
                .build();
        }
        (MetricKind::Histogram, _) => {}
    }
}

/// Calls `observe` with each metric of a name.
fn each(name: &str, observe: impl Fn(&Metric, &[KeyValue])) {
    for metric in read().iter().filter(|metric| metric.name == name) {
        let labels = metric.labels.iter();
        let labels: Vec<_> = labels
            .map(|(name, value)| match name {
                Cow::Borrowed(name) => KeyValue::new(*name, value.clone()),
                Cow::Owned(name) => KeyValue::new(name.clone(), value.clone()),
            })
            .collect();
        observe(metric, &labels);
    }
}
