use std::sync::Arc;
use std::time::Duration;

use cyclone_core::{ClientEndpoint, Server};
use cyclone_web::client::{Client, ClientErrorKind, ClientPhase, ClientTimeouts, Outcome};
use cyclone_web::{Application, RequestContext, RequestHandler, Result};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::{Written, client, ok, within};
use crate::support::listen;

async fn fetch(client: &Client, url: &str) -> String {
    let response = within(client.get(url).send()).await.unwrap();
    within(response.text()).await.unwrap()
}

#[tokio::test]
async fn connection_is_used_again_and_keeps_nothing_of_a_request() {
    // Tornado 6.5.7: a handle that was used again kept the credentials of the request before.
    let server = Written::always(ok("x"), false).await;
    let client = client(|builder| builder);
    let url = server.url("/");
    let first = client
        .get(&url)
        .basic_auth("me", "pw")
        .header("cookie", "a=b")
        .header("x-a", "b");
    within(within(first.send()).await.unwrap().bytes())
        .await
        .unwrap();
    assert_eq!(client.idle_connections(), 1);
    fetch(&client, &url).await;
    let seen = server.seen();
    assert_eq!((seen[0].0, seen[1].0), (0, 0));
    assert!(seen[0].1.contains("authorization: Basic bWU6cHc=\r\n"));
    for name in ["authorization", "cookie", "x-a"] {
        assert!(!seen[1].1.contains(name), "{name}");
    }
}

#[tokio::test]
async fn response_that_is_not_read_takes_its_connection_with_it() {
    let server = Written::always(ok(&"x".repeat(500_000)), false).await;
    let client = client(|builder| builder);
    let response = within(client.get(server.url("/")).send()).await.unwrap();
    drop(response);
    assert_eq!(
        (client.open_connections(), client.idle_connections()),
        (0, 0)
    );
    assert_eq!(fetch(&client, &server.url("/")).await.len(), 500_000);
    assert_eq!(
        server
            .seen()
            .iter()
            .map(|(number, _)| *number)
            .collect::<Vec<_>>(),
        [0, 1]
    );
}

#[tokio::test]
async fn request_that_is_given_up_takes_its_connection_with_it() {
    let server = Written::always("", false).await;
    let client = client(|builder| builder);
    {
        let sending = client.get(server.url("/")).send();
        tokio::pin!(sending);
        while server.seen().is_empty() {
            tokio::select! {
                _ = &mut sending => panic!("no answer was given"),
                () = tokio::task::yield_now() => {}
            }
        }
        assert_eq!(client.open_connections(), 1);
    }
    assert_eq!(client.open_connections(), 0);
}

/// A handler that holds its request until it is let go.
struct Gated(Arc<Semaphore>);

impl RequestHandler for Gated {
    async fn get(&self, cx: &mut RequestContext) -> Result {
        self.0
            .acquire()
            .await
            .map(tokio::sync::SemaphorePermit::forget)?;
        cx.text("done")
    }
}

fn gated(gate: &Arc<Semaphore>) -> Application {
    Application::new().route("/", Gated(Arc::clone(gate)))
}

#[tokio::test]
async fn connections_to_a_host_under_at_and_over_the_limit() {
    let gate = Arc::new(Semaphore::new(0));
    let (_server, address) = listen(gated(&gate)).await;
    let client = client(|builder| builder.connections_per_host(3).waiting(2));
    let url = format!("http://{address}/");
    let mut sent = JoinSet::new();
    for _ in 1..=5 {
        let (client, url) = (client.clone(), url.clone());
        sent.spawn(async move { fetch(&client, &url).await });
    }
    while client.open_connections() < 3 {
        tokio::task::yield_now().await;
    }
    // Two wait, the third that would is told so at once.
    let error = loop {
        let timeouts = ClientTimeouts::new().wait(Duration::from_millis(1));
        match within(client.get(&url).timeouts(timeouts).send()).await {
            Err(error) if error.kind() == ClientErrorKind::Busy => break error,
            Err(error) => {
                assert_eq!(error.kind(), ClientErrorKind::Timeout(ClientPhase::Wait));
                assert_eq!(error.outcome(), Outcome::NotSent);
            }
            Ok(_) => panic!("nobody was let go"),
        }
    };
    assert_eq!(
        (error.outcome(), error.status().as_u16()),
        (Outcome::NotSent, 503)
    );
    assert_eq!(client.open_connections(), 3);
    gate.add_permits(5);
    while let Some(done) = within(sent.join_next()).await {
        assert_eq!(done.unwrap(), "done");
    }
    assert_eq!(client.open_connections(), 3);
    assert_eq!(client.idle_connections(), 3);
}

#[tokio::test]
async fn idle_connections_under_at_and_over_the_limits() {
    for (per_host, all, kept) in [
        (1, 9, 1),
        (2, 9, 2),
        (3, 9, 3),
        (9, 1, 1),
        (9, 3, 3),
        (9, 4, 3),
        (0, 9, 0),
    ] {
        let gate = Arc::new(Semaphore::new(0));
        let (_server, address) = listen(gated(&gate)).await;
        let client = client(|builder| builder.idle_per_host(per_host).idle(all));
        let url = format!("http://{address}/");
        let mut sent = JoinSet::new();
        for _ in 0..3 {
            let (client, url) = (client.clone(), url.clone());
            sent.spawn(async move { fetch(&client, &url).await });
        }
        while client.open_connections() < 3 {
            tokio::task::yield_now().await;
        }
        gate.add_permits(3);
        while let Some(done) = within(sent.join_next()).await {
            done.unwrap();
        }
        assert_eq!(client.idle_connections(), kept, "{per_host} {all}");
        assert_eq!(client.open_connections(), kept, "{per_host} {all}");
    }
}

