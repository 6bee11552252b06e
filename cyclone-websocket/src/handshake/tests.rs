//! The table of handshakes, right and wrong.

use http::request::Parts;
use http::{Method, Request, StatusCode, Version};

use super::{HandshakeError, HandshakeErrorKind as Kind, accept, check, same_origin};
use crate::error::Result;
use crate::handler::WebSocketHandler;
use crate::message::Message;
use crate::socket::WebSocket;

/// The example of RFC 6455 section 1.2, with changes: `None` removes, a second value is added.
fn request(changes: &[(&str, Option<&str>)]) -> Parts {
    let mut parts = Request::get("/chat")
        .header("host", "server.example.com")
        .header("upgrade", "websocket")
        .header("connection", "Upgrade")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .header("sec-websocket-version", "13")
        .body(())
        .unwrap()
        .into_parts()
        .0;
    for (name, _) in changes {
        parts.headers.remove(*name);
    }
    for (name, value) in changes {
        if let Some(value) = value {
            let name: http::HeaderName = name.parse().unwrap();
            parts.headers.append(name, value.parse().unwrap());
        }
    }
    parts
}

fn kind(parts: &Parts) -> std::result::Result<(), Kind> {
    check(parts).map(drop).map_err(|error| error.kind())
}

#[test]
fn the_example_of_the_rfc() {
    let accepted = check(&request(&[])).unwrap();
    assert_eq!(accepted, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

#[test]
fn headers_of_the_handshake() {
    let key = "sec-websocket-key";
    let version = "sec-websocket-version";
    type Row<'a> = (
        &'a [(&'a str, Option<&'a str>)],
        std::result::Result<(), Kind>,
    );
    let table: &[Row<'_>] = &[
        (&[("upgrade", None)], Err(Kind::Upgrade)),
        (&[("upgrade", Some(""))], Err(Kind::Upgrade)),
        (&[("upgrade", Some("h2c"))], Err(Kind::Upgrade)),
        (&[("upgrade", Some("websockets"))], Err(Kind::Upgrade)),
        (&[("upgrade", Some("web socket"))], Err(Kind::Upgrade)),
        (&[("upgrade", Some("WebSocket"))], Ok(())),
        (&[("upgrade", Some("h2c ,\twebsocket"))], Ok(())),
        (
            &[("upgrade", Some("h2c")), ("upgrade", Some("websocket"))],
            Ok(()),
        ),
        (&[("connection", None)], Err(Kind::Connection)),
        (&[("connection", Some("close"))], Err(Kind::Connection)),
        (&[("connection", Some("upgraded"))], Err(Kind::Connection)),
        (&[("connection", Some("keep-alive, UPGRADE"))], Ok(())),
        (&[(version, None)], Err(Kind::Version)),
        (&[(version, Some("8"))], Err(Kind::Version)),
        (&[(version, Some("13, 8"))], Err(Kind::Version)),
        (&[(version, Some("013"))], Err(Kind::Version)),
        (
            &[(version, Some("13")), (version, Some("13"))],
            Err(Kind::Version),
        ),
        (&[(key, None)], Err(Kind::Key)),
        (&[(key, Some(""))], Err(Kind::Key)),
        // 15 and 17 bytes.
        (&[(key, Some("dGhlIHNhbXBsZSBub25j"))], Err(Kind::Key)),
        (&[(key, Some("dGhlIHNhbXBsZSBub25jZWU="))], Err(Kind::Key)),
        (&[(key, Some("dGhlIHNhbXBsZSBub25jZQ"))], Err(Kind::Key)),
        (&[(key, Some("dGhlIHNhbXBsZSBub25jZ-=="))], Err(Kind::Key)),
        (&[(key, Some("dGhlIHNhbXBsZSBub25j==ZQ"))], Err(Kind::Key)),
        (
            &[(key, Some("dGhlIHNhbXBsZSBub25jZQ==, x"))],
            Err(Kind::Key),
        ),
        (
            &[
                (key, Some("dGhlIHNhbXBsZSBub25jZQ==")),
                (key, Some("dGhlIHNhbXBsZSBub25jZQ==")),
            ],
            Err(Kind::Key),
        ),
        (&[("content-length", Some("0"))], Ok(())),
        (&[("content-length", Some("5"))], Err(Kind::Body)),
        (&[("transfer-encoding", Some("chunked"))], Err(Kind::Body)),
    ];
    for (changes, want) in table {
        assert_eq!(kind(&request(changes)), *want, "{changes:?}");
    }
}

#[test]
fn method_and_version() {
    for method in [Method::POST, Method::HEAD, Method::CONNECT] {
        let mut parts = request(&[]);
        parts.method = method;
        assert_eq!(kind(&parts), Err(Kind::Method));
    }
    for version in [Version::HTTP_10, Version::HTTP_2] {
        let mut parts = request(&[]);
        parts.version = version;
        assert_eq!(kind(&parts), Err(Kind::HttpVersion));
    }
}

#[test]
fn responses_have_the_status_and_the_headers_of_their_kind() {
    let table = [
        (Kind::Method, 405),
        (Kind::HttpVersion, 505),
        (Kind::Upgrade, 400),
        (Kind::Connection, 400),
        (Kind::Version, 426),
        (Kind::Key, 400),
        (Kind::Body, 400),
        (Kind::Subprotocol, 400),
        (Kind::Origin, 403),
        (Kind::NotUpgradable, 500),
        (Kind::Internal, 500),
    ];
    for (kind, status) in table {
        let response = HandshakeError::from(kind).into_response();
        assert_eq!(response.status().as_u16(), status);
        assert!(response.body().ends_with('\n'));
        let version = response.headers().get("sec-websocket-version");
        assert_eq!(version.is_some(), kind == Kind::Version);
        assert!(version.is_none_or(|version| version == "13"));
        let allow = response.headers().get("allow");
        assert_eq!(allow.is_some(), kind == Kind::Method);
    }
}

#[test]
fn origins() {
    let table = [
        // origin, host, passes
        ("http://example.com", "example.com", true),
        ("https://example.com", "example.com", true),
        ("HTTP://EXAMPLE.com", "example.COM", true),
        ("http://example.com:80", "example.com", true),
        ("https://example.com:443", "example.com", true),
        ("http://example.com", "example.com:80", true),
        ("https://example.com", "example.com:443", true),
        ("http://example.com:8888", "example.com:8888", true),
        ("http://[::1]:8888", "[::1]:8888", true),
        ("http://[::1]", "[::1]:80", true),
        ("http://example.com", "example.com:443", false),
        ("https://example.com", "example.com:80", false),
        ("http://example.com:8888", "example.com", false),
        ("http://example.com", "example.com:8888", false),
        ("http://example.com:8888", "example.com:8889", false),
        ("http://evil.com", "example.com", false),
        ("http://sub.example.com", "example.com", false),
        ("http://example.com", "sub.example.com", false),
        ("http://example.com.evil.com", "example.com", false),
        ("http://evilexample.com", "example.com", false),
        ("http://[::1]:8888", "[::2]:8888", false),
        ("null", "null", false),
        ("", "", false),
        ("example.com", "example.com", false),
        ("://example.com", "example.com", false),
        ("http://", "example.com", false),
        ("http:example.com", "example.com", false),
        ("http://example.com/", "example.com", false),
        ("http://example.com/path", "example.com", false),
        ("http://example.com?q", "example.com", false),
        ("http://user@example.com", "example.com", false),
        ("http://example.com", "user@example.com", false),
        ("http://example.com http://evil.com", "example.com", false),
        ("http://example.com:port", "example.com:port", false),
        ("http://example.com:99999", "example.com:99999", false),
        ("http://example.com:+80", "example.com", false),
        ("file://", "example.com", false),
        ("ftp://example.com", "example.com", false),
        ("chrome-extension://example.com", "example.com", false),
    ];
    for (origin, host, passes) in table {
        let parts = request(&[("host", Some(host))]);
        assert_eq!(same_origin(origin, &parts), passes, "{origin:?} {host:?}");
    }
}

#[test]
fn the_host_must_be_given_once() {
    let origin = "http://server.example.com";
    assert!(same_origin(origin, &request(&[])));
    assert!(!same_origin(origin, &request(&[("host", None)])));
    let twice = [
        ("host", Some("server.example.com")),
        ("host", Some("server.example.com")),
    ];
    assert!(!same_origin(origin, &request(&twice)));
    let mut absolute = request(&[("host", Some("other"))]);
    absolute.uri = "http://server.example.com/chat".parse().unwrap();
    assert!(same_origin(origin, &absolute));
    assert!(!same_origin("http://other", &absolute));
}

/// A handler that knows two subprotocols, and one that it makes up.
struct Choosy {
    any_origin: bool,
    invents: bool,
}

impl WebSocketHandler for Choosy {
    async fn message(&mut self, _socket: &WebSocket, _message: Message) -> Result {
        Ok(())
    }

    fn check_origin(&self, origin: &str, request: &Parts) -> bool {
        self.any_origin || same_origin(origin, request)
    }

    fn prepare(&mut self, request: &Parts) -> std::result::Result<(), HandshakeError> {
        if request.headers.contains_key("forbidden") {
            return Err(HandshakeError::refused(StatusCode::UNAUTHORIZED, "log in"));
        }
        Ok(())
    }

    fn select_subprotocol(&mut self, offered: &[&str]) -> Option<String> {
        if self.invents {
            return Some("invented".into());
        }
        let known = |it: &&&str| ["chat", "superchat"].contains(*it);
        offered.iter().find(known).map(|it| (*it).into())
    }
}

fn negotiate(
    handler: &mut Choosy,
    changes: &[(&str, Option<&str>)],
) -> std::result::Result<Option<String>, Kind> {
    let parts = request(changes);
    let key = check(&parts).unwrap();
    match accept(&parts, key, handler) {
        Ok(accepted) => {
            let response = accepted.response();
            assert_eq!(response.status(), 101);
            assert_eq!(response.headers()["upgrade"], "websocket");
            assert_eq!(response.headers()["connection"], "Upgrade");
            let chosen = response.headers().get("sec-websocket-protocol");
            Ok(chosen.map(|chosen| chosen.to_str().unwrap().into()))
        }
        Err(error) => Err(error.kind()),
    }
}

#[test]
fn subprotocols() {
    let name = "sec-websocket-protocol";
    type Row<'a> = (
        &'a [(&'a str, Option<&'a str>)],
        std::result::Result<Option<&'a str>, Kind>,
    );
    let table: &[Row<'_>] = &[
        (&[], Ok(None)),
        (&[(name, Some("unknown"))], Ok(None)),
        (&[(name, Some("chat"))], Ok(Some("chat"))),
        (&[(name, Some("x,superchat , chat"))], Ok(Some("superchat"))),
        (&[(name, Some("x")), (name, Some("chat"))], Ok(Some("chat"))),
        (&[(name, Some("Chat"))], Ok(None)),
        (&[(name, Some("chat, ,superchat"))], Ok(Some("chat"))),
        (&[(name, Some("chat, chat"))], Err(Kind::Subprotocol)),
        (&[(name, Some("two words"))], Err(Kind::Subprotocol)),
        (&[(name, Some("a;q=1"))], Err(Kind::Subprotocol)),
    ];
    for (changes, want) in table {
        let mut handler = Choosy {
            any_origin: false,
            invents: false,
        };
        let want = want.map(|it| it.map(String::from));
        assert_eq!(negotiate(&mut handler, changes), want, "{changes:?}");
    }
}

