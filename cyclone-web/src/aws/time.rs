//! Times as signatures have them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// `20130524T000000Z`.
pub(super) fn parse(text: &str) -> Option<SystemTime> {
    let bytes = text.as_bytes();
    if bytes.len() != 16 || bytes[8] != b'T' || bytes[15] != b'Z' {
        return None;
    }
    let number = |from: usize, to: usize| -> Option<u64> {
        let digits = text.get(from..to)?;
        let only_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
        only_digits.then(|| digits.parse().ok())?
    };
    let (year, month, day) = (number(0, 4)?, number(4, 6)?, number(6, 8)?);
    let (hour, minute, second) = (number(9, 11)?, number(11, 13)?, number(13, 15)?);
    let lengths = [
        31,
        28 + u64::from(is_leap(year)),
        31,
        30,
        31,
        30,
        31,
        31,
        30,
        31,
        30,
        31,
    ];
    let month = usize::try_from(month).ok()?.checked_sub(1)?;
    let length = *lengths.get(month)?;
    if year < 1970 || !(1..=length).contains(&day) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let years: u64 = (1970..year)
        .map(|year| 365 + u64::from(is_leap(year)))
        .sum();
    let months: u64 = lengths.iter().take(month).sum();
    let seconds = ((years + months + day - 1) * 24 + hour) * 3_600 + minute * 60 + second;
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

/// How far two times are apart, whichever is first.
pub(super) fn apart(one: SystemTime, other: SystemTime) -> Duration {
    one.duration_since(other)
        .unwrap_or_else(|negative| negative.duration())
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn times_are_those_of_the_calendar() {
        for text in [
            "19700101T000000Z",
            "20000229T235959Z",
            "20130524T000000Z",
            "20281231T010203Z",
        ] {
            let time = parse(text).unwrap();
            let date = httpdate::fmt_http_date(time);
            let (day, year, clock) = (&date[5..7], &date[12..16], date[17..25].replace(':', ""));
            assert_eq!(
                format!("{year}{}{day}T{clock}Z", &text[4..6]),
                text,
                "{date}"
            );
        }
        for wrong in [
            "",
            "20130524",
            "20130524T000000",
            "20130524 000000Z",
            "20130230T000000Z",
            "20130001T000000Z",
            "20131301T000000Z",
            "20130100T000000Z",
            "20130101T240000Z",
            "19690101T000000Z",
            "2013+101T000000Z",
            "\u{e4}0130524T00000Z",
            "20130524T0000\u{e4}Z",
        ] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
