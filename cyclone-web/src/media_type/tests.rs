use http::{HeaderMap, HeaderValue, header::CONTENT_TYPE};

use super::{MAX_BOUNDARY, MediaType, MediaTypeError};
use crate::parameters::MAX_PARAMETERS;

fn parse(text: &str) -> Result<MediaType, MediaTypeError> {
    text.parse()
}

#[test]
fn essence_and_parameters() {
    for (text, essence, parameters) in [
        ("text/html", "text/html", vec![]),
        (" TEXT/Html ", "text/html", vec![]),
        (
            "text/html;charset=utf-8",
            "text/html",
            vec![("charset", "utf-8")],
        ),
        (
            "a/b ; A=1 ;; c=\"d\" ; ",
            "a/b",
            vec![("a", "1"), ("c", "d")],
        ),
        (
            r#"a/b; x="q\"u\\o;te\d"; y="""#,
            "a/b",
            vec![("x", r#"q"u\o;ted"#), ("y", "")],
        ),
        (
            "a/b; x=\"\u{e9}\\\u{e9}\"",
            "a/b",
            vec![("x", "\u{e9}\u{e9}")],
        ),
        (
            "application/vnd.api+json",
            "application/vnd.api+json",
            vec![],
        ),
    ] {
        let media_type = parse(text).unwrap();
        assert_eq!(media_type.essence(), essence, "{text}");
        assert_eq!(
            media_type.parameters().collect::<Vec<_>>(),
            parameters,
            "{text}"
        );
    }
    let media_type = parse("application/vnd.api+json; charset=UTF8").unwrap();
    assert_eq!(
        (media_type.kind(), media_type.subtype()),
        ("application", "vnd.api+json")
    );
    assert!(media_type.is_json() && media_type.is_utf8() && !media_type.is_form());
    assert!(!parse("text/plain; charset=latin1").unwrap().is_utf8());
    assert!(
        parse("application/x-www-form-urlencoded")
            .unwrap()
            .is_form()
    );
    assert!(
        parse("multipart/form-data; boundary=x")
            .unwrap()
            .is_multipart_form()
    );
}

#[test]
fn malformed_values_are_refused() {
    for (text, position) in [
        ("", 0),
        ("text", 4),
        ("/html", 0),
        ("text/", 5),
        ("text /html", 4),
        ("text/html, text/plain", 9),
        ("text/html charset=x", 10),
        ("text/html; charset", 18),
        ("text/html; charset = x", 18),
        ("text/html; charset=", 19),
        ("text/html; =x", 11),
        ("text/html; a=\"b", 13),
        ("text/html; a=\"b\\", 13),
        ("text/html; a=\"b\\\"", 13),
        ("text/html; a=\"b\"c", 16),
        ("text/html; a=\"\n\"", 14),
    ] {
        assert_eq!(
            parse(text),
            Err(MediaTypeError::Malformed { position }),
            "{text:?}"
        );
    }
    assert_eq!(
        parse("multipart/form-data; boundary=a; Boundary=b"),
        Err(MediaTypeError::Repeated)
    );
}

#[test]
fn header_must_be_single() {
    let mut headers = HeaderMap::new();
    assert_eq!(MediaType::from_headers(&headers), Ok(None));
    headers.append(CONTENT_TYPE, HeaderValue::from_static("text/html"));
    assert_eq!(
        MediaType::from_headers(&headers),
        parse("text/html").map(Some)
    );
    headers.append(CONTENT_TYPE, HeaderValue::from_static("text/html"));
    assert_eq!(
        MediaType::from_headers(&headers),
        Err(MediaTypeError::Repeated)
    );
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_bytes(b"text/html; a=\"\xff\"").unwrap(),
    );
    assert!(MediaType::from_headers(&headers).is_err());
}

#[test]
fn cve_2025_67726_parameter_limit_just_under_at_and_over() {
    for (count, accepted) in [
        (MAX_PARAMETERS - 1, true),
        (MAX_PARAMETERS, true),
        (MAX_PARAMETERS + 1, false),
    ] {
        let list: String = (0..count).map(|n| format!("; p{n}=v")).collect();
        let parsed = parse(&format!("a/b{list}"));
        assert_eq!(parsed.is_ok(), accepted, "{count}: {parsed:?}");
        if !accepted {
            assert_eq!(parsed, Err(MediaTypeError::TooManyParameters));
        }
    }
}

/// CVE-2025-67726: Tornado's parameter parser was quadratic in quotes and semicolons. A quadratic
/// parser would need hours for these.
#[test]
fn cve_2025_67726_quotes_are_parsed_in_linear_time() {
    for (head, piece, tail, accepted) in [
        ("a/b; x=\"", "\\\"", "\"", true),
        ("a/b; x=\"", "\\\"", "", false),
        ("a/b; x=\"", ";", "", false),
        ("a/b; x=\"", "\\", "", false),
        ("a/b", ";", "", true),
        ("a/b", "; ", "", true),
        ("a/b; ", "\"", "", false),
    ] {
        let text = format!("{head}{}{tail}", piece.repeat(2 << 20));
        assert_eq!(parse(&text).is_ok(), accepted, "{head}{piece}");
    }
}

#[test]
fn boundary_follows_rfc_2046() {
    let boundary = |value: &str| {
        let media_type = parse(&format!("multipart/form-data; boundary=\"{value}\"")).unwrap();
        media_type.boundary().map(str::to_owned)
    };
    assert_eq!(
        boundary("----WebKitFormBoundary7MA4"),
        Ok("----WebKitFormBoundary7MA4".to_owned())
    );
    assert_eq!(boundary("a b"), Ok("a b".to_owned()));
    for (length, accepted) in [
        (0, false),
        (1, true),
        (MAX_BOUNDARY - 1, true),
        (MAX_BOUNDARY, true),
        (MAX_BOUNDARY + 1, false),
    ] {
        assert_eq!(boundary(&"b".repeat(length)).is_ok(), accepted, "{length}");
    }
    for bad in ["a ", "a;b", "\u{e9}", "a\tb"] {
        assert_eq!(boundary(bad), Err(MediaTypeError::Boundary), "{bad:?}");
    }
    assert!(parse("multipart/form-data").unwrap().boundary().is_err());
}

#[test]
fn random_text_never_panics() {
    fastrand::seed(9);
    let alphabet: Vec<char> = "ab/;=\"\\ \t\u{e9},\n".chars().collect();
    for _ in 0..50_000 {
        let text: String = (0..fastrand::usize(0..20))
            .map(|_| fastrand::choice(&alphabet).unwrap())
            .collect();
        if let Ok(media_type) = parse(&format!("a/b{text}")) {
            assert!(media_type.parameters().count() <= MAX_PARAMETERS);
        }
    }
}
