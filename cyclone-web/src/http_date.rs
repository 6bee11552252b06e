//! Dates of HTTP headers (RFC 9110 5.6.7), without the panics of out-of-range times.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::HeaderValue;

/// The first second that the format cannot express: 10000-01-01T00:00:00Z, in seconds since 1970.
const YEAR_10000: u64 = 253_402_300_800;

/// Formats a time as IMF-fixdate; `None` before 1970 and after 9999.
pub(crate) fn format(time: SystemTime) -> Option<String> {
    let since_epoch = time.duration_since(UNIX_EPOCH).ok()?;
    (since_epoch.as_secs() < YEAR_10000).then(|| httpdate::fmt_http_date(time))
}

/// Formats a time, moved to the nearest one that the format can express.
pub(crate) fn format_clamped(time: SystemTime) -> String {
    let last = UNIX_EPOCH + Duration::from_secs(YEAR_10000 - 1);
    httpdate::fmt_http_date(time.clamp(UNIX_EPOCH, last))
}

/// Formats a time as a header value; `None` before 1970 and after 9999.
pub(crate) fn header_value(time: SystemTime) -> Option<HeaderValue> {
    HeaderValue::try_from(format(time)?).ok()
}

/// Parses any of the three formats of RFC 9110.
pub(crate) fn parse(value: &HeaderValue) -> Option<SystemTime> {
    httpdate::parse_http_date(value.to_str().ok()?.trim()).ok()
}

/// Cuts a time to whole seconds since 1970, as the format does; `None` when it has no place there.
pub(crate) fn whole_seconds(time: SystemTime) -> Option<u64> {
    let seconds = time.duration_since(UNIX_EPOCH).ok()?.as_secs();
    (seconds < YEAR_10000).then_some(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rustsec_2017_0005_dates_out_of_range_do_not_panic() {
        let before = UNIX_EPOCH - Duration::from_secs(1);
        let last = UNIX_EPOCH + Duration::from_secs(YEAR_10000 - 1);
        let after = UNIX_EPOCH + Duration::from_secs(YEAR_10000);
        for (time, expected) in [
            (before, None),
            (UNIX_EPOCH, Some("Thu, 01 Jan 1970 00:00:00 GMT")),
            (last, Some("Fri, 31 Dec 9999 23:59:59 GMT")),
            (after, None),
        ] {
            assert_eq!(format(time).as_deref(), expected);
            assert_eq!(header_value(time).is_some(), expected.is_some());
            assert_eq!(whole_seconds(time).is_some(), expected.is_some());
        }
        assert_eq!(format_clamped(before), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(format_clamped(after), "Fri, 31 Dec 9999 23:59:59 GMT");
    }

    #[test]
    fn the_three_formats_of_rfc_9110_are_read() {
        let expected = Some(UNIX_EPOCH + Duration::from_secs(784_111_777));
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ] {
            assert_eq!(parse(&HeaderValue::from_static(text)), expected, "{text}");
        }
        for text in ["", "0", "yesterday", "Sun, 32 Nov 1994 08:49:37 GMT"] {
            assert_eq!(parse(&HeaderValue::from_static(text)), None, "{text}");
        }
    }

    #[test]
    fn random_dates_never_panic() {
        fastrand::seed(10);
        let template = b"Sun, 06 Nov 1994 08:49:37 GMT";
        for _ in 0..50_000 {
            let mut text = template.to_vec();
            for _ in 0..fastrand::usize(1..4) {
                let at = fastrand::usize(..text.len());
                text[at] = fastrand::u8(b' '..=b'~');
            }
            text.truncate(fastrand::usize(..=text.len()));
            let _ = parse(&HeaderValue::from_bytes(&text).unwrap());
        }
    }
}
