//! Sessions of users, in a store and in cookies.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use cyclone_core::{SharedStore, Store};
use cyclone_web::{Application, Body, Cookies, RequestContext, Result, Sessions};
use http::{Request, Response, header};

use crate::support::{call, get, text};

/// Seconds that tests move on by hand.
#[derive(Clone)]
struct Clock(Arc<AtomicU64>);

impl Clock {
    fn new() -> Self {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        Self(Arc::new(AtomicU64::new(now.unwrap().as_secs())))
    }

    fn pass(&self, seconds: u64) {
        self.0.fetch_add(seconds, Ordering::Relaxed);
    }

    fn set(&self, sessions: Sessions) -> Sessions {
        let seconds = Arc::clone(&self.0);
        let now =
            move || SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.load(Ordering::Relaxed));
        sessions.clock(now)
    }
}

/// Shows the user and all values; changes what the query says.
async fn page(cx: &mut RequestContext) -> Result {
    let mut session = cx.user_session().await?;
    for (name, value) in [
        ("a", cx.optional_argument("a")?),
        ("b", cx.optional_argument("b")?),
    ] {
        match value.as_deref() {
            Some("") => session.remove(name),
            Some(value) => session.set(name, value)?,
            None => {}
        }
    }
    let kept = session.save(cx).await?;
    // What was written is what the rest of the request sees.
    let session = cx.user_session().await?;
    let value = |name| session.get::<String>(name).map(Option::unwrap_or_default);
    let (user, a, b) = (session.user().unwrap_or("nobody"), value("a")?, value("b")?);
    cx.text(format!(
        "{user} a={a} b={b}{}",
        if kept { "" } else { " lost" }
    ))
}

async fn log_in(cx: &mut RequestContext) -> Result {
    let user = cx.argument("user")?;
    cx.user_session().await?.log_in(cx, user).await?;
    page(cx).await
}

async fn log_out(cx: &mut RequestContext) -> Result {
    cx.user_session().await?.log_out(cx).await?;
    page(cx).await
}

async fn everywhere(cx: &mut RequestContext) -> Result {
    let user = cx.argument("user")?;
    cx.log_out_everywhere(&user).await?;
    page(cx).await
}

/// A client that has logged out while this request was at work.
async fn slow(cx: &mut RequestContext) -> Result {
    let mut session = cx.user_session().await?;
    session.set("a", "late")?;
    let store = cx.extensions().get::<SharedStore>().unwrap().clone();
    store.put("slow", Bytes::new(), None).await?;
    while store.get("go on").await?.is_none() {
        tokio::task::yield_now().await;
    }
    let kept = session.save(cx).await?;
    cx.text(format!("{kept}"))
}

async fn large(cx: &mut RequestContext) -> Result {
    let bytes: usize = cx.argument("bytes")?.parse()?;
    let mut session = cx.user_session().await?;
    session.set("a", &"x".repeat(bytes))?;
    session.save(cx).await?;
    cx.text("kept")
}

fn app(sessions: Sessions) -> Application {
    Application::new()
        .cookie_secret("a secret of 32 bytes, or nearly so")
        .sessions(sessions)
        .get("/", page)
        .get("/in", log_in)
        .get("/out", log_out)
        .get("/everywhere", everywhere)
        .get("/slow", slow)
        .get("/large", large)
}

/// A client with a jar for one cookie.
#[derive(Clone)]
struct Client {
    app: Application,
    cookie: Option<String>,
}

impl Client {
    fn new(app: &Application) -> Self {
        Self {
            app: app.clone(),
            cookie: None,
        }
    }

    fn request(&self, target: &str) -> Request<Body> {
        let mut request = get(target);
        if let Some(cookie) = &self.cookie {
            let cookie = format!("session={cookie}").parse().unwrap();
            request.headers_mut().insert(header::COOKIE, cookie);
        }
        request
    }

    async fn send(&mut self, target: &str) -> Response<Bytes> {
        let answer = call(&self.app, self.request(target)).await;
        if let Some(set) = answer.headers().get(header::SET_COOKIE) {
            let set = set.to_str().unwrap();
            let (pair, attributes) = set.split_once(';').unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            assert_eq!(name, "session");
            self.cookie = (!attributes.contains("Max-Age=0")).then(|| value.to_owned());
        }
        answer
    }

    async fn see(&mut self, target: &str) -> String {
        text(&self.send(target).await).to_owned()
    }
}

