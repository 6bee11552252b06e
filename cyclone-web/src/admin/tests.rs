//! Who may look.

use std::net::SocketAddr;

use cyclone_core::{Address, Peer, Server, Session};
use http::request::Builder;
use http::{Request, StatusCode, Version};
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

use super::{Admin, MIN_ADMIN_TOKEN};
use crate::body::Body;

const TOKEN: &str = "0123456789abcdef";

fn tcp(address: &str) -> Address {
    Address::Tcp(address.parse::<SocketAddr>().unwrap())
}

/// Asks for `/live` as a peer with this address.
async fn ask(admin: &Admin, remote: Address, headers: &[(&str, &str)]) -> (StatusCode, String) {
    let mut request = Request::get("/live");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    send(admin, remote, request).await
}

async fn send(admin: &Admin, remote: Address, request: Builder) -> (StatusCode, String) {
    let mut request = request.body(Body::empty()).unwrap();
    let peer = Peer::new(remote, tcp("127.0.0.1:80"));
    request.extensions_mut().insert(peer);
    request.extensions_mut().insert(Session::detached());
    let response = admin.application().oneshot(request).await.unwrap();
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    for (name, value) in [
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        assert_eq!(head.headers[name], value);
    }
    assert!(!head.headers.contains_key("access-control-allow-origin"));
    (head.status, String::from_utf8(body.to_vec()).unwrap())
}

const HERE: &[(&str, &str)] = &[("host", "localhost:9090")];

#[tokio::test]
async fn unless_told_otherwise_only_peers_of_this_machine_may_look() {
    let admin = Admin::new();
    for (remote, is_let_in) in [
        (tcp("127.0.0.1:1"), true),
        (tcp("127.9.9.9:1"), true),
        (tcp("[::1]:1"), true),
        (tcp("[::ffff:127.0.0.1]:1"), true),
        (Address::Unix(None), true),
        (tcp("10.0.0.1:1"), false),
        (tcp("[::ffff:10.0.0.1]:1"), false),
        (tcp("[fe80::1]:1"), false),
        // A server of somebody else, who does not say who asks.
        (Address::Memory, false),
    ] {
        let (status, _) = ask(&admin, remote.clone(), HERE).await;
        assert_eq!(status == StatusCode::OK, is_let_in, "{remote}");
        assert!(is_let_in || status == StatusCode::FORBIDDEN);
    }
}

#[tokio::test]
async fn behind_a_proxy_nobody_is_of_this_machine() {
    for name in [
        "forwarded",
        "via",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-real-ip",
    ] {
        for remote in [tcp("127.0.0.1:1"), Address::Unix(None)] {
            let headers = [("host", "localhost"), (name, "127.0.0.1")];
            let (status, why) = ask(&Admin::new(), remote, &headers).await;
            assert_eq!(status, StatusCode::FORBIDDEN, "{name}");
            assert!(why.contains("proxy"), "{why}");
        }
    }
}

/// `proxy_pass http://127.0.0.1:8888;` and no more: HTTP/1.0, the address as host, and nothing of who asks.
#[tokio::test]
async fn behind_nginx_as_it_comes_nobody_is_of_this_machine() {
    for remote in [tcp("127.0.0.1:1"), Address::Unix(None)] {
        let request = Request::get("/live").version(Version::HTTP_10);
        let request = request.header("host", "127.0.0.1:8888");
        let (status, why) = send(&Admin::new(), remote, request).await;
        assert_eq!(status, StatusCode::FORBIDDEN);
        assert!(why.contains("proxy"), "{why}");
    }
}

