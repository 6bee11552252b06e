//! OAuth 1.0a.

use cyclone_web::{Application, OAuth1, OAuth1Provider, RequestContext, RequestHandler, Result};

use super::{Browser, InProcess, back};
use crate::support::text;

struct Login {
    client: OAuth1,
}

impl RequestHandler for Login {
    async fn get(&self, cx: &mut RequestContext) -> Result {
        if cx.optional_argument("oauth_token")?.is_none() {
            let next = cx.next_url("/")?;
            return self.client.redirect(cx, &next).await;
        }
        let token = self.client.finish(cx).await?;
        let user = token.field("screen_name").unwrap_or_default();
        cx.text(format!(
            "{user} {} {} to {}",
            token.token(),
            token.secret(),
            token.next()
        ))
    }
}

async fn request_token(cx: &mut RequestContext) -> Result {
    let header = cx.header("authorization").unwrap_or_default();
    assert!(
        header.contains("oauth_callback=\"https%3A%2F%2Fapp%2Flogin\""),
        "{header}"
    );
    cx.text("oauth_token=t%201&oauth_token_secret=s1&oauth_callback_confirmed=true")
}

/// 1.0 without the a.
async fn unconfirmed(cx: &mut RequestContext) -> Result {
    cx.text("oauth_token=t1&oauth_token_secret=s1")
}

async fn access_token(cx: &mut RequestContext) -> Result {
    let header = cx.header("authorization").unwrap_or_default();
    assert!(header.contains("oauth_token=\"t%201\""), "{header}");
    assert!(header.contains("oauth_verifier=\"v%2B1\""), "{header}");
    cx.text("oauth_token=t2&oauth_token_secret=s2&screen_name=ada+l")
}

fn app(request_token_path: &str) -> Application {
    let provider = Application::new()
        .post("/request", request_token)
        .post("/unconfirmed", unconfirmed)
        .post("/access", access_token);
    let endpoints = OAuth1Provider::new(
        format!("http://localhost:9{request_token_path}"),
        "http://localhost:9/authorize",
        "http://localhost:9/access",
    );
    let http = InProcess(provider);
    let client = OAuth1::new(endpoints, http, "key", "secret", "https://app/login");
    Application::new()
        .cookie_secret("a secret of 32 bytes, or nearly so")
        .route("/login", Login { client })
}

#[tokio::test]
async fn a_login_changes_its_token_for_another() {
    let app = app("/request");
    let mut browser = Browser::new(&app);
    let (url, query) = browser.begin("/login?next=/inbox").await;
    assert_eq!(
        (&*url, &*query["oauth_token"]),
        ("http://localhost:9/authorize", "t 1")
    );
    let target = back(&[("oauth_token", "t 1"), ("oauth_verifier", "v+1")]);
    let answer = Browser::new(&app).get(&target).await;
    assert_eq!(answer.status(), 403, "another browser");
    let answer = browser
        .clone()
        .get(&back(&[("oauth_token", "t 1"), ("denied", "t 1")]))
        .await;
    assert_eq!(answer.status(), 403, "no verifier");
    assert_eq!(text(&browser.get(&target).await), "ada l t2 s2 to /inbox");
    assert_eq!(browser.get(&target).await.status(), 403, "again");
}

/// The hole of 1.0 (session fixation, oauth.net/advisories/2009-1).
#[tokio::test]
async fn a_callback_that_is_not_confirmed_is_refused() {
    let answer = Browser::new(&app("/unconfirmed")).get("/login").await;
    assert_eq!(answer.status(), 502);
}