#[test]
fn a_number_of_subprotocols_under_at_and_over_the_limit() {
    for (count, fits) in [(63, true), (64, true), (65, false)] {
        let list: Vec<String> = (0..count).map(|number| format!("p{number}")).collect();
        let parts = request(&[("sec-websocket-protocol", Some(&list.join(",")))]);
        let offered = super::lists::subprotocols(&parts.headers);
        assert_eq!(offered.is_ok(), fits, "{count}");
    }
}

#[test]
fn a_subprotocol_that_was_not_offered_is_the_handlers_fault() {
    let mut handler = Choosy {
        any_origin: false,
        invents: true,
    };
    assert_eq!(negotiate(&mut handler, &[]), Err(Kind::Internal));
    let offered = [("sec-websocket-protocol", Some("invented"))];
    assert_eq!(
        negotiate(&mut handler, &offered),
        Ok(Some("invented".into()))
    );
}

#[test]
fn the_handler_judges_origin_and_request() {
    let mut strict = Choosy {
        any_origin: false,
        invents: false,
    };
    let cross = [("origin", Some("http://evil.com"))];
    assert_eq!(negotiate(&mut strict, &cross), Err(Kind::Origin));
    let null = [("origin", Some("null"))];
    assert_eq!(negotiate(&mut strict, &null), Err(Kind::Origin));
    let same = ("origin", Some("http://server.example.com"));
    assert_eq!(negotiate(&mut strict, &[same]), Ok(None));
    assert_eq!(negotiate(&mut strict, &[same, same]), Err(Kind::Origin));
    let forbidden = [("forbidden", Some("1"))];
    assert_eq!(negotiate(&mut strict, &forbidden), Err(Kind::Refused));
    let mut open = Choosy {
        any_origin: true,
        invents: false,
    };
    assert_eq!(negotiate(&mut open, &cross), Ok(None));
}
