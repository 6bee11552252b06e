//! Requests that other sites have a browser make.

use bytes::Bytes;
use cyclone_web::{
    Application, Body, CurrentUser, RequestContext, RequestHandler, Result, Xsrf, XsrfVersion, url,
};
use http::{Method, Request, Response, StatusCode};

use super::{cookie_line, set_cookie, with_headers};
use crate::support::{call, get, post, text};

pub(super) const FORM: &str = "application/x-www-form-urlencoded";

async fn form(cx: &mut RequestContext) -> Result {
    let field = cx.xsrf_form_html()?;
    cx.html(field)
}

async fn token(cx: &mut RequestContext) -> Result {
    let token = cx.xsrf_token()?;
    cx.text(token)
}

pub(super) async fn done(cx: &mut RequestContext) -> Result {
    cx.text("done")
}

/// A handler that is checked, and one that is not.
struct Checked;
impl RequestHandler for Checked {
    async fn post(&self, cx: &mut RequestContext) -> Result {
        done(cx).await
    }
    async fn put(&self, cx: &mut RequestContext) -> Result {
        done(cx).await
    }
    async fn patch(&self, cx: &mut RequestContext) -> Result {
        done(cx).await
    }
    async fn delete(&self, cx: &mut RequestContext) -> Result {
        done(cx).await
    }
    async fn get(&self, cx: &mut RequestContext) -> Result {
        token(cx).await
    }
    async fn options(&self, cx: &mut RequestContext) -> Result {
        done(cx).await
    }
    async fn query(&self, cx: &mut RequestContext) -> Result {
        done(cx).await
    }
}

struct Exempt;
impl RequestHandler for Exempt {
    const XSRF: bool = false;

    async fn post(&self, cx: &mut RequestContext) -> Result {
        done(cx).await
    }
}

/// Takes its body as a stream: a form in it is not read before.
struct Streaming;
impl RequestHandler for Streaming {
    const STREAM_BODY: bool = true;

    async fn post(&self, cx: &mut RequestContext) -> Result {
        done(cx).await
    }
}

pub(super) fn app(xsrf: Xsrf) -> Application {
    Application::new()
        .xsrf(xsrf)
        .get("/", form)
        .get("/token", token)
        .post("/", done)
        .post(url("/hook").xsrf(false), done)
        .route("/handler", Checked)
        .route("/exempt", Exempt)
        .route(url("/exempt-route").xsrf(false), Checked)
        .route("/streaming", Streaming)
}

