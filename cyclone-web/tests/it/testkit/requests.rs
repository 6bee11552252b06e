//! Requests, forms, cookies and redirects.

use bytes::Bytes;
use cyclone_web::test::{TestClient, TestClientBuilder, TestErrorKind, TestForm};
use cyclone_web::{Application, Body, Http, Xsrf, XsrfVersion};
use futures_util::stream;
use http::{Method, StatusCode};

use super::{Store, address, app, changed, form, stored};

#[tokio::test]
async fn requests_of_every_kind() {
    let client = TestClient::new(app());
    let text =
        async |request: cyclone_web::test::TestRequest| request.await.unwrap().text().into_owned();
    assert_eq!(text(client.get("/echo")).await, "GET - - ");
    let query = client.get("/echo?a=1").query(&[("b", "2 3")]).query(&());
    assert_eq!(text(query).await, "GET a=1&b=2%203 - ");
    assert_eq!(text(client.put("/echo").body("x")).await, "PUT - - x");
    assert_eq!(
        text(client.patch("/echo").body(Bytes::new())).await,
        "PATCH - - "
    );
    assert_eq!(text(client.delete("/echo")).await, "DELETE - - ");
    let json = client.post("/echo").json(&["\u{e9}"]);
    assert_eq!(text(json).await, "POST - application/json [\"\u{e9}\"]");
    let form = client.post("/echo").form(&[("a", "1"), ("a", "&")]);
    let expected = "POST - application/x-www-form-urlencoded a=1&a=%26";
    assert_eq!(text(form).await, expected);
    let pieces =
        stream::iter(["1", "2", "3"].map(|piece| Ok::<_, std::io::Error>(Bytes::from(piece))));
    let streamed = client.post("/echo").stream_body(Body::from_stream(pieces));
    assert_eq!(text(streamed).await, "POST - - 123");
    let head = client.head("/echo").await.unwrap();
    assert_eq!((head.status(), head.bytes().len()), (StatusCode::OK, 0));
    assert_eq!(head.header("content-length"), Some("9"));
    let unknown = client.request(Method::OPTIONS, "/nothing").await.unwrap();
    assert_eq!(unknown.status(), 404);
    // What the engine refuses comes from the engine.
    let refused = client.get("/echo").header("host", "a b").await.unwrap();
    assert_eq!(refused.status(), 400);
}

#[tokio::test]
async fn forms_with_files() {
    let client = TestClient::new(app());
    let form = TestForm::new()
        .field("title", "a \"title\"")
        // It has what could be a boundary.
        .file(
            "photo",
            "\u{e9}\"1\".png",
            "image/png",
            "\r\n------cyclone-test-form-0--",
        );
    let response = client.post("/upload").multipart(&form).await.unwrap();
    assert_eq!(
        response.text(),
        "a \"title\": \u{e9}\"1\".png image/png b\"\\r\\n------cyclone-test-form-0--\""
    );
}

#[tokio::test]
async fn cookies_are_kept_and_signed_ones_are_read_and_made() {
    let client = TestClient::new(app());
    assert_eq!(client.get("/me").await.unwrap().status(), 401);
    let login = client.get("/login").await.unwrap();
    assert_eq!(login.status(), 302);
    assert!(login.set_cookie("user").unwrap().contains("HttpOnly"));
    assert_eq!(login.set_cookie("use"), None);
    assert_eq!(client.get("/me").await.unwrap().text(), "alice");
    assert_eq!(
        client.signed_cookie("user").unwrap().as_deref(),
        Some("alice")
    );
    client.get("/logout").await.unwrap();
    assert_eq!(client.cookie("user"), None);
    assert_eq!(client.get("/me").await.unwrap().status(), 401);

    client.set_signed_cookie("user", "bob").unwrap();
    let other = client.clone();
    assert_eq!(other.get("/me").await.unwrap().text(), "bob");
    // One for this request only, and nobody has signed it.
    let forged = client.get("/me").cookie("user", "mallory").await.unwrap();
    assert_eq!(forged.status(), 401);
    client.remove_cookie("user");
    assert_eq!(other.get("/me").await.unwrap().status(), 401);
    client.set_cookie("user", "2|1:0|made up");
    assert_eq!(client.signed_cookie("user").unwrap(), None);
    client.clear_cookies();
    assert_eq!(client.cookie("user"), None);

    let without = TestClient::new(Application::new());
    let error = without.set_signed_cookie("user", "bob").unwrap_err();
    assert_eq!(error.kind(), TestErrorKind::Request);
}