fn both() -> [Sessions; 2] {
    [
        Sessions::in_store(SharedStore::memory()),
        Sessions::in_cookie(),
    ]
}

#[tokio::test]
async fn values_come_back_to_their_client_alone() {
    for sessions in both() {
        let app = app(sessions);
        let mut client = Client::new(&app);
        let answer = client.send("/").await;
        assert_eq!(text(&answer), "nobody a= b=");
        assert!(
            !answer.headers().contains_key(header::SET_COOKIE),
            "nothing to keep"
        );
        assert_eq!(client.see("/?a=1&b=2").await, "nobody a=1 b=2");
        assert_eq!(client.see("/?a=").await, "nobody a= b=2");
        assert_eq!(client.see("/").await, "nobody a= b=2");
        assert_eq!(Client::new(&app).see("/").await, "nobody a= b=");
        // Whatever a client makes up is no session.
        for forged in ["", "x", &"A".repeat(43), &"A".repeat(5_000), "2|1:0|a"] {
            let mut forger = Client::new(&app);
            forger.cookie = Some(forged.to_owned());
            assert_eq!(forger.see("/").await, "nobody a= b=", "{forged}");
        }
    }
}

/// Session fixation (CWE-384): an id that somebody else knows, or has planted, is no way in.
#[tokio::test]
async fn a_login_changes_the_id() {
    let app = app(Sessions::in_store(SharedStore::memory()));
    let mut client = Client::new(&app);
    client.see("/?a=1").await;
    let mut thief = client.clone();
    let before = client.cookie.clone();
    assert_eq!(client.see("/in?user=ada&b=2").await, "ada a=1 b=2");
    assert_ne!(client.cookie, before);
    assert_eq!(client.see("/").await, "ada a=1 b=2");
    assert_eq!(thief.see("/").await, "nobody a= b=");
    // A planted id is not taken over, even by a login.
    let mut planted = Client::new(&app);
    let id = "B".repeat(42) + "A";
    planted.cookie = Some(id.clone());
    planted.see("/in?user=bob").await;
    assert_ne!(planted.cookie.unwrap(), id);
}

#[tokio::test]
async fn a_logout_ends_it() {
    for (sessions, in_store) in both().into_iter().zip([true, false]) {
        let app = app(sessions);
        let mut client = Client::new(&app);
        client.see("/in?user=ada").await;
        let mut copy = client.clone();
        assert_eq!(client.see("/out").await, "nobody a= b=");
        assert_eq!(client.cookie, None);
        let after = copy.see("/").await;
        // What a cookie says of itself cannot be taken back.
        assert_eq!(after == "nobody a= b=", in_store);
    }
}

#[tokio::test]
async fn a_logout_everywhere_ends_all_of_a_user() {
    let clock = Clock::new();
    let app = app(clock.set(Sessions::in_store(SharedStore::memory())));
    let [mut desk, mut phone, mut other] = [0; 3].map(|_| Client::new(&app));
    desk.see("/in?user=ada").await;
    phone.see("/in?user=ada").await;
    other.see("/in?user=bob").await;
    assert_eq!(phone.see("/everywhere?user=ada").await, "nobody a= b=");
    assert_eq!(desk.see("/").await, "nobody a= b=");
    assert_eq!(other.see("/").await, "bob a= b=");
    // In the same second: it is no matter of time.
    assert_eq!(desk.see("/in?user=ada").await, "ada a= b=");
    assert_eq!(desk.see("/").await, "ada a= b=");
    assert_eq!(phone.see("/").await, "nobody a= b=");
    assert_eq!(phone.see("/in?user=ada").await, "ada a= b=");
    phone.see("/everywhere?user=ada").await;
    assert_eq!(desk.see("/").await, "nobody a= b=");
}

#[tokio::test]
async fn sessions_end_when_idle_and_when_old() {
    for sessions in both() {
        let clock = Clock::new();
        let sessions = sessions
            .idle(Duration::from_secs(80))
            .life(Duration::from_secs(200));
        let app = app(clock.set(sessions));
        let mut client = Client::new(&app);
        client.see("/in?user=ada").await;
        let mut idle = client.clone();
        for _ in 0..3 {
            clock.pass(60);
            assert_eq!(client.see("/").await, "ada a= b=");
        }
        clock.pass(19);
        assert_eq!(client.see("/").await, "ada a= b=");
        clock.pass(1);
        assert_eq!(client.see("/").await, "nobody a= b=", "200 seconds old");
        assert_eq!(idle.see("/").await, "nobody a= b=");
        let mut idle = Client::new(&app);
        idle.see("/in?user=ada").await;
        clock.pass(79);
        let mut again = idle.clone();
        assert_eq!(again.see("/").await, "ada a= b=");
        clock.pass(80);
        assert_eq!(idle.see("/").await, "nobody a= b=");
    }
}

