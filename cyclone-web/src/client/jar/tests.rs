use std::time::{Duration, SystemTime};

use url::Url;

use super::{
    CookieJar, MAX_JAR_COOKIE, MAX_JAR_COOKIE_AGE, MAX_JAR_COOKIES, MAX_JAR_COOKIES_PER_DOMAIN,
};

fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

/// What is sent to `to` after `from` has set these.
fn after(from: &str, set: &[&str], to: &str) -> Option<String> {
    let jar = CookieJar::new();
    for text in set {
        jar.set(&url(from), text);
    }
    jar.header(&url(to))
}

#[test]
fn cookies_go_where_they_belong() {
    for (from, set, to, sent) in [
        (
            "http://a.b.org/x/y",
            "n=v",
            "http://a.b.org/x/z",
            Some("n=v"),
        ),
        ("http://a.b.org/x/y", "n=v", "http://a.b.org/x", Some("n=v")),
        ("http://a.b.org/x/y", "n=v", "http://a.b.org/xy", None),
        ("http://a.b.org/x/y", "n=v", "http://a.b.org/", None),
        (
            "http://a.b.org/x/y",
            "n=v; Path=/",
            "http://a.b.org/",
            Some("n=v"),
        ),
        (
            "http://a.b.org/x/y",
            "n=v; Path=z",
            "http://a.b.org/x/",
            Some("n=v"),
        ),
        ("http://a.b.org/", "n=v", "http://c.a.b.org/", None),
        (
            "http://a.b.org/",
            "n=v",
            "http://A.B.org.:8080/",
            Some("n=v"),
        ),
        (
            "http://a.b.org/",
            "n=v; Domain=b.org",
            "http://c.b.org/",
            Some("n=v"),
        ),
        (
            "http://a.b.org/",
            "n=v; Domain=.B.ORG",
            "http://b.org/",
            Some("n=v"),
        ),
        (
            "http://a.b.org/",
            "n=v; Domain=b.org",
            "http://xb.org/",
            None,
        ),
        (
            "http://a.b.org/",
            "n=v; Domain=c.b.org",
            "http://c.b.org/",
            None,
        ),
        ("http://a.b.org/", "n=v; Domain=org", "http://c.org/", None),
        (
            "http://localhost/",
            "n=v; Domain=localhost",
            "http://localhost/",
            Some("n=v"),
        ),
        (
            "http://localhost/",
            "n=v; Domain=localhost",
            "http://a.localhost/",
            None,
        ),
        (
            "http://127.0.0.1/",
            "n=v; Domain=127.0.0.1",
            "http://127.0.0.1/",
            Some("n=v"),
        ),
        (
            "http://127.0.0.1/",
            "n=v; Domain=0.0.1",
            "http://127.0.0.1/",
            None,
        ),
        ("http://a.org/", "n", "http://a.org/", Some("n")),
        ("http://a.org/", "=v", "http://a.org/", Some("v")),
        ("http://a.org/", "; Path=/", "http://a.org/", None),
        (
            "http://a.org/",
            " n = a b=c ;x",
            "http://a.org/",
            Some("n=a b=c"),
        ),
        ("http://a.org/", "n=\"v;\"", "http://a.org/", Some("n=\"v")),
        ("http://a.org/", "n=a\u{1}b", "http://a.org/", None),
        ("http://a.org/", "n=v; Max-Age=0", "http://a.org/", None),
        ("http://a.org/", "n=v; Max-Age=-1", "http://a.org/", None),
        (
            "http://a.org/",
            "n=v; Max-Age=1x",
            "http://a.org/",
            Some("n=v"),
        ),
        (
            "http://a.org/",
            "n=v; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
            "http://a.org/",
            None,
        ),
        (
            "http://a.org/",
            "n=v; Expires=never",
            "http://a.org/",
            Some("n=v"),
        ),
        (
            "http://a.org/",
            "n=v; Max-Age=9; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
            "http://a.org/",
            Some("n=v"),
        ),
    ] {
        assert_eq!(
            after(from, &[set], to).as_deref(),
            sent,
            "{from} {set} {to}"
        );
    }
}

#[test]
fn secure_cookies_stay_with_https() {
    assert_eq!(
        after("http://a.org/", &["n=v; Secure"], "https://a.org/"),
        None
    );
    assert_eq!(
        after("https://a.org/", &["n=v; Secure"], "http://a.org/"),
        None
    );
    assert!(after("https://a.org/", &["n=v; Secure"], "https://a.org/").is_some());

    let jar = CookieJar::new();
    jar.set(
        &url("https://a.org/x"),
        "n=secret; Secure; Path=/x; Domain=a.org",
    );
    for over in [
        "n=evil; Path=/x; Domain=a.org",
        "n=evil; Path=/x/y",
        "n=; Path=/x; Max-Age=0",
    ] {
        jar.set(&url("http://b.a.org/x/y"), over);
    }
    assert_eq!(jar.header(&url("https://b.a.org/x/y")).unwrap(), "n=secret");
    // Elsewhere it lies over nothing.
    jar.set(&url("http://b.a.org/"), "n=other; Path=/");
    assert_eq!(jar.header(&url("http://b.a.org/")).unwrap(), "n=other");
}

