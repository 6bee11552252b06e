//! OAuth 2.0: state, PKCE, and what providers answer.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cyclone_web::{
    Application, ClientAuth, OAuth2, OAuth2Provider, OAuthError, RequestContext, RequestHandler,
    Result,
};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::provider::{Provider, encode};
use super::{Browser, InProcess, back};
use crate::support::text;

struct Login {
    client: OAuth2,
}

impl RequestHandler for Login {
    async fn get(&self, cx: &mut RequestContext) -> Result {
        if cx.optional_argument("state")?.is_none() {
            let next = cx.next_url("/")?;
            return self.client.redirect(cx, &next);
        }
        let login = self.client.finish(cx).await?;
        let user = self.client.user(login.tokens()).await?;
        cx.text(format!(
            "{} to {}",
            user["name"].as_str().unwrap(),
            login.next()
        ))
    }

    async fn write_error(&self, cx: &mut RequestContext, error: &cyclone_web::Error) -> Result {
        let source = error
            .source()
            .and_then(|source| source.downcast_ref::<OAuthError>());
        cx.text(format!("{:?}", source.map(OAuthError::kind)))
    }
}

fn endpoints() -> OAuth2Provider {
    OAuth2Provider::new("http://localhost:9/authorize", "http://localhost:9/token")
        .user_endpoint("http://localhost:9/me")
        .scope("a b")
        .issuer("the issuer")
}

fn app(provider: &Provider, endpoints: OAuth2Provider) -> Application {
    let client = OAuth2::new(
        endpoints,
        InProcess(provider.app()),
        "the id",
        "https://app/login",
    );
    let client = client.client_secret("the:secret");
    Application::new()
        .cookie_secret("a secret of 32 bytes, or nearly so")
        .route("/login", Login { client })
}

fn good() -> Provider {
    let provider = Provider::new();
    provider.set(|state| {
        state.tokens = json!({"access_token": "the token", "token_type": "Bearer"});
        state.user = json!({"name": "Ada"});
    });
    provider
}

#[tokio::test]
async fn a_login_has_a_state_and_a_challenge() {
    let provider = good();
    let app = app(&provider, endpoints());
    let mut browser = Browser::new(&app);
    let (url, query) = browser.begin("/login?next=/inbox%3Fa%3Db").await;
    assert_eq!(url, "http://localhost:9/authorize");
    for (name, value) in [
        ("response_type", "code"),
        ("client_id", "the id"),
        ("redirect_uri", "https://app/login"),
        ("scope", "a b"),
        ("code_challenge_method", "S256"),
    ] {
        assert_eq!(query[name], value);
    }
    let target = back(&[
        ("state", &query["state"]),
        ("code", "the code"),
        ("iss", "the issuer"),
    ]);
    let answer = browser.get(&target).await;
    assert_eq!(text(&answer), "Ada to /inbox?a=b");
    for (name, value) in [
        ("grant_type", "authorization_code"),
        ("code", "the code"),
        ("redirect_uri", "https://app/login"),
    ] {
        assert_eq!(provider.field(name).as_deref(), Some(value));
    }
    let verifier = provider.field("code_verifier").unwrap();
    assert_eq!(encode(Sha256::digest(verifier)), query["code_challenge"]);
    let authorization = provider.0.lock().unwrap().authorization.clone();
    assert_eq!(authorization.as_deref(), Some("Bearer the token"));
    // The login is over, and no other begins with the same values.
    assert!(browser.cookies.is_empty());
    assert_eq!(browser.get(&target).await.status(), 403);
    let (_, other) = browser.begin("/login").await;
    assert_ne!(other["state"], query["state"]);
    assert_ne!(other["code_challenge"], query["code_challenge"]);
}