#[tokio::test]
async fn idle_connections_grow_old() {
    let server = Written::always(ok("x"), false).await;
    let client = client(|builder| builder.idle_age(Duration::from_secs(100)));
    fetch(&client, &server.url("/")).await;
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(99)).await;
    assert_eq!(client.idle_connections(), 1);
    // Its own task closes it, with no request to make it look.
    tokio::time::advance(Duration::from_secs(2)).await;
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    tokio::time::sleep(Duration::from_secs(100)).await;
    assert_eq!(
        (client.idle_connections(), client.open_connections()),
        (0, 0)
    );
}

#[tokio::test]
async fn connection_that_was_closed_meanwhile_is_replaced_for_any_method() {
    let server = Written::always(ok("x"), true).await;
    let client = client(|builder| builder);
    for number in 0..5 {
        let sent = within(client.post(server.url("/")).body("abc").send())
            .await
            .unwrap();
        assert_eq!(within(sent.text()).await.unwrap(), "x");
        assert_eq!(server.seen().len(), number + 1);
    }
}

/// RFC 9110 section 9.2.2: a request that the server may have acted on is sent again only if that does no harm.
#[tokio::test]
async fn only_idempotent_requests_are_sent_again_on_another_connection() {
    for (method, idempotent, again) in [
        ("GET", None, true),
        ("PUT", None, true),
        ("POST", None, false),
        ("PATCH", None, false),
        ("POST", Some(true), true),
        ("GET", Some(false), false),
    ] {
        // It answers once, and closes at the second request of a connection without a word.
        let count = std::sync::atomic::AtomicUsize::new(0);
        let server =
            Written::new(
                move |_| match count.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
                    1 => (Vec::new(), true),
                    _ => (ok("x"), false),
                },
            )
            .await;
        let client = client(|builder| builder);
        fetch(&client, &server.url("/")).await;
        let mut request = client
            .request(method.parse().unwrap(), server.url("/"))
            .body("abc");
        if let Some(yes) = idempotent {
            request = request.idempotent(yes);
        }
        match within(request.send()).await {
            Ok(_) => assert!(again, "{method}"),
            Err(error) => {
                assert!(!again, "{method} {error}");
                assert_eq!(error.kind(), ClientErrorKind::Closed);
                assert_eq!(error.outcome(), Outcome::Unknown);
            }
        }
        assert_eq!(server.seen().len(), 2 + usize::from(again), "{method}");
    }
}

#[tokio::test(start_paused = true)]
async fn further_attempts_are_as_many_as_asked_for() {
    for (retries, method, attempts) in [(0, "GET", 1), (1, "GET", 2), (3, "GET", 4), (3, "POST", 1)]
    {
        // It never answers, on a new connection.
        let server = Written::always("", true).await;
        let client = client(|builder| builder.retries(retries));
        let sent = client
            .request(method.parse().unwrap(), server.url("/"))
            .body("x");
        let error = sent.send().await.unwrap_err();
        assert_eq!(error.kind(), ClientErrorKind::Closed);
        assert_eq!(error.outcome(), Outcome::Unknown);
        assert_eq!(server.seen().len(), attempts, "{retries} {method}");
    }
}

#[tokio::test]
async fn nobody_there_is_not_sent() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let client = client(|builder| builder);
    let error = within(client.post(format!("http://{address}/x?secret=1")).send())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ClientErrorKind::Connect);
    assert_eq!(error.outcome(), Outcome::NotSent);
    let text = error.to_string();
    assert!(
        text.contains("/x") && text.contains("not sent") && !text.contains("secret"),
        "{text}"
    );
    let error = within(client.get("http://nowhere.invalid/").send())
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.outcome()),
        (ClientErrorKind::Connect, Outcome::NotSent)
    );
    assert_eq!(client.open_connections(), 0);
    for wrong in ["", "/x", "ftp://h/", "http://", "http://a b/", "mailto:x"] {
        let error = within(client.get(wrong).send()).await.unwrap_err();
        assert_eq!(error.kind(), ClientErrorKind::Request, "{wrong}");
    }
}

#[tokio::test]
async fn handler_asks_another_server_through_the_resource() {
    async fn relay(cx: &mut RequestContext) -> Result {
        let url = cx.argument("url")?;
        let response = cx.http_client()?.get(url).send().await?;
        let text = response.error_for_status()?.text().await?;
        cx.text(format!("got {text}"))
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let app = Application::new().requires::<Client>().get("/", relay);
    let server = Server::new()
        .listen(cyclone_core::Endpoint::unix(&path), app)
        .resource(Client::new());
    let _server = server.start().await.unwrap();
    let other = Written::new(|request| match request.starts_with("GET /fine") {
        true => (ok("it"), false),
        false => (
            b"HTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n".to_vec(),
            false,
        ),
    })
    .await;
    let client = client(|builder| builder.resolve("app.test", 80, ClientEndpoint::unix(&path)));
    let ask = async |path: &str| {
        let request = client
            .get("http://app.test/")
            .query([("url", other.url(path))]);
        let response = within(request.send()).await.unwrap();
        (
            response.status().as_u16(),
            within(response.text()).await.unwrap(),
        )
    };
    assert_eq!(ask("/fine").await, (200, "got it".to_owned()));
    let (status, text) = ask("/missing").await;
    assert_eq!(status, 502);
    assert!(!text.contains("127.0.0.1"), "{text}");
}
