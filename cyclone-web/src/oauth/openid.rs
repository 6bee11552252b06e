//! OpenID Connect.

mod claims;
mod jwk;
mod jws;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::Instant;

use self::jwk::{Jwk, JwkSet};
use super::error::{OAuthError, OAuthErrorKind};
use super::flow;
use super::http_client::{self, DynHttp, OAuthHttp};
use super::oauth2::{OAuth2, OAuth2Tokens};
use super::provider::{ClientAuth, OAuth2Provider};
use crate::context::RequestContext;
use crate::error::Result;
use crate::response::Response;

pub use self::claims::IdToken;

/// How long what a provider says of itself and of its keys is believed: 1 hour.
pub const OPENID_KEYS_AGE: Duration = Duration::from_secs(60 * 60);

/// How often keys are fetched at most for tokens whose key is unknown: once in 30 seconds.
pub const OPENID_KEYS_INTERVAL: Duration = Duration::from_secs(30);

/// How far the clock of a provider may be off: 1 minute.
pub const OPENID_SKEW: Duration = Duration::from_secs(60);

/// Logins by OpenID Connect 1.0 (authorization code, with state, nonce and PKCE) at any provider that describes itself at
/// `/.well-known/openid-configuration`.
///
/// The id token is checked as the specification has it (Core, 3.1.3.7): signature, issuer, audience, authorized party,
/// times, nonce, hash of the access token. RS, PS and ES of SHA-256, -384 and -512 are taken, as far as the
/// cryptography that is built in (`ring` or `aws-lc-rs`) has them, and Ed25519; never `none`, nor a shared secret. Keys
/// are fetched anew when a token has one that is not known, so the provider may change them at any time.
///
/// ```no_run
/// use cyclone_web::{OAuthHttp, OpenIdConnect, RequestContext, RequestHandler, Result};
///
/// struct Login { google: OpenIdConnect }
///
/// impl RequestHandler for Login {
///     async fn get(&self, cx: &mut RequestContext) -> Result {
///         if cx.optional_argument("state")?.is_none() {
///             let next = cx.next_url("/")?;
///             return self.google.redirect(cx, &next).await;
///         }
///         let login = self.google.finish(cx).await?;
///         cx.set_signed_cookie("user", login.id_token().subject())?;
///         cx.redirect(login.next())
///     }
/// }
///
/// fn login(http: impl OAuthHttp) -> Login {
///     let google = OpenIdConnect::google(http, "the id", "https://example.org/login");
///     Login { google: google.client_secret("the secret") }
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
pub struct OpenIdConnect {
    issuer: Arc<str>,
    /// Its endpoints are filled in when the provider has described itself.
    client: OAuth2,
    known: Arc<Mutex<Memory>>,
}

/// How long a provider that did not describe itself is left alone.
const RETRY_INTERVAL: Duration = Duration::from_secs(3);

#[derive(Default)]
struct Memory {
    known: Option<Known>,
    /// When the provider last did not say it.
    failed: Option<Instant>,
}

/// What a provider has said of itself.
struct Known {
    metadata: Arc<Metadata>,
    keys: Arc<JwkSet>,
    fetched: Instant,
    keys_fetched: Instant,
}

#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    userinfo_endpoint: Option<String>,
    end_session_endpoint: Option<String>,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Vec<String>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

impl OpenIdConnect {
    /// Logins at the provider with this issuer, `https://accounts.google.com` for instance, for the client of this id.
    /// `redirect_uri` is the whole URL that the provider sends users back to, as it is registered there.
    ///
    /// Nothing is fetched before the first login.
    pub fn new(
        issuer: impl AsRef<str>,
        http: impl OAuthHttp,
        client_id: impl AsRef<str>,
        redirect_uri: impl AsRef<str>,
    ) -> Self {
        let provider = OAuth2Provider::new("", "").scope("openid");
        let http: Arc<dyn DynHttp> = Arc::new(http);
        let client = OAuth2::with_http(provider, http, client_id.as_ref(), redirect_uri.as_ref());
        Self {
            issuer: issuer.as_ref().into(),
            client,
            known: Arc::default(),
        }
    }

    /// Google, for the user's address and name.
    pub fn google(
        http: impl OAuthHttp,
        client_id: impl AsRef<str>,
        redirect_uri: impl AsRef<str>,
    ) -> Self {
        let google = Self::new("https://accounts.google.com", http, client_id, redirect_uri);
        google.scope("openid email profile")
    }

