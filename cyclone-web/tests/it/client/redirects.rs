use cyclone_web::Body;
use cyclone_web::client::{ClientErrorKind, CookieJar, Outcome, Url};
use http::{HeaderValue, Method};

use super::{Written, client, ok, redirect, within};

/// The first lines and the fields that matter, of all requests.
fn lines(server: &Written) -> Vec<String> {
    let first = |(_, text): (usize, String)| text.lines().next().unwrap_or_default().to_owned();
    server.seen().into_iter().map(first).collect()
}

/// RFC 9110 section 15.4.
#[tokio::test]
async fn methods_and_bodies_follow_the_rfc() {
    for (status, method, then, keeps) in [
        (301, Method::POST, "GET", false),
        (302, Method::POST, "GET", false),
        (303, Method::POST, "GET", false),
        (303, Method::PUT, "GET", false),
        (301, Method::PUT, "PUT", true),
        (302, Method::DELETE, "DELETE", true),
        (303, Method::HEAD, "HEAD", true),
        (307, Method::POST, "POST", true),
        (308, Method::POST, "POST", true),
        (308, Method::GET, "GET", true),
    ] {
        let server = Written::new(move |request| match request.contains(" /d/a") {
            true => (redirect(status, "../b?x=1#part"), false),
            false if request.starts_with("HEAD") => (ok(""), false),
            false => (ok("there"), false),
        })
        .await;
        let client = client(|builder| builder);
        let sent = client
            .request(method.clone(), server.url("/d/a"))
            .header("content-type", "text/x")
            .body("abc");
        let sent = sent.send();
        // The path of the first request is `/d/a`.
        let response = match within(sent).await {
            Ok(response) => response,
            Err(error) => panic!("{status} {method}: {error}"),
        };
        assert_eq!(response.status(), 200);
        assert_eq!(response.url().as_str(), server.url("/b?x=1#part"));
        assert_eq!(response.redirects().len(), 1);
        let (_, second) = server.seen().remove(1);
        assert!(
            second.starts_with(&format!("{then} /b?x=1 HTTP/1.1\r\n")),
            "{status} {second}"
        );
        assert_eq!(second.ends_with("\r\n\r\nabc"), keeps, "{status} {method}");
        assert_eq!(
            second.contains("content-type: text/x"),
            keeps,
            "{status} {method}"
        );
    }
}

#[tokio::test]
async fn redirects_under_at_and_over_the_limit() {
    let server = Written::new(|request| {
        let left: u32 = request[5..].split(' ').next().unwrap().parse().unwrap();
        match left {
            0 => (ok("end"), false),
            left => (redirect(302, &format!("/{}", left - 1)), false),
        }
    })
    .await;
    let client = client(|builder| builder);
    for (count, follows) in [(4, true), (5, true), (6, false)] {
        let sent = within(client.get(server.url(&format!("/{count}"))).send()).await;
        assert_eq!(sent.is_ok(), follows, "{count}");
        if let Err(error) = sent {
            assert_eq!(error.kind(), ClientErrorKind::Redirect);
            assert_eq!(error.outcome(), Outcome::Answered);
        }
    }
    let response = client
        .get(server.url("/3"))
        .redirects(0)
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 302);
    assert_eq!(response.header("location"), Some("/2"));
}

