use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};

use super::{AuthorizationError, Challenge, Credentials, MAX_AUTH_PARAMETERS};
use crate::Error;

#[test]
fn a_challenge_of_any_scheme_is_quoted() {
    let challenge = Challenge::new("AWS4")
        .realm("a\\b\"c \u{e9}")
        .token("stale", "true")
        .parameter("empty", "");
    let error = Error::authentication_required(challenge.clone());
    let value = &error.headers()[http::header::WWW_AUTHENTICATE];
    let expected = "AWS4 realm=\"a\\\\b\\\"c \u{e9}\", stale=true, empty=\"\"";
    assert_eq!(value.as_bytes(), expected.as_bytes());
    // What it says is what credentials are read by.
    let read = Credentials::parse(&challenge.to_string()).unwrap();
    assert_eq!(read.parameter("REALM"), Some("a\\b\"c \u{e9}"));
    assert_eq!(read.parameter("empty"), Some(""));
    let bare = HeaderValue::try_from(Challenge::new("Negotiate")).unwrap();
    assert_eq!(bare, "Negotiate");
}

#[test]
fn a_challenge_splits_no_header() {
    for challenge in [
        Challenge::new("Basic").realm("a\r\nset-cookie: b=c"),
        Challenge::new("Basic").realm("a\0"),
        Challenge::new("Ba sic"),
        Challenge::new(""),
        Challenge::new("Basic").parameter("a b", "c"),
        Challenge::new("Basic").parameter("", "c"),
        Challenge::new("Basic").token("a", "b c"),
        Challenge::new("Basic").token("a", ""),
    ] {
        let error = Error::authentication_required(challenge.clone());
        assert_eq!(error.status(), 500, "{challenge}");
        assert!(HeaderValue::try_from(challenge).is_err());
    }
}

#[test]
fn credentials_are_read_as_clients_write_them() {
    let read = |text| Credentials::parse(text).unwrap();
    let digest = read("DIGEST  a=b , ,c = \"d, \\\"e\\\\\"\t,f=/g?h=i,");
    assert!(digest.is("digest") && !digest.is("diges"));
    let all: Vec<_> = digest.parameters().collect();
    assert_eq!(all, [("a", "b"), ("c", "d, \"e\\"), ("f", "/g?h=i")]);
    assert_eq!(digest.token68(), None);
    assert_eq!(read("Bearer a-b._~+/c==").token68(), Some("a-b._~+/c=="));
    assert_eq!(read("Negotiate").parameters().count(), 0);
    let shown = format!("{:?}", read("Basic c2VjcmV0"));
    assert!(!shown.contains("c2VjcmV0"), "{shown}");
}

#[test]
fn malformed_credentials_are_refused() {
    for text in [
        "",
        " ",
        "\"a\"",
        "a,b c",
        "A b=\"c",
        "A b=\"c\\",
        "A b=\"c\"d",
        "A =b",
        "A b c=d",
        "A b=c d=e",
        "A b=c\"d",
    ] {
        let read = Credentials::parse(text);
        assert_eq!(read, Err(AuthorizationError::Malformed), "{text}");
    }
    let twice = Credentials::parse("A b=c, B=d");
    assert_eq!(twice, Err(AuthorizationError::Twice));
    let many = |count: usize| {
        let all: Vec<_> = (0..count).map(|n| format!("p{n}=v")).collect();
        Credentials::parse(&format!("A {}", all.join(","))).map(|read| read.parameters().count())
    };
    assert_eq!(many(MAX_AUTH_PARAMETERS), Ok(MAX_AUTH_PARAMETERS));
    assert_eq!(
        many(MAX_AUTH_PARAMETERS + 1),
        Err(AuthorizationError::TooMany)
    );
}

#[test]
fn one_header_and_no_more() {
    let mut headers = HeaderMap::new();
    assert_eq!(Credentials::of(&headers), Ok(None));
    headers.append(AUTHORIZATION, HeaderValue::from_static("A b=c"));
    assert!(Credentials::of(&headers).unwrap().unwrap().is("a"));
    headers.append(AUTHORIZATION, HeaderValue::from_static("A b=c"));
    assert_eq!(Credentials::of(&headers), Err(AuthorizationError::Several));
    headers.insert(
        AUTHORIZATION,
        HeaderValue::from_bytes(b"A b=\"\xff\"").unwrap(),
    );
    assert_eq!(
        Credentials::of(&headers),
        Err(AuthorizationError::Malformed)
    );
}

#[cfg(feature = "auth")]
#[test]
fn basic_credentials_have_a_name_and_a_password() {
    use super::BasicCredentials;
    let decode = BasicCredentials::decode;
    // RFC 7617, 2 and 2.1.
    let login = decode("QWxhZGRpbjpvcGVuIHNlc2FtZQ==").unwrap();
    assert_eq!((login.user(), login.password()), ("Aladdin", "open sesame"));
    let login = decode("dGVzdDoxMjPCow==").unwrap();
    assert_eq!((login.user(), login.password()), ("test", "123\u{a3}"));
    assert!(login.is("test", "123\u{a3}"));
    for (user, password) in [("test", "123"), ("tes", "123\u{a3}"), ("", "")] {
        assert!(!login.is(user, password));
    }
    let colons = decode("YTpiOmM=").unwrap();
    assert_eq!((colons.user(), colons.password()), ("a", "b:c"));
    assert_eq!(decode("Og").unwrap().password(), "");
    // No colon, no UTF-8, no base64, a control character.
    for wrong in ["YQ==", "/zo=", "a:b", "", "YTpiAA=="] {
        assert_eq!(decode(wrong), None, "{wrong}");
    }
    let shown = format!("{login:?}");
    assert!(!shown.contains("123"), "{shown}");
}
