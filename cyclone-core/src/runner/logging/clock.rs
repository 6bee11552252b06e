//! The time of day, as lines and files have it.

use std::fmt;
use std::sync::OnceLock;

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, Unit, Zoned};

use super::LogRotation;

/// The time zone of the system, asked for once: after `chroot` it may not be found.
pub(super) fn zone() -> &'static TimeZone {
    static ZONE: OnceLock<TimeZone> = OnceLock::new();
    ZONE.get_or_init(TimeZone::system)
}

fn now() -> Zoned {
    Timestamp::now().to_zoned(zone().clone())
}

/// `261121 10:30:00`, local.
pub(super) fn short() -> impl fmt::Display {
    let now = now();
    let (year, month, day) = (now.year().rem_euclid(100), now.month(), now.day());
    let (hour, minute, second) = (now.hour(), now.minute(), now.second());
    format!("{year:02}{month:02}{day:02} {hour:02}:{minute:02}:{second:02}")
}

/// `2026-11-21T10:30:00.123456+01:00`, local (RFC 3339).
pub(super) fn local() -> impl fmt::Display {
    let now = now();
    format!("{:.6}{}", now.datetime(), now.strftime("%:z"))
}

/// `2026-11-21T09:30:00.123456Z` (RFC 3339).
pub(super) fn utc() -> impl fmt::Display {
    format!("{:.6}", Timestamp::now())
}

/// `Nov 21 10:30:00`, local (RFC 3164, section 4.1.2).
pub(super) fn of_syslog() -> impl fmt::Display {
    now().strftime("%b %e %H:%M:%S").to_string()
}

/// An hour or a day, as the name of a log file has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Period {
    /// The first second, since 1970.
    pub(super) start: i64,
    /// The second after the last one.
    pub(super) end: i64,
    /// `2026-11-21` or `2026-11-21T10`, local.
    pub(super) label: String,
}

impl Period {
    /// The period with a second, for a rotation that has periods.
    pub(super) fn of(rotation: LogRotation, second: i64) -> Option<Self> {
        Self::within(rotation, second, zone().clone())
    }

    fn within(rotation: LogRotation, second: i64, zone: TimeZone) -> Option<Self> {
        let moment = Timestamp::from_second(second).ok()?.to_zoned(zone);
        let (start, end, label) = match rotation {
            LogRotation::Hourly => {
                // Not by the clock: an hour that it shows twice is two.
                let start = moment
                    .round(
                        jiff::ZonedRound::new()
                            .smallest(Unit::Hour)
                            .mode(jiff::RoundMode::Trunc),
                    )
                    .ok()?;
                let end = start.checked_add(1.hour()).ok()?;
                (start, end, moment.strftime("%Y-%m-%dT%H").to_string())
            }
            LogRotation::Daily => {
                let start = moment.start_of_day().ok()?;
                let end = moment.tomorrow().ok()?.start_of_day().ok()?;
                (start, end, moment.strftime("%Y-%m-%d").to_string())
            }
            LogRotation::Size | LogRotation::Never => return None,
        };
        let (start, end) = (start.timestamp().as_second(), end.timestamp().as_second());
        Some(Self { start, end, label })
    }

    pub(super) fn has(&self, second: i64) -> bool {
        (self.start..self.end).contains(&second)
    }

    /// The second it is, by the clock that gives files their times: it is a little behind the other one, and by that
    /// one a file that has just been made could be one of yesterday.
    pub(super) fn now() -> i64 {
        #[cfg(target_os = "linux")]
        let clock = rustix::time::ClockId::RealtimeCoarse;
        #[cfg(not(target_os = "linux"))]
        let clock = rustix::time::ClockId::Realtime;
        rustix::time::clock_gettime(clock).tv_sec
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(text: &str) -> i64 {
        text.parse::<Zoned>().unwrap().timestamp().as_second()
    }

    fn period(rotation: LogRotation, text: &str) -> Period {
        let moment = text.parse::<Zoned>().unwrap();
        let zone = moment.time_zone().clone();
        Period::within(rotation, moment.timestamp().as_second(), zone).unwrap()
    }

    #[test]
    fn days_and_hours_are_those_of_the_zone() {
        let zone = "[+05:30]";
        let day = period(
            LogRotation::Daily,
            &format!("2026-11-21T00:00:00+05:30{zone}"),
        );
        assert_eq!(day.label, "2026-11-21");
        assert_eq!(day.end - day.start, 86_400);
        assert_eq!(
            day.start,
            seconds(&format!("2026-11-21T00:00:00+05:30{zone}"))
        );
        let hour = period(
            LogRotation::Hourly,
            &format!("2026-11-21T09:59:59+05:30{zone}"),
        );
        assert_eq!(hour.label, "2026-11-21T09");
        assert_eq!(
            hour.start,
            seconds(&format!("2026-11-21T09:00:00+05:30{zone}"))
        );
        assert!(hour.has(hour.end - 1) && !hour.has(hour.end) && !hour.has(hour.start - 1));
    }
}
