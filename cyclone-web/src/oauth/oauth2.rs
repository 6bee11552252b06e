//! OAuth 2.0 with state and PKCE.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::HeaderValue;
use http::header::AUTHORIZATION;
use serde_json::Value;
use sha2::Sha256;

use super::error::OAuthError;
use super::flow::{self, Login};
use super::http_client::{self, DynHttp, OAuthHttp, encode, with_query};
use super::provider::{ClientAuth, OAuth2Provider};
use crate::context::RequestContext;
use crate::error::Result;
use crate::hex;
use crate::response::Response;

/// Logins by OAuth 2.0 (RFC 6749, authorization code) with what RFC 9700 asks for: a state that only this browser has,
/// and PKCE (RFC 7636, S256).
///
/// The application needs a [`cookie_secret`](crate::Application::cookie_secret): a login that has begun is in a signed
/// cookie for 10 minutes. Where the provider speaks OpenID Connect use `OpenIdConnect`, which proves who the user is.
///
/// ```
/// use cyclone_web::{OAuth2, OAuth2Provider, OAuthHttp, RequestContext, RequestHandler, Result};
///
/// struct Login { github: OAuth2 }
///
/// impl RequestHandler for Login {
///     async fn get(&self, cx: &mut RequestContext) -> Result {
///         if cx.optional_argument("state")?.is_none() {
///             let next = cx.next_url("/")?;
///             return self.github.redirect(cx, &next);
///         }
///         let login = self.github.finish(cx).await?;
///         let user = self.github.user(login.tokens()).await?;
///         let name = user["login"].as_str().unwrap_or_default();
///         cx.set_signed_cookie("user", name)?;
///         cx.redirect(login.next())
///     }
/// }
///
/// fn login(http: impl OAuthHttp) -> Login {
///     let github = OAuth2::new(OAuth2Provider::github(), http, "the id", "https://example.org/login");
///     Login { github: github.client_secret("the secret") }
/// }
/// # let _ = login(Nothing);
/// # struct Nothing;
/// # impl OAuthHttp for Nothing {
/// #     async fn send(&self, _: http::Request<bytes::Bytes>)
/// #         -> std::result::Result<http::Response<bytes::Bytes>, cyclone_web::OAuthHttpError> {
/// #         Err("no".into())
/// #     }
/// # }
/// ```
#[derive(Clone)]
pub struct OAuth2 {
    pub(super) provider: OAuth2Provider,
    pub(super) http: Arc<dyn DynHttp>,
    pub(super) client_id: Arc<str>,
    client_secret: Option<Arc<str>>,
    redirect_uri: Arc<str>,
    extra: Vec<(String, String)>,
}

impl OAuth2 {
    /// Logins at a provider for the client of this id. `redirect_uri` is the whole URL that the provider sends users back
    /// to, as it is registered there.
    pub fn new(
        provider: OAuth2Provider,
        http: impl OAuthHttp,
        client_id: impl AsRef<str>,
        redirect_uri: impl AsRef<str>,
    ) -> Self {
        Self::with_http(
            provider,
            Arc::new(http),
            client_id.as_ref(),
            redirect_uri.as_ref(),
        )
    }

    pub(super) fn with_http(
        provider: OAuth2Provider,
        http: Arc<dyn DynHttp>,
        client_id: &str,
        redirect_uri: &str,
    ) -> Self {
        Self {
            provider,
            http,
            client_id: client_id.into(),
            client_secret: None,
            redirect_uri: redirect_uri.into(),
            extra: Vec::new(),
        }
    }

    /// Sets the secret of the client; without one it is a public client, whom PKCE alone protects.
    #[must_use]
    pub fn client_secret(mut self, secret: impl AsRef<str>) -> Self {
        self.client_secret = Some(secret.as_ref().into());
        self
    }

    /// Adds an argument to the URL of the provider's login, `prompt` for instance.
    #[must_use]
    pub fn argument(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.extra.push((name.into(), value.into()));
        self
    }

    /// Sends the user to the login of the provider; `next` is where he goes afterwards, and was
    /// [checked](RequestContext::next_url).
    ///
    /// # Errors
    /// A 500 when the application has no cookie secret, or an endpoint is not `https`.
    pub fn redirect(&self, cx: &mut RequestContext, next: &str) -> Result<Response> {
        self.redirect_with(cx, next, None)
    }

