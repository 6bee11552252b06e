//! Lengths of time.

use std::time::Duration;

use super::{ParseValueError, number, scaled};

/// Parses a length of time as cyclone's and Tornado's options do: `90`, `1.5s`, `1h30m`, `250ms`, `2 days`.
///
/// A number without a unit counts seconds. The units: `us`, `ms`, `s`, `m`, `h`, `d`, `w`, and their English words.
/// Nothing is smaller than a nanosecond, and nothing is negative.
///
/// ```
/// use std::time::Duration;
/// use cyclone_core::runner::{clap, options};
///
/// #[derive(clap::Args)]
/// struct Args {
///     /// How long to wait for the other side.
///     #[arg(long, value_parser = options::duration, default_value = "1m30s")]
///     patience: Duration,
/// }
///
/// assert_eq!(options::duration("1m30s")?, Duration::from_secs(90));
/// # Ok::<(), options::ParseValueError>(())
/// ```
///
/// # Errors
/// [`ParseValueError`] for any other text, and for what a [`Duration`] cannot hold.
pub fn duration(text: &str) -> Result<Duration, ParseValueError> {
    let wrong = || ParseValueError::new("expected a length of time such as `90s` or `1h30m`");
    let (mut rest, mut total) = (text.trim(), Duration::ZERO);
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let (whole, fraction, after) = number(rest).ok_or_else(wrong)?;
        let after = after.trim_start();
        let end = after.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, next) = after.split_at(end);
        let nanoseconds = nanoseconds(unit).ok_or_else(wrong)?;
        let part = scaled(whole, fraction, nanoseconds).ok_or_else(wrong)?;
        total = from_nanoseconds(part)
            .and_then(|part| total.checked_add(part))
            .ok_or_else(wrong)?;
        rest = next.trim_start();
    }
    Ok(total)
}

fn from_nanoseconds(total: u128) -> Option<Duration> {
    let seconds = u64::try_from(total / 1_000_000_000).ok()?;
    let rest = u32::try_from(total % 1_000_000_000).ok()?;
    Some(Duration::new(seconds, rest))
}

const fn nanoseconds(unit: &str) -> Option<u64> {
    const SECOND: u64 = 1_000_000_000;
    Some(match unit.as_bytes() {
        b"" | b"s" | b"sec" | b"secs" | b"second" | b"seconds" => SECOND,
        b"us" | b"microsecond" | b"microseconds" => 1_000,
        b"ms" | b"millisecond" | b"milliseconds" => 1_000_000,
        b"m" | b"min" | b"mins" | b"minute" | b"minutes" => 60 * SECOND,
        b"h" | b"hour" | b"hours" => 3_600 * SECOND,
        b"d" | b"day" | b"days" => 86_400 * SECOND,
        b"w" | b"week" | b"weeks" => 604_800 * SECOND,
        _ => return None,
    })
}
