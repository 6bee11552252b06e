//! Headers by which browsers protect users.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use cyclone_core::{Address, Peer};
use cyclone_web::{
    Application, Body, Error, RequestContext, Result, SecurityHeaders, TrustedProxies,
};
use http::{Request, StatusCode, header};

use crate::support::{call, get, text};

const POLICY: &str = "default-src 'self'; script-src 'self' 'nonce-{nonce}'";

async fn plain(cx: &mut RequestContext) -> Result {
    cx.text("plain")
}

async fn scripted(cx: &mut RequestContext) -> Result {
    let nonce = cx.csp_nonce()?;
    assert_eq!(cx.csp_nonce()?, nonce);
    cx.html(nonce)
}

fn value<'a>(response: &'a http::Response<Bytes>, name: &str) -> Option<&'a str> {
    assert!(
        response.headers().get_all(name).iter().count() <= 1,
        "{name}"
    );
    let value = response.headers().get(name)?;
    Some(value.to_str().unwrap())
}

#[tokio::test]
async fn every_response_has_them_and_a_handler_may_say_otherwise() {
    let files = tempfile::tempdir().unwrap();
    std::fs::write(files.path().join("a.txt"), "a").unwrap();
    let inner = tower::service_fn(async |_request: Request<Body>| {
        Ok::<_, Infallible>(http::Response::new(Body::from("inner")))
    });
    let failing = tower::service_fn(async |_request: Request<Body>| {
        Err::<http::Response<Body>, _>(std::io::Error::other("on purpose"))
    });
    let app = Application::new()
        .get("/", plain)
        .get("/own", async |cx: &mut RequestContext| {
            cx.set_header("referrer-policy", "no-referrer")?;
            cx.clear_header("x-frame-options");
            cx.text("own")
        })
        .get("/fails", async |_cx: &mut RequestContext| {
            Err(Error::new(StatusCode::CONFLICT))
        })
        .get("/flushes", async |cx: &mut RequestContext| {
            cx.write("a");
            cx.flush().await?;
            cx.finish()
        })
        .mount("/in", inner)
        .mount("/failing", failing)
        .static_files("/static", files.path())
        .security_headers(SecurityHeaders::new());
    for (method, path, status) in [
        ("GET", "/", 200),
        ("GET", "/fails", 409),
        ("GET", "/flushes", 200),
        ("GET", "/nowhere", 404),
        ("POST", "/", 405),
        ("OPTIONS", "/", 204),
        ("GET", "/in/x", 200),
        ("GET", "/failing/x", 500),
        ("GET", "/static/a.txt", 200),
        ("GET", "/static/b.txt", 404),
    ] {
        let mut request = get(path);
        *request.method_mut() = method.parse().unwrap();
        let response = call(&app, request).await;
        assert_eq!(response.status(), status, "{path}");
        for (name, expected) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "strict-origin-when-cross-origin"),
            ("x-frame-options", "SAMEORIGIN"),
            ("cross-origin-opener-policy", "same-origin"),
        ] {
            assert_eq!(value(&response, name), Some(expected), "{method} {path}");
        }
        assert_eq!(value(&response, "strict-transport-security"), None);
        assert_eq!(value(&response, "content-security-policy"), None);
    }
    let own = call(&app, get("/own")).await;
    assert_eq!(value(&own, "referrer-policy"), Some("no-referrer"));
    assert_eq!(value(&own, "x-frame-options"), None);
    // Nothing of it unless it is asked for.
    let app = Application::new().get("/", plain);
    let response = call(&app, get("/")).await;
    assert_eq!(value(&response, "x-content-type-options"), None);
}

#[tokio::test]
async fn the_nonce_is_of_one_response_and_in_its_policy() {
    let headers = SecurityHeaders::new().content_security_policy(POLICY);
    let app = Application::new()
        .get("/", plain)
        .get("/script", scripted)
        .get("/fails", async |cx: &mut RequestContext| {
            let nonce = cx.csp_nonce()?;
            Err(Error::bad_request(nonce))
        })
        .get("/own", async |cx: &mut RequestContext| {
            cx.set_header("content-security-policy", "default-src 'none'")?;
            let nonce = cx.csp_nonce()?;
            cx.html(nonce)
        })
        .get("/late", async |cx: &mut RequestContext| {
            cx.write("a");
            cx.flush().await?;
            assert!(cx.csp_nonce().is_err());
            cx.finish()
        })
        .security_headers(headers);
    let policy = "content-security-policy";
    let without = "default-src 'self'; script-src 'self'";
    assert_eq!(value(&call(&app, get("/")).await, policy), Some(without));
    assert_eq!(
        value(&call(&app, get("/late")).await, policy),
        Some(without)
    );
    let mut nonces = Vec::new();
    for _ in 0..3 {
        let response = call(&app, get("/script")).await;
        let nonce = text(&response).to_owned();
        assert_eq!(nonce.len(), 22, "128 bits");
        let is_sound = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        assert!(nonce.bytes().all(is_sound), "{nonce}");
        assert_eq!(
            value(&response, policy),
            Some(&*POLICY.replace("{nonce}", &nonce))
        );
        nonces.push(nonce);
    }
    nonces.dedup();
    assert_eq!(nonces.len(), 3);
    let response = call(&app, get("/fails")).await;
    let sent = value(&response, policy).unwrap();
    let (_, nonce) = sent.split_once("'nonce-").unwrap();
    assert!(
        text(&response).contains(nonce.trim_end_matches('\'')),
        "{sent}"
    );
    let response = call(&app, get("/own")).await;
    assert_eq!(value(&response, policy), Some("default-src 'none'"));
    let unset = Application::new().get("/script", scripted);
    assert_eq!(call(&unset, get("/script")).await.status(), 500);
}

