//! OpenID Connect: every claim, and keys that change.

use std::time::Duration;

use cyclone_web::{
    Application, OAuthError, OAuthErrorKind, OPENID_KEYS_INTERVAL, OpenIdConnect, RequestContext,
    RequestHandler, Result,
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::provider::{ISSUER, Key, Provider, encode, now};
use super::{Browser, InProcess, back};
use crate::support::text;

struct Login {
    client: OpenIdConnect,
}

impl RequestHandler for Login {
    async fn get(&self, cx: &mut RequestContext) -> Result {
        if cx.optional_argument("state")?.is_none() {
            let next = cx.next_url("/")?;
            return self.client.redirect(cx, &next).await;
        }
        let login = self.client.finish(cx).await?;
        let user = self.client.user(&login).await?;
        let (subject, email) = (
            login.id_token().subject(),
            login.id_token().verified_email(),
        );
        let name = user["name"].as_str().unwrap_or_default();
        cx.text(format!("{subject} {email:?} {name} to {}", login.next()))
    }
}

fn client(provider: &Provider) -> OpenIdConnect {
    OpenIdConnect::new(
        ISSUER,
        InProcess(provider.app()),
        "the id",
        "https://app/login",
    )
}

fn provider_with(keys: &[&Key]) -> Provider {
    let provider = Provider::new();
    provider.set(|state| {
        state.keys = keys.iter().map(|key| key.public()).collect();
        state.user = json!({"sub": "u1", "name": "Ada"});
    });
    provider
}

fn claims(nonce: &str) -> Value {
    json!({
        "iss": ISSUER, "sub": "u1", "aud": "the id", "exp": now() + 300, "iat": now(), "nonce": nonce,
        "email": "ada@example.org", "email_verified": true,
    })
}

/// Good claims with some set, or removed by `null`.
fn changed(changes: &Value) -> Value {
    let mut claims = claims("n");
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value.clone(),
        }
    }
    claims
}

async fn judge(client: &OpenIdConnect, token: &str) -> std::result::Result<(), OAuthErrorKind> {
    let judged = client.verify(token, Some("n")).await;
    judged.map(drop).map_err(|error: OAuthError| error.kind())
}

#[tokio::test]
async fn a_login_proves_who_the_user_is() {
    let key = Key::new("k1");
    let provider = provider_with(&[&key]);
    let app = Application::new()
        .cookie_secret("a secret of 32 bytes, or nearly so")
        .route(
            "/login",
            Login {
                client: client(&provider),
            },
        );
    let mut browser = Browser::new(&app);
    let (_, query) = browser.begin("/login?next=/inbox").await;
    assert_eq!(query["scope"], "openid");
    let tokens = |nonce: &str, access: &str| {
        let mut claims = claims(nonce);
        claims["at_hash"] = json!(encode(&Sha256::digest("the token")[..16]));
        json!({"access_token": access, "token_type": "Bearer", "id_token": key.sign(&claims)})
    };
    let target = back(&[("state", &query["state"]), ("code", "c")]);
    let answer = |tokens: Value, target: String| {
        provider.set(|state| state.tokens = tokens);
        let mut browser = browser.clone();
        async move {
            let answer = browser.get(&target).await;
            (answer.status().as_u16(), text(&answer).to_owned())
        }
    };
    let (status, page) = answer(tokens(&query["nonce"], "the token"), target.clone()).await;
    assert_eq!(
        (status, &*page),
        (200, "u1 Some(\"ada@example.org\") Ada to /inbox")
    );
    // A token of another login (replay), an access token that was exchanged, no id token at all.
    assert_eq!(
        answer(tokens("another", "the token"), target.clone())
            .await
            .0,
        403
    );
    assert_eq!(
        answer(tokens(&query["nonce"], "another"), target.clone())
            .await
            .0,
        403
    );
    let none = json!({"access_token": "the token"});
    assert_eq!(answer(none, target.clone()).await.0, 502);
    // The user endpoint tells of somebody else. (Core, 5.3.2)
    provider.set(|state| state.user = json!({"sub": "u2", "name": "Eve"}));
    assert_eq!(
        answer(tokens(&query["nonce"], "the token"), target).await.0,
        403
    );
}

