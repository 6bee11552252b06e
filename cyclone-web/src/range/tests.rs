use http::{HeaderMap, HeaderValue, header::RANGE};

use super::{ByteRange, MAX_RANGES, Requested};

const LENGTH: u64 = 1000;

fn parts(ranges: &[(u64, u64)]) -> Requested {
    let ranges = ranges.iter().map(|&(start, end)| ByteRange { start, end });
    Requested::Parts(ranges.collect())
}

#[test]
fn rfc_9110_14_1_2_ranges() {
    for (header, expected) in [
        ("bytes=0-499", parts(&[(0, 500)])),
        ("bytes=500-999", parts(&[(500, 1000)])),
        ("bytes=-500", parts(&[(500, 1000)])),
        ("bytes=500-", parts(&[(500, 1000)])),
        ("bytes=0-", parts(&[(0, 1000)])),
        ("bytes=0-0,-1", parts(&[(0, 1), (999, 1000)])),
        ("bytes= 0-0, ,4-5,", parts(&[(0, 1), (4, 6)])),
        ("Bytes=7-7", parts(&[(7, 8)])),
        ("bytes=999-5000", parts(&[(999, 1000)])),
        ("bytes=-5000", parts(&[(0, 1000)])),
        // Sorted, and joined where they touch.
        ("bytes=500-600,601-999,0-9", parts(&[(0, 10), (500, 1000)])),
        ("bytes=0-99,50-149,10-20", parts(&[(0, 150)])),
        // One that exists is enough.
        ("bytes=5000-,0-0", parts(&[(0, 1)])),
        ("bytes=1000-", Requested::Unsatisfiable),
        ("bytes=1000-2000,-0", Requested::Unsatisfiable),
        ("bytes=-0", Requested::Unsatisfiable),
    ] {
        assert_eq!(
            Requested::parse(header.as_bytes(), LENGTH),
            expected,
            "{header}"
        );
    }
}

/// actix-files 0.6.10: an empty `Range` panicked.
#[test]
fn actix_files_0_6_10_empty_and_malformed_ranges_are_ignored() {
    for header in [
        "",
        "=",
        "bytes",
        "bytes=",
        "bytes= , ,",
        "bytes=-",
        "bytes=--",
        "bytes=1",
        "bytes=a-b",
        "bytes=2-1",
        "bytes=0-0,2-1",
        "bytes=+1-2",
        "bytes=1_0-20",
        "bytes=0x1-2",
        "bytes=1 - 2",
        "bytes=1-2-3",
        "bytes=0-1;x",
        "bytes 0-1",
        "items=0-1",
        "none",
    ] {
        let parsed = Requested::parse(header.as_bytes(), LENGTH);
        assert_eq!(parsed, Requested::Whole, "{header}");
    }
}

#[test]
fn numbers_do_not_overflow() {
    let huge = "9".repeat(400);
    let max = u64::MAX;
    for (header, expected) in [
        (format!("bytes={huge}-"), Requested::Unsatisfiable),
        (format!("bytes={huge}-{huge}"), Requested::Unsatisfiable),
        (format!("bytes=0-{huge}"), parts(&[(0, LENGTH)])),
        (format!("bytes=1-{max}"), parts(&[(1, LENGTH)])),
        (format!("bytes=-{huge}"), parts(&[(0, LENGTH)])),
    ] {
        assert_eq!(
            Requested::parse(header.as_bytes(), LENGTH),
            expected,
            "{header}"
        );
    }
    let all = Requested::parse(format!("bytes=0-{max}").as_bytes(), max);
    assert_eq!(all, parts(&[(0, max)]));
}

#[test]
fn an_empty_representation_is_always_whole() {
    for header in ["bytes=0-", "bytes=5-6", "bytes=-1", "bytes=-0"] {
        assert_eq!(
            Requested::parse(header.as_bytes(), 0),
            Requested::Whole,
            "{header}"
        );
    }
}