    /// The same with a nonce for the id token.
    pub(super) fn redirect_with(
        &self,
        cx: &mut RequestContext,
        next: &str,
        nonce: Option<String>,
    ) -> Result<Response> {
        http_client::check_url(&self.provider.authorization)?;
        let (state, verifier) = (flow::token()?, flow::token()?);
        let challenge = flow::challenge(&verifier);
        let mut query = vec![
            ("response_type", "code"),
            ("client_id", &*self.client_id),
            ("redirect_uri", &*self.redirect_uri),
            ("state", &*state),
            ("code_challenge", &*challenge),
            ("code_challenge_method", "S256"),
        ];
        if !self.provider.scope.is_empty() {
            query.push(("scope", &*self.provider.scope));
        }
        if let Some(nonce) = &nonce {
            query.push(("nonce", nonce));
        }
        let extra = self.extra.iter();
        query.extend(extra.map(|(name, value)| (&**name, &**value)));
        let url = with_query(&self.provider.authorization, &query);
        let login = Login {
            provider: self.provider.token.clone().into_owned(),
            secret: verifier,
            nonce: nonce.unwrap_or_default(),
            next: next.to_owned(),
        };
        flow::begin(cx, &state, &login)?;
        cx.set_header("cache-control", "no-store")?;
        cx.redirect(&url)
    }

    /// Finishes a login when the provider has sent the user back: checks the state, and changes the code for tokens.
    ///
    /// # Errors
    /// [`OAuthError`]; as an answer it is a 403 when the user said no or the state is of no login of this browser, a 502
    /// or 503 when the provider is at fault.
    pub async fn finish(&self, cx: &mut RequestContext) -> Result<OAuth2Login> {
        self.finish_with(cx).await.map(|(login, _nonce)| login)
    }

    /// The same with the nonce that the id token has to have.
    pub(super) async fn finish_with(
        &self,
        cx: &mut RequestContext,
    ) -> Result<(OAuth2Login, String)> {
        let state = cx.optional_argument("state")?.unwrap_or_default();
        let login = flow::finish(cx, &state, &self.provider.token)?;
        if let (Some(expected), Some(issuer)) =
            (&self.provider.issuer, cx.optional_argument("iss")?)
            && *expected != issuer
        {
            return Err(OAuthError::state("the answer is of another issuer").into());
        }
        flow::check_refusal(cx)?;
        let Some(code) = cx.optional_argument("code")? else {
            return Err(OAuthError::provider("the answer has no code").into());
        };
        let tokens = self
            .ask(&[
                ("grant_type", "authorization_code"),
                ("code", &code),
                ("redirect_uri", &self.redirect_uri),
                ("code_verifier", &login.secret),
            ])
            .await?;
        let done = OAuth2Login {
            tokens,
            next: login.next,
        };
        Ok((done, login.nonce))
    }

    /// New tokens for a refresh token.
    ///
    /// # Errors
    /// [`OAuthError`].
    pub async fn refresh(
        &self,
        refresh_token: &str,
    ) -> std::result::Result<OAuth2Tokens, OAuthError> {
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh_token),
        ];
        self.ask(&form).await
    }

    /// What the provider tells of the user, from its user endpoint.
    ///
    /// # Errors
    /// [`OAuthError`]; of kind [`Settings`](super::OAuthErrorKind::Settings) when the provider has no such endpoint.
    pub async fn user(&self, tokens: &OAuth2Tokens) -> std::result::Result<Value, OAuthError> {
        match &self.provider.user {
            Some(url) => self.get(tokens, url).await,
            None => Err(OAuthError::settings("the provider has no user endpoint")),
        }
    }

    /// Any other JSON of the provider that the token is good for: Tornado's `oauth2_request` and `facebook_request`.
    ///
    /// # Errors
    /// [`OAuthError`].
    pub async fn get(
        &self,
        tokens: &OAuth2Tokens,
        url: &str,
    ) -> std::result::Result<Value, OAuthError> {
        let mut url = url.to_owned();
        if let (true, Some(secret)) = (self.provider.proves_secret, &self.client_secret) {
            let proof = secret_proof(secret, &tokens.access_token);
            url = with_query(&url, &[("appsecret_proof", &proof)]);
        }
        let mut request = http_client::get(&url)?;
        let bearer = sensitive(format!("Bearer {}", tokens.access_token))?;
        request.headers_mut().insert(AUTHORIZATION, bearer);
        http_client::send_json(&*self.http, request).await
    }

    async fn ask(&self, form: &[(&str, &str)]) -> std::result::Result<OAuth2Tokens, OAuthError> {
        let mut form = form.to_vec();
        let mut basic = None;
        match (&self.client_secret, self.provider.client_auth) {
            (Some(secret), ClientAuth::Basic) => {
                // Both are encoded before they are joined. (RFC 6749, 2.3.1)
                let login = format!("{}:{}", encode(&self.client_id), encode(secret));
                basic = Some(sensitive(format!("Basic {}", STANDARD.encode(login)))?);
            }
            (Some(secret), ClientAuth::Form) => {
                form.push(("client_id", &self.client_id));
                form.push(("client_secret", secret));
            }
            (None, _) => form.push(("client_id", &self.client_id)),
        }
        let mut request = http_client::post(&self.provider.token, &form)?;
        if let Some(basic) = basic {
            request.headers_mut().insert(AUTHORIZATION, basic);
        }
        OAuth2Tokens::of(http_client::send_json(&*self.http, request).await?)
    }
}

