//! Clients behind proxies, and those that only say so.

use std::net::{IpAddr, SocketAddr};

use cyclone_core::{Address, Network, Peer};
use cyclone_web::{Application, Body, RequestContext, Result, TrustedProxies};
use http::Request;

use crate::support::{call, exchange, listen, text};

async fn who(cx: &mut RequestContext) -> Result {
    let ip = cx.remote_ip();
    let ip = ip.map_or("none".to_owned(), |ip: IpAddr| ip.to_string());
    let (scheme, host) = (cx.scheme(), cx.host().unwrap_or("none").to_owned());
    let peer = cx.peer().remote().ip();
    assert_ne!(
        peer.map(|ip| ip.to_string()),
        Some("203.0.113.9".to_owned())
    );
    cx.text(format!("{ip} {scheme} {host}"))
}

fn app(proxies: impl Into<Option<TrustedProxies>>) -> Application {
    let app = Application::new().get("/", who);
    match proxies.into() {
        Some(proxies) => app.trusted_proxies(proxies),
        None => app,
    }
}

fn networks() -> [Network; 2] {
    ["10.0.0.0/8".parse().unwrap(), Network::LOOPBACK_V6]
}

/// What the application takes a request with these headers for, when it comes from `remote`.
async fn seen(app: &Application, remote: Address, headers: &[(&str, &str)]) -> String {
    let mut request = Request::get("/").header("host", "own.example");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut request = request.body(Body::empty()).unwrap();
    let peer = Peer::new(remote, Address::Memory);
    request.extensions_mut().insert(peer);
    text(&call(app, request).await).to_owned()
}

fn tcp(ip: &str) -> Address {
    Address::Tcp(SocketAddr::new(ip.parse().unwrap(), 4000))
}

/// Every header that a client could write to be somebody else.
const SPOOFED: [(&str, &str); 6] = [
    ("forwarded", "for=203.0.113.9;proto=https;host=evil.example"),
    ("x-forwarded-for", "203.0.113.9"),
    ("x-forwarded-proto", "https"),
    ("x-forwarded-host", "evil.example"),
    ("x-real-ip", "203.0.113.9"),
    ("x-scheme", "https"),
];

#[tokio::test]
async fn headers_of_who_is_no_trusted_proxy_are_not_looked_at() {
    for (proxies, remote) in [
        (None, "10.0.0.1"),
        (
            Some(TrustedProxies::forwarded(networks()).with_host()),
            "11.0.0.1",
        ),
        (
            Some(TrustedProxies::x_forwarded(networks()).with_host()),
            "11.0.0.1",
        ),
        (
            Some(TrustedProxies::xheaders(networks()).with_host()),
            "11.0.0.1",
        ),
        (Some(TrustedProxies::xheaders([]).with_host()), "10.0.0.1"),
    ] {
        let app = app(proxies);
        let expected = format!("{remote} http own.example");
        assert_eq!(seen(&app, tcp(remote), &SPOOFED).await, expected);
        let unix = seen(&app, Address::Unix(None), &SPOOFED).await;
        assert_eq!(unix, "none http own.example");
    }
    // Nor over a real connection.
    let (server, address) = listen(app(TrustedProxies::xheaders(networks()))).await;
    let spoofed = SPOOFED
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .concat();
    let request = format!("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{spoofed}\r\n");
    let answer = exchange(address, request.as_bytes()).await;
    assert!(answer.ends_with("127.0.0.1 http a"), "{answer}");
    server.shutdown();
    server.wait().await;
}

/// A proxy that sets one of the headers passes the others on as the client wrote them.
#[tokio::test]
async fn headers_that_were_not_chosen_are_not_looked_at() {
    let forwarded = app(TrustedProxies::forwarded(networks()));
    let others = &SPOOFED[1..];
    assert_eq!(
        seen(&forwarded, tcp("10.0.0.1"), others).await,
        "10.0.0.1 http own.example"
    );
    let x_forwarded = app(TrustedProxies::x_forwarded(networks()));
    let others = [SPOOFED[0], SPOOFED[3], SPOOFED[4], SPOOFED[5]];
    assert_eq!(
        seen(&x_forwarded, tcp("10.0.0.1"), &others).await,
        "10.0.0.1 http own.example"
    );
}

