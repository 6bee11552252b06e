//! Metrics as text, in the format that Prometheus reads.
//!
//! <https://prometheus.io/docs/instrumenting/exposition_formats/>, version 0.0.4.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fmt::{self, Write as _};

use crate::inspect::{Metric, MetricKind, MetricValue};
use crate::snapshot::Snapshot;

impl Snapshot {
    /// All [metrics](Self::metrics) in Prometheus' text format, version 0.0.4, whose media type is
    /// `text/plain; version=0.0.4; charset=utf-8`.
    #[must_use]
    pub fn to_prometheus(&self) -> String {
        render(&self.metrics())
    }

    /// The metrics of several servers of one process in Prometheus' text format: with a label `server`, which is the
    /// number of the server from 1 on. Those of the process are there once.
    #[must_use]
    pub fn all_to_prometheus(servers: &[Self]) -> String {
        if let [one] = servers {
            return one.to_prometheus();
        }
        let mut all = Vec::new();
        for (at, server) in servers.iter().enumerate() {
            let metrics = server.metrics().into_iter();
            all.extend(
                metrics
                    .filter(|metric| at == 0 || !metric.of_process)
                    .map(|metric| {
                        if metric.of_process {
                            metric
                        } else {
                            metric.label("server", (at + 1).to_string())
                        }
                    }),
            );
        }
        all.sort_by(|a, b| a.name.cmp(&b.name));
        render(&all)
    }
}

/// Renders metrics of which those of one name follow each other.
///
/// What would break the format, so that Prometheus read nothing at all, is left out: a second kind under one name, and a
/// second sample with the same labels.
pub(super) fn render(metrics: &[Metric]) -> String {
    let mut text = String::new();
    let mut families = HashMap::new();
    let mut last = None;
    for metric in metrics {
        let name = legal(&metric.name);
        let family = families
            .entry(name.clone())
            .or_insert_with(|| (metric.kind, HashSet::new()));
        let labels = Labels(&metric.labels, None).to_string();
        let is_first = family.1.is_empty();
        // It comes behind others of another name when two names become one by being made legal.
        let is_apart = !is_first && last.as_ref() != Some(&name);
        if is_apart || family.0 != metric.kind || !family.1.insert(labels) {
            continue;
        }
        if is_first {
            head(&mut text, &name, metric);
        }
        sample(&mut text, &name, metric);
        last = Some(name);
    }
    text
}

fn head(text: &mut String, name: &str, metric: &Metric) {
    let kind = match metric.kind {
        MetricKind::Counter => "counter",
        MetricKind::Gauge => "gauge",
        MetricKind::Histogram => "histogram",
    };
    let help = metric.help.replace('\\', "\\\\").replace('\n', "\\n");
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn sample(text: &mut String, name: &str, metric: &Metric) {
    let labels = &metric.labels;
    match &metric.value {
        MetricValue::Integer(value) => {
            let _ = writeln!(text, "{name}{} {value}", Labels(labels, None));
        }
        MetricValue::Float(value) => {
            let _ = writeln!(text, "{name}{} {}", Labels(labels, None), Number(*value));
        }
        MetricValue::Histogram(histogram) => {
            for (bound, count) in &histogram.buckets {
                let labels = Labels(labels, Some(*bound));
                let _ = writeln!(text, "{name}_bucket{labels} {count}");
            }
            let (all, labels) = (Labels(labels, Some(f64::INFINITY)), Labels(labels, None));
            let (count, sum) = (histogram.count, Number(histogram.sum));
            let _ = writeln!(text, "{name}_bucket{all} {count}");
            let _ = writeln!(
                text,
                "{name}_sum{labels} {sum}\n{name}_count{labels} {count}"
            );
        }
    }
}

/// Labels in braces, with the upper bound of a bucket behind them.
struct Labels<'a>(&'a [(Cow<'static, str>, String)], Option<f64>);

impl fmt::Display for Labels<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(labels, bound) = self;
        if labels.is_empty() && bound.is_none() {
            return Ok(());
        }
        f.write_char('{')?;
        for (at, (name, value)) in labels.iter().enumerate() {
            if at > 0 {
                f.write_char(',')?;
            }
            // A colon is for names of metrics only.
            write!(f, "{}=\"", legal(name).replace(':', "_"))?;
            for character in value.chars() {
                match character {
                    '\\' => f.write_str("\\\\")?,
                    '"' => f.write_str("\\\"")?,
                    '\n' => f.write_str("\\n")?,
                    other => f.write_char(other)?,
                }
            }
            f.write_char('"')?;
        }
        if let Some(bound) = bound {
            let separator = if labels.is_empty() { "" } else { "," };
            write!(f, "{separator}le=\"{}\"", Number(*bound))?;
        }
        f.write_char('}')
    }
}

/// A number as Go writes it.
struct Number(f64);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            number if number.is_nan() => f.write_str("NaN"),
            f64::INFINITY => f.write_str("+Inf"),
            f64::NEG_INFINITY => f.write_str("-Inf"),
            number => number.fmt(f),
        }
    }
}

/// The name with an underscore for each character that no name may have: `[a-zA-Z_:][a-zA-Z0-9_:]*`.
fn legal(name: &str) -> Cow<'_, str> {
    let is_legal = |at: usize, byte: u8| {
        byte.is_ascii_alphabetic() || matches!(byte, b'_' | b':') || at > 0 && byte.is_ascii_digit()
    };
    if !name.is_empty()
        && name
            .bytes()
            .enumerate()
            .all(|(at, byte)| is_legal(at, byte))
    {
        return Cow::Borrowed(name);
    }
    let mut legal = String::with_capacity(name.len() + 1);
    for character in name.chars() {
        let is_fine = u8::try_from(character).is_ok_and(|byte| is_legal(legal.len(), byte));
        legal.push(if is_fine { character } else { '_' });
    }
    if legal.is_empty() {
        legal.push('_');
    }
    Cow::Owned(legal)
}