#[tokio::test]
async fn cve_2026_49853_credentials_do_not_cross_origins() {
    let home = std::sync::Arc::new(std::sync::OnceLock::<String>::new());
    let back = std::sync::Arc::clone(&home);
    // It sends everyone back to where he came from.
    let other = Written::new(move |_| {
        (
            redirect(307, &format!("{}/back", back.get().unwrap())),
            false,
        )
    })
    .await;
    let away = format!("http://user:stolen@localhost:{}/away", other.address.port());
    let first = Written::new(move |request| match request.contains("/back") {
        true => (ok("home"), false),
        false if request.contains("/start") => (redirect(302, "/same"), false),
        false => (redirect(302, &away), false),
    })
    .await;
    home.set(first.url("")).unwrap();
    let mut secret = HeaderValue::from_static("s3cret");
    secret.set_sensitive(true);
    let client = client(|builder| builder);
    let sent = client
        .get(first.url("/start"))
        .basic_auth("me", "pw")
        .header("authorization", "Bearer s3cret")
        .header("cookie", "id=s3cret")
        .header("x-key", secret)
        .header("x-other", "fine");
    let response = within(sent.send()).await.unwrap();
    assert_eq!(response.url().as_str(), first.url("/back"));
    let has = |request: &str| {
        let lower = request.to_ascii_lowercase();
        ["authorization: ", "cookie: ", "x-key: "].map(|name| lower.contains(name))
    };
    let seen = first.seen();
    assert_eq!(has(&seen[0].1), [true; 3], "to the first URL");
    assert_eq!(has(&seen[1].1), [true; 3], "to the same origin");
    assert_eq!(has(&other.seen()[0].1), [false; 3], "to another origin");
    assert_eq!(has(&seen[2].1), [false; 3], "back again");
    assert!(other.seen()[0].1.contains("x-other: fine"));
}

#[tokio::test]
async fn cookies_of_the_jar_go_by_origin() {
    let other = Written::always(ok("there"), false).await;
    let away = format!("http://localhost:{}/", other.address.port());
    let first = Written::new(move |_| {
        let answer = format!(
            "HTTP/1.1 302 Found\r\nset-cookie: id=7; Path=/\r\nset-cookie: b=8\r\nlocation: {away}\r\ncontent-length: 0\r\n\r\n"
        );
        (answer.into_bytes(), false)
    })
    .await;
    let jar = CookieJar::new();
    let client = client(|builder| builder.cookie_jar(jar.clone()));
    within(client.get(first.url("/")).send()).await.unwrap();
    assert!(!other.seen()[0].1.contains("cookie"));
    assert_eq!(
        jar.header(&Url::parse(&first.url("/")).unwrap()).unwrap(),
        "id=7; b=8"
    );
    within(client.get(first.url("/")).send()).await.unwrap();
    assert!(first.seen()[1].1.contains("cookie: id=7; b=8\r\n"));
}

#[tokio::test]
async fn redirects_that_lead_nowhere() {
    for location in [
        "ftp://x/",
        "file:///etc/passwd",
        "http://",
        "http://[::1",
        "javascript:0",
    ] {
        let server = Written::always(redirect(302, location), false).await;
        let error = within(client(|builder| builder).get(server.url("/")).send())
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ClientErrorKind::Redirect, "{location}");
        assert_eq!(error.status(), 502);
    }
    let server = Written::always("HTTP/1.1 302 Found\r\ncontent-length: 0\r\n\r\n", false).await;
    let response = within(client(|builder| builder).get(server.url("/")).send())
        .await
        .unwrap();
    assert_eq!(response.status(), 302);
    assert_eq!(lines(&server).len(), 1);
}

#[tokio::test]
async fn stream_cannot_be_sent_twice() {
    let server = Written::always(redirect(307, "/b"), false).await;
    let body = Body::from_stream(futures_util::stream::iter([Ok::<_, std::io::Error>("abc")]));
    let error = within(
        client(|builder| builder)
            .post(server.url("/"))
            .stream(body)
            .send(),
    )
    .await;
    let error = error.unwrap_err();
    assert_eq!(error.kind(), ClientErrorKind::Redirect);
    assert!(error.to_string().contains("twice"), "{error}");
    let body = Body::from_stream(futures_util::stream::iter([Ok::<_, std::io::Error>("abc")]));
    let server = Written::new(|request| match request.starts_with("POST") {
        true => (redirect(303, "/b"), false),
        false => (ok("fine"), false),
    })
    .await;
    let sent = client(|builder| builder).post(server.url("/")).stream(body);
    assert_eq!(
        within(sent.send()).await.unwrap().text().await.unwrap(),
        "fine"
    );
    assert!(server.seen()[0].1.ends_with("3\r\nabc\r\n0\r\n\r\n"));
}
