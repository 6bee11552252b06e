use http::HeaderValue;

use super::jar::{Jar, MAX_TEST_COOKIES};
use super::target::{encoded, local, resolved};

fn store(jar: &mut Jar, text: &str, host: &str, path: &str) {
    jar.store(&HeaderValue::from_str(text).unwrap(), host, path);
}

fn names(jar: &mut Jar, host: &str, path: &str) -> Vec<String> {
    let pairs = jar.matching(host, path);
    pairs.into_iter().map(|(name, _)| name).collect()
}

/// RFC 6265, sections 5.1.3, 5.1.4 and 5.4.
#[tokio::test]
async fn rfc_6265_5_cookies_go_where_they_belong() {
    let mut jar = Jar::default();
    store(&mut jar, "here=1", "a.example:80", "/x/y");
    store(&mut jar, "all=1; Path=/; Domain=.Example", "a.example", "/");
    store(&mut jar, "deep=1; path=/x/y/z", "a.example", "/");
    store(
        &mut jar,
        "foreign=1; Domain=other.example",
        "a.example",
        "/",
    );
    store(&mut jar, "nonsense", "a.example", "/");
    store(&mut jar, "=1", "a.example", "/");
    assert_eq!(names(&mut jar, "a.example", "/"), ["all"]);
    assert_eq!(names(&mut jar, "A.example:81", "/x"), ["here", "all"]);
    assert_eq!(names(&mut jar, "a.example", "/xy"), ["all"]);
    assert_eq!(
        names(&mut jar, "a.example", "/x/y/z/1"),
        ["deep", "here", "all"]
    );
    assert_eq!(names(&mut jar, "b.example", "/x"), ["all"]);
    assert_eq!(names(&mut jar, "bexample", "/x"), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn cookies_end_with_their_age() {
    let mut jar = Jar::default();
    store(
        &mut jar,
        "short=1; Max-Age=10; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
        "h",
        "/",
    );
    store(&mut jar, "long=1; Max-Age=9223372036854775807", "h", "/");
    store(
        &mut jar,
        "old=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
        "h",
        "/",
    );
    assert_eq!(names(&mut jar, "h", "/"), ["short", "long"]);
    super::advance(std::time::Duration::from_secs(10)).await;
    assert_eq!(names(&mut jar, "h", "/"), ["long"]);
    store(&mut jar, "long=; Max-Age=-1", "h", "/");
    assert_eq!(jar.value("long", "h"), None);
}

#[tokio::test]
async fn cookies_just_under_at_and_over_the_limit() {
    let mut jar = Jar::default();
    for number in 0..=MAX_TEST_COOKIES {
        store(&mut jar, &format!("c{number}=1"), "h", "/");
        let expected = (number + 1).min(MAX_TEST_COOKIES);
        if number + 2 >= MAX_TEST_COOKIES {
            assert_eq!(names(&mut jar, "h", "/").len(), expected);
        }
    }
    assert_eq!(jar.value("c0", "h"), None);
    assert!(jar.value("c1", "h").is_some());
}

/// RFC 3986, section 5.4.
#[test]
fn rfc_3986_5_4_references_are_resolved() {
    for (reference, target) in [
        ("g", "/b/c/g"),
        ("./g", "/b/c/g"),
        ("g/", "/b/c/g/"),
        ("/g", "/g"),
        ("?y", "/b/c/d?y"),
        ("g?y", "/b/c/g?y"),
        ("", "/b/c/d?q"),
        (".", "/b/c/"),
        ("./", "/b/c/"),
        ("..", "/b/"),
        ("../g", "/b/g"),
        ("../..", "/"),
        ("../../../g", "/g"),
        ("http://h/g", "http://h/g"),
    ] {
        assert_eq!(resolved("/b/c/d?q", reference), target, "{reference}");
    }
}

#[test]
fn targets_are_of_the_host() {
    for (target, expected) in [
        ("/", Some("/")),
        ("/a?b", Some("/a?b")),
        ("*", Some("*")),
        ("http://H:1/a", Some("/a")),
        ("https://h:1", Some("/")),
        ("//h:1?x", Some("/?x")),
        ("http://h/a", None),
        ("//other/a", None),
        ("a", None),
        ("", None),
    ] {
        assert_eq!(local(target, "h:1").ok().as_deref(), expected, "{target}");
    }
}

#[test]
fn arguments_of_every_shape() {
    let pairs = [("a b", "1&2"), ("\u{e9}", "")];
    assert_eq!(encoded(&pairs).unwrap(), "a%20b=1%262&%C3%A9=");
    let fields = serde_json::json!({"n": 1, "list": ["x", true], "none": null});
    assert_eq!(encoded(&fields).unwrap(), "list=x&list=true&n=1");
    assert_eq!(encoded(&()).unwrap(), "");
    assert!(encoded("text").is_err());
    assert!(encoded(&serde_json::json!({"a": {"b": 1}})).is_err());
}
