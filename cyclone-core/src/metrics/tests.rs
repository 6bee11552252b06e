//! The text format, character by character.

use std::borrow::Cow;

use super::text::render;
use crate::inspect::{HistogramValue, Metric};

#[test]
fn a_family_has_one_head_and_its_samples_follow_each_other() {
    let metrics = [
        Metric::gauge("a_bytes", "A help with a \\ and a \n in it", 3_u64),
        Metric::counter("b_total", "B", 7_u64).label("x", "1"),
        Metric::counter("b_total", "B", u64::MAX)
            .label("x", "2")
            .label("y", ""),
    ];
    assert_eq!(
        render(&metrics),
        "# HELP a_bytes A help with a \\\\ and a \\n in it\n\
         # TYPE a_bytes gauge\n\
         a_bytes 3\n\
         # HELP b_total B\n\
         # TYPE b_total counter\n\
         b_total{x=\"1\"} 7\n\
         b_total{x=\"2\",y=\"\"} 18446744073709551615\n"
    );
    assert_eq!(render(&[]), "");
}

#[test]
fn labels_and_names_are_escaped() {
    let evil = "a\"} 1\nevil{x=\"\\";
    let metric = Metric::gauge("a-b c", "Help", 1_u64).label("9:é", evil);
    let text = render(&[metric]);
    let sample = text.lines().last().unwrap();
    assert_eq!(sample, "a_b_c{___=\"a\\\"} 1\\nevil{x=\\\"\\\\\"} 1");
    let mut metric = Metric::gauge("", "Help", 1_u64);
    assert!(render(&[metric.clone()]).ends_with("\n_ 1\n"));
    metric.name = Cow::Borrowed("9lives");
    assert!(render(&[metric]).ends_with("\n_lives 1\n"));
}

#[test]
fn numbers_that_are_none_are_written_as_go_does() {
    for (number, text) in [
        (0.5, "0.5"),
        (1e21, "1000000000000000000000"),
        (f64::NAN, "NaN"),
        (f64::INFINITY, "+Inf"),
        (f64::NEG_INFINITY, "-Inf"),
    ] {
        let text = format!("a {text}\n");
        assert!(render(&[Metric::gauge("a", "A", number)]).ends_with(&text));
    }
}

#[test]
fn a_histogram_has_cumulative_buckets_and_one_for_all() {
    let value = HistogramValue::new(vec![(0.005, 1), (1.0, 3)], 4, 12.5);
    let metric = Metric::histogram("a_seconds", "A", value).label("x", "y");
    assert_eq!(
        render(&[metric]),
        "# HELP a_seconds A\n\
         # TYPE a_seconds histogram\n\
         a_seconds_bucket{x=\"y\",le=\"0.005\"} 1\n\
         a_seconds_bucket{x=\"y\",le=\"1\"} 3\n\
         a_seconds_bucket{x=\"y\",le=\"+Inf\"} 4\n\
         a_seconds_sum{x=\"y\"} 12.5\n\
         a_seconds_count{x=\"y\"} 4\n"
    );
}

/// Prometheus reads nothing of a text that has one mistake in it.
#[test]
fn what_would_break_the_format_is_left_out() {
    let metrics = [
        Metric::gauge("a_b", "A", 1_u64),
        Metric::counter("a_b", "Another kind", 2_u64).label("x", "y"),
        Metric::gauge("a_b", "A", 3_u64).label("x", "z"),
        Metric::gauge("a_b", "The same labels", 4_u64),
        Metric::gauge("c", "C", 5_u64),
        Metric::gauge("a-b", "The same name, apart", 6_u64).label("x", "w"),
    ];
    let text = render(&metrics);
    assert_eq!(text.matches("# TYPE").count(), 2);
    let samples: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(samples, ["a_b 1", "a_b{x=\"z\"} 3", "c 5"]);
}
