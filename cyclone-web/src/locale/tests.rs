//! Tests of what is not public.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::civil::{Civil, micros, parse};
use super::languages::{candidates, is_code};

fn at(seconds: i64) -> SystemTime {
    let distance = Duration::from_secs(seconds.unsigned_abs());
    if seconds < 0 {
        UNIX_EPOCH - distance
    } else {
        UNIX_EPOCH + distance
    }
}

#[test]
fn days_of_the_calendar() {
    let check = |seconds, year, month, day, weekday, hour, minute| {
        let expected = Civil {
            year,
            month,
            day,
            weekday,
            hour,
            minute,
        };
        assert_eq!(Civil::of(seconds), expected);
    };
    check(0, 1970, 1, 1, 3, 0, 0);
    check(-1, 1969, 12, 31, 2, 23, 59);
    check(951_782_400, 2000, 2, 29, 1, 0, 0);
    check(1_709_164_800 + 86_399, 2024, 2, 29, 3, 23, 59);
    check(4_107_542_400, 2100, 3, 1, 0, 0, 0);
    check(-62_135_596_800, 1, 1, 1, 0, 0, 0);
    // The farthest there are do not overflow.
    Civil::of(i64::MAX / 1_000_000 - i64::from(i32::MIN) * 60);
    Civil::of(i64::MIN / 1_000_000 - i64::from(i32::MAX) * 60);
}

#[test]
fn microseconds_are_rounded_down() {
    assert_eq!(micros(UNIX_EPOCH + Duration::from_nanos(1_999)), 1);
    assert_eq!(micros(UNIX_EPOCH - Duration::from_nanos(1_999)), -2);
    assert_eq!(micros(UNIX_EPOCH - Duration::from_nanos(2_000)), -2);
}

#[test]
fn dates_of_rfc_3339() {
    let noon = at(1_763_640_000);
    for text in [
        "2025-11-20T12:00:00Z",
        "2025-11-20t12:00z",
        "2025-11-20 12:00:00",
        "2025-11-20T14:00:00+02:00",
        "2025-11-20T14:00:00+0200[Europe/Athens]",
        "2025-11-20T04:30:00-07:30",
    ] {
        assert_eq!(parse(text), Some(noon), "{text}");
    }
    let fraction = parse("2025-11-20T12:00:00.25Z");
    assert_eq!(fraction, Some(noon + Duration::from_millis(250)));
    assert_eq!(parse("1969-12-31"), Some(at(-86_400)));
    assert_eq!(parse("2000-02-29"), Some(at(951_782_400)));
    for text in [
        "",
        "now",
        "2025-13-01",
        "2025-1-1",
        "2025-11-20T",
        "2025-11-20T12",
        "2025-11-20Tx",
        "2025-11-20T12:00:00+2",
        "2025-11-20T12:00:00Zulu",
        "2025-11-20T12:00:00.x",
        "99999-01-01",
        "\u{e9}\u{e9}-01-01T\u{e9}",
    ] {
        assert_eq!(
            parse(text),
            (text == "2025-11-20T").then_some(noon - Duration::from_secs(43_200)),
            "{text}"
        );
    }
}

#[test]
fn codes_from_close_to_far() {
    let all = |code: &str| candidates(code).collect::<Vec<_>>();
    assert_eq!(all("zh-Hant-TW"), ["zh_hant_tw", "zh_tw", "zh_hant", "zh"]);
    assert_eq!(all("pt-BR"), ["pt_br", "pt"]);
    assert_eq!(all("de"), ["de"]);
    assert_eq!(all(""), [""; 0]);
    for (name, expected) in [
        ("pt_BR", true),
        ("sr@latin", true),
        ("zh-Hant", true),
        ("", false),
        ("_x", false),
        ("..", false),
        ("a/b", false),
        (&"a".repeat(35), true),
        (&"a".repeat(36), false),
    ] {
        assert_eq!(is_code(name), expected, "{name}");
    }
}
