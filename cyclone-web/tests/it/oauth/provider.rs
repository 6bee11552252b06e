//! A provider of OAuth 2.0 and OpenID Connect, which does what a test wants.

use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cyclone_web::{Application, RequestContext, RequestHandler, Result};
use ring_test::rand::SystemRandom;
use ring_test::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};

pub(super) const ISSUER: &str = "http://localhost:9";

pub(super) struct Key {
    pub(super) id: String,
    pub(super) pair: EcdsaKeyPair,
}

impl Key {
    pub(super) fn new(id: &str) -> Self {
        let (random, algorithm) = (SystemRandom::new(), &ECDSA_P256_SHA256_FIXED_SIGNING);
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).unwrap();
        Self {
            id: id.to_owned(),
            pair,
        }
    }

    pub(super) fn public(&self) -> Value {
        let point = self.pair.public_key().as_ref();
        let (x, y) = (encode(&point[1..33]), encode(&point[33..]));
        json!({"kty": "EC", "crv": "P-256", "kid": self.id, "use": "sig", "alg": "ES256", "x": x, "y": y})
    }

    pub(super) fn sign(&self, claims: &Value) -> String {
        self.sign_as(&json!({"alg": "ES256", "kid": self.id}), claims)
    }

    pub(super) fn sign_as(&self, header: &Value, claims: &Value) -> String {
        let (header, claims) = (encode(header.to_string()), encode(claims.to_string()));
        let text = format!("{header}.{claims}");
        let signature = self
            .pair
            .sign(&SystemRandom::new(), text.as_bytes())
            .unwrap();
        format!("{text}.{}", encode(signature))
    }
}

pub(super) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(super) fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

#[derive(Default)]
pub(super) struct State {
    pub(super) keys: Vec<Value>,
    /// What the endpoint for tokens answers.
    pub(super) tokens: Value,
    pub(super) token_status: u16,
    pub(super) user: Value,
    pub(super) issuer: String,
    /// What it was asked.
    pub(super) form: Vec<(String, String)>,
    pub(super) authorization: Option<String>,
    pub(super) key_looks: usize,
}

#[derive(Clone)]
pub(super) struct Provider(pub(super) Arc<Mutex<State>>);

impl Provider {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(State {
            issuer: ISSUER.to_owned(),
            token_status: 200,
            ..State::default()
        })))
    }

    pub(super) fn app(&self) -> Application {
        Application::new()
            .route("/.well-known/openid-configuration", self.clone())
            .route("/keys", self.clone())
            .route("/token", self.clone())
            .route("/me", self.clone())
    }

    pub(super) fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.0.lock().unwrap());
    }

    pub(super) fn field(&self, name: &str) -> Option<String> {
        let state = self.0.lock().unwrap();
        state
            .form
            .iter()
            .find(|(other, _)| other == name)
            .map(|(_, value)| value.clone())
    }
}

impl RequestHandler for Provider {
    async fn get(&self, cx: &mut RequestContext) -> Result {
        let answer = {
            let mut state = self.0.lock().unwrap();
            state.authorization = cx.header("authorization").map(str::to_owned);
            match cx.request_path() {
                "/keys" => {
                    state.key_looks += 1;
                    json!({"keys": state.keys})
                }
                "/me" => state.user.clone(),
                _ => json!({
                    "issuer": state.issuer,
                    "authorization_endpoint": format!("{ISSUER}/authorize"),
                    "token_endpoint": format!("{ISSUER}/token"),
                    "jwks_uri": format!("{ISSUER}/keys"),
                    "userinfo_endpoint": format!("{ISSUER}/me"),
                    "end_session_endpoint": format!("{ISSUER}/end"),
                }),
            }
        };
        cx.json(&answer)
    }

    async fn post(&self, cx: &mut RequestContext) -> Result {
        let form = cx
            .form_arguments()
            .into_iter()
            .flat_map(cyclone_web::Arguments::iter);
        let form = form
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let (status, answer) = {
            let mut state = self.0.lock().unwrap();
            state.form = form;
            state.authorization = cx.header("authorization").map(str::to_owned);
            (state.token_status, state.tokens.clone())
        };
        cx.set_status(status.try_into()?);
        cx.json(&answer)
    }
}
