//! Durations of requests for an OpenTelemetry SDK, by the name and with the attributes of its conventions.

use http::{Method, StatusCode};
use opentelemetry::metrics::Histogram;
use opentelemetry::{KeyValue, global};

use crate::request_span::known;

/// The bounds that the conventions advise, in seconds.
const BOUNDS: [f64; 14] = [
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
];

/// `http.server.request.duration` of the global meter provider, the one that there was at the first connection.
#[derive(Debug)]
pub(super) struct Durations(Histogram<f64>);

impl Default for Durations {
    fn default() -> Self {
        let meter = global::meter("cyclone");
        let histogram = meter
            .f64_histogram("http.server.request.duration")
            .with_description("Duration of HTTP server requests")
            .with_unit("s")
            .with_boundaries(BOUNDS.to_vec());
        Self(histogram.build())
    }
}

impl Durations {
    pub(super) fn record(&self, method: &Method, status: StatusCode, seconds: f64) {
        let attributes = [
            KeyValue::new("http.request.method", known(method)),
            KeyValue::new("http.response.status_code", i64::from(status.as_u16())),
        ];
        self.0.record(seconds, &attributes);
    }
}
