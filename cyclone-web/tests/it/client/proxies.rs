use cyclone_web::client::{ClientErrorKind, MAX_TUNNEL_HEAD, Outcome, Proxies};

use super::{Written, client, ok, within};

#[tokio::test]
async fn http_goes_through_the_proxy_with_the_whole_url_and_its_credentials() {
    let proxy = Written::always(ok("by proxy"), false).await;
    let address = proxy.address;
    let proxies = Proxies::all(&format!("http://me:p%40w@{address}")).unwrap();
    let client = client(|builder| builder.proxies(proxies.no_proxy("localhost")));
    let sent = client
        .get("http://user:pw@far.test:81/x?y#z")
        .header("proxy-authorization", "Basic mine");
    assert_eq!(
        within(within(sent.send()).await.unwrap().text())
            .await
            .unwrap(),
        "by proxy"
    );
    within(client.get("http://other.test/").send())
        .await
        .unwrap();
    let seen = proxy.seen();
    assert!(
        seen[0]
            .1
            .starts_with("GET http://far.test:81/x?y HTTP/1.1\r\n"),
        "{}",
        seen[0].1
    );
    assert!(seen[0].1.contains("host: far.test:81\r\n"));
    assert!(
        seen[0]
            .1
            .contains("proxy-authorization: Basic bWU6cEB3\r\n")
    );
    assert!(!seen[0].1.contains("mine"));
    assert!(
        !seen[1].1.contains("\r\nauthorization"),
        "no credentials of another server"
    );

    let direct = Written::always(ok("direct"), false).await;
    let url = format!("http://localhost:{}/", direct.address.port());
    assert_eq!(
        within(within(client.get(url).send()).await.unwrap().text())
            .await
            .unwrap(),
        "direct"
    );
    assert!(
        !direct.seen()[0].1.contains("proxy-authorization"),
        "{}",
        direct.seen()[0].1
    );
    assert_eq!(proxy.seen().len(), 2);
}

#[cfg(feature = "ring")]
#[tokio::test]
async fn tunnel_that_is_refused_or_odd_is_told() {
    let long = "x".repeat(MAX_TUNNEL_HEAD);
    for (answer, says) in [
        ("HTTP/1.1 407 Who\r\n\r\n".to_owned(), "407"),
        (
            "HTTP/1.1 302 Found\r\nlocation: https://evil/\r\n\r\n".to_owned(),
            "302",
        ),
        ("HTTP/1.1 100 Continue\r\n\r\n".to_owned(), "100"),
        ("HTTP/1.1 200 OK\r\n\r\nbytes".to_owned(), "of its own"),
        ("SSH-2.0\r\n\r\n".to_owned(), "no HTTP"),
        (format!("HTTP/1.1 200 OK\r\nx: {long}"), "larger"),
        (String::new(), "closed"),
        ("HTTP/1.1 200 OK\r\n".to_owned(), "closed"),
    ] {
        let proxy = Written::always(answer.clone(), true).await;
        let proxies = Proxies::none()
            .https(&format!("me:pw@{}", proxy.address))
            .unwrap();
        let client = client(|builder| builder.proxies(proxies));
        let error = within(client.get("https://[::1]:444/secret").send())
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ClientErrorKind::Proxy, "{answer} {error}");
        assert_eq!(error.outcome(), Outcome::NotSent);
        assert!(error.to_string().contains(says), "{error}");
        let (_, request) = proxy.seen().remove(0);
        let expected = "CONNECT [::1]:444 HTTP/1.1\r\nHost: [::1]:444\r\nProxy-Authorization: Basic bWU6cHc=\r\n\r\n";
        assert_eq!(request, expected);
    }
}

#[tokio::test]
async fn environment_is_left_alone_unless_asked() {
    let server = Written::always(ok("direct"), false).await;
    // Whatever the variables of this process say, `Client::new` does not look at them.
    let client = cyclone_web::client::Client::new();
    within(client.get(server.url("/")).send()).await.unwrap();
    assert_eq!(server.seen().len(), 1);
    for wrong in ["ftp://h", "http://", "socks5://h:1", "http://h:99999"] {
        let error = Proxies::all(wrong).unwrap_err();
        assert_eq!(error.kind(), ClientErrorKind::Request, "{wrong}");
    }
    let error = Proxies::all("http://me:secret@h:99999").unwrap_err();
    assert!(!format!("{error:?}{error}").contains("secret"));
}
