//! Lengths of time, sizes, ranges and moments.

use std::time::{Duration, SystemTime};

use cyclone_core::runner::options::{
    IntegerRanges, MAX_INTEGER_RANGES, byte_size, datetime, duration,
};

#[test]
fn lengths_of_time_as_tornado_has_them() {
    let seconds = Duration::from_secs;
    for (text, expected) in [
        ("0", Duration::ZERO),
        ("45", seconds(45)),
        ("1.5", Duration::from_millis(1500)),
        ("1h30m", seconds(5400)),
        (" 1 h 30 min ", seconds(5400)),
        ("2days", seconds(172_800)),
        ("1w1d1h1m1s1ms1us", Duration::new(694_861, 1_001_000)),
        ("0.000000001s", Duration::from_nanos(1)),
        ("90 seconds", seconds(90)),
        ("18446744073709551615s", seconds(u64::MAX)),
        ("0.5d", seconds(43_200)),
    ] {
        assert_eq!(duration(text), Ok(expected), "{text}");
    }
    for text in [
        "",
        " ",
        "h",
        "1x",
        "-1",
        "+1",
        "1..5",
        "1.",
        ".5",
        "1,5",
        "1h-30m",
        "0.0000000001s",
        "18446744073709551616s",
        "18446744073709551615s1s",
        "1e3",
        "99999999999999999999999999",
        "18446744073709551615w",
        "1H",
        "٣",
    ] {
        assert!(duration(text).is_err(), "{text}");
    }
}

#[test]
fn sizes() {
    for (text, expected) in [
        ("0", 0),
        ("100000000", 100_000_000),
        ("1b", 1),
        ("16MiB", 16 << 20),
        ("16 mib", 16 << 20),
        ("16M", 16 << 20),
        ("64k", 65_536),
        ("64kB", 64_000),
        ("1.5GiB", 3 << 29),
        ("1.5 GB", 1_500_000_000),
        ("2TiB", 2 << 40),
        ("18446744073709551615", u64::MAX),
    ] {
        assert_eq!(byte_size(text), Ok(expected), "{text}");
    }
    for text in [
        "",
        "k",
        "1.5",
        "0.3k",
        "-1",
        "+1",
        "1 bananas",
        "18446744073709551616",
        "99999999T",
        "1kk",
    ] {
        assert!(byte_size(text).is_err(), "{text}");
    }
}

#[test]
fn ranges_have_both_ends() {
    let numbers = |text: &str| {
        text.parse::<IntegerRanges>()
            .map(|ranges| ranges.iter().collect::<Vec<_>>())
    };
    assert_eq!(numbers("5"), Ok(vec![5]));
    assert_eq!(numbers("3:5"), Ok(vec![3, 4, 5]));
    assert_eq!(numbers("-2:0, 7 ,9:9"), Ok(vec![-2, -1, 0, 7, 9]));
    for text in [
        "",
        "a",
        "1:",
        ":1",
        "1,,2",
        "2:1",
        "1:2:3",
        "9223372036854775808",
    ] {
        assert!(numbers(text).is_err(), "{text}");
    }
    // As wide as it gets, without a number made.
    let all: IntegerRanges = "-9223372036854775808:9223372036854775807".parse().unwrap();
    assert!(all.contains(0) && all.contains(i64::MIN) && all.contains(i64::MAX));
}

#[test]
fn the_number_of_ranges_is_limited() {
    let text = |count: usize| vec!["1"; count].join(",");
    for count in [MAX_INTEGER_RANGES - 1, MAX_INTEGER_RANGES] {
        assert_eq!(
            text(count).parse::<IntegerRanges>().unwrap().ranges().len(),
            count
        );
    }
    assert!(
        text(MAX_INTEGER_RANGES + 1)
            .parse::<IntegerRanges>()
            .is_err()
    );
}

#[test]
fn moments_in_the_formats_of_tornado() {
    let expected = datetime("2026-11-21 10:30:00").unwrap();
    for text in [
        "Sat Nov 21 10:30:00 2026",
        "2026-11-21 10:30",
        "2026-11-21T10:30",
        "20261121 10:30:00",
        "20261121 10:30",
    ] {
        assert_eq!(datetime(text), Ok(expected), "{text}");
    }
    assert_eq!(datetime("2026-11-21"), datetime("2026-11-21 00:00:00"));
    assert_eq!(datetime("20261121"), datetime("2026-11-21 00:00:00"));
    let zoned = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_257_000);
    assert_eq!(datetime("2026-11-21T10:30:00Z"), Ok(zoned));
    assert_eq!(datetime("2026-11-21T11:30:00+01:00"), Ok(zoned));
    assert_eq!(datetime("10:30"), datetime("10:30:00"));
    for text in [
        "",
        "yesterday",
        "2026-13-01",
        "2026-02-30",
        "25:00",
        "2026-11-21 10:30 pm",
    ] {
        assert!(datetime(text).is_err(), "{text}");
    }
}
