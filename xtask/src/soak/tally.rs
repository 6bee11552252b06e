//! What was done, and how it ended.

use std::collections::BTreeMap;
use std::fmt;

/// Failures that are kept word by word; more are only counted.
const KEPT_FAILURES: usize = 20;

/// Counts of operations by kind and outcome.
#[derive(Debug, Default)]
pub(super) struct Tally {
    counts: BTreeMap<(&'static str, &'static str), u64>,
    failures: Vec<String>,
    failed: u64,
}

impl Tally {
    /// Counts an operation that ended as it may.
    pub(super) fn count(&mut self, kind: &'static str, outcome: &'static str) {
        *self.counts.entry((kind, outcome)).or_default() += 1;
    }

    /// Counts an operation that ended as it must not.
    pub(super) fn fail(&mut self, kind: &'static str, what: &str) {
        self.count(kind, "FAILED");
        self.failed += 1;
        if self.failures.len() < KEPT_FAILURES {
            self.failures.push(format!("{kind}: {what}"));
        }
    }

    pub(super) fn failed(&self) -> u64 {
        self.failed
    }

    /// The first failures.
    pub(super) fn failures(&self) -> &[String] {
        &self.failures
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total: u64 = self.counts.values().sum();
        writeln!(f, "{total} operations")?;
        let mut last = "";
        for ((kind, outcome), count) in &self.counts {
            let shown = if *kind == last { "" } else { *kind };
            writeln!(f, "  {shown:<10} {count:>8}  {outcome}")?;
            last = kind;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_counted_and_the_first_are_kept() {
        let mut tally = Tally::default();
        tally.count("page", "answered");
        for n in 0..=KEPT_FAILURES {
            tally.fail("page", &format!("number {n}"));
        }
        assert_eq!(tally.failed(), 21);
        assert_eq!(tally.failures().len(), KEPT_FAILURES);
        assert_eq!(tally.failures()[0], "page: number 0");
        let shown = tally.to_string();
        assert!(shown.starts_with("22 operations\n"), "{shown}");
        assert!(shown.contains("21  FAILED"), "{shown}");
    }
}
