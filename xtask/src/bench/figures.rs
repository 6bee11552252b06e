//! Arithmetic of the benchmarks, and what is said of a figure that has a bound.

use std::fmt;

use anyhow::{Context as _, Result};

/// Whether a target is met.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) met: bool,
    /// What was measured, and what it must be.
    pub(super) text: String,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.met { "met   " } else { "MISSED" };
        write!(f, "{word} {}", self.text)
    }
}

/// The number of `name=NUMBER` in a line that a program of ours printed.
pub(super) fn value(line: &str, name: &str) -> Result<f64> {
    let mut pairs = line
        .split_whitespace()
        .filter_map(|word| word.split_once('='));
    let found = pairs.find(|(key, _)| *key == name);
    let (_, value) = found.with_context(|| format!("no {name} in `{line}`"))?;
    Ok(value.parse()?)
}

/// The middle value, the mean of the two middle ones; not a number when there is none.
pub(super) fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    match values.as_slice() {
        [] => f64::NAN,
        sorted if sorted.len() % 2 == 1 => sorted[half],
        sorted => f64::midpoint(sorted[half - 1], sorted[half]),
    }
}

/// The smallest value; infinite when there is none.
pub(super) fn least(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::INFINITY, f64::min)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert!(median(&[]).is_nan());
        assert_eq!(median(&[3.0]), 3.0);
        assert_eq!(median(&[3.0, 1.0]), 2.0);
        assert_eq!(median(&[9.0, 1.0, 2.0]), 2.0);
        assert_eq!(least(&[9.0, 1.0, 2.0]), 1.0);
    }

    #[test]
    fn values_by_name() {
        assert_eq!(value("a=1 cpu_ns=7.5\n", "cpu_ns").unwrap(), 7.5);
        assert!(value("a=1 cpu_ns=7.5\n", "ns").is_err());
        assert!(value("a=x", "a").is_err());
    }
}
