//! Regular expressions as routes (Tornado's `PathMatches`).

use cyclone_web::{Application, RequestContext, Router, regex};
use http::{Method, StatusCode, header};

use super::{answer, named, refused, request, unused};
use crate::support::call;

#[tokio::test]
async fn groups_are_parameters_by_number_or_by_name() {
    let app = Application::new()
        .get(regex("/number/([0-9]+)/([a-z]+)"), named!("numbers"))
        .get(
            regex("/name/(?P<year>[0-9]{4})/(x)(?P<slug>.*)"),
            named!("names"),
        )
        .get(regex("/none/?"), named!("none"))
        .get(regex("^/anchored/(.)$"), named!("anchored"))
        .get(regex("/either/a|/either/b"), named!("either"));
    for (target, expected) in [
        ("/number/12/ab", "numbers 1=12 2=ab"),
        ("/number/12/ab/", "404"),
        ("/number/x/ab", "404"),
        ("/x/number/12/ab", "404"),
        ("/name/2009/xa%2Fb/c", "names slug=a/b/c year=2009"),
        ("/none", "none"),
        ("/none/", "none"),
        ("/none//", "404"),
        ("/anchored/x", "anchored 1=x"),
        ("/anchored/xy", "404"),
        ("/either/a", "either"),
        ("/either/b", "either"),
        ("/either/ax", "404"),
        ("/x/either/b", "404"),
    ] {
        assert_eq!(answer(&app, target).await, expected, "{target}");
    }
}

#[tokio::test]
async fn a_group_that_is_not_there_is_none() {
    let app = Application::new().get(
        regex("/page(?:/(?P<number>[0-9]+))?"),
        async |cx: &mut RequestContext| {
            let number = cx.optional_path_argument("number")?;
            cx.text(format!("{number:?}"))
        },
    );
    assert_eq!(answer(&app, "/page/7").await, "Some(\"7\")");
    assert_eq!(answer(&app, "/page").await, "None");
}

#[tokio::test]
async fn the_first_that_was_routed_wins_and_literals_before_all() {
    let app = Application::new()
        .get(regex("/a/[0-9]+"), named!("number"))
        .get("/a/{x}", named!("pattern"))
        .get(regex("/a/x.*"), named!("later"))
        .get(regex("/(.*)"), named!("rest"))
        .get("/b/{x}", named!("never"))
        .get("/b/literal", named!("literal"));
    for (target, expected) in [
        ("/a/1", "number"),
        ("/a/x1", "pattern x=x1"),
        ("/a/x1/y", "later"),
        ("/a/y/y", "rest 1=a/y/y"),
        ("/b/1", "rest 1=b/1"),
        ("/b/literal", "literal"),
    ] {
        assert_eq!(answer(&app, target).await, expected, "{target}");
    }
}

#[tokio::test]
async fn another_method_is_looked_for_in_what_follows() {
    let app = Application::new()
        .get(regex("/([0-9]+)"), named!("number"))
        .post(regex("/(.+)"), named!("any"))
        .put("/{x}", named!("pattern"));
    for (method, expected) in [("GET", 200), ("POST", 200), ("PUT", 200), ("DELETE", 405)] {
        let response = call(&app, request(method, "h", "/7")).await;
        assert_eq!(response.status(), expected, "{method}");
    }
    let response = call(&app, request("DELETE", "h", "/7")).await;
    assert_eq!(response.headers()[header::ALLOW], "GET, HEAD, OPTIONS");
}

#[tokio::test]
async fn methods_and_limits_belong_to_an_expression() {
    async fn length(cx: &mut RequestContext) -> cyclone_web::Result {
        let length = cx.body().await?.len();
        cx.text(length.to_string())
    }
    let app = Application::new()
        .post(regex("/(up)").body_limit(3), length)
        .get(regex("/(up)"), named!("get"));
    assert_eq!(answer(&app, "/up").await, "get 1=up");
    for (body, status) in [
        ("abc", StatusCode::OK),
        ("abcd", StatusCode::PAYLOAD_TOO_LARGE),
    ] {
        let post = crate::support::post("/up", "text/plain", body);
        assert_eq!(call(&app, post).await.status(), status);
    }
}

