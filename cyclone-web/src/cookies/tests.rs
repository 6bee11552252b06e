use std::time::{Duration, UNIX_EPOCH};

use http::{HeaderMap, HeaderValue, header::COOKIE};

use super::{
    CookieError, Cookies, MAX_COOKIE_ATTRIBUTE, MAX_COOKIE_SIZE, SameSite, SetCookie, unquote,
};

fn headers(lines: &[&[u8]]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append(COOKIE, HeaderValue::from_bytes(line).unwrap());
    }
    headers
}

fn parse(line: &[u8]) -> Vec<(String, String)> {
    let headers = headers(&[line]);
    let pairs = Cookies::new(&headers).iter();
    pairs
        .map(|(name, value)| (name.to_owned(), value.into_owned()))
        .collect()
}

#[track_caller]
fn check(line: &str, expected: &[(&str, &str)]) {
    let expected: Vec<(String, String)> = expected
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    assert_eq!(parse(line.as_bytes()), expected, "{line:?}");
}

/// CVE-2016-7401 (Django), Tornado 4.4.2: a parser that differs from browsers lets one cookie
/// plant another.
#[test]
fn cve_2016_7401_only_semicolons_separate() {
    check("a=b; c=d", &[("a", "b"), ("c", "d")]);
    check("a=b;c=d", &[("a", "b"), ("c", "d")]);
    check("a=b]csrf=evil", &[("a", "b]csrf=evil")]);
    check("a=b, csrf=evil", &[("a", "b, csrf=evil")]);
    check(
        "__utma=1.2|3; __utmz=x(ref)=\"y; csrf=good",
        &[
            ("__utma", "1.2|3"),
            ("__utmz", "x(ref)=\"y"),
            ("csrf", "good"),
        ],
    );
    // A quote does not swallow the semicolon.
    check(
        "a=\"b; c=d\"; e=f",
        &[("a", "\"b"), ("c", "d\""), ("e", "f")],
    );
    check(
        "a:b=c; d[]={\"x\":1}",
        &[("a:b", "c"), ("d[]", "{\"x\":1}")],
    );
}

#[test]
fn odd_pairs_hide_no_other() {
    check("", &[]);
    check(";;; ; =;", &[]);
    check("unnamed; a=b", &[("", "unnamed"), ("a", "b")]);
    check("=x; a=", &[("", "x"), ("a", "")]);
    check("  a  =  b c  ;d=e", &[("a", "b c"), ("d", "e")]);
    check("a=b=c==", &[("a", "b=c==")]);
    assert_eq!(
        parse(b"a=1; bad=\xff\xfe; \xff=x; ok=\xc3\xa9; b=2"),
        [("a", "1"), ("ok", "\u{e9}"), ("b", "2")].map(|(n, v)| (n.to_owned(), v.to_owned()))
    );
}

#[test]
fn quotes_are_undone_as_tornado_does() {
    for (raw, expected) in [
        ("plain", "plain"),
        ("\"\"", ""),
        ("\"", "\""),
        ("\"a", "\"a"),
        ("a\"b\"", "a\"b\""),
        ("\"a b\"", "a b"),
        ("\"a\\\"b\\\\c\"", "a\"b\\c"),
        ("\"\\073\\054\"", ";,"),
        ("\"\\351\"", "\u{e9}"),
        ("\"\\400\\08\\7\"", "400087"),
        ("\"\\\u{e9}\"", "\u{e9}"),
        ("\"a\\\"", "a\\"),
        ("a\\073", "a\\073"),
    ] {
        assert_eq!(unquote(raw), expected, "{raw}");
    }
}

