//! Authentication by Basic and Digest, and by curl.

use std::ffi::OsString;

use bytes::Bytes;
use cyclone_web::{Application, Basic, Body, Challenge, Error, RequestContext, Result};
use http::{Request, Response, StatusCode, header};

use crate::support::{call, get, text};

mod curl;
mod digest;

/// A program that `cargo xtask test` provides.
fn foreign(variable: &str) -> OsString {
    let program = std::env::var_os(variable);
    program.unwrap_or_else(|| panic!("{variable} is not set; run `cargo xtask test`"))
}

/// A request with credentials.
fn with_credentials(target: &str, credentials: &str) -> Request<Body> {
    let mut request = get(target);
    let credentials = credentials.parse().unwrap();
    request
        .headers_mut()
        .insert(header::AUTHORIZATION, credentials);
    request
}

/// The challenges of a response.
fn challenges(response: &Response<Bytes>) -> Vec<&str> {
    let all = response.headers().get_all(header::WWW_AUTHENTICATE).iter();
    all.map(|value| value.to_str().unwrap()).collect()
}

async fn vault(cx: &mut RequestContext) -> Result {
    let basic = Basic::new("the vault");
    let login = basic.credentials(cx)?;
    if !login.is("ada", "love:lace \u{e9}") {
        return Err(basic.refusal());
    }
    cx.text(format!("welcome, {}", login.user()))
}

/// `HTTPAuthenticationRequired` of cyclone with parameters of its own.
async fn any_scheme(cx: &mut RequestContext) -> Result {
    match cx.credentials()? {
        Some(fancy) if fancy.is("Fancy") => {
            let user = fancy.parameter("user").unwrap_or("nobody");
            cx.text(user.to_owned())
        }
        _ => {
            let fancy = Challenge::new("Fancy").realm("r").token("level", "7");
            let error = Error::authentication_required(fancy);
            Err(error.challenge(Challenge::new("Bearer")))
        }
    }
}

#[tokio::test]
async fn basic_asks_until_it_is_right() {
    let app = Application::new().get("/", vault);
    // ada:love:lace é, in upper and lower case of the scheme.
    for scheme in ["Basic", "basic"] {
        let right = format!("{scheme} YWRhOmxvdmU6bGFjZSDDqQ==");
        let answer = call(&app, with_credentials("/", &right)).await;
        assert_eq!(text(&answer), "welcome, ada");
    }
    let requests = [
        get("/"),
        with_credentials("/", "Basic YWRhOmxvdmU="),
        with_credentials("/", "Basic"),
        with_credentials("/", "Basic \u{7f}".trim_end_matches('\u{7f}')),
        with_credentials("/", "Basic a=b"),
        with_credentials("/", "Bearer YWRhOmxvdmU6bGFjZSDDqQ=="),
    ];
    for request in requests {
        let answer = call(&app, request).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
        let expected = "Basic realm=\"the vault\", charset=\"UTF-8\"";
        assert_eq!(challenges(&answer), [expected]);
    }
}

#[tokio::test]
async fn any_scheme_and_several() {
    let app = Application::new().get("/", any_scheme);
    let answer = call(&app, get("/")).await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(
        challenges(&answer),
        ["Fancy realm=\"r\", level=7", "Bearer"]
    );
    let answer = call(&app, with_credentials("/", "fancy user=\"ada, countess\"")).await;
    assert_eq!(text(&answer), "ada, countess");
    let answer = call(&app, with_credentials("/", "fancy user=\"ada")).await;
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
}
