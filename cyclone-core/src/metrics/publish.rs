//! Metrics for whichever recorder the program has, through the `metrics` facade.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Mutex;
use std::time::Duration;

use ::metrics::{Label, counter, describe_counter, describe_gauge, gauge};
use tokio::time::sleep;

use crate::inspect::{Metric, MetricKind, MetricValue};
use crate::lock::lock;
use crate::shutdown::ServerHandle;

/// How often a server that runs [publishes its metrics](ServerHandle::publish_metrics).
pub const METRICS_INTERVAL: Duration = Duration::from_secs(5);

/// What was published so far: recorders are told of differences, so that the servers of one process add up.
pub(crate) struct Published {
    /// `None` once the server has ended and taken its gauges back.
    last: Mutex<Option<HashMap<Series, Last>>>,
}

type Series = (String, Vec<(String, String)>);

#[derive(Clone, Copy)]
enum Last {
    Counter(u64),
    Gauge(f64),
    OfProcess,
}

impl Published {
    fn publish(&self, metrics: Vec<Metric>) {
        let mut last = lock(&self.last);
        // Nobody would take back what came after the end.
        let Some(last) = last.as_mut() else { return };
        let mut gone: HashMap<_, _> = std::mem::take(last);
        for metric in metrics {
            let series = series(&metric);
            // Prometheus would not take two of a series, and here the second would undo the first.
            let Entry::Vacant(entry) = last.entry(series) else {
                continue;
            };
            let before = gone.remove(entry.key());
            if before.is_none() {
                describe(&metric);
            }
            if let Some(now) = publish(&metric, entry.key(), before) {
                entry.insert(now);
            }
        }
        for (series, last) in gone {
            withdraw(&series, last);
        }
    }

    fn withdraw(&self) {
        let published = lock(&self.last).take();
        for (series, last) in published.into_iter().flatten() {
            withdraw(&series, last);
        }
    }
}

impl Default for Published {
    fn default() -> Self {
        Self {
            last: Mutex::new(Some(HashMap::new())),
        }
    }
}

fn series(metric: &Metric) -> Series {
    let labels = metric.labels.iter();
    let labels = labels.map(|(name, value)| (name.to_string(), value.clone()));
    (metric.name.to_string(), labels.collect())
}

fn labels(series: &Series) -> Vec<Label> {
    let labels = series.1.iter();
    labels
        .map(|(name, value)| Label::new(name.clone(), value.clone()))
        .collect()
}

fn describe(metric: &Metric) {
    let name = metric.name.to_string();
    match metric.kind {
        MetricKind::Counter => describe_counter!(name, metric.help),
        MetricKind::Gauge => describe_gauge!(name, metric.help),
        MetricKind::Histogram => {}
    }
}

/// Tells the recorder what differs from `before`, and what to remember. Observations are recorded when they are made.
fn publish(metric: &Metric, series: &Series, before: Option<Last>) -> Option<Last> {
    let value = metric.value.as_f64();
    match (metric.kind, &metric.value) {
        (MetricKind::Counter, value) => {
            let now = whole(value);
            let counter = counter!(series.0.clone(), labels(series));
            if metric.of_process {
                counter.absolute(now);
                return Some(Last::OfProcess);
            }
            let before = match before {
                Some(Last::Counter(before)) => before,
                _ => 0,
            };
            counter.increment(now.saturating_sub(before));
            Some(Last::Counter(now.max(before)))
        }
        (MetricKind::Gauge, _) => {
            let gauge = gauge!(series.0.clone(), labels(series));
            if metric.of_process {
                gauge.set(value);
                return Some(Last::OfProcess);
            }
            let before = match before {
                Some(Last::Gauge(before)) => before,
                _ => 0.0,
            };
            gauge.increment(value - before);
            Some(Last::Gauge(value))
        }
        (MetricKind::Histogram, _) => None,
    }
}

/// Counters of the facade have no fractions: what is left comes with the next second.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast from a float saturates"
)]
fn whole(value: &MetricValue) -> u64 {
    match value {
        MetricValue::Integer(value) => *value,
        MetricValue::Float(value) => *value as u64,
        MetricValue::Histogram(histogram) => histogram.count,
    }
}

/// A gauge of something that is gone counts no more. A counter keeps what it has counted.
fn withdraw(series: &Series, last: Last) {
    if let Last::Gauge(last) = last {
        gauge!(series.0.clone(), labels(series)).decrement(last);
    }
}

impl ServerHandle {
    /// Publishes the [metrics](crate::Snapshot::metrics) of the server through the `metrics` facade.
    ///
    /// A server that runs does this every [`METRICS_INTERVAL`] (5 s) by itself, and takes its gauges back when it ends,
    /// after which this does nothing; who is about to read from a recorder may want the newest numbers. The servers of
    /// one process add up. Counters of time are published in whole seconds, histograms not here but when something is
    /// observed.
    pub fn publish_metrics(&self) {
        self.observed.published.publish(self.snapshot().metrics());
        #[cfg(feature = "opentelemetry")]
        super::otel::look_for_names();
    }

    /// Publishes at intervals until everything of the server is cut.
    pub(crate) async fn publish_until_end(self) {
        #[cfg(feature = "opentelemetry")]
        let _exported = super::otel::Exported::new(&self);
        loop {
            self.publish_metrics();
            tokio::select! {
                () = sleep(METRICS_INTERVAL) => {}
                () = self.cut.cancelled() => break,
            }
        }
        self.publish_metrics();
        self.observed.published.withdraw();
    }
}