#[tokio::test]
async fn every_claim_is_checked() {
    let key = Key::new("k1");
    let client = client(&provider_with(&[&key]));
    let judge = async |changes: Value| judge(&client, &key.sign(&changed(&changes))).await;
    for good in [
        json!({}),
        json!({"aud": ["the id"]}),
        json!({"aud": ["the id", "other"], "azp": "the id"}),
        json!({"azp": "the id"}),
        json!({"exp": now() - 50}),
        json!({"iat": now() + 50, "nbf": now() + 50}),
        json!({"sub": "x".repeat(255)}),
        json!({"exp": 4e9}),
    ] {
        assert_eq!(judge(good.clone()).await, Ok(()), "{good}");
    }
    for bad in [
        json!({"iss": "http://localhost:9/"}),
        json!({"iss": null}),
        json!({"aud": "other"}),
        json!({"aud": null}),
        json!({"aud": []}),
        json!({"aud": ["other"]}),
        json!({"aud": ["the id", "other"]}),
        json!({"aud": ["the id", "other"], "azp": "other"}),
        json!({"azp": "other"}),
        json!({"azp": 1}),
        json!({"exp": now() - 61}),
        json!({"exp": null}),
        json!({"exp": "never"}),
        json!({"exp": -1}),
        json!({"exp": 1e300}),
        json!({"iat": null}),
        json!({"iat": now() + 90}),
        json!({"nbf": now() + 90}),
        json!({"nonce": "m"}),
        json!({"nonce": null}),
        json!({"sub": ""}),
        json!({"sub": 1}),
        json!({"sub": null}),
        json!({"sub": "x".repeat(256)}),
    ] {
        assert_eq!(
            judge(bad.clone()).await,
            Err(OAuthErrorKind::Token),
            "{bad}"
        );
    }
    let unverified = key.sign(&changed(&json!({"email_verified": false})));
    let token = client.verify(&unverified, Some("n")).await.unwrap();
    assert_eq!(
        (token.verified_email(), &token.claims()["email"]),
        (None, &json!("ada@example.org"))
    );
    let empty = key.sign(&changed(&json!({"nonce": ""})));
    assert!(client.verify(&empty, Some("")).await.is_err());
}

