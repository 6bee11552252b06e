//! Ranges of whole numbers.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use super::ParseValueError;

/// Ranges in one text, at most.
pub const MAX_INTEGER_RANGES: usize = 4096;

/// Whole numbers as cyclone's `multiple` options write them: `1,3:5,8`, both ends of a range included.
///
/// ```
/// use cyclone_core::runner::options::IntegerRanges;
///
/// let ports: IntegerRanges = "8000:8002,9000".parse()?;
/// assert_eq!(ports.iter().collect::<Vec<_>>(), [8000, 8001, 8002, 9000]);
/// assert!(ports.contains(8001));
/// assert_eq!(ports.to_string(), "8000:8002,9000");
/// # Ok::<(), cyclone_core::runner::options::ParseValueError>(())
/// ```
///
/// The numbers are made as they are asked for, so that a wide range costs nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntegerRanges(Vec<RangeInclusive<i64>>);

impl IntegerRanges {
    /// The ranges, in the order in which they were written.
    pub fn ranges(&self) -> &[RangeInclusive<i64>] {
        &self.0
    }

    /// Whether a number is in one of the ranges.
    pub fn contains(&self, number: i64) -> bool {
        self.0.iter().any(|range| range.contains(&number))
    }

    /// All numbers, in the order in which they were written; those of overlapping ranges more than once.
    pub fn iter(&self) -> impl Iterator<Item = i64> {
        self.0.iter().cloned().flatten()
    }
}

impl FromStr for IntegerRanges {
    type Err = ParseValueError;

    fn from_str(text: &str) -> Result<Self, ParseValueError> {
        let wrong = || ParseValueError::new("expected numbers and ranges such as `1,3:5`");
        let mut ranges = Vec::new();
        for part in text.split(',') {
            let (first, last) = part.split_once(':').unwrap_or((part, part));
            let first: i64 = first.trim().parse().map_err(|_| wrong())?;
            let last: i64 = last.trim().parse().map_err(|_| wrong())?;
            if first > last {
                let message = format!("the range `{}` ends before it begins", part.trim());
                return Err(ParseValueError::new(message));
            }
            if ranges.len() == MAX_INTEGER_RANGES {
                let message = format!("more than {MAX_INTEGER_RANGES} ranges");
                return Err(ParseValueError::new(message));
            }
            ranges.push(first..=last);
        }
        Ok(Self(ranges))
    }
}

impl fmt::Display for IntegerRanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, range) in self.0.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            if range.start() == range.end() {
                write!(f, "{comma}{}", range.start())?;
            } else {
                write!(f, "{comma}{}:{}", range.start(), range.end())?;
            }
        }
        Ok(())
    }
}