/// Login CSRF: an answer counts in the browser that has begun the login, once it is of that provider.
#[tokio::test]
async fn an_answer_for_another_browser_is_refused() {
    let provider = good();
    let app = app(&provider, endpoints());
    let mut browser = Browser::new(&app);
    let (_, query) = browser.begin("/login").await;
    let state = &*query["state"];
    let answer = Browser::new(&app)
        .get(&back(&[("state", state), ("code", "c")]))
        .await;
    assert_eq!(
        (answer.status().as_u16(), text(&answer)),
        (403, "Some(State)")
    );
    for wrong in ["", "another", &state[1..]] {
        let answer = browser.get(&back(&[("state", wrong), ("code", "c")])).await;
        assert_eq!(text(&answer), "Some(State)", "{wrong}");
    }
    let mixed = back(&[("state", state), ("code", "c"), ("iss", "another issuer")]);
    let answer = browser.clone().get(&mixed).await;
    assert_eq!(text(&answer), "Some(State)");
    // The cookie of a login at one provider is none for a login at another, of the same site.
    let other = OAuth2Provider::new("http://localhost:9/authorize", "http://localhost:9/other");
    let mut elsewhere = browser.clone();
    elsewhere.app = self::app(&provider, other);
    let answer = elsewhere
        .get(&back(&[("state", state), ("code", "c")]))
        .await;
    assert_eq!(text(&answer), "Some(State)");
    assert_eq!(provider.field("code"), None, "nobody was asked");
    // Two windows of one browser do not disturb each other.
    let (_, second) = browser.begin("/login?next=/second").await;
    let answer = browser
        .get(&back(&[("state", &second["state"]), ("code", "c")]))
        .await;
    assert_eq!(text(&answer), "Ada to /second");
    let answer = browser.get(&back(&[("state", state), ("code", "c")])).await;
    assert_eq!(text(&answer), "Ada to /");
}

#[tokio::test]
async fn a_browser_begins_only_so_many() {
    let app = app(&good(), endpoints());
    let mut browser = Browser::new(&app);
    for count in 1..=cyclone_web::MAX_LOGINS {
        browser.begin("/login").await;
        assert_eq!(browser.cookies.len(), count);
    }
    browser.begin("/login").await;
    assert_eq!(browser.cookies.len(), 1);
}

#[tokio::test]
async fn a_refusal_is_told() {
    let app = app(&good(), endpoints());
    let mut browser = Browser::new(&app);
    let (_, query) = browser.begin("/login").await;
    let refusal = [("state", &*query["state"]), ("error", "access_denied")];
    let answer = browser.get(&back(&refusal)).await;
    assert_eq!(
        (answer.status().as_u16(), text(&answer)),
        (403, "Some(Denied)")
    );
}

#[tokio::test]
async fn what_a_provider_must_not_answer() {
    for (status, tokens, expected) in [
        (
            200,
            json!({"error": "bad_verification_code"}),
            "Some(Provider)",
        ),
        (400, json!({"error": "invalid_grant"}), "Some(Provider)"),
        (401, json!({}), "Some(Provider)"),
        (200, json!({"token_type": "bearer"}), "Some(Provider)"),
        (200, json!({"access_token": ""}), "Some(Provider)"),
        (
            200,
            json!({"access_token": "a", "token_type": "mac"}),
            "Some(Provider)",
        ),
        (200, json!({"access_token": "a\r\nb"}), "Some(Provider)"),
        (302, json!({"access_token": "a"}), "Some(Provider)"),
        (200, json!("x".repeat(2_000_000)), "Some(Provider)"),
        (503, json!({}), "Some(Unreachable)"),
    ] {
        let provider = good();
        provider.set(|state| {
            state.tokens = tokens.clone();
            state.token_status = status;
        });
        let app = app(&provider, endpoints());
        let mut browser = Browser::new(&app);
        let (_, query) = browser.begin("/login").await;
        let answer = browser
            .get(&back(&[("state", &query["state"]), ("code", "c")]))
            .await;
        assert_eq!(text(&answer), expected, "{status} {tokens:.100}");
    }
}

#[tokio::test]
async fn a_client_proves_itself_as_the_provider_wants() {
    let authorization = |provider: &Provider| provider.0.lock().unwrap().authorization.clone();
    let provider = good();
    let client = |endpoints: OAuth2Provider| {
        OAuth2::new(
            endpoints,
            InProcess(provider.app()),
            "the id",
            "https://app/login",
        )
    };
    let basic = client(endpoints()).client_secret("the:secret");
    basic.refresh("r").await.unwrap();
    let expected = format!("Basic {}", STANDARD.encode("the%20id:the%3Asecret"));
    assert_eq!(authorization(&provider), Some(expected));
    assert_eq!(provider.field("client_secret"), None);
    let form = endpoints().client_auth(ClientAuth::Form);
    client(form)
        .client_secret("the:secret")
        .refresh("r")
        .await
        .unwrap();
    assert_eq!(authorization(&provider), None);
    assert_eq!(
        provider.field("client_secret").as_deref(),
        Some("the:secret")
    );
    assert_eq!(provider.field("refresh_token").as_deref(), Some("r"));
    client(endpoints()).refresh("r").await.unwrap();
    assert_eq!(provider.field("client_id").as_deref(), Some("the id"));
    assert_eq!(provider.field("client_secret"), None);
    let plain = OAuth2Provider::new("http://localhost/a", "http://provider.example/token");
    let refused = client(plain).refresh("r").await.unwrap_err();
    assert!(refused.to_string().contains("TLS"), "{refused}");
}