/// CVE-2015-9235 and its like: the token does not choose how it is checked.
#[tokio::test]
async fn a_signature_of_another_kind_is_refused() {
    let (key, stranger) = (Key::new("k1"), Key::new("k1"));
    let client = client(&provider_with(&[&key]));
    let good = key.sign(&claims("n"));
    assert_eq!(judge(&client, &good).await, Ok(()));
    let (text, signature) = good.rsplit_once('.').unwrap();
    let (_, payload) = text.split_once('.').unwrap();
    let headed = |header: Value| key.sign_as(&header, &claims("n"));
    let none = format!("{}.{payload}.", encode(json!({"alg": "none"}).to_string()));
    let mut tokens = vec![
        none,
        headed(json!({"alg": "None", "kid": "k1"})),
        headed(json!({"alg": "HS256", "kid": "k1"})),
        headed(json!({"alg": "RS256", "kid": "k1"})),
        headed(json!({"alg": "ES384", "kid": "k1"})),
        headed(json!({"alg": "EdDSA", "kid": "k1"})),
        headed(json!({"kid": "k1"})),
        headed(json!({"alg": "ES256", "kid": "k2"})),
        headed(json!({"alg": "ES256", "kid": "k1", "crit": ["b64"], "b64": false})),
        stranger.sign(&claims("n")),
        format!("{text}."),
        format!("{text}.{}", &signature[..84]),
        format!("{text}.{signature}A"),
        format!("{text}.{}", encode([0; 64])),
        format!("{}.{signature}", text.replace('.', "")),
        format!("{good}.{signature}"),
        good.replacen('.', ".A", 1),
        String::new(),
        "..".to_owned(),
        "A".repeat(100_000),
    ];
    // Another payload under the same signature.
    let other = encode(changed(&json!({"sub": "u2"})).to_string());
    tokens.push(good.replace(payload, &other));
    for token in tokens {
        assert_eq!(
            judge(&client, &token).await,
            Err(OAuthErrorKind::Token),
            "{token:.200}"
        );
    }
    // Without the name of a key the only one of its kind counts.
    let unnamed = headed(json!({"alg": "ES256"}));
    assert_eq!(judge(&client, &unnamed).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn keys_change() {
    let (first, second, third) = (Key::new("k1"), Key::new("k2"), Key::new("k3"));
    let provider = provider_with(&[&first]);
    let client = client(&provider);
    let looks = || provider.0.lock().unwrap().key_looks;
    assert_eq!(judge(&client, &first.sign(&claims("n"))).await, Ok(()));
    assert_eq!(judge(&client, &first.sign(&claims("n"))).await, Ok(()));
    assert_eq!(looks(), 1, "they are kept");
    provider.set(|state| state.keys = vec![first.public(), second.public()]);
    // Whoever makes up keys makes us ask every now and then, and no more.
    assert!(judge(&client, &second.sign(&claims("n"))).await.is_err());
    assert_eq!(looks(), 1);
    tokio::time::advance(OPENID_KEYS_INTERVAL).await;
    assert_eq!(judge(&client, &second.sign(&claims("n"))).await, Ok(()));
    assert_eq!(judge(&client, &first.sign(&claims("n"))).await, Ok(()));
    assert!(judge(&client, &third.sign(&claims("n"))).await.is_err());
    assert_eq!(looks(), 2);
    // A key that was withdrawn is believed for an hour at most.
    provider.set(|state| state.keys = vec![second.public()]);
    tokio::time::advance(Duration::from_secs(60 * 60)).await;
    assert!(judge(&client, &first.sign(&claims("n"))).await.is_err());
    assert_eq!(judge(&client, &second.sign(&claims("n"))).await, Ok(()));
}

#[tokio::test]
async fn keys_for_other_uses_are_left_out() {
    let key = Key::new("k1");
    let provider = provider_with(&[&key]);
    for (name, value) in [
        ("use", "enc"),
        ("alg", "ES384"),
        ("kty", "oct"),
        ("crv", "P-384"),
        ("x", "AAAA"),
        ("x", "!"),
    ] {
        provider.set(|state| {
            state.keys = vec![key.public()];
            state.keys[0][name] = json!(value);
        });
        let judged = judge(&client(&provider), &key.sign(&claims("n"))).await;
        assert_eq!(judged, Err(OAuthErrorKind::Token), "{name}");
    }
    let mut bare = key.public();
    for name in ["use", "alg"] {
        bare.as_object_mut().unwrap().remove(name);
    }
    provider.set(|state| state.keys = vec![bare]);
    assert_eq!(
        judge(&client(&provider), &key.sign(&claims("n"))).await,
        Ok(())
    );
}

/// Discovery, 4.3: a provider speaks for itself.
#[tokio::test(start_paused = true)]
async fn a_provider_that_is_another_is_refused() {
    let key = Key::new("k1");
    let provider = provider_with(&[&key]);
    provider.set(|state| state.issuer = "http://localhost:8".to_owned());
    let client = client(&provider);
    let judged = judge(&client, &key.sign(&claims("n"))).await;
    assert_eq!(judged, Err(OAuthErrorKind::Provider));
    provider.set(|state| state.issuer = ISSUER.to_owned());
    // For a moment it is not asked again.
    let judged = judge(&client, &key.sign(&claims("n"))).await;
    assert_eq!(judged, Err(OAuthErrorKind::Unreachable));
    tokio::time::advance(Duration::from_secs(3)).await;
    assert_eq!(judge(&client, &key.sign(&claims("n"))).await, Ok(()));
    let url = client.logout_url("https://app/").await.unwrap().unwrap();
    let query = "client_id=the%20id&post_logout_redirect_uri=https%3A%2F%2Fapp%2F";
    assert_eq!(url, format!("{ISSUER}/end?{query}"));
}
