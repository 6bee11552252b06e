//! Days and hours of the calendar, for a clock at a fixed distance from UTC.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

const DAY: i64 = 86_400;

/// A moment as a calendar and a clock show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Civil {
    pub(super) year: i64,
    /// 1 to 12.
    pub(super) month: u8,
    /// 1 to 31.
    pub(super) day: u8,
    /// From Monday, 0.
    pub(super) weekday: u8,
    pub(super) hour: u8,
    pub(super) minute: u8,
}

/// Microseconds since 1970, rounded down: what Python's `datetime` counts in.
pub(super) fn micros(time: SystemTime) -> i64 {
    let whole = |distance: Duration| i64::try_from(distance.as_micros()).unwrap_or(i64::MAX);
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => whole(after),
        Err(error) => {
            let before = error.duration();
            let rest = !before.subsec_nanos().is_multiple_of(1_000);
            -whole(before).saturating_add(i64::from(rest))
        }
    }
}

impl Civil {
    /// The algorithm is Howard Hinnant's `civil_from_days`.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "each is within the range that its name has"
    )]
    pub(super) fn of(seconds: i64) -> Self {
        let (days, second) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
        // Days since the first of March of the year 0, in eras of 400 years.
        let shifted = days + 719_468;
        let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
        let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * of_year + 2) / 153;
        let month = if shifted_month < 10 {
            shifted_month + 3
        } else {
            shifted_month - 9
        };
        Self {
            year: year_of_era + era * 400 + i64::from(month <= 2),
            month: month as u8,
            day: (of_year - (153 * shifted_month + 2) / 5 + 1) as u8,
            // The first of January 1970 was a Thursday.
            weekday: (days + 3).rem_euclid(7) as u8,
            hour: (second / 3_600) as u8,
            minute: (second / 60 % 60) as u8,
        }
    }
}

/// The number of a day, from the first of January 1970.
#[cfg(any(feature = "templates", test))]
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let shifted_month = if month > 2 { month - 3 } else { month + 9 };
    let of_year = (153 * shifted_month + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Reads a date of RFC 3339, as serde writes most types of times: `2026-11-20T15:07:12.5Z`. A space may stand for
/// the `T`; without a zone it is UTC, and without a time midnight.
#[cfg(any(feature = "templates", test))]
pub(crate) fn parse(text: &str) -> Option<SystemTime> {
    // The name of a zone in brackets may follow, as with RFC 9557; the offset before it says all.
    let text = text.split('[').next()?.trim();
    let (date, time) = match text.find(['T', 't', ' ']) {
        Some(at) => (text.get(..at)?, text.get(at + 1..)?),
        None => (text, ""),
    };
    let mut fields = date.splitn(3, '-');
    let year = digits(fields.next()?, 4)?;
    let (month, day) = (digits(fields.next()?, 2)?, digits(fields.next()?, 2)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let mut seconds = days(year, month, day) * DAY;
    let mut nanos = 0;
    if !time.is_empty() {
        let zone = time.find(['Z', 'z', '+', '-']).unwrap_or(time.len());
        let (clock, zone) = time.split_at(zone);
        let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
        nanos = self::fraction(fraction)?;
        let mut fields = clock.splitn(3, ':');
        let (hour, minute) = (digits(fields.next()?, 2)?, digits(fields.next()?, 2)?);
        let second = fields.next().map_or(Some(0), |field| digits(field, 2))?;
        seconds += hour * 3_600 + minute * 60 + second - offset(zone)?;
    }
    let distance = Duration::from_secs(seconds.unsigned_abs());
    let time = if seconds < 0 {
        UNIX_EPOCH.checked_sub(distance)?
    } else {
        UNIX_EPOCH.checked_add(distance)?
    };
    time.checked_add(Duration::from_nanos(nanos))
}

#[cfg(any(feature = "templates", test))]
fn digits(text: &str, count: usize) -> Option<i64> {
    let are_digits = text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    are_digits.then(|| text.parse().ok()).flatten()
}

/// Nanoseconds of the digits behind the point.
#[cfg(any(feature = "templates", test))]
fn fraction(text: &str) -> Option<u64> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    format!("{:0<9}", text.get(..9).unwrap_or(text))
        .parse()
        .ok()
}

/// Seconds of `Z`, `+02:00` or nothing.
#[cfg(any(feature = "templates", test))]
fn offset(zone: &str) -> Option<i64> {
    let (sign, rest) = match zone.as_bytes().first() {
        None => return Some(0),
        Some(b'Z' | b'z') => return (zone.len() == 1).then_some(0),
        Some(b'-') => (-1, zone.get(1..)?),
        Some(_) => (1, zone.get(1..)?),
    };
    let (hours, minutes) = match rest.split_once(':') {
        Some(parts) => parts,
        None => rest.split_at_checked(2)?,
    };
    Some(sign * (digits(hours, 2)? * 3_600 + digits(minutes, 2)? * 60))
}