#[tokio::test]
async fn x_forwarded_for_is_read_from_its_end() {
    let app = app(TrustedProxies::x_forwarded(networks()));
    for (value, expected) in [
        ("192.0.2.1", "192.0.2.1"),
        // What the client wrote before is not the client.
        ("203.0.113.9, 192.0.2.1", "192.0.2.1"),
        ("203.0.113.9, 192.0.2.1, 10.1.1.1, 10.2.2.2", "192.0.2.1"),
        ("10.9.9.9, 192.0.2.1", "192.0.2.1"),
        ("rubbish, 192.0.2.1", "192.0.2.1"),
        ("192.0.2.1:5000", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:db8::1]:5000", "2001:db8::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("203.0.113.9, ::ffff:10.0.0.7, ", "203.0.113.9"),
        // All are proxies: the first has asked itself.
        ("10.1.1.1, 10.2.2.2", "10.1.1.1"),
        // Nobody knows: it is not the proxy.
        ("192.0.2.1, rubbish", "none"),
        ("192.0.2.1, unknown", "none"),
        ("192.0.2.1, [2001:db8::1]x", "none"),
        ("192.0.2.1, 1.2.3", "none"),
        ("", "10.0.0.1"),
    ] {
        let seen = seen(&app, tcp("10.0.0.1"), &[("x-forwarded-for", value)]).await;
        assert_eq!(seen, format!("{expected} http own.example"), "{value}");
    }
    let lines = [
        ("x-forwarded-for", "203.0.113.9"),
        ("x-forwarded-for", "192.0.2.1, 10.0.0.2"),
    ];
    assert!(
        seen(&app, tcp("10.0.0.1"), &lines)
            .await
            .starts_with("192.0.2.1 ")
    );
    // A health check of the proxy itself.
    assert!(
        seen(&app, tcp("10.0.0.1"), &[])
            .await
            .starts_with("10.0.0.1 ")
    );
}

/// The order of features.md 3.10: `X-Real-Ip`, else `X-Forwarded-For`; `X-Scheme`, else the last `X-Forwarded-Proto`.
#[tokio::test]
async fn xheaders_has_the_precedence_of_tornado() {
    let app = app(TrustedProxies::xheaders(networks()));
    for (headers, expected) in [
        (
            &[("x-real-ip", "192.0.2.7"), ("x-forwarded-for", "192.0.2.1")][..],
            "192.0.2.7 http",
        ),
        (&[("x-forwarded-for", "192.0.2.1")], "192.0.2.1 http"),
        (
            &[("x-real-ip", "4.4.4.4"), ("x-forwarded-proto", "https")],
            "4.4.4.4 https",
        ),
        (
            &[("x-scheme", "https"), ("x-forwarded-proto", "http")],
            "10.0.0.1 https",
        ),
        (
            &[("x-scheme", "http"), ("x-forwarded-proto", "https")],
            "10.0.0.1 http",
        ),
        (&[("x-forwarded-proto", "http, https")], "10.0.0.1 https"),
        (&[("x-forwarded-proto", "https, http")], "10.0.0.1 http"),
        (&[("x-forwarded-proto", "HTTPS")], "10.0.0.1 https"),
        (&[("x-forwarded-proto", "gopher")], "10.0.0.1 http"),
        (
            &[("x-scheme", "javascript"), ("x-forwarded-proto", "https")],
            "10.0.0.1 http",
        ),
        (
            &[("x-real-ip", "rubbish"), ("x-forwarded-for", "192.0.2.1")],
            "none http",
        ),
    ] {
        let seen = seen(&app, tcp("10.0.0.1"), headers).await;
        assert_eq!(seen, format!("{expected} own.example"), "{headers:?}");
    }
}

