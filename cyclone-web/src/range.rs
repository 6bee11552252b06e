//! Byte ranges (RFC 9110 14): which part of a representation a request asks for.

#[cfg(test)]
mod tests;

use http::{HeaderMap, header::RANGE};
use smallvec::SmallVec;

/// Most ranges one request may ask for; with more the header is ignored (RFC 9110 14.2, 17.15).
pub(crate) const MAX_RANGES: usize = 16;

/// Bytes `start..end` of a representation; never empty, never beyond its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ByteRange {
    pub(crate) start: u64,
    pub(crate) end: u64,
}

/// What a `Range` header asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Requested {
    /// All of it: no header, another unit, malformed, or too many ranges.
    Whole,
    /// These, sorted; ranges that touch or overlap have become one.
    Parts(SmallVec<[ByteRange; 1]>),
    /// Only bytes beyond the end: 416.
    Unsatisfiable,
}

impl Requested {
    /// Reads the headers of a request for a representation of that many bytes.
    pub(crate) fn from_headers(headers: &HeaderMap, length: u64) -> Self {
        let mut values = headers.get_all(RANGE).iter();
        match (values.next(), values.next()) {
            (Some(value), None) => Self::parse(value.as_bytes(), length),
            _ => Self::Whole,
        }
    }

    /// Parses `bytes=0-499, -500`.
    ///
    /// Of an empty representation all is asked for whatever the ranges: clients that send one with
    /// every request expect an empty answer, not an error.
    pub(crate) fn parse(header: &[u8], length: u64) -> Self {
        let Some((unit, set)) = split_once(header, b'=') else {
            return Self::Whole;
        };
        if !unit.trim_ascii().eq_ignore_ascii_case(b"bytes") {
            return Self::Whole;
        }
        let mut parts = SmallVec::new();
        let mut count = 0;
        for spec in set.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            // Empty elements are allowed (RFC 9110 5.6.1.2), and counted.
            count += 1;
            if count > MAX_RANGES {
                return Self::Whole;
            }
            if spec.is_empty() {
                continue;
            }
            let Some(spec) = Spec::parse(spec) else {
                return Self::Whole;
            };
            parts.extend(spec.within(length));
        }
        if length == 0 || (parts.is_empty() && set.iter().all(|byte| b", \t".contains(byte))) {
            Self::Whole
        } else if parts.is_empty() {
            Self::Unsatisfiable
        } else {
            coalesce(&mut parts);
            Self::Parts(parts)
        }
    }
}

enum Spec {
    /// From here to the end.
    From(u64),
    /// From the first to the last, both included.
    Between(u64, u64),
    /// The last so many.
    Last(u64),
}

impl Spec {
    fn parse(text: &[u8]) -> Option<Self> {
        let (first, last) = split_once(text, b'-')?;
        match (first, last) {
            ([], []) => None,
            ([], last) => Some(Self::Last(number(last)?)),
            (first, []) => Some(Self::From(number(first)?)),
            (first, last) => {
                let (first, last) = (number(first)?, number(last)?);
                (first <= last).then_some(Self::Between(first, last))
            }
        }
    }

    /// The bytes that exist; `None` when there are none.
    fn within(self, length: u64) -> Option<ByteRange> {
        let (start, end) = match self {
            Self::From(first) => (first, length),
            Self::Between(first, last) => (first, last.saturating_add(1).min(length)),
            Self::Last(count) => (length.saturating_sub(count), length),
        };
        (start < end).then_some(ByteRange { start, end })
    }
}

/// Reads digits, nothing else; a number too large for a file is the largest one.
fn number(digits: &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        value = value
            .saturating_mul(10)
            .saturating_add(u64::from(digit - b'0'));
    }
    Some(value)
}

fn split_once(text: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let at = text.iter().position(|byte| *byte == separator)?;
    Some((&text[..at], &text[at + 1..]))
}

fn coalesce(parts: &mut SmallVec<[ByteRange; 1]>) {
    parts.sort_unstable_by_key(|part| part.start);
    // `dedup_by` gives the later one first.
    parts.dedup_by(|next, kept| {
        let touches = next.start <= kept.end;
        if touches {
            kept.end = kept.end.max(next.end);
        }
        touches
    });
}
