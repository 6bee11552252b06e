//! Limits of requests: who is counted, where, and what he is told.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use cyclone_core::{Address, Network, Peer, SharedStore};
use cyclone_web::{
    Application, Body, CurrentUser, Error, RateLimit, RequestContext, RequestHandler, Response,
    Result, TrustedProxies, url,
};
use http::{Request, StatusCode};

use crate::support::{call, get};

const MINUTE: Duration = Duration::from_secs(60);

async fn hello(cx: &mut RequestContext) -> Result {
    cx.text("hello")
}

fn from(ip: &str, target: &str) -> Request<Body> {
    let mut request = get(target);
    let remote = Address::Tcp(SocketAddr::new(ip.parse().unwrap(), 4000));
    request
        .extensions_mut()
        .insert(Peer::new(remote, Address::Memory));
    request
}

/// The statuses of so many requests of one client.
async fn statuses(app: &Application, ip: &str, target: &str, times: usize) -> Vec<u16> {
    let mut statuses = Vec::new();
    for _ in 0..times {
        statuses.push(call(app, from(ip, target)).await.status().as_u16());
    }
    statuses
}

fn field<'a>(response: &'a http::Response<Bytes>, name: &str) -> Vec<&'a str> {
    let values = response.headers().get_all(name).iter();
    values.map(|value| value.to_str().unwrap()).collect()
}

#[tokio::test(start_paused = true)]
async fn over_the_limit_is_429_with_the_time_to_wait() {
    let app = Application::new()
        .get("/", hello)
        .rate_limit(RateLimit::new(3, MINUTE));
    for left in ["2", "1", "0"] {
        let response = call(&app, from("192.0.2.1", "/")).await;
        assert_eq!(response.status(), 200);
        assert_eq!(
            field(&response, "ratelimit-policy"),
            ["\"default\";q=3;w=60"]
        );
        let [state] = field(&response, "ratelimit")[..] else {
            panic!("one state");
        };
        assert!(
            state.starts_with(&format!("\"default\";r={left};t=")),
            "{state}"
        );
        assert!(field(&response, "retry-after").is_empty());
    }
    let response = call(&app, from("192.0.2.1", "/")).await;
    assert_eq!(response.status(), 429);
    assert_eq!(field(&response, "retry-after"), ["20"]);
    assert_eq!(field(&response, "ratelimit"), ["\"default\";r=0;t=60"]);
    assert_eq!(field(&response, "ratelimit-policy").len(), 1);
    assert_eq!(statuses(&app, "192.0.2.2", "/", 1).await, [200]);
    tokio::time::advance(Duration::from_millis(19_999)).await;
    assert_eq!(statuses(&app, "192.0.2.1", "/", 1).await, [429]);
    tokio::time::advance(Duration::from_millis(1)).await;
    assert_eq!(statuses(&app, "192.0.2.1", "/", 2).await, [200, 429]);
}

