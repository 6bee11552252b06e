use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::{Precondition, Validators, range_applies};
use crate::etag::ETag;
use Precondition::{Failed, NotModified, Proceed};

const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
const SAME: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const AFTER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

/// The fraction must not count: the header has whole seconds only.
fn modified() -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(784_111_777_900)
}

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        let name: HeaderName = name.parse().unwrap();
        headers.append(name, HeaderValue::from_str(value).unwrap());
    }
    headers
}

#[track_caller]
fn check(method: &Method, pairs: &[(&str, &str)], expected: Precondition) {
    let etag = ETag::strong("a").unwrap();
    let current = Validators {
        etag: Some(&etag),
        last_modified: Some(modified()),
    };
    let decided = Precondition::evaluate(method, &headers(pairs), current);
    assert_eq!(decided, expected, "{method} {pairs:?}");
}

#[test]
fn rfc_9110_13_1_single_conditions() {
    for (name, value, get, put) in [
        ("x-other", "", Proceed, Proceed),
        ("if-match", "*", Proceed, Proceed),
        ("if-match", "\"a\"", Proceed, Proceed),
        ("if-match", "\"b\", \"a\"", Proceed, Proceed),
        ("if-match", "W/\"a\"", Failed, Failed),
        ("if-match", "\"b\"", Failed, Failed),
        ("if-match", "", Failed, Failed),
        ("if-match", "a", Failed, Failed),
        ("if-none-match", "*", NotModified, Failed),
        ("if-none-match", "\"a\"", NotModified, Failed),
        ("if-none-match", "W/\"a\"", NotModified, Failed),
        ("if-none-match", "\"b\", W/\"a\"", NotModified, Failed),
        ("if-none-match", "\"b\"", Proceed, Proceed),
        // cyclone searched for the tag as a substring.
        ("if-none-match", "\"ab\", \"xa\"", Proceed, Proceed),
        ("if-none-match", "a", Proceed, Proceed),
        ("if-modified-since", BEFORE, Proceed, Proceed),
        ("if-modified-since", SAME, NotModified, Proceed),
        ("if-modified-since", AFTER, NotModified, Proceed),
        ("if-modified-since", "yesterday", Proceed, Proceed),
        ("if-unmodified-since", BEFORE, Failed, Failed),
        ("if-unmodified-since", SAME, Proceed, Proceed),
        ("if-unmodified-since", AFTER, Proceed, Proceed),
        ("if-unmodified-since", "yesterday", Proceed, Proceed),
    ] {
        check(&Method::GET, &[(name, value)], get);
        check(&Method::HEAD, &[(name, value)], get);
        check(&Method::PUT, &[(name, value)], put);
    }
}

#[test]
fn rfc_9110_13_2_2_precedence() {
    for (pairs, expected) in [
        // If-Match hides If-Unmodified-Since, both ways.
        (
            vec![("if-match", "\"a\""), ("if-unmodified-since", BEFORE)],
            Proceed,
        ),
        (
            vec![("if-match", "\"b\""), ("if-unmodified-since", AFTER)],
            Failed,
        ),
        // If-None-Match hides If-Modified-Since, both ways.
        (
            vec![("if-none-match", "\"a\""), ("if-modified-since", BEFORE)],
            NotModified,
        ),
        (
            vec![("if-none-match", "\"b\""), ("if-modified-since", AFTER)],
            Proceed,
        ),
        // The first pair is decided before the second.
        (
            vec![("if-match", "\"b\""), ("if-none-match", "\"a\"")],
            Failed,
        ),
        (
            vec![("if-match", "\"a\""), ("if-none-match", "\"a\"")],
            NotModified,
        ),
        (
            vec![("if-unmodified-since", BEFORE), ("if-none-match", "\"a\"")],
            Failed,
        ),
        (
            vec![("if-unmodified-since", AFTER), ("if-modified-since", SAME)],
            NotModified,
        ),
    ] {
        check(&Method::GET, &pairs, expected);
    }
}

#[test]
fn repeated_headers() {
    let tags = [("if-none-match", "\"b\""), ("if-none-match", "\"a\"")];
    check(&Method::GET, &tags, NotModified);
    let dates = [("if-modified-since", AFTER), ("if-modified-since", AFTER)];
    check(&Method::GET, &dates, Proceed);
}

#[test]
fn without_validators_only_the_star_matches() {
    let decide = |name, value| {
        Precondition::evaluate(
            &Method::GET,
            &headers(&[(name, value)]),
            Validators::default(),
        )
    };
    assert_eq!(decide("if-none-match", "*"), NotModified);
    assert_eq!(decide("if-none-match", "\"a\""), Proceed);
    assert_eq!(decide("if-match", "\"a\""), Failed);
    assert_eq!(decide("if-modified-since", AFTER), Proceed);
    assert_eq!(decide("if-unmodified-since", BEFORE), Proceed);
}

#[test]
fn rfc_9110_13_1_5_if_range() {
    let strong = ETag::strong("a").unwrap();
    let weak = ETag::weak("a").unwrap();
    let later = modified() + Duration::from_secs(1);
    let applies = |value: &str, etag: &ETag, now: SystemTime| {
        let current = Validators {
            etag: Some(etag),
            last_modified: Some(modified()),
        };
        range_applies(&headers(&[("if-range", value)]), current, now)
    };
    assert!(applies("\"a\"", &strong, later));
    assert!(!applies("\"b\"", &strong, later));
    assert!(!applies("W/\"a\"", &strong, later));
    assert!(!applies("\"a\"", &weak, later));
    assert!(!applies("\"a\", \"b\"", &strong, later));
    assert!(!applies("*", &strong, later));
    assert!(applies(SAME, &strong, later));
    assert!(!applies(AFTER, &strong, later));
    assert!(!applies(BEFORE, &strong, later));
    // Changed within the second: the date may stand for two versions.
    assert!(!applies(
        SAME,
        &strong,
        modified() + Duration::from_millis(999)
    ));
    assert!(!applies(SAME, &strong, modified() - Duration::from_secs(5)));
    assert!(!applies("", &strong, later));
    assert!(range_applies(
        &HeaderMap::new(),
        Validators::default(),
        later
    ));
    assert!(!range_applies(
        &headers(&[("if-range", SAME)]),
        Validators::default(),
        later
    ));
}
