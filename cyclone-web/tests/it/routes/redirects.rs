//! Routes that lead elsewhere (Tornado's `RedirectHandler`).

use cyclone_web::{Application, Redirect};
use http::{StatusCode, header};

use super::{answer, refused, request, said};
use crate::support::call;

#[tokio::test]
async fn parameters_and_query_come_along() {
    let app = Application::new()
        .route("/for-good", Redirect::permanent("/new"))
        .route("/for-now", Redirect::temporary("/new?own=1"))
        .route("/by-name/{b}/{a}", Redirect::permanent("/{a}/x{b}"))
        .route("/by-number/{b}/{a}", Redirect::permanent("/{1}/x{0}"))
        .route(
            "/rest/{*path}",
            Redirect::permanent("https://docs.example/{path}"),
        )
        .route("/argument/{x}", Redirect::permanent("/?q={x}"))
        .route("/braces", Redirect::permanent("/{{x}}"));
    for (target, expected) in [
        ("/for-good", "301 /new"),
        ("/for-good?a=1&b=%20", "301 /new?a=1&b=%20"),
        ("/for-good?", "301 /new"),
        ("/for-now", "302 /new?own=1"),
        ("/for-now?a=1", "302 /new?own=1&a=1"),
        ("/by-name/1%2F2/3", "301 /3/x1%2F2"),
        ("/by-number/1/2", "301 /2/x1"),
        ("/rest/a/b%20c?d", "301 https://docs.example/a/b%20c?d"),
        ("/argument/v?w", "301 /?q=v&w"),
        ("/braces", "301 /{x}"),
    ] {
        assert_eq!(answer(&app, target).await, expected, "{target}");
    }
}

#[cfg(feature = "regex")]
#[tokio::test]
async fn groups_come_along() {
    let redirect = Redirect::permanent("/{1}/{0}");
    let app = Application::new().route(cyclone_web::regex("/(a+)-(.*)"), redirect);
    assert_eq!(answer(&app, "/aa-b%2Fc").await, "301 /b%2Fc/aa");
}

#[tokio::test]
async fn only_get_and_head_are_led_on_unless_the_method_stays() {
    let app = Application::new()
        .route("/get", Redirect::permanent("/new"))
        .route(
            "/all",
            Redirect::with_status(StatusCode::PERMANENT_REDIRECT, "/new"),
        );
    for (method, target, expected) in [
        ("HEAD", "/get", "301 /new"),
        ("POST", "/get", "405"),
        ("POST", "/all", "308 /new"),
        ("GET", "/all", "308 /new"),
    ] {
        let response = call(&app, request(method, "h", target)).await;
        assert_eq!(said(&response), expected, "{method} {target}");
    }
    let response = call(&app, request("PUT", "h", "/get")).await;
    assert_eq!(response.headers()[header::ALLOW], "GET, HEAD");
}

/// Open redirects (CVE-2023-28370 and its kin).
#[tokio::test]
async fn what_comes_along_does_not_change_the_host() {
    let app = Application::new().route("/{*path}", Redirect::permanent("/{path}"));
    for target in ["//evil.example/", "///evil.example", "/%09/evil.example"] {
        let said = answer(&app, target).await;
        let location = said.strip_prefix("301 ").unwrap();
        assert!(
            !location.starts_with("//") && !location.starts_with("/\\"),
            "{said}"
        );
        assert!(location.starts_with('/'), "{said}");
    }
    for target in [
        "{0}",
        "//{0}",
        "https://{0}.example/",
        "https://a.example{0}",
    ] {
        refused(|| Application::new().route("/{x}", Redirect::permanent(target)));
    }
}

#[tokio::test]
async fn a_parameter_that_is_not_there_is_our_fault() {
    let app = Application::new().route("/{x}", Redirect::permanent("/{y}"));
    assert_eq!(answer(&app, "/a").await, "500");
}