/// A header that logs do not show.
fn sensitive(text: String) -> std::result::Result<HeaderValue, OAuthError> {
    let mut value = HeaderValue::try_from(text)
        .map_err(|_invalid| OAuthError::provider("the token is no header value"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// What Facebook calls `appsecret_proof`.
fn secret_proof(secret: &str, token: &str) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).map(|mut mac| {
        mac.update(token.as_bytes());
        hex::encode(&mac.finalize().into_bytes())
    });
    mac.unwrap_or_default()
}

/// Leaves the secret out.
impl fmt::Debug for OAuth2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuth2")
            .field("provider", &self.provider)
            .field("client_id", &self.client_id)
            .field("redirect_uri", &self.redirect_uri)
            .finish_non_exhaustive()
    }
}

/// A login that has come to its end.
#[derive(Clone, Debug)]
pub struct OAuth2Login {
    tokens: OAuth2Tokens,
    next: String,
}

impl OAuth2Login {
    /// What the provider has given.
    #[must_use]
    pub fn tokens(&self) -> &OAuth2Tokens {
        &self.tokens
    }

    /// Where the user wanted to go.
    #[must_use]
    pub fn next(&self) -> &str {
        &self.next
    }
}

/// The tokens of a login.
#[derive(Clone)]
pub struct OAuth2Tokens {
    access_token: String,
    answer: Value,
}

impl OAuth2Tokens {
    fn of(answer: Value) -> std::result::Result<Self, OAuthError> {
        let text = |name: &str| answer.get(name).and_then(Value::as_str);
        let is_bearer = text("token_type").is_none_or(|kind| kind.eq_ignore_ascii_case("bearer"));
        let access_token = text("access_token").filter(|token| !token.is_empty() && is_bearer);
        match access_token.map(str::to_owned) {
            Some(access_token) => Ok(Self {
                access_token,
                answer,
            }),
            None => Err(OAuthError::provider("the answer has no bearer token")),
        }
    }

    /// The token for requests to the provider's interfaces.
    #[must_use]
    pub fn access_token(&self) -> &str {
        &self.access_token
    }

    /// The token for [new ones](OAuth2::refresh).
    #[must_use]
    pub fn refresh_token(&self) -> Option<&str> {
        self.answer.get("refresh_token")?.as_str()
    }

    /// The token of OpenID Connect; nobody has checked it.
    #[must_use]
    pub fn id_token(&self) -> Option<&str> {
        self.answer.get("id_token")?.as_str()
    }

    /// How long the access token is good from when it was given.
    #[must_use]
    pub fn expires_in(&self) -> Option<Duration> {
        self.answer
            .get("expires_in")?
            .as_u64()
            .map(Duration::from_secs)
    }

    /// All that the provider has answered.
    #[must_use]
    pub fn answer(&self) -> &Value {
        &self.answer
    }
}

/// Shows no token.
impl fmt::Debug for OAuth2Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuth2Tokens")
            .field("expires_in", &self.expires_in())
            .field("has_refresh_token", &self.refresh_token().is_some())
            .field("has_id_token", &self.id_token().is_some())
            .finish_non_exhaustive()
    }
}