#[test]
fn first_of_a_name_wins_and_header_lines_are_joined() {
    let headers = headers(&[b"a=1; b=2", b"a=3"]);
    let cookies = Cookies::new(&headers);
    assert_eq!(cookies.get("a").as_deref(), Some("1"));
    assert_eq!(cookies.get_all("a").collect::<Vec<_>>(), ["1", "3"]);
    assert_eq!(cookies.get("c"), None);
    assert_eq!(cookies.get("A"), None);
    assert_eq!(format!("{cookies:?}"), r#"["a", "b", "a"]"#);
}

/// CVE-2024-52804: Tornado's unquoting was quadratic. A quadratic parser would need hours for the
/// larger ones, far over what a header may have.
#[test]
fn cve_2024_52804_backslashes_are_linear() {
    for (piece, size) in [
        ("\\", 64 << 10),
        ("\\", 4 << 20),
        ("\\\"", 4 << 20),
        ("\\07", 4 << 20),
    ] {
        let line = format!("a=\"{}\"; b=c", piece.repeat(size / piece.len()));
        let headers = headers(&[line.as_bytes()]);
        let cookies = Cookies::new(&headers);
        assert!(
            cookies
                .get("a")
                .is_some_and(|value| value.len() >= size / 4)
        );
        assert_eq!(cookies.get("b").as_deref(), Some("c"));
    }
    let line = ";=".repeat(2 << 20);
    assert_eq!(parse(line.as_bytes()), []);
}

#[test]
fn random_headers_never_panic_and_never_hide_the_last_pair() {
    fastrand::seed(11);
    let alphabet = b"ab=;\"\\ 07,\t\xc3\xa9\xff";
    for _ in 0..20_000 {
        let mut line: Vec<u8> = (0..fastrand::usize(0..24))
            .map(|_| alphabet[fastrand::usize(..alphabet.len())])
            .collect();
        line.extend_from_slice(b";last=1");
        let headers = headers(&[&line]);
        assert_eq!(
            Cookies::new(&headers).get("last").as_deref(),
            Some("1"),
            "{line:?}"
        );
    }
}

fn written(cookie: &SetCookie) -> String {
    cookie.header_value().unwrap().to_str().unwrap().to_owned()
}

#[test]
fn set_cookie_writes_every_attribute() {
    let cookie = SetCookie::new("a", "b");
    assert_eq!(written(&cookie), "a=b; Path=/; SameSite=Lax");
    let cookie = cookie
        .path("/x")
        .domain(".example.com")
        .expires(UNIX_EPOCH + Duration::from_millis(784_111_777_900))
        .max_age(Duration::from_millis(1999))
        .http_only(true)
        .secure(true)
        .same_site(SameSite::None)
        .partitioned(true);
    assert_eq!(
        written(&cookie),
        "a=b; Path=/x; Domain=.example.com; Expires=Sun, 06 Nov 1994 08:49:37 GMT; Max-Age=1; \
         HttpOnly; Secure; SameSite=None; Partitioned"
    );
    let cookie = SetCookie::new("a", "").without_path().without_same_site();
    assert_eq!(written(&cookie), "a=");
    assert_eq!(
        written(&SetCookie::removal("a").same_site(SameSite::Strict)),
        "a=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; SameSite=Strict"
    );
    let long_ago = SetCookie::new("a", "b").expires(UNIX_EPOCH - Duration::from_secs(9));
    assert!(written(&long_ago).contains("Expires=Thu, 01 Jan 1970 00:00:00 GMT"));
    assert!(!format!("{:?}", SetCookie::new("a", "secret")).contains("secret"));
}

#[test]
fn values_round_trip() {
    fastrand::seed(12);
    for _ in 0..2000 {
        let length = fastrand::usize(0..20);
        let value: String = (0..length).map(|_| fastrand::char('!'..='~')).collect();
        let line = written(
            &SetCookie::new("n", &value)
                .without_path()
                .without_same_site(),
        );
        // A value that is itself in quotes is always quoted again, so nothing is lost.
        assert_eq!(parse(line.as_bytes()), [("n".to_owned(), value)], "{line}");
    }
}

/// GHSA-78cv-mqj4-43f7 (Tornado 6.5.5): attributes injected through domain, path and samesite.
#[test]
fn ghsa_78cv_mqj4_43f7_attributes_cannot_be_injected() {
    let base = || SetCookie::new("a", "b");
    for bad in [
        "/;x", "/ x", "/\r\nx", "/\0", "/\u{7f}", "/\u{e9}", "", "x", "/\t",
    ] {
        let error = base().path(bad).header_value().unwrap_err();
        assert_eq!(error, CookieError::Attribute("Path"), "{bad:?}");
    }
    for bad in [
        "a;b",
        "a b",
        "a\r\nb",
        "a\nb",
        "",
        "a\0",
        "a,b",
        "a/b",
        "\u{e9}.example",
        "a=b",
    ] {
        let error = base().domain(bad).header_value().unwrap_err();
        assert_eq!(error, CookieError::Attribute("Domain"), "{bad:?}");
    }
    for bad in [
        "", "a b", "a;b", "a=b", "a\r\n", "a,b", "\u{e9}", "a\0", "\"a\"", "a/b",
    ] {
        let error = SetCookie::new(bad, "v").header_value().unwrap_err();
        assert_eq!(error, CookieError::Name, "{bad:?}");
    }
    for bad in [
        "a b",
        "a\r\nSet-Cookie: x=y",
        "a\0",
        "\u{e9}",
        "\u{7f}",
        "\t",
    ] {
        let error = SetCookie::new("a", bad).header_value().unwrap_err();
        assert_eq!(error, CookieError::Value, "{bad:?}");
    }
    // Semicolons of a value are escaped, never written.
    let line = written(&SetCookie::new("a", "b; Domain=x".replace(' ', "")));
    assert_eq!(line, "a=\"b\\073Domain=x\"; Path=/; SameSite=Lax");
}

#[test]
fn what_browsers_drop_is_refused() {
    use CookieError::{HostPrefix, NotSecure};
    let error = |cookie: SetCookie| cookie.header_value().err();
    let cookie = |name: &str| SetCookie::new(name, "v");
    assert_eq!(
        error(cookie("a").same_site(SameSite::None)),
        Some(NotSecure)
    );
    assert_eq!(error(cookie("a").partitioned(true)), Some(NotSecure));
    assert_eq!(error(cookie("__Secure-a")), Some(NotSecure));
    assert_eq!(error(cookie("__secure-a")), Some(NotSecure));
    assert_eq!(error(cookie("__Host-a")), Some(NotSecure));
    assert_eq!(error(cookie("__Host-a").secure(true)), None);
    assert_eq!(
        error(cookie("__HOST-a").secure(true).path("/x")),
        Some(HostPrefix)
    );
    assert_eq!(
        error(cookie("__Host-a").secure(true).without_path()),
        Some(HostPrefix)
    );
    assert_eq!(
        error(cookie("__Host-a").secure(true).domain("a.b")),
        Some(HostPrefix)
    );
    assert_eq!(error(SetCookie::removal("__Host-a").secure(true)), None);
}

#[test]
fn sizes_just_under_at_and_over_the_limits() {
    for (size, accepted) in [
        (MAX_COOKIE_SIZE - 1, true),
        (MAX_COOKIE_SIZE, true),
        (MAX_COOKIE_SIZE + 1, false),
    ] {
        let plain = SetCookie::new("name", "v".repeat(size - 4)).header_value();
        assert_eq!(plain.is_ok(), accepted, "{size}");
        // What counts is what is written: each comma takes four bytes.
        let quoted = format!("{},", "v".repeat(size - 4 - 2 - 4));
        let quoted = SetCookie::new("name", quoted).header_value();
        assert_eq!(quoted.is_ok(), accepted, "{size}");
        if !accepted {
            assert_eq!(plain, Err(CookieError::TooLarge));
        }
    }
    for (size, accepted) in [
        (MAX_COOKIE_ATTRIBUTE - 1, true),
        (MAX_COOKIE_ATTRIBUTE, true),
        (MAX_COOKIE_ATTRIBUTE + 1, false),
    ] {
        let path = format!("/{}", "p".repeat(size - 1));
        assert_eq!(
            SetCookie::new("a", "b").path(path).header_value().is_ok(),
            accepted
        );
        let domain = "d".repeat(size);
        assert_eq!(
            SetCookie::new("a", "b")
                .domain(domain)
                .header_value()
                .is_ok(),
            accepted
        );
    }
}

#[test]
fn replaces_compares_what_browsers_compare() {
    let cookie = SetCookie::new("a", "b");
    assert!(cookie.replaces(&SetCookie::removal("a")));
    assert!(!cookie.replaces(&SetCookie::new("a", "b").path("/x")));
    assert!(!cookie.replaces(&SetCookie::new("a", "b").domain("x")));
    assert!(!cookie.replaces(&SetCookie::new("c", "b")));
}

#[test]
fn prefixes_of_names_are_kept_to() {
    let value = |cookie: SetCookie| cookie.header_value().map(drop);
    for (name, http_only, of_host) in [
        ("__Secure-a", false, false),
        ("__secure-a", false, false),
        ("__Http-a", true, false),
        ("__HTTP-a", true, false),
        ("__Host-a", false, true),
        ("__Host-Http-a", true, true),
        ("__host-http-a", true, true),
    ] {
        let whole = SetCookie::new(name, "x").secure(true).http_only(true);
        assert_eq!(value(whole.clone()), Ok(()), "{name}");
        let insecure = Err(CookieError::NotSecure);
        assert_eq!(value(whole.clone().secure(false)), insecure, "{name}");
        let seen = value(whole.clone().http_only(false));
        let expected = if http_only {
            Err(CookieError::NotHttpOnly)
        } else {
            Ok(())
        };
        assert_eq!(seen, expected, "{name}");
        for other in [
            whole.clone().domain("example.com"),
            whole.clone().path("/a"),
            whole.clone().without_path(),
        ] {
            let expected = if of_host {
                Err(CookieError::HostPrefix)
            } else {
                Ok(())
            };
            assert_eq!(value(other), expected, "{name}");
        }
        assert_eq!(value(SetCookie::removal(name)), Ok(()), "{name}");
    }
    assert_eq!(value(SetCookie::new("__Hosta", "x")), Ok(()));
    let host = SetCookie::host("a", "x").header_value().unwrap();
    assert_eq!(host, "__Host-a=x; Path=/; Secure; SameSite=Lax");
}