/// A 304 updates the headers of the stored page, whose scripts have another nonce.
#[tokio::test]
async fn a_304_leaves_the_policy_of_the_page_that_the_client_has() {
    let headers = SecurityHeaders::new().content_security_policy(POLICY);
    let app = Application::new()
        .etag(true)
        .get("/", async |cx: &mut RequestContext| {
            cx.set_header("etag", "\"v1\"")?;
            let nonce = cx.csp_nonce()?;
            cx.html(nonce)
        })
        .security_headers(headers);
    let mut request = get("/");
    request
        .headers_mut()
        .insert(header::IF_NONE_MATCH, "\"v1\"".parse().unwrap());
    let response = call(&app, request).await;
    assert_eq!(response.status(), 304);
    assert_eq!(value(&response, "content-security-policy"), None);
    assert_eq!(value(&response, "x-content-type-options"), Some("nosniff"));
}

#[tokio::test]
async fn hsts_goes_over_https_only() {
    let year = Duration::from_secs(31_536_000);
    let local = "127.0.0.0/8".parse().unwrap();
    let app = |headers| {
        Application::new()
            .get("/", plain)
            .trusted_proxies(TrustedProxies::x_forwarded([local]))
            .security_headers(headers)
    };
    for (headers, expected) in [
        (SecurityHeaders::new().hsts(year), "max-age=31536000"),
        (
            SecurityHeaders::new().hsts_with_subdomains(year),
            "max-age=31536000; includeSubDomains",
        ),
    ] {
        for (remote, scheme, expected) in [
            ("127.0.0.1:80", "https", Some(expected)),
            ("127.0.0.1:80", "http", None),
            ("192.0.2.1:80", "https", None),
        ] {
            let mut request = get("/");
            let value_of = scheme.parse().unwrap();
            request.headers_mut().insert("x-forwarded-proto", value_of);
            let remote = Address::Tcp(remote.parse().unwrap());
            request
                .extensions_mut()
                .insert(Peer::new(remote, Address::Memory));
            let response = call(&app(headers.clone()), request).await;
            assert_eq!(value(&response, "strict-transport-security"), expected);
        }
    }
}

#[tokio::test]
async fn headers_are_changed_added_and_taken_away() {
    let headers = SecurityHeaders::new()
        .frame_options("DENY")
        .referrer_policy("same-origin")
        .header("permissions-policy".parse().unwrap(), "camera=()")
        .without(&"cross-origin-opener-policy".parse().unwrap())
        .content_security_policy("script-src 'nonce-{nonce}'")
        .report_only();
    let app = Application::new().get("/", plain).get("/script", scripted);
    let app = app.security_headers(headers);
    let response = call(&app, get("/")).await;
    for (name, expected) in [
        ("x-frame-options", Some("DENY")),
        ("referrer-policy", Some("same-origin")),
        ("permissions-policy", Some("camera=()")),
        ("cross-origin-opener-policy", None),
        ("content-security-policy", None),
        ("content-security-policy-report-only", Some("script-src")),
    ] {
        assert_eq!(value(&response, name), expected, "{name}");
    }
    let response = call(&app, get("/script")).await;
    let policy = value(&response, "content-security-policy-report-only").unwrap();
    assert_eq!(policy, format!("script-src 'nonce-{}'", text(&response)));
}

#[test]
fn a_value_that_cannot_be_sent_is_found_at_the_start() {
    for build in [
        || SecurityHeaders::new().content_security_policy("a\r\nx: y"),
        || SecurityHeaders::new().referrer_policy("a\nb"),
    ] {
        assert!(std::panic::catch_unwind(build).is_err());
    }
}

/// In a template the nonce is a value like any other, and needs no escaping.
#[cfg(feature = "templates")]
#[tokio::test]
async fn a_template_gets_the_nonce() {
    use cyclone_web::Templates;
    let files = tempfile::tempdir().unwrap();
    let page = "<script nonce=\"{{ nonce }}\">start()</script>";
    std::fs::write(files.path().join("page.html"), page).unwrap();
    let headers = SecurityHeaders::new().content_security_policy(POLICY);
    let app = Application::new()
        .templates(Templates::from_directory(files.path()).unwrap())
        .security_headers(headers)
        .get("/", async |cx: &mut RequestContext| {
            let nonce = cx.csp_nonce()?;
            cx.render("page.html", serde_json::json!({ "nonce": nonce }))
        });
    let response = call(&app, get("/")).await;
    let policy = value(&response, "content-security-policy").unwrap();
    let (_, nonce) = policy.split_once("'nonce-").unwrap();
    let nonce = nonce.trim_end_matches('\'');
    assert_eq!(
        text(&response),
        format!("<script nonce=\"{nonce}\">start()</script>")
    );
}
