//! Texts that people write and programs count with: lengths of time, sizes, ranges, moments.
//!
//! Each is a function for `#[arg(value_parser = ...)]`, or a type with `FromStr`, which clap finds by itself.

use std::error::Error;
use std::fmt;

pub use byte_size::byte_size;
pub use datetime::datetime;
pub use duration::duration;
pub use ranges::{IntegerRanges, MAX_INTEGER_RANGES};

mod byte_size;
mod datetime;
mod duration;
mod ranges;

/// A text is no value of its kind; says what was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseValueError(String);

impl ParseValueError {
    pub(in crate::runner) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl fmt::Display for ParseValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for ParseValueError {}

/// Digits of a number, at most: none of them fits into more.
const MAX_DIGITS: usize = 20;

/// Splits `1.5h` into the number and what follows; the number is whole and fraction, both as they were written.
fn number(text: &str) -> Option<(&str, &str, &str)> {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let (whole, rest) = text.split_at(digits(text));
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(rest) => {
            let count = digits(rest);
            if count == 0 {
                return None;
            }
            rest.split_at(count)
        }
        None => ("", rest),
    };
    let sane = !whole.is_empty() && whole.len() <= MAX_DIGITS && fraction.len() <= MAX_DIGITS;
    sane.then_some((whole, fraction, rest))
}

/// `whole.fraction` times `unit`, if that is a whole number.
fn scaled(whole: &str, fraction: &str, unit: u64) -> Option<u128> {
    let unit = u128::from(unit);
    let mut total = whole.parse::<u128>().ok()?.checked_mul(unit)?;
    let fraction = fraction.trim_end_matches('0');
    if !fraction.is_empty() {
        let power = 10_u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
        let part = fraction.parse::<u128>().ok()?.checked_mul(unit)?;
        if part % power != 0 {
            return None;
        }
        total = total.checked_add(part / power)?;
    }
    Some(total)
}