#[test]
fn prefixes_hold() {
    for (set, kept) in [
        ("__Secure-n=v; Secure", true),
        ("__secure-n=v", false),
        ("__Host-n=v; Secure; Path=/", true),
        ("__Host-n=v; Secure; Path=/x", false),
        ("__host-n=v; Secure", false),
        ("__Host-n=v; Path=/", false),
        ("__Host-n=v; Secure; Path=/; Domain=a.org", false),
        ("=__Host-n=v; Secure; Path=/", false),
        ("__Secure-n; Secure", false),
    ] {
        let sent = after("https://a.org/x/", &[set], "https://a.org/x/");
        assert_eq!(sent.is_some(), kept, "{set}");
    }
}

#[test]
fn longer_paths_come_first_and_older_cookies() {
    let set = ["a=1; Path=/", "b=2; Path=/x", "c=3; Path=/", "a=4; Path=/"];
    let sent = after("http://a.org/x", &set, "http://a.org/x").unwrap();
    assert_eq!(sent, "b=2; a=4; c=3");
}

#[test]
fn time_is_up_and_is_bounded() {
    let (jar, at) = (CookieJar::new(), url("http://a.org/"));
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    jar.set_at(&at, "short=1; Max-Age=10", now);
    jar.set_at(&at, "long=1; Max-Age=99999999999999999999", now);
    jar.set_at(&at, "late=1; Expires=1 Jan 9999 00:00:00", now);
    let sent = |after: Duration| jar.header_at(&at, now + after);
    assert_eq!(
        sent(Duration::from_secs(9)).unwrap(),
        "short=1; long=1; late=1"
    );
    assert_eq!(sent(Duration::from_secs(10)).unwrap(), "long=1; late=1");
    let second = Duration::from_secs(1);
    assert!(sent(MAX_JAR_COOKIE_AGE - second).is_some());
    assert_eq!(sent(MAX_JAR_COOKIE_AGE), None);
    assert!(jar.is_empty());
}

#[test]
fn size_of_a_cookie_under_at_and_over_the_limit() {
    for (more, kept) in [(-1, true), (0, true), (1, false)] {
        let length = usize::try_from(MAX_JAR_COOKIE as isize + more).unwrap() - 1;
        let text = format!("n={}", "v".repeat(length));
        assert_eq!(
            after("http://a.org/", &[&text], "http://a.org/").is_some(),
            kept,
            "{more}"
        );
    }
    for (length, kept) in [(1023, None), (1024, None), (1025, Some("n=v"))] {
        let text = format!("n=v; Path=/{}", "x".repeat(length - 1));
        assert_eq!(
            after("http://a.org/", &[&text], "http://a.org/").as_deref(),
            kept,
            "{length}"
        );
    }
}

#[test]
fn cookies_of_a_domain_under_at_and_over_the_limit() {
    let (jar, at) = (CookieJar::new(), url("https://a.org/"));
    jar.set(&at, "kept=1; Secure");
    for number in 2..=MAX_JAR_COOKIES_PER_DOMAIN {
        jar.set(&at, &format!("c{number}=1"));
        assert_eq!(jar.len(), number);
    }
    jar.set(&at, "more=1");
    assert_eq!(jar.len(), MAX_JAR_COOKIES_PER_DOMAIN);
    let sent = jar.header(&at).unwrap();
    assert!(sent.contains("kept=1") && sent.contains("more=1"));
    assert!(!sent.contains("c2=1") && sent.contains("c3=1"));
}

#[test]
fn cookies_of_a_jar_at_and_over_the_limit() {
    let jar = CookieJar::new();
    for number in 0..MAX_JAR_COOKIES {
        jar.set(
            &url(&format!("http://h{}.org/", number / 100)),
            &format!("c{number}=1"),
        );
    }
    assert_eq!(jar.len(), MAX_JAR_COOKIES);
    jar.set(&url("http://other.org/"), "n=v");
    assert_eq!(jar.len(), MAX_JAR_COOKIES);
    assert!(jar.header(&url("http://other.org/")).is_some());
    assert!(!jar.header(&url("http://h0.org/")).unwrap().contains("c0=1"));
}

#[test]
fn what_is_shown_has_no_values() {
    let jar = CookieJar::new();
    jar.set(&url("http://a.org/"), "name=secret");
    assert_eq!(format!("{jar:?}"), "[(\"a.org\", \"name\")]");
    jar.clear();
    assert_eq!(jar.len(), 0);
}