#[test]
fn mistakes_are_found_at_the_start() {
    let message = refused(|| Application::new().get(regex("/a("), unused));
    assert!(
        message.starts_with("route `/a(`: regex parse error"),
        "{message}"
    );
    // Whatever is put around it to anchor it stays closed.
    assert!(refused(|| Application::new().get(regex("/a)|(?:/b"), unused)).contains("unopened"));
    let twice = || {
        Application::new()
            .get(regex("/a.*"), unused)
            .get(regex("/a.*"), unused)
    };
    assert_eq!(
        refused(twice),
        "route `/a.*`: `/a.*` has a handler for GET already"
    );
}

#[tokio::test]
async fn expressions_that_can_be_inverted_are() {
    let app = Application::new()
        .get(regex("/archive/([0-9]{4})/?").name("year"), named!("year"))
        .get(
            regex(r"/v1\.0/(?P<a>\w+)-(?P<b>.*)").name("two"),
            named!("two"),
        )
        .get(regex("/files/(.*)").name("rest"), named!("rest"))
        .get(regex("/seg/([^/]+)/x").name("segment"), named!("segment"));
    let table: [(&str, &[&dyn std::fmt::Display], &str, &str); 6] = [
        ("year", &[&2009], "/archive/2009", "year 1=2009"),
        ("two", &[&"x", &"y z"], "/v1.0/x-y%20z", "two a=x b=y z"),
        ("rest", &[&"a/b c"], "/files/a/b%20c", "rest 1=a/b c"),
        ("rest", &[&""], "/files/", "rest 1="),
        ("segment", &[&"a/b"], "/seg/a%2Fb/x", "segment 1=a/b"),
        ("segment", &[&"?#%"], "/seg/%3F%23%25/x", "segment 1=?#%"),
    ];
    for (name, arguments, path, expected) in table {
        let reversed = app.reverse_url(name, arguments).unwrap();
        assert_eq!(reversed, path);
        assert_eq!(answer(&app, &reversed).await, expected);
    }
    // A path that would not lead there is no answer.
    assert!(app.reverse_url("year", &[&"soon"]).is_err());
    assert!(app.reverse_url("two", &[&"a-b", &"c"]).is_err());
    assert!(app.reverse_url("segment", &[&""]).is_err());
    assert!(app.reverse_url("year", &[]).is_err());
}

#[test]
fn expressions_that_cannot_be_inverted_have_no_name() {
    for pattern in ["/(a(b))", "/(a)?", "/a|/b", "/[ab]", "/(?i)a", "/a+"] {
        let message = refused(|| Application::new().get(regex(pattern).name("x"), unused));
        assert!(
            message.contains("cannot be reversed"),
            "{pattern}: {message}"
        );
        let _ = Application::new().get(regex(pattern), unused);
    }
}

#[tokio::test]
async fn expressions_nest_below_a_prefix() {
    let inner = Router::new().get(regex("/([0-9]+)|/x").name("n"), named!("inner"));
    let message = refused(|| Application::new().nest("/a.b", inner));
    assert!(message.contains("cannot be reversed"), "{message}");
    let inner = Router::new()
        .get(regex("^/([0-9]+)$").name("n"), named!("inner"))
        .get(regex("/y|/z"), named!("either"));
    let app = Application::new().nest("/a.b", inner);
    assert_eq!(app.reverse_url("n", &[&7]).unwrap(), "/a.b/7");
    for (target, expected) in [
        ("/a.b/7", "inner 1=7"),
        ("/axb/7", "404"),
        ("/a.b/z", "either"),
        ("/z", "404"),
        ("/7", "404"),
    ] {
        assert_eq!(answer(&app, target).await, expected, "{target}");
    }
}

#[tokio::test]
async fn paths_that_are_no_utf8_text_match_as_they_came() {
    let app = Application::new().get(regex("/(.)"), named!("one"));
    assert_eq!(answer(&app, "/%C3%A9").await, "404");
    let app = Application::new().get(regex("/(.+)"), named!("more"));
    assert_eq!(answer(&app, "/%C3%A9").await, "more 1=\u{e9}");
    assert_eq!(answer(&app, "/%ff").await, "400");
}

/// Exponential in an engine that backtracks.
#[tokio::test]
async fn an_evil_expression_is_linear() {
    let app = Application::new().on(Method::GET, regex("/(a*)*b"), named!("evil"));
    let target = format!("/{}", "a".repeat(10_000));
    assert_eq!(answer(&app, &target).await, "404");
}