#[tokio::test(start_paused = true)]
async fn one_client_is_an_ipv4_address_or_64_bits_of_ipv6() {
    let app = Application::new()
        .get("/", hello)
        .rate_limit(RateLimit::new(2, MINUTE));
    for (ip, status) in [
        ("2001:db8:1:2::1", 200),
        ("2001:db8:1:2:ffff::9", 200),
        ("2001:db8:1:2:1:1:1:1", 429),
        ("2001:db8:1:3::1", 200),
        ("192.0.2.1", 200),
        ("::ffff:192.0.2.1", 200),
        ("192.0.2.1", 429),
    ] {
        assert_eq!(statuses(&app, ip, "/", 1).await, [status], "{ip}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_client_says_of_his_address_makes_him_no_other_client() {
    let app = || {
        Application::new()
            .get("/", hello)
            .rate_limit(RateLimit::new(1, MINUTE))
    };
    let proxies = TrustedProxies::x_forwarded([Network::LOOPBACK_V4]);
    let behind = app().trusted_proxies(proxies);
    let ask = async |app: &Application, ip: &str, forwarded: &str| {
        let mut request = from(ip, "/");
        let value = forwarded.parse().unwrap();
        request.headers_mut().insert("x-forwarded-for", value);
        call(app, request).await.status().as_u16()
    };
    let alone = app();
    assert_eq!(ask(&alone, "192.0.2.1", "1.1.1.1").await, 200);
    assert_eq!(ask(&alone, "192.0.2.1", "2.2.2.2").await, 429);
    assert_eq!(ask(&behind, "127.0.0.1", "192.0.2.1").await, 200);
    assert_eq!(ask(&behind, "127.0.0.1", "192.0.2.2").await, 200);
    assert_eq!(ask(&behind, "127.0.0.1", "9.9.9.9, 192.0.2.2").await, 429);
}

struct Counted(Arc<AtomicUsize>);

impl RequestHandler for Counted {
    async fn prepare(&self, _cx: &mut RequestContext) -> Result<Option<Response>> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(None)
    }
    async fn get(&self, cx: &mut RequestContext) -> Result {
        cx.text("counted")
    }
}

#[tokio::test(start_paused = true)]
async fn routes_have_limits_of_their_own_and_a_clone_spans_several() {
    let prepared = Arc::new(AtomicUsize::new(0));
    let shared = RateLimit::new(2, MINUTE).name("both");
    let app = Application::new()
        .rate_limit(RateLimit::new(100, MINUTE))
        .get(url("/one").rate_limit(shared.clone()), hello)
        .route(
            url("/two").rate_limit(shared),
            Counted(Arc::clone(&prepared)),
        )
        .get("/free", hello);
    assert_eq!(statuses(&app, "192.0.2.1", "/two", 1).await, [200]);
    assert_eq!(statuses(&app, "192.0.2.1", "/one", 2).await, [200, 429]);
    assert_eq!(statuses(&app, "192.0.2.1", "/two", 2).await, [429, 429]);
    assert_eq!(prepared.load(Ordering::Relaxed), 1);
    let response = call(&app, from("192.0.2.1", "/free")).await;
    assert_eq!(field(&response, "ratelimit"), ["\"default\";r=94;t=4"]);
    let response = call(&app, from("192.0.2.1", "/one")).await;
    let names = field(&response, "ratelimit-policy");
    assert_eq!(names, ["\"default\";q=100;w=60", "\"both\";q=2;w=60"]);
}

#[tokio::test(start_paused = true)]
async fn mounts_and_files_are_limited_too() {
    let files = tempfile::tempdir().unwrap();
    std::fs::write(files.path().join("a"), "a").unwrap();
    let inner = tower::service_fn(async |_request: Request<Body>| {
        Ok::<_, Infallible>(http::Response::new(Body::from("inner")))
    });
    let app = Application::new()
        .mount("/in", inner)
        .static_files("/static", files.path())
        .rate_limit(RateLimit::new(2, MINUTE));
    assert_eq!(
        statuses(&app, "192.0.2.1", "/in/x", 3).await,
        [200, 200, 429]
    );
    assert_eq!(
        statuses(&app, "192.0.2.2", "/static/a", 3).await,
        [200, 200, 429]
    );
    let response = call(&app, from("192.0.2.3", "/in/x")).await;
    assert_eq!(field(&response, "ratelimit"), ["\"default\";r=1;t=30"]);
}

struct User(String);

async fn find(cx: &mut RequestContext) -> Result<Option<CurrentUser>> {
    let name = cx.header("x-user").map(str::to_owned);
    Ok(name.map(|name| CurrentUser::new(User(name))))
}

#[tokio::test(start_paused = true)]
async fn users_and_keys_are_counted_wherever_they_come_from() {
    let by_user =
        RateLimit::new(2, MINUTE).by_user(|cx| Some(cx.current_user::<User>()?.0.clone()));
    let by_key = RateLimit::new(1, MINUTE)
        .name("key")
        .by(|cx| cx.header("x-key").map(str::to_owned));
    let app = Application::new()
        .current_user(find)
        .rate_limit(by_user)
        .get("/", hello)
        .get(url("/keys").rate_limit(by_key), hello);
    let ask = async |ip: &str, target: &str, name: &'static str, value: &str| {
        let mut request = from(ip, target);
        request.headers_mut().insert(name, value.parse().unwrap());
        call(&app, request).await.status().as_u16()
    };
    assert_eq!(ask("192.0.2.1", "/", "x-user", "ann").await, 200);
    assert_eq!(ask("192.0.2.2", "/", "x-user", "ann").await, 200);
    assert_eq!(ask("192.0.2.3", "/", "x-user", "ann").await, 429);
    assert_eq!(ask("192.0.2.3", "/", "x-user", "bob").await, 200);
    // A user whose name is an address is not the client there, and without a user the address counts.
    assert_eq!(ask("192.0.2.9", "/", "x-user", "192.0.2.1").await, 200);
    assert_eq!(statuses(&app, "192.0.2.1", "/", 3).await, [200, 200, 429]);
    assert_eq!(ask("192.0.2.4", "/keys", "x-key", "k1").await, 200);
    assert_eq!(ask("192.0.2.5", "/keys", "x-key", "k1").await, 429);
    assert_eq!(ask("192.0.2.5", "/keys", "x-key", "k2").await, 200);
    // Without a key there is no limit by keys.
    assert_eq!(statuses(&app, "192.0.2.6", "/keys", 2).await, [200, 200]);
}

#[tokio::test(start_paused = true)]
async fn servers_that_share_a_store_count_together() {
    let store = SharedStore::memory();
    // The window has begun in 1970 and lasts.
    let limit = || RateLimit::new(3, Duration::from_secs(1 << 32)).shared(store.clone());
    let server = || Application::new().get("/", hello).rate_limit(limit());
    let (one, other) = (server(), server());
    assert_eq!(statuses(&one, "192.0.2.1", "/", 2).await, [200, 200]);
    assert_eq!(statuses(&other, "192.0.2.1", "/", 2).await, [200, 429]);
    assert_eq!(statuses(&one, "192.0.2.1", "/", 1).await, [429]);
    assert_eq!(statuses(&one, "192.0.2.2", "/", 1).await, [200]);
}

/// The page of an error tells of the limit as well.
#[tokio::test(start_paused = true)]
async fn an_error_of_the_handler_has_the_fields() {
    let app = Application::new()
        .get("/", async |_cx: &mut RequestContext| {
            Err(Error::new(StatusCode::CONFLICT))
        })
        .rate_limit(RateLimit::new(4, MINUTE));
    let response = call(&app, from("192.0.2.1", "/")).await;
    assert_eq!(response.status(), 409);
    assert_eq!(field(&response, "ratelimit"), ["\"default\";r=3;t=15"]);
}

#[test]
fn a_limit_of_nothing_or_with_a_broken_name_is_found_at_the_start() {
    for build in [
        || RateLimit::new(0, MINUTE),
        || RateLimit::new(1, Duration::ZERO),
        || RateLimit::new(1, MINUTE).name("a\"b"),
        || RateLimit::new(1, MINUTE).name("a\r\nb"),
    ] {
        assert!(std::panic::catch_unwind(build).is_err());
    }
}
