//! What parts of a server say of themselves in numbers.

use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use crate::health::Health;

pub use sources::MAX_SOURCES;
pub(crate) use sources::{Source, Sources};

mod ours;
mod sources;

/// Something that can say how it is in numbers: a pool, a link, a bus, a queue of yours.
///
/// A server that is told of it by [`Server::inspect`](crate::Server::inspect) shows it in its
/// [snapshot](crate::ServerHandle::snapshot), and so on admin pages and in metrics.
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use cyclone_core::{Inspect, Inspection, Metric, Server};
///
/// #[derive(Default)]
/// struct Mailer {
///     sent: AtomicU64,
/// }
/// impl Inspect for Mailer {
///     fn kind(&self) -> &'static str {
///         "mailer"
///     }
///     fn inspect(&self) -> Inspection {
///         let sent = self.sent.load(Ordering::Relaxed);
///         Inspection::new().metric(Metric::counter("sent_total", "Messages sent", sent))
///     }
/// }
/// // `cyclone_mailer_sent_total{mailer="news"}`
/// let server = Server::new().inspect("news", Mailer::default());
/// # let _ = server;
/// ```
pub trait Inspect: Any + Send + Sync {
    /// What it is, in one word of small letters and underscores: `pool`, `bus`. It is part of the names of the metrics.
    fn kind(&self) -> &'static str;

    /// How it is now. Called whenever somebody looks, once a second perhaps; it must not block.
    fn inspect(&self) -> Inspection;
}

/// What an [`Inspect`] says.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Inspection {
    /// How well it works, if that can be said.
    pub health: Option<Health>,
    /// Its numbers.
    pub metrics: Vec<Metric>,
}

impl Inspection {
    /// Without health and numbers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Says how well it works.
    #[must_use]
    pub fn health(mut self, health: Health) -> Self {
        self.health = Some(health);
        self
    }

    /// Adds a number.
    #[must_use]
    pub fn metric(mut self, metric: Metric) -> Self {
        self.metrics.push(metric);
        self
    }
}

/// A number with a name, as Prometheus has them.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Metric {
    /// The name. Of an [`Inspection`] it is the last part, after `cyclone_` and the kind.
    pub name: Cow<'static, str>,
    /// What it says, in one sentence without a full stop.
    pub help: &'static str,
    /// What may become of the value.
    pub kind: MetricKind,
    /// What tells it from others of its name.
    pub labels: Vec<(Cow<'static, str>, String)>,
    /// The number.
    pub value: MetricValue,
    /// The most that the value may be, if it has a limit.
    pub limit: Option<u64>,
    /// It is one of the whole process, and the same for all servers in it.
    pub of_process: bool,
}

/// What may become of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MetricKind {
    /// It only grows, from 0 at the start.
    Counter,
    /// It goes up and down.
    Gauge,
    /// It counts observations by their size.
    Histogram,
}

/// The number of a [`Metric`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum MetricValue {
    /// A count.
    Integer(u64),
    /// Anything else; times are in seconds.
    Float(f64),
    /// Observations by their size.
    Histogram(HistogramValue),
}

/// Observations by their size.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct HistogramValue {
    /// Upper bounds, growing, with how many observations were not above each.
    pub buckets: Vec<(f64, u64)>,
    /// How many observations there were.
    pub count: u64,
    /// Their sum.
    pub sum: f64,
}

impl HistogramValue {
    /// Observations by their size: growing upper bounds with how many were not above each, all of them, their sum.
    #[must_use]
    pub fn new(buckets: Vec<(f64, u64)>, count: u64, sum: f64) -> Self {
        Self {
            buckets,
            count,
            sum,
        }
    }
}

impl Metric {
    /// A number that only grows; its name ends with `_total`.
    #[must_use]
    pub fn counter(name: &'static str, help: &'static str, value: impl Into<MetricValue>) -> Self {
        Self::new(name, help, MetricKind::Counter, value.into())
    }

    /// A number that goes up and down; its name ends with its unit if it has one: `_bytes`, `_seconds`.
    #[must_use]
    pub fn gauge(name: &'static str, help: &'static str, value: impl Into<MetricValue>) -> Self {
        Self::new(name, help, MetricKind::Gauge, value.into())
    }

    /// Observations by their size; the name ends with their unit.
    #[must_use]
    pub fn histogram(name: &'static str, help: &'static str, value: HistogramValue) -> Self {
        let value = MetricValue::Histogram(value);
        Self::new(name, help, MetricKind::Histogram, value)
    }

    fn new(name: &'static str, help: &'static str, kind: MetricKind, value: MetricValue) -> Self {
        Self {
            name: Cow::Borrowed(name),
            help,
            kind,
            labels: Vec::new(),
            value,
            limit: None,
            of_process: false,
        }
    }

    /// Adds a label. Its values must be few: each makes a series of its own for ever.
    #[must_use]
    pub fn label(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.labels.push((Cow::Borrowed(name), value.into()));
        self
    }

    /// Says how much the value may be at most.
    #[must_use]
    pub fn limit(mut self, limit: impl TryInto<u64>) -> Self {
        self.limit = Some(limit.try_into().unwrap_or(u64::MAX));
        self
    }

    pub(crate) fn of_process(mut self) -> Self {
        self.of_process = true;
        self
    }
}

impl From<u64> for MetricValue {
    fn from(value: u64) -> Self {
        Self::Integer(value)
    }
}

impl From<u32> for MetricValue {
    fn from(value: u32) -> Self {
        Self::Integer(value.into())
    }
}

impl From<usize> for MetricValue {
    fn from(value: usize) -> Self {
        Self::Integer(u64::try_from(value).unwrap_or(u64::MAX))
    }
}

impl From<bool> for MetricValue {
    fn from(value: bool) -> Self {
        Self::Integer(value.into())
    }
}

impl From<f64> for MetricValue {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl From<Duration> for MetricValue {
    /// Seconds.
    fn from(value: Duration) -> Self {
        Self::Float(value.as_secs_f64())
    }
}

impl MetricValue {
    /// The number; how many observations there were for a histogram.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "Prometheus knows no other numbers; counts beyond 2^53 are rounded"
    )]
    pub fn as_f64(&self) -> f64 {
        match self {
            Self::Integer(value) => *value as f64,
            Self::Float(value) => *value,
            Self::Histogram(histogram) => histogram.count as f64,
        }
    }
}

impl fmt::Display for MetricValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(value) => value.fmt(f),
            Self::Float(value) => value.fmt(f),
            Self::Histogram(histogram) => histogram.count.fmt(f),
        }
    }
}
