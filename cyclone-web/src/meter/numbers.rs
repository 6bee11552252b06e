//! The numbers of HTTP in a server: methods, statuses, durations, bytes.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use cyclone_core::{HistogramValue, Inspect, Inspection, Metric};
use http::{Method, StatusCode};

use crate::finish::Ending;

/// Upper bounds of the histogram of durations, in seconds.
const BOUNDS: [f64; 14] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// The methods that are told apart; the last stands for all others, which clients may invent.
const METHODS: [&str; 11] = [
    "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "QUERY", "CONNECT", "TRACE",
    "OTHER",
];

/// Statuses from 100 to 599 are told apart; whatever else a handler makes counts as the one behind.
const STATUSES: usize = 501;

type ByStatus = [AtomicU64; STATUSES];

/// Counts the requests of a server.
///
/// Each number is an atomic of its own. All of one method have a place that is made with the first of them, 4 KB, so
/// there are never more than 44 KB or 5,511 series, whatever clients send.
#[derive(Debug)]
pub(crate) struct Numbers {
    requests: [OnceLock<Box<ByStatus>>; METHODS.len()],
    refused: OnceLock<Box<ByStatus>>,
    /// The first bound that an observation was not above; behind them those above all.
    durations: [AtomicU64; BOUNDS.len() + 1],
    duration_nanos: AtomicU64,
    in_progress: AtomicU64,
    body_bytes: AtomicU64,
    disconnected: AtomicU64,
    aborted: AtomicU64,
    /// That of whichever recorder the program had when the first connection came.
    recorded: metrics::Histogram,
    #[cfg(feature = "opentelemetry")]
    exported: super::otel::Durations,
}

const DURATION_NAME: &str = "request_duration_seconds";
const DURATION_HELP: &str = "Time from the head of a request to the end of its response";

impl Default for Numbers {
    fn default() -> Self {
        metrics::describe_histogram!(
            "cyclone_http_request_duration_seconds",
            metrics::Unit::Seconds,
            DURATION_HELP
        );
        Self {
            requests: [const { OnceLock::new() }; METHODS.len()],
            refused: OnceLock::new(),
            durations: [const { AtomicU64::new(0) }; BOUNDS.len() + 1],
            duration_nanos: AtomicU64::new(0),
            in_progress: AtomicU64::new(0),
            body_bytes: AtomicU64::new(0),
            disconnected: AtomicU64::new(0),
            aborted: AtomicU64::new(0),
            recorded: metrics::histogram!("cyclone_http_request_duration_seconds"),
            #[cfg(feature = "opentelemetry")]
            exported: super::otel::Durations::default(),
        }
    }
}

impl Numbers {
    pub(super) fn begins(&self) {
        self.in_progress.fetch_add(1, Relaxed);
    }

    pub(super) fn ends(&self, method: &Method, status: StatusCode, elapsed: Duration) {
        self.in_progress.fetch_sub(1, Relaxed);
        if let Some(place) = self.requests.get(method_index(method)) {
            count(place, status);
        }
        let seconds = elapsed.as_secs_f64();
        let at = BOUNDS.partition_point(|bound| *bound < seconds);
        if let Some(bucket) = self.durations.get(at) {
            bucket.fetch_add(1, Relaxed);
        }
        let nanos = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
        self.duration_nanos.fetch_add(nanos, Relaxed);
        self.recorded.record(seconds);
        #[cfg(feature = "opentelemetry")]
        self.exported.record(method, status, seconds);
    }

    pub(super) fn sent(&self, body_bytes: u64, ending: Ending) {
        if body_bytes > 0 {
            self.body_bytes.fetch_add(body_bytes, Relaxed);
        }
        match ending {
            Ending::Complete => {}
            Ending::Disconnected => {
                self.disconnected.fetch_add(1, Relaxed);
            }
            Ending::Aborted => {
                self.aborted.fetch_add(1, Relaxed);
            }
        }
    }

    pub(super) fn refuses(&self, status: StatusCode) {
        count(&self.refused, status);
    }

    fn durations(&self) -> HistogramValue {
        let mut count = 0;
        let mut buckets = Vec::with_capacity(BOUNDS.len());
        for (at, observed) in self.durations.iter().enumerate() {
            count += observed.load(Relaxed);
            buckets.extend(BOUNDS.get(at).map(|bound| (*bound, count)));
        }
        let sum = Duration::from_nanos(self.duration_nanos.load(Relaxed));
        HistogramValue::new(buckets, count, sum.as_secs_f64())
    }
}

fn method_index(method: &Method) -> usize {
    match *method {
        Method::GET => 0,
        Method::HEAD => 1,
        Method::POST => 2,
        Method::PUT => 3,
        Method::DELETE => 4,
        Method::PATCH => 5,
        Method::OPTIONS => 6,
        Method::QUERY => 7,
        Method::CONNECT => 8,
        Method::TRACE => 9,
        _ => METHODS.len() - 1,
    }
}

fn count(place: &OnceLock<Box<ByStatus>>, status: StatusCode) {
    let by_status = place.get_or_init(|| Box::new([const { AtomicU64::new(0) }; STATUSES]));
    let at = usize::from(status.as_u16() - 100).min(STATUSES - 1);
    if let Some(number) = by_status.get(at) {
        number.fetch_add(1, Relaxed);
    }
}

/// The numbers that are not 0, with their statuses.
fn counted(place: &OnceLock<Box<ByStatus>>) -> impl Iterator<Item = (String, u64)> {
    let numbers = place.get().into_iter().flat_map(|numbers| numbers.iter());
    numbers.enumerate().filter_map(|(at, number)| {
        let number = number.load(Relaxed);
        let status = if at == STATUSES - 1 {
            "other".to_owned()
        } else {
            (at + 100).to_string()
        };
        (number > 0).then_some((status, number))
    })
}

impl Inspect for Numbers {
    fn kind(&self) -> &'static str {
        "http"
    }

    fn inspect(&self) -> Inspection {
        let mut inspection = Inspection::new()
            .metric(Metric::gauge(
                "requests_in_progress",
                "Requests whose response is not complete",
                self.in_progress.load(Relaxed),
            ))
            .metric(Metric::counter(
                "response_body_bytes_total",
                "Bytes of response bodies that were handed to connections",
                self.body_bytes.load(Relaxed),
            ))
            .metric(Metric::histogram(
                DURATION_NAME,
                DURATION_HELP,
                self.durations(),
            ));
        for (ending, number) in [
            ("disconnected", &self.disconnected),
            ("aborted", &self.aborted),
        ] {
            let (name, help) = (
                "responses_broken_total",
                "Responses that did not reach their client whole",
            );
            let broken = Metric::counter(name, help, number.load(Relaxed));
            inspection = inspection.metric(broken.label("ending", ending));
        }
        for (method, place) in METHODS.iter().zip(&self.requests) {
            for (status, number) in counted(place) {
                let requests = Metric::counter("requests_total", "Requests that are over", number);
                let requests = requests.label("method", *method).label("status", status);
                inspection = inspection.metric(requests);
            }
        }
        for (status, number) in counted(&self.refused) {
            let (name, help) = (
                "refused_total",
                "Requests refused before any handler saw them",
            );
            let refused = Metric::counter(name, help, number).label("status", status);
            inspection = inspection.metric(refused);
        }
        inspection
    }
}