#[tokio::test]
async fn redirects_are_followed_by_choice() {
    let client = TestClient::new(app());
    assert_eq!(client.get("/login").await.unwrap().status(), 302);
    client.clear_cookies();
    let followed = client.get("/login").follow_redirects(1).await.unwrap();
    assert_eq!(
        (followed.text().as_ref(), followed.target()),
        ("alice", "/me")
    );
    assert_eq!(followed.redirects()[0].status, 302);
    assert_eq!(followed.redirects()[0].target, "/me");

    for (status, expected) in [
        (301, "GET from=moved - "),
        (302, "GET from=moved - "),
        (303, "GET from=moved - "),
        (307, "POST from=moved application/json 1"),
        (308, "POST from=moved application/json 1"),
    ] {
        let target = format!("/moved/{status}");
        let post = client.post(target).json(&1).follow_redirects(5);
        assert_eq!(post.await.unwrap().text(), expected, "{status}");
    }
    // It could not be sent again.
    let once = Body::from_stream(stream::iter([Ok::<_, std::io::Error>(Bytes::from("1"))]));
    let post = client
        .post("/moved/307")
        .stream_body(once)
        .follow_redirects(5);
    assert_eq!(post.await.unwrap().status(), 307);

    let away = client.get("/away").follow_redirects(5).await.unwrap();
    assert_eq!(away.header("location"), Some("https://elsewhere.example/"));
    let following = TestClient::builder(app()).follow_redirects(3).build();
    let circle = following.get("/circle").await.unwrap();
    assert_eq!(
        (circle.status().as_u16(), circle.redirects().len()),
        (302, 3)
    );
    let seen = following.get("/circle").follow_redirects(0).await.unwrap();
    assert_eq!(seen.redirects(), []);
}

/// A page sets the cookie, or the test does without the page.
#[tokio::test]
async fn tokens_against_forged_requests() {
    for version in [XsrfVersion::V1, XsrfVersion::V2] {
        let app = Application::new()
            .xsrf(Xsrf::new().name("_guard").version(version))
            .get("/", form)
            .post("/", changed);
        let client = TestClient::new(app);
        assert_eq!(client.post("/").await.unwrap().status(), 403);
        assert_eq!(client.post("/").xsrf().await.unwrap().text(), "changed");
        client.clear_cookies();
        let page = client.get("/").await.unwrap();
        let cookie = client.cookie("_guard").unwrap();
        assert_eq!(client.post("/").xsrf().await.unwrap().text(), "changed");
        assert_eq!(client.cookie("_guard").unwrap(), cookie);
        let page = page.text();
        let token = page
            .split("value=\"")
            .nth(1)
            .unwrap()
            .split('"')
            .next()
            .unwrap();
        let post = client.post("/").form(&[("_guard", token)]);
        assert_eq!(post.await.unwrap().text(), "changed");
        let foreign = client
            .post("/")
            .xsrf()
            .header("origin", "https://evil.example");
        assert_eq!(foreign.await.unwrap().status(), 403);
    }
}

#[tokio::test]
async fn resources_are_fakes_and_missing_ones_are_named() {
    let app = Application::new().requires::<Store>().get("/", stored);
    let client = TestClient::builder(app.clone())
        .resource(Store("real"))
        .resource(Store("fake"))
        .named_resource("other", Store("other"))
        .build();
    assert_eq!(client.get("/").await.unwrap().text(), "fake, other");
    let error = TestClient::new(app).get("/").await.unwrap_err();
    assert_eq!(error.kind(), TestErrorKind::Resources);
    assert!(error.to_string().contains("Store"), "{error}");
}

#[tokio::test]
async fn services_and_foreign_protocols_have_the_same_client() {
    let service = TestClientBuilder::for_service(app())
        .remote_address("192.0.2.1:80".parse().unwrap())
        .host("a.example")
        .header("x-all", "1")
        .build();
    let answer = service.get("/address").await.unwrap();
    assert_eq!(answer.text(), "Some(192.0.2.1) Some(\"a.example\")");
    assert_eq!(
        service
            .get("/login")
            .follow_redirects(1)
            .await
            .unwrap()
            .text(),
        "alice"
    );
    let error = service.websocket("/").await.unwrap_err();
    assert_eq!(error.kind(), TestErrorKind::Request);

    let router = axum::Router::new().route("/", axum::routing::get(|| async { "axum" }));
    let foreign = TestClientBuilder::for_protocol(Http::new(router)).build();
    assert_eq!(foreign.get("/").await.unwrap().text(), "axum");

    let engine = TestClient::builder(Application::new().get("/", address))
        .remote_address("[2001:db8::1]:80".parse().unwrap())
        .build();
    let answer = engine.get("http://localhost/").await.unwrap();
    assert_eq!(answer.text(), "Some(2001:db8::1) Some(\"localhost\")");
}

#[tokio::test]
async fn what_cannot_be_sent_is_not_sent() {
    let client = TestClient::new(app());
    for request in [
        client.get("no-slash"),
        client.get("http://other.example/"),
        client.get("/a b"),
        client.get("/").header("a b", "c"),
        client.get("/").header("a", "b\nc"),
        client.post("/").form("text"),
        client.get("/").cookie("a", "b\u{7f}"),
    ] {
        let told = format!("{request:?}");
        let error = request.await.unwrap_err();
        assert_eq!(error.kind(), TestErrorKind::Request, "{told}: {error}");
    }
}
