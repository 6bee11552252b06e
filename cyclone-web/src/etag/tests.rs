use super::{Candidate, Candidates, ETag, MAX_ETAG, single_tag};

fn list(header: &str) -> Vec<String> {
    Candidates::new(header.as_bytes())
        .map(|candidate| match candidate {
            Candidate::Any => "*".to_owned(),
            Candidate::Tag(tag) => {
                let weak = if tag.weak { "W/" } else { "" };
                format!("{weak}{}", String::from_utf8_lossy(tag.tag))
            }
        })
        .collect()
}

#[test]
fn tags_are_checked_and_compared() {
    let strong = ETag::strong("a").unwrap();
    let weak = ETag::weak("a").unwrap();
    assert_eq!((strong.tag(), weak.tag()), ("a", "a"));
    assert_eq!(strong.header_value(), "\"a\"");
    assert_eq!(weak.header_value(), "W/\"a\"");
    // The table of RFC 9110 8.8.3.2.
    assert!(!weak.strong_eq(&weak) && weak.weak_eq(&weak));
    assert!(!weak.strong_eq(&ETag::weak("b").unwrap()) && !weak.weak_eq(&ETag::weak("b").unwrap()));
    assert!(!weak.strong_eq(&strong) && weak.weak_eq(&strong));
    assert!(strong.strong_eq(&strong) && strong.weak_eq(&strong));
    for bad in ["a\"", "a b", "a\n", "\u{7f}", "\u{e9}", "\0"] {
        assert!(ETag::strong(bad).is_err(), "{bad:?}");
    }
    for (text, valid) in [
        ("\"\"", true),
        ("W/\"x,y\"", true),
        ("w/\"x\"", false),
        ("x", false),
        ("\"", false),
        ("W/\"", false),
        ("\"x\"y", false),
        ("", false),
        ("W/x", false),
    ] {
        let parsed = text.parse::<ETag>().ok().map(|tag| tag.to_string());
        assert_eq!(parsed.as_deref(), valid.then_some(text));
    }
}

#[test]
fn length_just_under_at_and_over_the_limit() {
    for (length, accepted) in [
        (MAX_ETAG - 1, true),
        (MAX_ETAG, true),
        (MAX_ETAG + 1, false),
    ] {
        assert_eq!(
            ETag::strong(&"x".repeat(length)).is_ok(),
            accepted,
            "{length}"
        );
    }
}

#[test]
fn lists_are_read() {
    for (header, expected) in [
        ("", vec![]),
        (", ,", vec![]),
        ("*", vec!["*"]),
        (" * ", vec!["*"]),
        ("\"a\"", vec!["a"]),
        ("\"a\",W/\"b\" ,\t\"c\"", vec!["a", "W/b", "c"]),
        (",, \"a\" ,, \"b\",", vec!["a", "b"]),
        ("\"a,b\"", vec!["a,b"]),
        ("\"\"", vec![""]),
        // Malformed: what came before counts.
        ("*, \"a\"", vec![]),
        ("\"a\", *", vec!["a"]),
        ("a", vec![]),
        ("\"a", vec![]),
        ("\"a\"b\"", vec![]),
        ("\"a\" \"b\"", vec![]),
        ("\"a\", w/\"b\", \"c\"", vec!["a"]),
        ("\"a b\"", vec![]),
    ] {
        assert_eq!(list(header), expected, "{header:?}");
    }
    assert_eq!(single_tag(b" W/\"a\" ").map(|tag| tag.weak), Some(true));
    assert_eq!(single_tag(b"\"a\", \"b\""), None);
}

/// A quadratic parser would need hours for these.
#[test]
fn lists_are_read_in_linear_time() {
    for (piece, count) in [
        ("\"a\",", 1 << 20),
        ("\"\",", 1 << 20),
        (", ", 0),
        ("\"", 0),
        ("W/", 0),
    ] {
        let header = piece.repeat(1 << 20);
        assert_eq!(Candidates::new(header.as_bytes()).count(), count, "{piece}");
    }
}

#[test]
fn random_lists_never_panic() {
    fastrand::seed(13);
    let alphabet = b"\"W/a,* \t\xff\n";
    for _ in 0..50_000 {
        let header: Vec<u8> = (0..fastrand::usize(0..16))
            .map(|_| alphabet[fastrand::usize(..alphabet.len())])
            .collect();
        assert!(Candidates::new(&header).count() <= header.len());
        let _ = single_tag(&header);
    }
}