#[test]
fn number_of_ranges_just_under_at_and_over_the_limit() {
    for (count, honoured) in [
        (MAX_RANGES - 1, true),
        (MAX_RANGES, true),
        (MAX_RANGES + 1, false),
    ] {
        let specs: Vec<String> = (0..count).map(|n| format!("{0}-{0}", n * 2)).collect();
        let parsed = Requested::parse(format!("bytes={}", specs.join(",")).as_bytes(), LENGTH);
        match parsed {
            Requested::Parts(parts) => assert_eq!((parts.len(), honoured), (count, true)),
            Requested::Whole => assert!(!honoured, "{count}"),
            Requested::Unsatisfiable => panic!("{count}"),
        }
    }
    let commas = format!("bytes=0-1{}", ",".repeat(1 << 20));
    assert_eq!(
        Requested::parse(commas.as_bytes(), LENGTH),
        Requested::Whole
    );
}

#[test]
fn a_repeated_header_is_ignored() {
    let mut headers = HeaderMap::new();
    assert_eq!(Requested::from_headers(&headers, LENGTH), Requested::Whole);
    headers.append(RANGE, HeaderValue::from_static("bytes=0-1"));
    assert_eq!(Requested::from_headers(&headers, LENGTH), parts(&[(0, 2)]));
    headers.append(RANGE, HeaderValue::from_static("bytes=0-1"));
    assert_eq!(Requested::from_headers(&headers, LENGTH), Requested::Whole);
}

/// Compares with a model that marks single bytes.
#[test]
fn random_ranges_agree_with_a_model() {
    fastrand::seed(14);
    for _ in 0..20_000 {
        let length = fastrand::u64(1..12);
        let specs: Vec<(Option<u64>, Option<u64>)> = (0..fastrand::usize(1..5))
            .map(|_| {
                let number = |some: bool| some.then(|| fastrand::u64(0..15));
                let kind = fastrand::u8(0..3);
                (number(kind != 0), number(kind != 1))
            })
            .collect();
        let text: Vec<String> = specs
            .iter()
            .map(|(first, last)| {
                let show = |n: &Option<u64>| n.map_or(String::new(), |n| n.to_string());
                format!("{}-{}", show(first), show(last))
            })
            .collect();
        let header = format!("bytes={}", text.join(", "));
        let wanted = |at: u64, (first, last): &(Option<u64>, Option<u64>)| match (first, last) {
            (Some(first), Some(last)) => (*first..=*last).contains(&at),
            (Some(first), None) => at >= *first,
            (None, Some(count)) => at + count >= length,
            (None, None) => false,
        };
        let model: Vec<bool> = (0..length)
            .map(|at| specs.iter().any(|spec| wanted(at, spec)))
            .collect();
        let malformed = specs
            .iter()
            .any(|spec| matches!(spec, (Some(first), Some(last)) if last < first));
        match Requested::parse(header.as_bytes(), length) {
            Requested::Whole => assert!(malformed, "{header} of {length}"),
            Requested::Unsatisfiable => assert!(!malformed && !model.contains(&true), "{header}"),
            Requested::Parts(parts) => {
                assert!(!malformed, "{header}");
                assert!(
                    parts.windows(2).all(|pair| pair[0].end < pair[1].start),
                    "{header}"
                );
                let covered = |at: u64| parts.iter().any(|p| (p.start..p.end).contains(&at));
                let covered: Vec<bool> = (0..length).map(covered).collect();
                assert_eq!(covered, model, "{header} of {length}");
            }
        }
    }
}

#[test]
fn random_headers_never_panic() {
    fastrand::seed(15);
    let alphabet = b"bytes=-,0129 \t\xff";
    for _ in 0..50_000 {
        let mut header = b"bytes=".to_vec();
        header.truncate(fastrand::usize(4..=6));
        header.extend(
            (0..fastrand::usize(0..16)).map(|_| alphabet[fastrand::usize(..alphabet.len())]),
        );
        if let Requested::Parts(parts) = Requested::parse(&header, 100) {
            assert!(
                parts
                    .iter()
                    .all(|part| part.start < part.end && part.end <= 100)
            );
        }
    }
}