/// DNS rebinding: the name of a foreign page may point to this machine.
#[tokio::test]
async fn the_name_that_is_asked_for_has_to_be_that_of_this_machine() {
    for (host, is_let_in) in [
        ("localhost", true),
        ("LocalHost:80", true),
        ("app.localhost", true),
        ("127.0.0.1", true),
        ("127.1.2.3:8080", true),
        ("[::1]:8080", true),
        ("[::ffff:127.0.0.1]", true),
        ("evil.example", false),
        ("localhost.evil.example", false),
        ("127.0.0.1.evil.example", false),
        ("10.0.0.1", false),
        ("[::2]", false),
        ("notlocalhost", false),
        ("", false),
        ("a b", false),
    ] {
        let (status, _) = ask(&Admin::new(), tcp("127.0.0.1:1"), &[("host", host)]).await;
        assert_eq!(status == StatusCode::OK, is_let_in, "{host}");
    }
    let (status, _) = ask(&Admin::new(), tcp("127.0.0.1:1"), &[]).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_token_lets_in_whoever_knows_it() {
    let admin = Admin::new().token(TOKEN);
    let far = tcp("192.0.2.1:1");
    // user:0123456789abcdef, :0123456789abcdef, user:0123456789abcdeg
    for (authorization, is_let_in) in [
        ("Bearer 0123456789abcdef", true),
        ("bearer 0123456789abcdef", true),
        ("Basic dXNlcjowMTIzNDU2Nzg5YWJjZGVm", true),
        ("Basic OjAxMjM0NTY3ODlhYmNkZWY=", true),
        ("Basic dXNlcjowMTIzNDU2Nzg5YWJjZGVn", false),
        ("Basic MDEyMzQ1Njc4OWFiY2RlZg==", false),
        ("Bearer 0123456789abcde", false),
        ("Bearer 0123456789abcdeff", false),
        ("Bearer", false),
        ("Bearer ", false),
        ("Basic !", false),
        ("Digest 0123456789abcdef", false),
    ] {
        let headers = [("host", "admin.example"), ("authorization", authorization)];
        let (status, _) = ask(&admin, far.clone(), &headers).await;
        let expected = if is_let_in {
            StatusCode::OK
        } else {
            StatusCode::UNAUTHORIZED
        };
        assert_eq!(status, expected, "{authorization}");
    }
    // A peer of this machine needs it too.
    let (status, _) = ask(&admin, tcp("127.0.0.1:1"), HERE).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
}

#[test]
fn tokens_just_under_at_and_over_the_shortest() {
    for length in [MIN_ADMIN_TOKEN, MIN_ADMIN_TOKEN + 1] {
        let _ = Admin::new().token("x".repeat(length));
    }
    let short = std::panic::catch_unwind(|| Admin::new().token("x".repeat(MIN_ADMIN_TOKEN - 1)));
    assert!(short.is_err());
    assert!(!format!("{:?}", Admin::new().token(TOKEN)).contains(TOKEN));
}

#[tokio::test]
async fn a_function_may_let_in_whom_it_likes() {
    let admin = Admin::new().allow(|cx| cx.header("x-badge") == Some("gold"));
    for (badge, expected) in [("gold", StatusCode::OK), ("tin", StatusCode::FORBIDDEN)] {
        let headers = [("host", "any.example"), ("x-badge", badge)];
        let (status, _) = ask(&admin, tcp("192.0.2.1:1"), &headers).await;
        assert_eq!(status, expected);
    }
}

#[tokio::test]
async fn pages_of_other_origins_get_nothing_whoever_may_look() {
    let open = Admin::new().allow(|_| true);
    let host = ("host", "admin.example:8080");
    for (headers, is_let_in) in [
        (&[("sec-fetch-site", "same-origin")][..], true),
        (&[("sec-fetch-site", "none")], true),
        (&[("sec-fetch-site", "cross-site")], false),
        (&[("sec-fetch-site", "same-site")], false),
        (
            &[
                ("sec-fetch-site", "cross-site"),
                ("sec-fetch-mode", "navigate"),
                ("sec-fetch-dest", "document"),
            ],
            true,
        ),
        (
            &[
                ("sec-fetch-site", "cross-site"),
                ("sec-fetch-mode", "navigate"),
                ("sec-fetch-dest", "iframe"),
            ],
            false,
        ),
        (
            &[
                ("sec-fetch-site", "cross-site"),
                ("sec-fetch-mode", "no-cors"),
            ],
            false,
        ),
        (&[("origin", "https://admin.example:8080")], true),
        (&[("origin", "https://ADMIN.example:8080")], true),
        (&[("origin", "https://admin.example")], false),
        (&[("origin", "https://evil.example:8080")], false),
        (&[("origin", "null")], false),
        (&[("origin", "")], false),
    ] {
        let headers: Vec<_> = std::iter::once(host)
            .chain(headers.iter().copied())
            .collect();
        let (status, _) = ask(&open, tcp("192.0.2.1:1"), &headers).await;
        assert_eq!(status == StatusCode::OK, is_let_in, "{headers:?}");
    }
}

#[tokio::test]
async fn health_may_be_open_for_everybody_without_its_reasons() {
    let server = Server::new().start().await.unwrap();
    let admin = Admin::new().server(server.handle().clone()).open_health();
    let far = Peer::new(tcp("192.0.2.1:1"), tcp("192.0.2.2:80"));
    for (path, expected) in [
        ("/live", StatusCode::OK),
        ("/ready", StatusCode::OK),
        ("/ready?verbose", StatusCode::FORBIDDEN),
        ("/ready?verbose=1", StatusCode::FORBIDDEN),
        ("/ready?verbose=0", StatusCode::OK),
        ("/", StatusCode::FORBIDDEN),
        ("/metrics", StatusCode::FORBIDDEN),
        ("/status.json", StatusCode::FORBIDDEN),
        ("/connections", StatusCode::FORBIDDEN),
        ("/events", StatusCode::FORBIDDEN),
    ] {
        let mut request = Request::get(path).body(Body::empty()).unwrap();
        request.extensions_mut().insert(far.clone());
        let response = admin.application().oneshot(request).await.unwrap();
        assert_eq!(response.status(), expected, "{path}");
    }
}

/// Nothing is known of a server that is not ours: it is an error of the composition.
#[tokio::test]
async fn in_a_foreign_server_there_is_nothing_to_show() {
    let request = Request::get("/status.json").body(Body::empty()).unwrap();
    let admin = Admin::new().allow(|_| true);
    let response = admin.application().oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
}