    /// Sets the secret of the client.
    #[must_use]
    pub fn client_secret(mut self, secret: impl AsRef<str>) -> Self {
        self.client = self.client.client_secret(secret);
        self
    }

    /// Sets what is asked for, names with spaces between; `openid` has to be among them, and is alone unless set.
    #[must_use]
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.client.provider.scope = scope.into().into();
        self
    }

    /// Adds an argument to the URL of the provider's login, `prompt` for instance.
    #[must_use]
    pub fn argument(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.client = self.client.argument(name, value);
        self
    }

    /// Sends the user to the login of the provider; `next` is where he goes afterwards, and was
    /// [checked](RequestContext::next_url).
    ///
    /// # Errors
    /// [`OAuthError`] when the provider does not describe itself, or as something else.
    pub async fn redirect(&self, cx: &mut RequestContext, next: &str) -> Result<Response> {
        let metadata = self.metadata().await?;
        self.client_of(&metadata)
            .redirect_with(cx, next, Some(flow::token()?))
    }

    /// Finishes a login when the provider has sent the user back, and checks who he is.
    ///
    /// # Errors
    /// [`OAuthError`]; as an answer it is a 403 when the user said no, the state is of no login of this browser, or the
    /// token is not genuine; a 502 or 503 when the provider is at fault.
    pub async fn finish(&self, cx: &mut RequestContext) -> Result<OpenIdLogin> {
        let metadata = self.metadata().await?;
        if metadata.authorization_response_iss_parameter_supported
            && cx.optional_argument("iss")?.as_deref() != Some(&metadata.issuer)
        {
            return Err(OAuthError::state("the answer does not say its issuer").into());
        }
        let (login, nonce) = self.client_of(&metadata).finish_with(cx).await?;
        let Some(token) = login.tokens().id_token() else {
            return Err(OAuthError::provider("the answer has no id token").into());
        };
        let id_token = self.verify(token, Some(&nonce)).await?;
        id_token.check_access_token(login.tokens().access_token())?;
        Ok(OpenIdLogin {
            id_token,
            tokens: login.tokens().clone(),
            next: login.next().to_owned(),
        })
    }

    /// Checks an id token that came another way, of a native application for instance. Without a nonce it may be one that
    /// somebody has used before.
    ///
    /// # Errors
    /// [`OAuthError`], of kind [`Token`](super::OAuthErrorKind::Token) when it is not genuine.
    pub async fn verify(
        &self,
        token: &str,
        nonce: Option<&str>,
    ) -> std::result::Result<IdToken, OAuthError> {
        let signed = jws::Signed::read(token)?;
        let mut keys = self.keys(None).await?;
        if keys.find(&signed).is_none() {
            // The provider may have changed them.
            keys = self.keys(Some(OPENID_KEYS_INTERVAL)).await?;
        }
        let key: &Jwk = keys
            .find(&signed)
            .ok_or_else(|| OAuthError::token("no key of the provider fits the id token"))?;
        signed.verify(key)?;
        let token = IdToken::read(&signed)?;
        token.check(
            &self.issuer,
            &self.client.client_id,
            nonce,
            SystemTime::now(),
        )?;
        Ok(token)
    }

    /// What the provider tells of the user beside the id token.
    ///
    /// # Errors
    /// [`OAuthError`], also when it tells of another user (Core, 5.3.2).
    pub async fn user(&self, login: &OpenIdLogin) -> std::result::Result<Value, OAuthError> {
        let metadata = self.metadata().await?;
        let user = self.client_of(&metadata).user(&login.tokens).await?;
        match user.get("sub").and_then(Value::as_str) == Some(login.id_token.subject()) {
            true => Ok(user),
            false => Err(OAuthError::token("the provider tells of another user")),
        }
    }

    /// Where a user ends his session at the provider too, which sends him to `next`, a URL that is registered there; `None`
    /// when the provider has no such place.
    ///
    /// # Errors
    /// [`OAuthError`] when the provider does not describe itself.
    pub async fn logout_url(&self, next: &str) -> std::result::Result<Option<String>, OAuthError> {
        let metadata = self.metadata().await?;
        let pairs = [
            ("client_id", &*self.client.client_id),
            ("post_logout_redirect_uri", next),
        ];
        let endpoint = metadata.end_session_endpoint.as_deref();
        Ok(endpoint.map(|url| http_client::with_query(url, &pairs)))
    }

    fn client_of(&self, metadata: &Metadata) -> OAuth2 {
        let mut client = self.client.clone();
        let provider = &mut client.provider;
        provider.authorization = metadata.authorization_endpoint.clone().into();
        provider.token = metadata.token_endpoint.clone().into();
        provider.user = metadata.userinfo_endpoint.clone().map(Into::into);
        provider.issuer = Some(metadata.issuer.clone().into());
        let methods = &metadata.token_endpoint_auth_methods_supported;
        let basic = methods.is_empty() || methods.iter().any(|one| one == "client_secret_basic");
        provider.client_auth = if basic {
            ClientAuth::Basic
        } else {
            ClientAuth::Form
        };
        client
    }

    async fn metadata(&self) -> std::result::Result<Arc<Metadata>, OAuthError> {
        let mut known = self.known.lock().await;
        self.refresh(&mut known)
            .await
            .map(|known| Arc::clone(&known.metadata))
    }

    /// The keys of the provider; fetched anew when they are older than `at_most`.
    async fn keys(
        &self,
        at_most: Option<Duration>,
    ) -> std::result::Result<Arc<JwkSet>, OAuthError> {
        let mut known = self.known.lock().await;
        let known = self.refresh(&mut known).await?;
        if at_most.is_some_and(|age| known.keys_fetched.elapsed() >= age) {
            known.keys_fetched = Instant::now();
            known.keys = self.fetch_keys(&known.metadata).await?;
        }
        Ok(Arc::clone(&known.keys))
    }

    async fn refresh<'m>(
        &self,
        memory: &'m mut Memory,
    ) -> std::result::Result<&'m mut Known, OAuthError> {
        let known = memory.known.take();
        let known = match known.filter(|known| known.fetched.elapsed() < OPENID_KEYS_AGE) {
            Some(known) => known,
            None => {
                // Those who wait here do not all wait for a provider that is away, one after another.
                let recently = |failed: Instant| failed.elapsed() < RETRY_INTERVAL;
                if memory.failed.is_some_and(recently) {
                    let what = "the provider was away a moment ago";
                    return Err(OAuthError::new(OAuthErrorKind::Unreachable, what));
                }
                let fetched = self.fetch().await;
                memory.failed = fetched.is_err().then(Instant::now);
                fetched?
            }
        };
        Ok(memory.known.insert(known))
    }

    async fn fetch(&self) -> std::result::Result<Known, OAuthError> {
        let metadata = Arc::new(self.discover().await?);
        Ok(Known {
            keys: self.fetch_keys(&metadata).await?,
            metadata,
            fetched: Instant::now(),
            keys_fetched: Instant::now(),
        })
    }

    async fn discover(&self) -> std::result::Result<Metadata, OAuthError> {
        let url = format!(
            "{}/.well-known/openid-configuration",
            self.issuer.trim_end_matches('/')
        );
        let answer = http_client::send_json(&*self.client.http, http_client::get(&url)?).await?;
        let metadata: Metadata = serde_json::from_value(answer).map_err(|error| {
            OAuthError::provider("the provider does not describe itself").because(error)
        })?;
        // Discovery, 4.3: else it would speak for another.
        match metadata.issuer == *self.issuer {
            true => Ok(metadata),
            false => Err(OAuthError::provider(
                "the provider describes another issuer",
            )),
        }
    }

    async fn fetch_keys(
        &self,
        metadata: &Metadata,
    ) -> std::result::Result<Arc<JwkSet>, OAuthError> {
        let request = http_client::get(&metadata.jwks_uri)?;
        let answer = http_client::send_json(&*self.client.http, request).await?;
        Ok(Arc::new(JwkSet::read(&answer)?))
    }
}

/// Leaves the secret out.
impl fmt::Debug for OpenIdConnect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenIdConnect")
            .field("issuer", &self.issuer)
            .field("client_id", &self.client.client_id)
            .finish_non_exhaustive()
    }
}

/// A login that has come to its end, of a user who is who he says.
#[derive(Clone, Debug)]
pub struct OpenIdLogin {
    id_token: IdToken,
    tokens: OAuth2Tokens,
    next: String,
}

impl OpenIdLogin {
    /// Who he is.
    #[must_use]
    pub fn id_token(&self) -> &IdToken {
        &self.id_token
    }

    /// What else the provider has given.
    #[must_use]
    pub fn tokens(&self) -> &OAuth2Tokens {
        &self.tokens
    }

    /// Where he wanted to go.
    #[must_use]
    pub fn next(&self) -> &str {
        &self.next
    }
}
