use std::sync::Mutex;

use cyclone_web::client::{ClientErrorKind, Credentials};

use super::{Written, client, ok, within};

fn refused(challenge: &str) -> Vec<u8> {
    format!("HTTP/1.1 401 No\r\nwww-authenticate: {challenge}\r\ncontent-length: 2\r\n\r\nno")
        .into_bytes()
}

fn header<'a>(request: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = request.lines();
    lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

#[tokio::test]
async fn basic_by_call_and_by_url() {
    let server = Written::always(ok(""), false).await;
    let client = client(|builder| builder);
    let with_user = server.url("/").replace("http://", "http://A%20b:p%3Aw@");
    within(client.get(&with_user).send()).await.unwrap();
    within(client.get(server.url("/")).basic_auth("A b", "p:w").send())
        .await
        .unwrap();
    within(client.get(server.url("/")).bearer_auth("token").send())
        .await
        .unwrap();
    let seen = server.seen();
    let of = |number: usize| header(&seen[number].1, "authorization");
    assert_eq!(of(0), Some("Basic QSBiOnA6dw=="));
    assert_eq!(of(1), of(0));
    assert_eq!(of(2), Some("Bearer token"));
    assert!(!seen[0].1.contains('@'), "{}", seen[0].1);
    let error = within(client.get(server.url("/")).bearer_auth("a\r\nb: c").send()).await;
    assert_eq!(error.unwrap_err().kind(), ClientErrorKind::Request);
}

#[tokio::test]
async fn digest_answers_and_then_knows() {
    let stale = Mutex::new(0);
    let server = Written::new(move |request| {
        let mut count = stale.lock().unwrap();
        *count += 1;
        let told = header(request, "authorization").unwrap_or_default();
        match *count {
            1 => (
                refused("Digest realm=\"r\", nonce=\"1\", qop=\"auth\", algorithm=SHA-256"),
                false,
            ),
            // The nonce has become too old.
            4 => (
                refused("Digest realm=\"r\", nonce=\"2\", qop=\"auth\", stale=true"),
                false,
            ),
            _ => (ok(told), false),
        }
    })
    .await;
    let client = client(|builder| builder);
    let who = Credentials::digest("me", "pw");
    let ask = async || {
        let request = client.post(server.url("/x?y=z")).auth(&who).body("abc");
        within(within(request.send()).await.unwrap().text())
            .await
            .unwrap()
    };
    let first = ask().await;
    assert!(first.starts_with("Digest username=\"me\", realm=\"r\", nonce=\"1\", uri=\"/x?y=z\""));
    assert!(first.contains("nc=00000001"), "{first}");
    assert!(
        ask().await.contains("nc=00000002"),
        "the challenge is known"
    );
    let third = ask().await;
    assert!(
        third.contains("nonce=\"2\"") && third.contains("nc=00000001"),
        "{third}"
    );
    let seen = server.seen();
    assert_eq!(seen.len(), 5);
    assert!(
        seen.iter()
            .all(|(connection, text)| *connection == 0 && text.ends_with("abc"))
    );
    assert_eq!(header(&seen[0].1, "authorization"), None);
}

#[tokio::test]
async fn digest_that_is_refused_is_the_answer() {
    for challenge in [
        "Digest realm=\"r\", nonce=\"1\"",
        "Digest realm=\"r\", nonce=\"1\", stale=true",
    ] {
        let server = Written::always(refused(challenge), false).await;
        let client = client(|builder| builder);
        let response = within(client.get(server.url("/")).digest_auth("me", "bad").send()).await;
        assert_eq!(response.unwrap().status(), 401);
        assert!(server.seen().len() <= 3, "it ends");
    }
    let server = Written::always(refused("Basic realm=\"r\""), false).await;
    let sent = client(|builder| builder)
        .get(server.url("/"))
        .digest_auth("me", "pw")
        .send();
    assert_eq!(within(sent).await.unwrap().status(), 401);
    assert_eq!(
        server.seen().len(),
        1,
        "no password for who asks for it in the clear"
    );
}

#[tokio::test]
async fn digest_is_for_the_origin_that_asked() {
    let challenge = "Digest realm=\"r\", nonce=\"1\", qop=auth";
    let says = move |request: &str| match header(request, "authorization") {
        None => (refused(challenge), false),
        Some(_) => (ok(""), false),
    };
    let (one, two) = (Written::new(says).await, Written::new(says).await);
    let client = client(|builder| builder);
    let who = Credentials::digest("me", "pw");
    for server in [&one, &two] {
        within(client.get(server.url("/")).auth(&who).send())
            .await
            .unwrap();
        assert_eq!(header(&server.seen()[0].1, "authorization"), None);
        assert_eq!(server.seen().len(), 2);
    }
}
