//! Digest: replays, counts, stale nonces, other targets.

use std::time::Duration;

use bytes::Bytes;
use cyclone_core::SharedStore;
use cyclone_web::{
    Application, Body, Digest, DigestAlgorithm, DigestSecret, RequestContext, RequestHandler,
    Result,
};
use http::{Request, Response, StatusCode};
use sha2::{Digest as _, Sha256};

use super::{challenges, with_credentials};
use crate::support::{call, get, text};

struct Vault {
    digest: Digest,
}

impl RequestHandler for Vault {
    async fn get(&self, cx: &mut RequestContext) -> Result {
        let lookup =
            async |name: &str| Ok((name == "ada").then(|| DigestSecret::password("lovelace")));
        let user = self.digest.authenticate(cx, lookup).await?;
        cx.text(format!("{} by {}", user.name(), user.algorithm().name()))
    }
}

pub(super) fn app(digest: &Digest) -> Application {
    let vault = || Vault {
        digest: digest.clone(),
    };
    Application::new()
        .route("/", vault())
        .route("/other/{name}", vault())
}

fn hash(text: &str) -> String {
    let bytes = Sha256::digest(text.as_bytes());
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A parameter of a challenge.
fn parameter<'a>(challenge: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = challenge.split_once(&format!("{name}=\""))?;
    Some(rest.split_once('"')?.0)
}

/// A nonce of the server.
async fn nonce(app: &Application) -> String {
    let answer = call(app, get("/")).await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    parameter(challenges(&answer)[0], "nonce")
        .unwrap()
        .to_owned()
}

/// Credentials by SHA-256 for a target.
fn credentials(nonce: &str, count: u32, target: &str, password: &str) -> String {
    let (secret, request) = (
        hash(&format!("ada:the vault:{password}")),
        hash(&format!("GET:{target}")),
    );
    let response = hash(&format!("{secret}:{nonce}:{count:08x}:mine:auth:{request}"));
    format!(
        "Digest username=\"ada\", realm=\"the vault\", nonce=\"{nonce}\", uri=\"{target}\", algorithm=SHA-256, qop=auth, \
         nc={count:08x}, cnonce=\"mine\", response=\"{response}\""
    )
}

fn request(nonce: &str, count: u32) -> Request<Body> {
    with_credentials("/", &credentials(nonce, count, "/", "lovelace"))
}

fn is_stale(answer: &Response<Bytes>) -> bool {
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    challenges(answer)[0].contains("stale=true")
}

#[tokio::test]
async fn a_count_is_good_once() {
    let app = app(&Digest::new("the vault").unwrap());
    let nonce = nonce(&app).await;
    for count in [1, 3, 2] {
        let answer = call(&app, request(&nonce, count)).await;
        assert_eq!(text(&answer), "ada by SHA-256", "{count}");
        let replay = call(&app, request(&nonce, count)).await;
        assert!(is_stale(&replay));
    }
    // The server proves that it knows the password too. (RFC 7616, 3.5)
    let answer = call(&app, request(&nonce, 4)).await;
    let secret = hash("ada:the vault:lovelace");
    let proof = hash(&format!(
        "{secret}:{nonce}:00000004:mine:auth:{}",
        hash(":/")
    ));
    let info = answer.headers()["authentication-info"].to_str().unwrap();
    let expected = format!("qop=auth, rspauth=\"{proof}\", cnonce=\"mine\", nc=00000004");
    assert_eq!(info, expected);
}

#[tokio::test]
async fn only_who_knows_the_password_is_told_of_a_stale_nonce() {
    let app = app(&Digest::new("the vault").unwrap().nonce_age(Duration::ZERO));
    let nonce = nonce(&app).await;
    assert!(is_stale(&call(&app, request(&nonce, 1)).await));
    let wrong = credentials(&nonce, 1, "/", "wrong");
    assert!(!is_stale(&call(&app, with_credentials("/", &wrong)).await));
}

#[tokio::test]
async fn what_was_forgotten_is_stale() {
    let app = app(&Digest::new("the vault").unwrap().max_nonces(1));
    let (first, second) = (nonce(&app).await, nonce(&app).await);
    assert_eq!(call(&app, request(&first, 1)).await.status(), 200);
    assert_eq!(call(&app, request(&first, 2)).await.status(), 200);
    assert_eq!(call(&app, request(&second, 1)).await.status(), 200);
    assert!(is_stale(&call(&app, request(&first, 3)).await));
    assert_eq!(call(&app, request(&second, 2)).await.status(), 200);
}

/// A response is for its method, its target and its realm, and a nonce for its server.
#[tokio::test]
async fn a_response_is_for_its_request() {
    let digest = Digest::new("the vault").unwrap();
    let app = app(&digest);
    let nonce = nonce(&app).await;
    let good = credentials(&nonce, 1, "/other/a?b=c", "lovelace");
    for target in ["/", "/other/a", "/other/b?b=c", "/other/a?b=c&d"] {
        let answer = call(&app, with_credentials(target, &good)).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{target}");
    }
    for (from, to) in [
        ("username=\"ada\"", "username=\"bob\""),
        ("realm=\"the vault\"", "realm=\"another\""),
        ("algorithm=SHA-256", "algorithm=MD5"),
        ("nc=00000001", "nc=00000002"),
        ("cnonce=\"mine\"", "cnonce=\"yours\""),
        (&nonce, "AAAA"),
    ] {
        let changed = good.replace(from, to);
        assert_ne!(changed, good);
        let answer = call(&app, with_credentials("/other/a?b=c", &changed)).await;
        assert!(!is_stale(&answer), "{to}");
    }
    let malformed = good.replace("qop=auth", "qop=auth-int");
    let answer = call(&app, with_credentials("/other/a?b=c", &malformed)).await;
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    // None of them used the count up.
    let answer = call(&app, with_credentials("/other/a?b=c", &good)).await;
    assert_eq!(text(&answer), "ada by SHA-256");
}

#[tokio::test]
async fn processes_share_nonces() {
    let store = SharedStore::memory();
    let process = |key| {
        app(&Digest::new("the vault")
            .unwrap()
            .shared([key; 32], store.clone()))
    };
    let (one, two, stranger) = (process(1), process(1), process(2));
    let nonce = nonce(&one).await;
    assert_eq!(call(&two, request(&nonce, 1)).await.status(), 200);
    assert!(is_stale(&call(&one, request(&nonce, 1)).await));
    assert_eq!(call(&one, request(&nonce, 2)).await.status(), 200);
    assert!(!is_stale(&call(&stranger, request(&nonce, 3)).await));
}

#[tokio::test]
async fn every_algorithm_has_its_challenge() {
    let digest = Digest::new("the \"vault\"").unwrap();
    let digest = digest.algorithms([DigestAlgorithm::Sha256, DigestAlgorithm::Md5]);
    let answer = call(&app(&digest), get("/")).await;
    let all = challenges(&answer);
    for (challenge, algorithm) in all.iter().zip(["SHA-256", "MD5"]) {
        let nonce = parameter(challenge, "nonce").unwrap();
        let expected = format!(
            "Digest realm=\"the \\\"vault\\\"\", qop=\"auth\", algorithm={algorithm}, nonce=\"{nonce}\", charset=\"UTF-8\""
        );
        assert_eq!(*challenge, expected);
    }
    assert_eq!(all.len(), 2);
}