pub(super) async fn send(
    app: &Application,
    method: Method,
    target: &str,
    headers: &[(&'static str, &str)],
) -> Response<Bytes> {
    let request = Request::builder().method(method).uri(target);
    let request = request.header("host", "site.example");
    call(
        app,
        with_headers(request.body(Body::empty()).unwrap(), headers),
    )
    .await
}

/// What a browser has after it saw a page: the cookie, and the token of the page.
pub(super) async fn visit(app: &Application) -> (String, String) {
    let page = call(app, get("/token")).await;
    (set_cookie(&page, "_xsrf").unwrap(), text(&page).to_owned())
}

#[tokio::test]
async fn a_form_of_this_site_passes() {
    let app = app(Xsrf::new());
    let page = call(&app, get("/")).await;
    let field = text(&page);
    let token = field
        .strip_prefix("<input type=\"hidden\" name=\"_xsrf\" value=\"")
        .and_then(|rest| rest.strip_suffix("\"/>"))
        .unwrap();
    let cookie = set_cookie(&page, "_xsrf").unwrap();
    let answer = |token: String| {
        let request = post("/", FORM, format!("_xsrf={}", token.replace('|', "%7C")));
        with_headers(request, &[("cookie", &format!("_xsrf={cookie}"))])
    };
    let passed = call(&app, answer(token.to_owned())).await;
    assert_eq!(text(&passed), "done");
    let mut other = token.to_owned();
    let last_of_token = other.rfind('|').unwrap() - 1;
    let digit = if &other[last_of_token..=last_of_token] == "0" {
        "1"
    } else {
        "0"
    };
    other.replace_range(last_of_token..=last_of_token, digit);
    assert_eq!(
        call(&app, answer(other)).await.status(),
        StatusCode::FORBIDDEN
    );
    assert_eq!(
        call(&app, answer(String::new())).await.status(),
        StatusCode::FORBIDDEN
    );
}

#[tokio::test]
async fn the_token_may_come_as_argument_or_header_for_every_method_that_changes() {
    let app = app(Xsrf::new());
    let (cookie, token) = visit(&app).await;
    let cookie = format!("a=b; _xsrf={cookie}");
    let query = format!("/handler?_xsrf={}", token.replace('|', "%7C"));
    for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
        let jar = ("cookie", &*cookie);
        let sent = [
            send(&app, method.clone(), &query, &[jar]).await,
            send(
                &app,
                method.clone(),
                "/handler",
                &[jar, ("x-xsrftoken", &token)],
            )
            .await,
            send(
                &app,
                method.clone(),
                "/handler",
                &[jar, ("x-csrftoken", &token)],
            )
            .await,
            send(
                &app,
                method.clone(),
                "/handler?_xsrf=",
                &[jar, ("x-csrftoken", &token)],
            )
            .await,
        ];
        for response in sent {
            assert_eq!(response.status(), StatusCode::OK, "{method}");
        }
        for headers in [
            &[jar][..],
            &[],
            &[("x-xsrftoken", &token)],
            // Tornado 1.1.1: these were exempt once.
            &[jar, ("x-requested-with", "XMLHttpRequest")],
            &[jar, ("content-type", "application/json")],
            &[jar, ("content-type", "multipart/form-data; boundary=x")],
        ] {
            let response = send(&app, method.clone(), "/handler", headers).await;
            assert_eq!(
                response.status(),
                StatusCode::FORBIDDEN,
                "{method} {headers:?}"
            );
        }
    }
}

#[tokio::test]
async fn safe_methods_are_not_checked() {
    let app = app(Xsrf::new());
    for method in [Method::GET, Method::HEAD, Method::OPTIONS, Method::QUERY] {
        let evil = [
            ("sec-fetch-site", "cross-site"),
            ("origin", "https://evil.example"),
        ];
        let response = send(&app, method, "/handler", &evil).await;
        assert_eq!(response.status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn a_handler_and_a_route_may_be_exempt() {
    let app = app(Xsrf::new());
    for target in ["/hook", "/exempt", "/exempt-route"] {
        let response = send(&app, Method::POST, target, &[]).await;
        assert_eq!(response.status(), StatusCode::OK, "{target}");
    }
    for target in ["/", "/handler", "/streaming"] {
        let response = send(&app, Method::POST, target, &[]).await;
        assert_eq!(response.status(), StatusCode::FORBIDDEN, "{target}");
    }
    let off = Application::new().post("/", done).get("/", token);
    assert_eq!(
        send(&off, Method::POST, "/", &[]).await.status(),
        StatusCode::OK
    );
    assert_eq!(
        send(&off, Method::GET, "/", &[]).await.status(),
        StatusCode::OK
    );
}

/// As with cyclone's `ErrorHandler`.
#[tokio::test]
async fn a_path_without_a_route_is_not_found_and_a_method_without_a_function_not_allowed() {
    let app = app(Xsrf::new());
    let unknown = send(&app, Method::POST, "/unknown", &[]).await;
    assert_eq!(unknown.status(), StatusCode::NOT_FOUND);
    let unknown = send(&app, Method::PUT, "/", &[]).await;
    assert_eq!(unknown.status(), StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn a_streamed_form_has_its_token_in_the_query_or_a_header() {
    let app = app(Xsrf::new());
    let (cookie, token) = visit(&app).await;
    let jar = format!("_xsrf={cookie}");
    let body = format!("_xsrf={}", token.replace('|', "%7C"));
    let in_body = with_headers(post("/streaming", FORM, body), &[("cookie", &jar)]);
    assert_eq!(call(&app, in_body).await.status(), StatusCode::FORBIDDEN);
    let headers = [("cookie", &*jar), ("x-xsrftoken", &*token)];
    let response = send(&app, Method::POST, "/streaming", &headers).await;
    assert_eq!(response.status(), StatusCode::OK);
}

/// CVE-2014-9720 (BREACH): the text differs in every response, the token does not.
#[tokio::test]
async fn cve_2014_9720_a_token_has_another_mask_in_every_response() {
    let app = app(Xsrf::new());
    let (cookie, first) = visit(&app).await;
    assert_ne!(cookie, first, "the cookie has a mask of its own");
    let jar = format!("_xsrf={cookie}");
    let page = call(&app, with_headers(get("/token"), &[("cookie", &jar)])).await;
    assert!(cookie_line(&page, "_xsrf").is_none(), "there is one");
    let second = text(&page);
    assert_ne!(first, second);
    for token in [&*first, second, &*cookie] {
        let headers = [("cookie", &*jar), ("x-xsrftoken", token)];
        let response = send(&app, Method::POST, "/", &headers).await;
        assert_eq!(response.status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn one_response_has_one_token() {
    async fn twice(cx: &mut RequestContext) -> Result {
        let (first, second) = (cx.xsrf_token()?, cx.xsrf_token()?);
        assert!(cx.xsrf_form_html()?.contains(&first));
        cx.text(if first == second { "same" } else { "different" })
    }
    let app = Application::new().get("/", twice);
    let response = call(&app, get("/")).await;
    assert_eq!(text(&response), "same");
    assert_eq!(response.headers().get_all("set-cookie").iter().count(), 1);
}

/// An error page forgets cookies; one with a form sets this one again.
#[tokio::test]
async fn the_form_of_an_error_page_works() {
    struct Failing;
    impl RequestHandler for Failing {
        async fn get(&self, cx: &mut RequestContext) -> Result {
            cx.xsrf_token()?;
            Err(cyclone_web::Error::not_found())
        }
        async fn write_error(
            &self,
            cx: &mut RequestContext,
            _error: &cyclone_web::Error,
        ) -> Result {
            token(cx).await
        }
        async fn post(&self, cx: &mut RequestContext) -> Result {
            done(cx).await
        }
    }
    let app = Application::new().xsrf(Xsrf::new()).route("/", Failing);
    let page = call(&app, get("/")).await;
    let jar = format!("_xsrf={}", set_cookie(&page, "_xsrf").unwrap());
    let headers = [("cookie", &*jar), ("x-xsrftoken", text(&page))];
    assert_eq!(
        send(&app, Method::POST, "/", &headers).await.status(),
        StatusCode::OK
    );
}

#[tokio::test]
async fn a_new_token_after_a_flush_is_an_error_and_an_old_one_is_not() {
    async fn late(cx: &mut RequestContext) -> Result {
        cx.write("begun ");
        cx.flush().await?;
        let token = cx.xsrf_token();
        cx.write(if token.is_ok() { "token" } else { "none" });
        cx.finish()
    }
    let app = app(Xsrf::new()).get("/late", late);
    assert_eq!(text(&call(&app, get("/late")).await), "begun none");
    let jar = format!("_xsrf={}", visit(&app).await.0);
    let page = call(&app, with_headers(get("/late"), &[("cookie", &jar)])).await;
    assert_eq!(text(&page), "begun token");
}

/// An empty or short token is never the same as another.
#[tokio::test]
async fn short_tokens_never_match() {
    let app = app(Xsrf::new());
    let at_least = "0123456789abcdef";
    for (token, status) in [
        ("", 403),
        ("00", 403),
        ("2|00000000||1300000000", 403),
        ("2|00000000|00|1300000000", 403),
        ("000102030405060708090a0b0c0d0e", 403),
        (&at_least[..15], 403),
        (
            "2|00000000|000102030405060708090a0b0c0d0e0f|1300000000",
            200,
        ),
        ("000102030405060708090a0b0c0d0e0f", 200),
        // What is not hex is a token of the first version as it is.
        ("an old site's own token", 200),
        (&format!("{at_least}!"), 200),
        ("2|00|000102030405060708090a0b0c0d0e0f|1300000000", 403),
        (
            "2|0000000000|000102030405060708090a0b0c0d0e0f|1300000000",
            403,
        ),
        ("2|00000000|000102030405060708090a0b0c0d0e0f|x", 403),
        ("2|00000000|000102030405060708090a0b0c0d0e0f|", 403),
        ("2|00000000|000102030405060708090a0b0c0d0e0f", 403),
        ("2|00000000|000102030405060708090a0b0c0d0e0f|1|2", 403),
        (
            "3|00000000|000102030405060708090a0b0c0d0e0f|1300000000",
            403,
        ),
    ] {
        let jar = format!("_xsrf=\"{token}\"");
        let headers = [("cookie", &*jar), ("x-xsrftoken", token)];
        let response = send(&app, Method::POST, "/", &headers).await;
        assert_eq!(response.status(), status, "{token}");
    }
}

/// cyclone's tokens, and those of Tornado before 3.2.2: accepted, kept, and made when wanted.
#[tokio::test]
async fn tokens_of_version_1_are_hex() {
    let old = app(Xsrf::new().version(XsrfVersion::V1));
    let (cookie, token) = visit(&old).await;
    assert_eq!(cookie, token);
    assert_eq!(token.len(), 32);
    assert!(token.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let new = app(Xsrf::new());
    let jar = format!("_xsrf={cookie}");
    let page = call(&new, with_headers(get("/token"), &[("cookie", &jar)])).await;
    assert!(text(&page).starts_with("2|"));
    assert!(
        cookie_line(&page, "_xsrf").is_none(),
        "the old cookie stays"
    );
    for app in [&old, &new] {
        for token in [&*token, text(&page)] {
            let headers = [("cookie", &*jar), ("x-xsrftoken", token)];
            let response = send(app, Method::POST, "/", &headers).await;
            assert_eq!(response.status(), StatusCode::OK);
        }
    }
}

/// Tornado's `xsrf_cookie_name` renames the cookie, cyclone's the argument too.
#[tokio::test]
async fn names_are_those_of_tornado_or_of_cyclone() {
    for (xsrf, argument, wrong) in [
        (Xsrf::new().cookie_name("csrf"), "_xsrf", "csrf"),
        (Xsrf::new().name("csrf"), "csrf", "_xsrf"),
    ] {
        let app = app(xsrf);
        let page = call(&app, get("/")).await;
        let cookie = set_cookie(&page, "csrf").unwrap();
        assert!(text(&page).contains(&format!("name=\"{argument}\"")));
        let token = cookie.replace('|', "%7C");
        let answer = |argument: &str| {
            let request = post("/", FORM, format!("{argument}={token}"));
            with_headers(request, &[("cookie", &format!("csrf={cookie}"))])
        };
        assert_eq!(call(&app, answer(argument)).await.status(), StatusCode::OK);
        assert_eq!(
            call(&app, answer(wrong)).await.status(),
            StatusCode::FORBIDDEN
        );
    }
}

/// Tornado changes its settings in place, and every visitor after a user gets his 30 days.
#[tokio::test]
async fn only_users_keep_the_cookie_for_30_days() {
    async fn user(cx: &mut RequestContext) -> Result<Option<CurrentUser>> {
        Ok(cx.cookie("user").map(CurrentUser::new))
    }
    let app = app(Xsrf::new()).current_user(user);
    let visitor = call(&app, get("/")).await;
    let user = call(&app, with_headers(get("/"), &[("cookie", "user=ada")])).await;
    let next_visitor = call(&app, get("/")).await;
    let user_line = cookie_line(&user, "_xsrf").unwrap();
    assert!(user_line.contains("; Max-Age=2592000"), "{user_line}");
    for response in [&visitor, &next_visitor] {
        let line = cookie_line(response, "_xsrf").unwrap();
        assert!(
            !line.contains("Max-Age") && !line.contains("Expires"),
            "{line}"
        );
        assert!(line.ends_with("; Path=/; SameSite=Lax"), "{line}");
    }
}

#[tokio::test]
async fn the_cookie_has_the_attributes_it_is_given() {
    let xsrf = Xsrf::new()
        .cookie_name("__Host-xsrf")
        .cookie(|cookie| cookie.secure(true));
    let response = call(&app(xsrf), get("/")).await;
    let line = cookie_line(&response, "__Host-xsrf").unwrap();
    assert!(line.contains("; Secure"), "{line}");
    let plain = app(Xsrf::new().cookie_name("__Host-xsrf"));
    let refused = call(&plain, get("/")).await;
    assert_eq!(
        refused.status(),
        StatusCode::INTERNAL_SERVER_ERROR,
        "no TLS, and not secure"
    );
}
