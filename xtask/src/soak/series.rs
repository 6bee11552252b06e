//! The memory of the server in the course of the load.

use std::fmt;
use std::time::Duration;

use super::process::mebibytes;

/// How many parts of the run are shown.
const PARTS: usize = 10;

/// What was measured in each tenth of the run, in KiB.
#[derive(Debug)]
pub(super) struct Series {
    time: Duration,
    parts: [Vec<u64>; PARTS],
}

impl Series {
    /// For a run of `time`.
    pub(super) fn new(time: Duration) -> Self {
        Self {
            time,
            parts: Default::default(),
        }
    }

    /// Adds what was measured at a moment of the run; what comes after its end belongs to the last tenth.
    pub(super) fn add(&mut self, at: Duration, kib: u64) {
        let tenths = at.as_millis() * 10 / self.time.as_millis().max(1);
        let part = usize::try_from(tenths).unwrap_or(usize::MAX);
        self.parts[part.min(PARTS - 1)].push(kib);
    }

    /// By how much memory grew in the second half of the run: from its first two tenths to its last two.
    ///
    /// Of medians, because clients come and go all the time and each holds something while it is there.
    pub(super) fn second_half_kib(&self) -> Option<u64> {
        let pair = |part: usize| {
            let mut both = [&self.parts[part][..], &self.parts[part + 1]].concat();
            median(&mut both)
        };
        Some(pair(PARTS - 2)?.saturating_sub(pair(PARTS / 2)?))
    }
}

fn median(values: &mut [u64]) -> Option<u64> {
    values.sort_unstable();
    values.get(values.len() / 2).copied()
}

/// The medians of the tenths in MiB.
impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, part) in self.parts.iter().enumerate() {
            let space = if number == 0 { "" } else { " " };
            match median(&mut part.clone()) {
                Some(kib) => write!(f, "{space}{}", mebibytes(kib))?,
                None => write!(f, "{space}-")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(values: &[u64]) -> Series {
        let mut series = Series::new(Duration::from_secs(100));
        for (second, kib) in (0..).step_by(5).zip(values) {
            series.add(Duration::from_secs(second), *kib);
        }
        series
    }

    #[test]
    fn tenths_are_shown() {
        let values: Vec<u64> = (0..20).map(|n| n * 1024).collect();
        assert_eq!(
            series(&values).to_string(),
            "1.0 3.0 5.0 7.0 9.0 11.0 13.0 15.0 17.0 19.0"
        );
        assert_eq!(series(&[]).to_string(), "- - - - - - - - - -");
        let mut late = series(&[]);
        late.add(Duration::from_secs(101), 1024);
        assert_eq!(late.to_string(), "- - - - - - - - - 1.0");
    }

    #[test]
    fn only_the_second_half_counts() {
        let steps = [1, 2, 3, 4, 5, 5, 5, 5, 5, 5].map(|n| n * 1000);
        let twice: Vec<u64> = steps.iter().flat_map(|n| [*n, *n]).collect();
        assert_eq!(series(&twice).second_half_kib(), Some(0));
        let growing: Vec<u64> = (0..20).map(|n| n * 100).collect();
        // From the median of 1000 to 1300 to that of 1600 to 1900.
        assert_eq!(series(&growing).second_half_kib(), Some(600));
        let shrinking: Vec<u64> = (0..20).rev().collect();
        assert_eq!(series(&shrinking).second_half_kib(), Some(0));
        assert_eq!(series(&[1, 2, 3]).second_half_kib(), None);
    }

    #[test]
    fn a_peak_is_no_growth() {
        let mut values = vec![1000; 20];
        values[17] = 9000;
        assert_eq!(series(&values).second_half_kib(), Some(0));
    }
}
