//! The numbers themselves.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::time::Duration;

use cyclone_core::{Inspect, MetricValue};
use http::{Method, StatusCode};

use super::numbers::Numbers;
use crate::finish::Ending;

/// Name, labels and value of everything that is not 0.
fn seen(numbers: &Numbers) -> Vec<String> {
    let metrics = numbers.inspect().metrics;
    let seen = metrics.iter().filter(|metric| metric.value.as_f64() > 0.0);
    seen.map(|metric| {
        let labels: Vec<_> = metric
            .labels
            .iter()
            .map(|(_, value)| value.as_str())
            .collect();
        format!("{}{labels:?} {}", metric.name, metric.value)
    })
    .collect()
}

fn end(numbers: &Numbers, method: &Method, status: u16) {
    numbers.begins();
    let status = StatusCode::from_u16(status).unwrap();
    numbers.ends(method, status, Duration::ZERO);
}

#[test]
fn methods_and_statuses_are_bounded() {
    let numbers = Numbers::default();
    for method in ["GET", "GET", "QUERY", "BREW", "PROPFIND", "get"] {
        end(
            &numbers,
            &Method::from_bytes(method.as_bytes()).unwrap(),
            200,
        );
    }
    for status in [100, 599, 600, 999] {
        end(&numbers, &Method::PUT, status);
    }
    numbers.refuses(StatusCode::BAD_REQUEST);
    assert_eq!(
        seen(&numbers),
        [
            "request_duration_seconds[] 10",
            r#"requests_total["GET", "200"] 2"#,
            r#"requests_total["PUT", "100"] 1"#,
            r#"requests_total["PUT", "599"] 1"#,
            r#"requests_total["PUT", "other"] 2"#,
            r#"requests_total["QUERY", "200"] 1"#,
            r#"requests_total["OTHER", "200"] 3"#,
            r#"refused_total["400"] 1"#,
        ]
    );
}

#[test]
fn endings_bytes_and_what_is_in_progress_are_counted() {
    let numbers = Numbers::default();
    numbers.begins();
    numbers.sent(0, Ending::Complete);
    numbers.sent(7, Ending::Disconnected);
    numbers.sent(5, Ending::Aborted);
    assert_eq!(
        seen(&numbers),
        [
            "requests_in_progress[] 1",
            "response_body_bytes_total[] 12",
            r#"responses_broken_total["disconnected"] 1"#,
            r#"responses_broken_total["aborted"] 1"#,
        ]
    );
}

#[test]
fn durations_just_under_at_and_over_a_bound() {
    let numbers = Numbers::default();
    for micros in [499, 500, 501, 10_000_000, 10_000_001] {
        numbers.begins();
        numbers.ends(&Method::GET, StatusCode::OK, Duration::from_micros(micros));
    }
    let metrics = numbers.inspect().metrics;
    let durations = metrics.iter().find_map(|metric| match &metric.value {
        MetricValue::Histogram(histogram) => Some(histogram),
        _ => None,
    });
    let durations = durations.unwrap();
    assert_eq!(durations.buckets[..2], [(0.0005, 2), (0.001, 3)]);
    assert_eq!(durations.buckets[13], (10.0, 4));
    assert_eq!(durations.count, 5);
    assert!((durations.sum - 20.001_501).abs() < 1e-9);
}
