//! Moments.

use std::time::SystemTime;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use super::ParseValueError;

/// The formats of cyclone's and Tornado's options that have a date.
const MOMENTS: [&str; 6] = [
    "%a %b %d %H:%M:%S %Y",
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%dT%H:%M",
    "%Y%m%d %H:%M:%S",
    "%Y%m%d %H:%M",
];
const DATES: [&str; 2] = ["%Y-%m-%d", "%Y%m%d"];
const TIMES: [&str; 2] = ["%H:%M:%S", "%H:%M"];

/// Parses a moment: RFC 3339 (`2026-11-21T10:30:00Z`), or one of the ten formats of cyclone's options.
///
/// Those are `Sat Nov 21 10:30:00 2026`, `2026-11-21 10:30:00`, `2026-11-21 10:30`, `2026-11-21T10:30`,
/// `20261121 10:30:00`, `20261121 10:30`, `2026-11-21`, `20261121`, `10:30:00` and `10:30`. They are in the time zone
/// of the system; a date alone is its first moment, a time alone is today's.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use cyclone_core::runner::options;
///
/// let moment = options::datetime("1970-01-02T00:00:00Z")?;
/// assert_eq!(moment, SystemTime::UNIX_EPOCH + Duration::from_secs(86_400));
/// # Ok::<(), options::ParseValueError>(())
/// ```
///
/// # Errors
/// [`ParseValueError`] for any other text.
pub fn datetime(text: &str) -> Result<SystemTime, ParseValueError> {
    parse(text.trim()).ok_or_else(|| {
        ParseValueError::new(
            "expected a moment such as `2026-11-21 10:30` or `2026-11-21T10:30:00Z`",
        )
    })
}

fn parse(text: &str) -> Option<SystemTime> {
    if let Ok(timestamp) = text.parse::<Timestamp>() {
        return Some(timestamp.into());
    }
    let moment = MOMENTS
        .iter()
        .find_map(|format| DateTime::strptime(format, text).ok());
    let date = || {
        DATES
            .iter()
            .find_map(|format| Date::strptime(format, text).ok())
    };
    let time = || {
        TIMES
            .iter()
            .find_map(|format| Time::strptime(format, text).ok())
    };
    let moment = moment
        .or_else(|| date().map(|date| date.to_datetime(Time::midnight())))
        .or_else(|| time().map(|time| Zoned::now().date().to_datetime(time)))?;
    Some(moment.to_zoned(TimeZone::system()).ok()?.timestamp().into())
}
