//! What is expected in the log.

use cyclone_web::test::{TestClient, expect_log};
use cyclone_web::{Application, Error, RequestContext, Result};
use tracing::Level;

async fn broken(_cx: &mut RequestContext) -> Result {
    Err(Error::internal("the disk is gone"))
}

#[tokio::test]
async fn an_expected_line_is_kept_from_the_log() {
    // Any line at all, and it stands where the log of a program would.
    let outer = expect_log(Level::ERROR, "");
    let expected = expect_log(Level::ERROR, "the disk is gone");
    let client = TestClient::new(Application::new().get("/", broken));
    assert_eq!(client.get("/").await.unwrap().status(), 500);
    tracing::error!("another line");
    tracing::warn!("the disk is gone, at another level");
    let lines = expected.finish();
    assert_eq!(lines.len(), 1, "{lines:?}");
    let others = outer.seen();
    assert!(
        others.iter().any(|line| line == "another line"),
        "{others:?}"
    );
    assert!(
        others.iter().all(|line| !line.contains("gone")),
        "{others:?}"
    );
}

#[tokio::test]
#[should_panic(expected = "nothing was logged at INFO with `sunrise`")]
async fn a_line_that_does_not_come_fails_the_test() {
    let _expected = expect_log(Level::INFO, "sunrise");
    tracing::warn!("sunrise");
    tracing::info!("sunset");
}
