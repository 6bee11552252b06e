//! Rules, wildcards, methods.

use cyclone_web::RequestContext;
use cyclone_web::bottle::{Bottle, rule};
use http::{Method, StatusCode, header};

use super::{answer, ask, named, refused, unused};

#[tokio::test]
async fn wildcards_have_filters() {
    let app = Bottle::new()
        .filter("hex", "[0-9a-f]{6}")
        .get("/plain/<name>", named!("plain"))
        .get("/int/<n:int>", named!("int"))
        .get("/float/<x:float>", named!("float"))
        .get("/path/<p:path>/end", named!("path"))
        .get(r"/re/<r:re:[a-z]{2}(?:x|y)>", named!("re"))
        .get(r"/closed/<r:re:[^\>]+>/x", named!("closed"))
        .get("/anonymous/<:int>/<id>", named!("anonymous"))
        .get("/hex/<color:hex>", named!("hex"))
        .get("/two/<a>-<b:int>", named!("two"))
        .get(r"/escaped/\<x>", named!("escaped"))
        .get("/\u{fc}ber/<x>", named!("umlaut"))
        .get("/dot.html", named!("dot"))
        .get("/dot.<kind>", named!("kind"))
        .application();
    for (target, expected) in [
        ("/plain/a%20b", "plain name=a b"),
        ("/plain/a%2Fb", "plain name=a/b"),
        ("/plain/", "404"),
        ("/plain/a/b", "404"),
        ("/int/-12", "int n=-12"),
        ("/int/1x", "404"),
        ("/int/", "404"),
        ("/float/-1.5", "float x=-1.5"),
        ("/float/.5", "float x=.5"),
        ("/float/7", "float x=7"),
        ("/float/1.2.3", "404"),
        ("/path/a/b/end", "path p=a/b"),
        ("/path/end", "404"),
        ("/re/abx", "re r=abx"),
        ("/re/abz", "404"),
        ("/closed/ab/x", "closed r=ab"),
        ("/anonymous/7/x", "anonymous id=x"),
        ("/anonymous/y/x", "404"),
        ("/hex/00ff00", "hex color=00ff00"),
        ("/hex/00ff0", "404"),
        ("/two/x-y-7", "two a=x-y b=7"),
        ("/escaped/%3Cx%3E", "escaped"),
        ("/%C3%BCber/z", "umlaut x=z"),
        ("/dot.html", "dot"),
        ("/dot.txt", "kind kind=txt"),
        ("/dotxhtml", "404"),
    ] {
        assert_eq!(answer(&app, target).await, expected, "{target}");
    }
}

/// cyclone kept its rules in a dict, and their order was lost.
#[tokio::test]
async fn literals_come_first_then_the_order_of_declaration() {
    let app = Bottle::new()
        .get("/<first>/x", named!("first"))
        .get("/<second>/<y>", named!("second"))
        .get("/<third>/z", named!("third"))
        .get("/literal/z", named!("literal"))
        .application();
    for (target, expected) in [
        ("/a/x", "first first=a"),
        ("/a/z", "second second=a y=z"),
        ("/literal/z", "literal"),
    ] {
        assert_eq!(answer(&app, target).await, expected, "{target}");
    }
}

#[tokio::test]
async fn a_function_has_several_paths_and_methods() {
    let app = Bottle::new()
        .get(["/", "/hello", "/hello/<name>"], named!("hello"))
        .route(
            rule(["/a", "/b"]).methods([Method::PUT, Method::from_bytes(b"BREW").unwrap()]),
            named!("brewed"),
        )
        .application();
    for (method, target, status) in [
        ("GET", "/", 200),
        ("HEAD", "/hello", 200),
        ("GET", "/hello/you", 200),
        ("PUT", "/a", 200),
        ("BREW", "/b", 200),
        ("GET", "/b", 405),
    ] {
        assert_eq!(
            ask(&app, method, target).await.status(),
            status,
            "{method} {target}"
        );
    }
    assert_eq!(answer(&app, "/hello/you").await, "hello name=you");
}