/// RFC 7239 section 4, and its examples.
#[tokio::test]
async fn rfc_7239_forwarded_is_read_from_its_end() {
    let app = app(TrustedProxies::forwarded(networks()).with_host());
    for (value, expected) in [
        ("for=192.0.2.43", "192.0.2.43 http own.example"),
        (
            "For=\"[2001:db8:cafe::17]:4711\"",
            "2001:db8:cafe::17 http own.example",
        ),
        (
            "for=192.0.2.60;proto=https;by=203.0.113.43;host=site.example",
            "192.0.2.60 https site.example",
        ),
        (
            "for=203.0.113.9;host=evil.example, for=192.0.2.1",
            "192.0.2.1 http own.example",
        ),
        (
            "for=203.0.113.9, for=192.0.2.1;proto=HTTPS, for=10.1.1.1",
            "192.0.2.1 https own.example",
        ),
        (
            "for=192.0.2.1 ; proto=https;",
            "192.0.2.1 https own.example",
        ),
        (
            "proto=https;for=\"192.0.2.1:80\";ext=\"a,b;c=\\\"d\"",
            "192.0.2.1 https own.example",
        ),
        (",, for=192.0.2.1 ,", "192.0.2.1 http own.example"),
        (
            "for=10.1.1.1;proto=https, for=10.2.2.2",
            "10.1.1.1 https own.example",
        ),
        // Hidden on purpose, or unknown (section 6).
        ("for=203.0.113.9, for=_hidden", "none http own.example"),
        ("for=203.0.113.9, for=unknown", "none http own.example"),
        ("proto=https", "none https own.example"),
        // A quote that does not end would swallow what the proxy adds.
        ("for=\"203.0.113.9, for=192.0.2.1", "none http own.example"),
        ("for=192.0.2.1;for=203.0.113.9", "none http own.example"),
        ("for", "none http own.example"),
        ("for=", "none http own.example"),
        ("for = 192.0.2.1", "none http own.example"),
        ("rubbish, for=192.0.2.1", "none http own.example"),
        ("for=192.0.2.1 x", "none http own.example"),
        (
            "for=192.0.2.1;host=\"evil.example/path\"",
            "192.0.2.1 http own.example",
        ),
        (
            "for=192.0.2.1;host=\"a\\\"b\"",
            "192.0.2.1 http own.example",
        ),
        ("", "10.0.0.1 http own.example"),
    ] {
        let seen = seen(&app, tcp("10.0.0.1"), &[("forwarded", value)]).await;
        assert_eq!(seen, expected, "{value}");
    }
    let lines = [
        ("forwarded", "for=203.0.113.9"),
        ("forwarded", "for=192.0.2.1"),
    ];
    assert!(
        seen(&app, tcp("::1"), &lines)
            .await
            .starts_with("192.0.2.1 ")
    );
}

#[tokio::test]
async fn host_and_unix_sockets_are_trusted_when_asked_for() {
    let fields = [
        ("x-forwarded-for", "192.0.2.1"),
        ("x-forwarded-host", "evil.example, site.example:8443"),
    ];
    let plain = app(TrustedProxies::x_forwarded(networks()));
    let unix = Address::Unix(None);
    assert_eq!(
        seen(&plain, tcp("10.0.0.1"), &fields).await,
        "192.0.2.1 http own.example"
    );
    assert_eq!(
        seen(&plain, unix.clone(), &fields).await,
        "none http own.example"
    );
    let asked = TrustedProxies::x_forwarded([])
        .with_host()
        .with_unix_sockets();
    let asked = app(asked);
    assert_eq!(
        seen(&asked, unix, &fields).await,
        "192.0.2.1 http site.example:8443"
    );
    assert_eq!(
        seen(&asked, tcp("10.0.0.1"), &fields).await,
        "10.0.0.1 http own.example"
    );
}

/// Routes of a host go by what the proxy says too.
#[tokio::test]
async fn routes_of_hosts_are_found_by_the_host_that_the_proxy_names() {
    let site = cyclone_web::Router::new().get("/where", who);
    let app = Application::new().host("site.example", site);
    let fields = |mut request: Request<Body>| {
        let host = http::HeaderValue::from_static("site.example");
        request.headers_mut().insert("x-forwarded-host", host);
        let peer = Peer::new(tcp("10.0.0.1"), Address::Memory);
        request.extensions_mut().insert(peer);
        request
    };
    let request = || fields(crate::support::get("/where"));
    assert_eq!(call(&app, request()).await.status(), 404);
    let proxies = TrustedProxies::x_forwarded(networks());
    let trusting = app.clone().trusted_proxies(proxies.clone());
    assert_eq!(call(&trusting, request()).await.status(), 404);
    let trusting = app.trusted_proxies(proxies.with_host());
    assert_eq!(call(&trusting, request()).await.status(), 200);
}

/// However long a list a client sends, it is looked at from its end.
#[tokio::test]
async fn a_long_list_does_not_cost_more_than_its_length() {
    let app = app(TrustedProxies::forwarded(networks()));
    let many = "for=10.1.1.1,".repeat(4000) + "for=192.0.2.1";
    let seen = seen(&app, tcp("10.0.0.1"), &[("forwarded", &many)]).await;
    assert!(seen.starts_with("192.0.2.1 "), "{seen}");
}
