//! Time that passes when the test says so, and the limit that does not care.

use std::time::Duration;

use cyclone_web::test::{self, TEST_TIME_LIMIT, TestClient, TestErrorKind};
use cyclone_web::{Application, Limits, RequestContext, Result, SetCookie};
use tokio::time::Instant;

async fn slow(cx: &mut RequestContext) -> Result {
    tokio::time::sleep(Duration::from_secs(3600)).await;
    cx.text("done")
}

async fn never(_cx: &mut RequestContext) -> Result {
    std::future::pending().await
}

async fn visit(cx: &mut RequestContext) -> Result {
    let known = cx.cookie("known").is_some();
    cx.set_cookie(SetCookie::new("known", "yes").max_age(Duration::from_secs(60)))?;
    cx.json(&known)
}

fn app() -> Application {
    Application::new()
        .limits(Limits::new().header_timeout(Duration::from_secs(86_400)))
        .get("/slow", slow)
        .get("/never", never)
        .get("/visit", visit)
}

/// An hour of the handler's is more than the limit, and takes no time.
#[tokio::test(start_paused = true)]
async fn the_limit_goes_by_real_time() {
    assert!(TEST_TIME_LIMIT < Duration::from_secs(3600));
    let begun = Instant::now();
    let client = TestClient::new(app());
    assert_eq!(client.get("/slow").await.unwrap().text(), "done");
    assert_eq!(begun.elapsed().as_secs(), 3600);
}

#[tokio::test]
async fn a_handler_that_never_answers_is_told() {
    // A clock that is stopped jumps to the end of the connection.
    for kind in [TestErrorKind::Timeout, TestErrorKind::Connection] {
        if kind == TestErrorKind::Connection {
            test::pause();
        }
        let limit = Duration::from_millis(20);
        let client = TestClient::builder(app()).time_limit(limit).build();
        let error = client.get("/never").await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn cookies_grow_old() {
    let client = TestClient::new(app());
    let known = async || client.get("/visit").await.unwrap().json::<bool>().unwrap();
    assert!(!known().await);
    test::advance(Duration::from_secs(59)).await;
    assert!(known().await);
    test::advance(Duration::from_secs(60)).await;
    assert!(!known().await);
}

#[tokio::test(start_paused = true)]
async fn timers_fire_in_their_order_while_time_passes() {
    let (sender, mut fired) = tokio::sync::mpsc::unbounded_channel();
    for seconds in [3_u64, 1, 2] {
        let sender = sender.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            sender.send((seconds, Instant::now())).unwrap();
        });
    }
    let begun = Instant::now();
    test::advance(Duration::from_secs(2)).await;
    for seconds in [1, 2] {
        let (which, at) = fired.try_recv().unwrap();
        assert_eq!((which, at - begun), (seconds, Duration::from_secs(seconds)));
    }
    assert!(fired.try_recv().is_err());
    test::advance(Duration::from_secs(1)).await;
    assert_eq!(fired.try_recv().unwrap().0, 3);
}

#[tokio::test]
#[should_panic(expected = "not frozen")]
async fn a_clock_that_runs_is_not_pushed() {
    test::advance(Duration::from_secs(1)).await;
}
