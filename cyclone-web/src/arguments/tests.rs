use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Arguments, ArgumentsError, MAX_ARGUMENTS};

fn parse(text: &str) -> Vec<(String, String)> {
    let arguments = Arguments::parse(text).unwrap();
    arguments
        .iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn error<'de, T: Deserialize<'de> + std::fmt::Debug>(arguments: &'de Arguments) -> String {
    arguments.deserialize::<T>().unwrap_err().to_string()
}

#[test]
fn pairs_are_split_and_decoded() {
    for (text, expected) in [
        ("", vec![]),
        ("&&", vec![]),
        ("a=1&b=2", vec![("a", "1"), ("b", "2")]),
        ("a=1&&b=2&", vec![("a", "1"), ("b", "2")]),
        ("a", vec![("a", "")]),
        ("a=", vec![("a", "")]),
        ("=a", vec![("", "a")]),
        ("=", vec![("", "")]),
        ("a=b=c", vec![("a", "b=c")]),
        ("a+b=c+d", vec![("a b", "c d")]),
        ("a%2Bb=%26%3d", vec![("a+b", "&=")]),
        ("a=1;b=2", vec![("a", "1;b=2")]),
        ("%C3%A9=\u{e9}", vec![("\u{e9}", "\u{e9}")]),
        ("a=%2525", vec![("a", "%25")]),
        ("a[]=1&a[]=2", vec![("a[]", "1"), ("a[]", "2")]),
    ] {
        let expected: Vec<(String, String)> = expected
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        assert_eq!(parse(text), expected, "{text:?}");
    }
}

#[test]
fn look_up_follows_tornado() {
    let arguments = Arguments::parse("a=1&b=%20x%20&a=+2+&blank=&flag").unwrap();
    assert_eq!(arguments.get("a"), Some("2"));
    assert_eq!(arguments.get_unstripped("a"), Some(" 2 "));
    assert_eq!(arguments.get_all("a").collect::<Vec<_>>(), ["1", "2"]);
    assert_eq!(arguments.get("b"), Some("x"));
    assert_eq!(arguments.get("blank"), Some(""));
    assert_eq!(arguments.get("flag"), Some(""));
    assert!(arguments.contains("flag") && !arguments.contains("other"));
    assert_eq!(arguments.get("other"), None);
    assert_eq!(arguments.len(), 5);
    let missing = arguments.require("other").unwrap_err();
    assert_eq!(missing.to_string(), "Missing argument other");
    assert_eq!(missing.status(), 400);
}

#[test]
fn control_characters_become_spaces() {
    let arguments = Arguments::parse("a=x%00y%08z%09t%0a%0B%0C%0d%0e%1f%7f.\u{1}").unwrap();
    assert_eq!(
        arguments.get_unstripped("a"),
        Some("x y z\tt\n\u{b}\u{c}\r  \u{7f}. ")
    );
    let mut arguments = Arguments::new();
    arguments.push("a", "x\0y\u{e9}\t\u{1f}").unwrap();
    assert_eq!(arguments.get_unstripped("a"), Some("x y\u{e9}\t "));
}

#[test]
fn bad_escapes_and_bad_utf8_are_refused() {
    for (text, position) in [
        ("%", 0),
        ("a=%2", 2),
        ("a=1&b=%zz", 6),
        ("a=%%41", 2),
        ("a=%+1", 2),
    ] {
        assert_eq!(
            Arguments::parse(text),
            Err(ArgumentsError::InvalidEscape { position }),
            "{text}"
        );
    }
    for (text, position) in [
        (&b"a=%ff"[..], 2),
        (b"%c3=1", 0),
        (b"a=1&b=\xff", 6),
        // A code point must not straddle a name and its value.
        (b"a%c3=%a9", 0),
    ] {
        assert_eq!(
            Arguments::parse(text),
            Err(ArgumentsError::NotUtf8 { position }),
            "{text:?}"
        );
    }
}

#[test]
fn tornado_6_6_argument_limit_just_under_at_and_over() {
    for (count, accepted) in [
        (MAX_ARGUMENTS - 1, true),
        (MAX_ARGUMENTS, true),
        (MAX_ARGUMENTS + 1, false),
    ] {
        let text = "a=1&".repeat(count);
        let parsed = Arguments::parse(&text);
        if accepted {
            assert_eq!(parsed.unwrap().len(), count);
        } else {
            let limit = MAX_ARGUMENTS;
            assert_eq!(parsed, Err(ArgumentsError::TooMany { limit }));
        }
    }
    let mut arguments = Arguments::parse("a=1&".repeat(MAX_ARGUMENTS - 1)).unwrap();
    arguments.push("b", "2").unwrap();
    assert!(arguments.push("c", "3").is_err());
    assert_eq!(arguments.len(), MAX_ARGUMENTS);
}

/// A quadratic parser would need hours for these.
#[test]
fn four_mebibytes_are_parsed_in_linear_time() {
    for piece in ["%41", "+", "=", "\u{1}", "&"] {
        let text = format!("a={}", piece.repeat((4 << 20) / piece.len()));
        let arguments = Arguments::parse(&text).unwrap();
        assert!(arguments.get("a").is_some(), "{piece}");
    }
}

#[test]
fn agrees_with_form_urlencoded_on_what_it_writes() {
    fastrand::seed(7);
    for round in 0..2000 {
        let pairs: Vec<(String, String)> = (0..fastrand::usize(0..6))
            .map(|_| {
                let text = || -> String {
                    (0..fastrand::usize(0..8))
                        .map(|_| fastrand::char(' '..))
                        .collect()
                };
                (text(), text())
            })
            .collect();
        let mut serializer = form_urlencoded::Serializer::new(String::new());
        serializer.extend_pairs(&pairs);
        let encoded = serializer.finish();
        assert_eq!(parse(&encoded), pairs, "round {round}: {encoded}");
    }
}

#[test]
fn random_bytes_never_panic_and_agree_with_form_urlencoded_when_accepted() {
    fastrand::seed(8);
    let alphabet = b"%+=&aF0 \xc3\xa9\xff;/?#";
    for _ in 0..20_000 {
        let text: Vec<u8> = (0..fastrand::usize(0..24))
            .map(|_| alphabet[fastrand::usize(..alphabet.len())])
            .collect();
        if let Ok(arguments) = Arguments::parse(&text) {
            let oracle: Vec<_> = form_urlencoded::parse(&text).collect();
            assert_eq!(arguments.len(), oracle.len(), "{text:?}");
            for ((name, value), (name_oracle, value_oracle)) in arguments.iter().zip(&oracle) {
                let value_oracle =
                    value_oracle.replace(|c| c <= '\u{8}' || ('\u{e}'..' ').contains(&c), " ");
                assert_eq!((name, value), (&**name_oracle, &*value_oracle), "{text:?}");
            }
        }
    }
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Order {
    Up,
    Down,
}

#[derive(Debug, Deserialize, PartialEq)]
struct Search<'a> {
    q: &'a str,
    page: Option<u32>,
    #[serde(default)]
    tag: Vec<String>,
    order: Option<Order>,
    #[serde(default)]
    exact: bool,
    point: Option<(i8, f64)>,
    name: Option<Wrapped>,
}

#[derive(Debug, Deserialize, PartialEq)]
struct Wrapped(String);

#[test]
fn deserializes_a_struct() {
    let arguments = Arguments::parse(
        "q=+a+b&page=1&page=+2&tag=x&tag=&order=down&exact=on&point=-3&point=1.5&name=n&other=z",
    )
    .unwrap();
    let search: Search<'_> = arguments.deserialize().unwrap();
    assert_eq!(
        search,
        Search {
            q: " a b",
            page: Some(2),
            tag: vec!["x".to_owned(), String::new()],
            order: Some(Order::Down),
            exact: true,
            point: Some((-3, 1.5)),
            name: Some(Wrapped("n".to_owned())),
        }
    );
    let map: BTreeMap<u8, bool> = super::from_pairs([("2", "yes"), ("1", "0")]).unwrap();
    assert_eq!(map, BTreeMap::from([(1, false), (2, true)]));
    Arguments::parse("a=1")
        .unwrap()
        .deserialize::<()>()
        .unwrap();
}

#[test]
fn errors_name_the_argument() {
    let parse = |text: &str| Arguments::parse(text).unwrap();
    for (text, expected) in [
        ("", r#"argument "q": is missing"#),
        ("q=a&page=", r#"argument "page": "" is not a valid u32"#),
        ("q=a&page=-1", r#"argument "page": "-1" is not a valid u32"#),
        (
            "q=a&exact=maybe",
            r#"argument "exact": "maybe" is not a valid bool"#,
        ),
        (
            "q=a&order=left",
            r#"argument "order": unknown variant `left`, expected `up` or `down`"#,
        ),
        (
            "q=a&point=1&point=2&point=3",
            r#"argument "point": invalid length 3, expected 2 elements in sequence"#,
        ),
        (
            "q=a&point=1",
            r#"argument "point": invalid length 1, expected a tuple of size 2"#,
        ),
    ] {
        assert_eq!(error::<Search<'_>>(&parse(text)), expected);
    }
    let arguments = parse("n=x");
    let failure = arguments.deserialize::<BTreeMap<String, u8>>().unwrap_err();
    assert_eq!(
        (failure.field(), failure.detail()),
        (Some("n"), r#""x" is not a valid u8"#)
    );
    assert_eq!(failure.status(), 400);

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Strict {}
    assert_eq!(error::<Strict>(&arguments), r#"argument "n": is not known"#);
    assert!(error::<u8>(&arguments).contains("invalid type: map"));
}

#[test]
fn errors_repeat_little_of_what_was_sent() {
    let long = "9".repeat(10_000);
    let arguments = Arguments::parse(format!("n={long}")).unwrap();
    let message = error::<BTreeMap<String, u8>>(&arguments);
    assert!(message.len() < 200, "{message}");
}