/// Requests of one session at once, in two processes of one store: no value is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_requests_lose_nothing() {
    let store = SharedStore::memory();
    let apps = [0; 2].map(|_| app(Sessions::in_store(store.clone())));
    for round in 0..50 {
        let mut client = Client::new(&apps[0]);
        client.see("/?a=before").await;
        let mut others = [client.clone(), client.clone()];
        others[1].app = apps[1].clone();
        let [one, two] = others;
        let task = |mut client: Client, target: String| {
            tokio::spawn(async move { client.see(&target).await })
        };
        let one = task(one, format!("/?a={round}"));
        let two = task(two, format!("/?b={round}"));
        one.await.unwrap();
        two.await.unwrap();
        assert_eq!(client.see("/").await, format!("nobody a={round} b={round}"));
    }
}

/// A request that is slower than a logout does not bring the session back.
#[tokio::test]
async fn a_late_save_does_not_undo_a_logout() {
    let store = SharedStore::memory();
    let app = app(Sessions::in_store(store.clone()));
    let mut client = Client::new(&app);
    client.see("/in?user=ada").await;
    let late = client.clone();
    let mut request = late.request("/slow");
    request.extensions_mut().insert(store.clone());
    let slow = async { call(&late.app, request).await };
    let out = async {
        while store.get("slow").await.unwrap().is_none() {
            tokio::task::yield_now().await;
        }
        client.see("/out").await;
        store.put("go on", Bytes::new(), None).await.unwrap();
    };
    let (answer, ()) = tokio::join!(slow, out);
    assert_eq!(text(&answer), "false");
    assert!(!answer.headers().contains_key(header::SET_COOKIE));
    assert_eq!(late.clone().see("/").await, "nobody a= b=");
}

/// Whoever holds the lock for longer than others wait is a 503 for them, and one that died is passed over.
#[tokio::test(start_paused = true)]
async fn a_lock_that_nobody_returns_runs_out() {
    use sha2::{Digest as _, Sha256};
    let store = SharedStore::memory();
    let app = app(Sessions::in_store(store.clone()));
    let mut client = Client::new(&app);
    client.see("/?a=1").await;
    let hash = Sha256::digest(client.cookie.as_ref().unwrap().as_bytes());
    let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    let key = format!("session:{hash}:lock");
    let ten = Some(Duration::from_secs(10));
    store.put(&key, Bytes::new(), ten).await.unwrap();
    assert_eq!(client.send("/?b=2").await.status(), 503);
    assert_eq!(
        client.see("/").await,
        "nobody a=1 b=",
        "reading needs no lock"
    );
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(client.see("/?b=2").await, "nobody a=1 b=2");
}

#[tokio::test]
async fn a_session_has_a_size() {
    let sessions = Sessions::in_store(SharedStore::memory()).max_size(1_000);
    let app_in_store = app(sessions);
    // The rest of the JSON, with times of ten digits.
    let around = r#"{"b":1800000000,"s":1800000000,"v":{"a":""}}"#.len();
    for (bytes, status) in [(1_000 - around, 200), (1_001 - around, 500)] {
        let answer = Client::new(&app_in_store)
            .send(&format!("/large?bytes={bytes}"))
            .await;
        assert_eq!(answer.status(), status, "{bytes}");
    }
    let app_in_cookie = app(Sessions::in_cookie());
    for (bytes, status) in [(2_800, 200), (3_100, 500)] {
        let answer = Client::new(&app_in_cookie)
            .send(&format!("/large?bytes={bytes}"))
            .await;
        assert_eq!(answer.status(), status, "{bytes}");
    }
}

#[tokio::test]
async fn the_cookie_is_hidden_and_stays_at_home() {
    let app = app(Sessions::in_store(SharedStore::memory()).persistent(true));
    let answer = call(&app, get("/?a=1")).await;
    let cookie = answer.headers()[header::SET_COOKIE].to_str().unwrap();
    for attribute in ["HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=2592000"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    let mut headers = http::HeaderMap::new();
    let pair = cookie.split(';').next().unwrap();
    headers.insert(header::COOKIE, pair.parse().unwrap());
    assert_eq!(Cookies::new(&headers).get("session").unwrap().len(), 43);
}