#[tokio::test]
async fn every_method_has_its_rules_and_any_and_proxy_theirs() {
    let app = Bottle::new()
        .get("/x", named!("get"))
        .post("/x", named!("post"))
        .put("/x", named!("put"))
        .patch("/x", named!("patch"))
        .delete("/x", named!("delete"))
        .route(rule("/any").any(), named!("any"))
        .get("/any", named!("get before any"))
        .get("/proxy/<x>", named!("never"))
        .route(rule("/proxy/<rest:path>").proxy(), named!("proxy"))
        .post("/<x>", named!("post anything"))
        .application();
    for (method, target, expected) in [
        ("GET", "/x", "get"),
        ("POST", "/x", "post"),
        ("PUT", "/x", "put"),
        ("PATCH", "/x", "patch"),
        ("DELETE", "/x", "delete"),
        ("GET", "/any", "get before any"),
        ("OPTIONS", "/any", "any"),
        ("POST", "/any", "post anything x=any"),
        ("GET", "/proxy/a", "proxy rest=a"),
        ("BREW", "/proxy/a/b", "proxy rest=a/b"),
        ("POST", "/other", "post anything x=other"),
    ] {
        let response = ask(&app, method, target).await;
        assert_eq!(
            crate::support::text(&response),
            expected,
            "{method} {target}"
        );
    }
    assert_eq!(
        ask(&app, "GET", "/other").await.headers()[header::ALLOW],
        "POST"
    );
    let response = ask(&app, "BREW", "/x").await;
    assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(
        response.headers()[header::ALLOW],
        "GET, POST, PUT, PATCH, DELETE, HEAD"
    );
}

#[tokio::test]
async fn rules_have_names_and_limits() {
    async fn length(cx: &mut RequestContext) -> cyclone_web::Result {
        let link = cx.reverse_url("length", &[&7])?;
        let length = cx.body().await?.len();
        cx.text(format!("{link} {length}"))
    }
    let bottle = Bottle::new()
        .route(
            rule(["/l/<n:int>", "/m/<n>"])
                .name("length")
                .body_limit(3)
                .any(),
            length,
        )
        .get(rule("/plain.txt").name("plain"), unused);
    let app = bottle.application();
    assert_eq!(app.reverse_url("plain", &[]).unwrap(), "/plain.txt");
    assert!(app.reverse_url("length", &[&"x"]).is_err());
    for (body, expected) in [("abc", 200), ("abcd", 413)] {
        let post = crate::support::post("/m/1", "text/plain", body);
        assert_eq!(crate::support::call(&app, post).await.status(), expected);
    }
    assert_eq!(answer(&app, "/l/1").await, "/l/7 0");
}

#[test]
fn mistakes_are_found_when_it_becomes_an_application() {
    for (path, problem) in [
        ("hello", "it does not begin with a slash"),
        ("/<x", "a `<` has no `>` after it"),
        ("/<x:color>", "there is no filter `color`"),
        ("/<x:re>", "the filter `re` has no expression"),
        ("/<x:int:3>", "the filter `int` takes nothing"),
        ("/<1x>", "`1x` is no name for a wildcard"),
        ("/<a b>", "`a b` is no name for a wildcard"),
    ] {
        let message = refused(Bottle::new().get(path, unused));
        assert_eq!(message, format!("rule `{path}`: {problem}"));
    }
    assert!(refused(Bottle::new().get("/<x:re:(>", unused)).contains("regex parse error"));
    assert!(refused(Bottle::new().get("/<x>/<x>", unused)).contains("duplicate"));
}

#[test]
fn a_clash_names_both_rules() {
    for (first, second) in [("/a", "/a"), ("/<x:int>/a", "/<x:int>/a")] {
        let message = refused(Bottle::new().get(first, unused).get(second, unused));
        assert_eq!(
            message,
            format!("rule `{second}`: `{first}` has a function for that already")
        );
        let _ = Bottle::new()
            .get(first, unused)
            .post(second, unused)
            .application();
    }
    let message = refused(
        Bottle::new()
            .get(rule("/a").name("n"), unused)
            .get(rule("/b").name("n"), unused),
    );
    assert!(
        message.contains("the name `n` is that of `/a` already"),
        "{message}"
    );
}
