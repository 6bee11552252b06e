//! OAuth 1.0a.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::header::AUTHORIZATION;
use http::{HeaderValue, Request};
use serde_json::Value;
use sha1::Sha1;

use super::error::OAuthError;
use super::flow::{self, Login};
use super::http_client::{self, DynHttp, OAuthHttp, encode, with_query};
use crate::context::RequestContext;
use crate::error::Result;
use crate::response::Response;

type Text = Cow<'static, str>;

/// The endpoints of a provider of OAuth 1.0a.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OAuth1Provider {
    request_token: Text,
    authorize: Text,
    access_token: Text,
}

impl OAuth1Provider {
    /// Any provider, by where it gives temporary tokens, asks its users, and gives access tokens.
    pub fn new(
        request_token: impl Into<Text>,
        authorize: impl Into<Text>,
        access_token: impl Into<Text>,
    ) -> Self {
        Self {
            request_token: request_token.into(),
            authorize: authorize.into(),
            access_token: access_token.into(),
        }
    }

    /// X, as Tornado's `TwitterMixin`; OAuth 2.0 is the better choice.
    #[must_use]
    pub fn x() -> Self {
        Self::new(
            "https://api.x.com/oauth/request_token",
            "https://api.x.com/oauth/authenticate",
            "https://api.x.com/oauth/access_token",
        )
    }
}

/// Logins by OAuth 1.0a (RFC 5849, HMAC-SHA1), as Tornado's `OAuthMixin`, for providers that have nothing newer.
///
/// The application needs a [`cookie_secret`](crate::Application::cookie_secret).
#[derive(Clone)]
pub struct OAuth1 {
    provider: OAuth1Provider,
    http: Arc<dyn DynHttp>,
    consumer_key: Arc<str>,
    consumer_secret: Arc<str>,
    callback: Arc<str>,
}

/// A token of OAuth 1.0a and its secret.
#[derive(Clone)]
pub struct OAuth1Token {
    token: String,
    secret: String,
    fields: Vec<(String, String)>,
    next: String,
}

impl OAuth1Token {
    /// A token that was kept.
    #[must_use]
    pub fn new(token: impl Into<String>, secret: impl Into<String>) -> Self {
        Self {
            token: token.into(),
            secret: secret.into(),
            fields: Vec::new(),
            next: String::new(),
        }
    }

    /// The token.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Its secret.
    #[must_use]
    pub fn secret(&self) -> &str {
        &self.secret
    }

    /// What the provider said beside it, `screen_name` for instance.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        find(&self.fields, name)
    }

    /// Where the user wanted to go.
    #[must_use]
    pub fn next(&self) -> &str {
        &self.next
    }

    fn read(body: &[u8]) -> std::result::Result<Self, OAuthError> {
        let fields = pairs(&String::from_utf8_lossy(body));
        let field = |name: &str| find(&fields, name).map(str::to_owned);
        match (field("oauth_token"), field("oauth_token_secret")) {
            (Some(token), Some(secret)) if !token.is_empty() => Ok(Self {
                token,
                secret,
                fields,
                next: String::new(),
            }),
            _ => Err(OAuthError::provider("the answer has no token")),
        }
    }
}

/// Leaves the secret out.
impl fmt::Debug for OAuth1Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuth1Token").finish_non_exhaustive()
    }
}

impl OAuth1 {
    /// Logins at a provider for the consumer of this key and secret; `callback` is the whole URL that users come back to.
    pub fn new(
        provider: OAuth1Provider,
        http: impl OAuthHttp,
        consumer_key: impl AsRef<str>,
        consumer_secret: impl AsRef<str>,
        callback: impl AsRef<str>,
    ) -> Self {
        Self {
            provider,
            http: Arc::new(http),
            consumer_key: consumer_key.as_ref().into(),
            consumer_secret: consumer_secret.as_ref().into(),
            callback: callback.as_ref().into(),
        }
    }

    /// Gets a temporary token and sends the user to the provider; `next` is where he goes afterwards, and was
    /// [checked](RequestContext::next_url).
    ///
    /// # Errors
    /// [`OAuthError`]; a 500 when the application has no cookie secret.
    pub async fn redirect(&self, cx: &mut RequestContext, next: &str) -> Result<Response> {
        let url = &self.provider.request_token;
        let callback = [("oauth_callback", &*self.callback)];
        let token = self.ask(url, &callback, None).await?;
        // 1.0 without it has a known hole (session fixation): the a of 1.0a.
        if token.field("oauth_callback_confirmed") != Some("true") {
            return Err(OAuthError::provider("the callback was not confirmed").into());
        }
        let login = Login {
            provider: url.clone().into_owned(),
            secret: token.secret,
            nonce: String::new(),
            next: next.to_owned(),
        };
        flow::begin(cx, &token.token, &login)?;
        let url = with_query(&self.provider.authorize, &[("oauth_token", &token.token)]);
        cx.redirect(&url)
    }

    /// Finishes a login when the provider has sent the user back.
    ///
    /// # Errors
    /// [`OAuthError`].
    pub async fn finish(&self, cx: &mut RequestContext) -> Result<OAuth1Token> {
        let state = cx.optional_argument("oauth_token")?.unwrap_or_default();
        let login = flow::finish(cx, &state, &self.provider.request_token)?;
        let Some(verifier) = cx.optional_argument("oauth_verifier")? else {
            let what = "the answer has no verifier";
            return Err(OAuthError::new(super::OAuthErrorKind::Denied, what).into());
        };
        let temporary = OAuth1Token::new(state, login.secret);
        let verifier = [("oauth_verifier", &*verifier)];
        let url = &self.provider.access_token;
        let mut token = self.ask(url, &verifier, Some(&temporary)).await?;
        token.next = login.next;
        Ok(token)
    }

    /// JSON of the provider that a token is good for: Tornado's `twitter_request`.
    ///
    /// # Errors
    /// [`OAuthError`].
    pub async fn get(
        &self,
        token: &OAuth1Token,
        url: &str,
    ) -> std::result::Result<Value, OAuthError> {
        let mut request = http_client::get(url)?;
        self.sign(&mut request, &[], Some(token))?;
        http_client::send_json(&*self.http, request).await
    }

    /// Signs a request without a form in the header (RFC 5849, 3.5.1).
    ///
    /// # Errors
    /// [`OAuthError`] when the system has no random bytes.
    pub fn sign_request(&self, request: &mut Request<Bytes>, token: &OAuth1Token) -> Result<()> {
        Ok(self.sign(request, &[], Some(token))?)
    }

    async fn ask(
        &self,
        url: &str,
        more: &[(&str, &str)],
        token: Option<&OAuth1Token>,
    ) -> std::result::Result<OAuth1Token, OAuthError> {
        let mut request = http_client::post(url, &[])?;
        self.sign(&mut request, more, token)?;
        let answer = http_client::send(&*self.http, request).await?;
        if !answer.status().is_success() {
            let status = answer.status();
            return Err(OAuthError::provider(format!("status {status}")));
        }
        OAuth1Token::read(answer.body())
    }

    fn sign(
        &self,
        request: &mut Request<Bytes>,
        more: &[(&str, &str)],
        token: Option<&OAuth1Token>,
    ) -> std::result::Result<(), OAuthError> {
        let random = |error: crate::Error| OAuthError::settings(error.to_string());
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.unwrap_or_default().as_secs().to_string();
        let nonce = flow::token().map_err(random)?;
        let header = self.header(request, more, token, &nonce, &now);
        let header = HeaderValue::try_from(header)
            .map_err(|_invalid| OAuthError::provider("the token is no header value"))?;
        request.headers_mut().insert(AUTHORIZATION, header);
        Ok(())
    }

    pub(super) fn header(
        &self,
        request: &Request<Bytes>,
        more: &[(&str, &str)],
        token: Option<&OAuth1Token>,
        nonce: &str,
        now: &str,
    ) -> String {
        let mut own = vec![
            ("oauth_consumer_key", &*self.consumer_key),
            ("oauth_nonce", nonce),
            ("oauth_signature_method", "HMAC-SHA1"),
            ("oauth_timestamp", now),
        ];
        own.extend(token.map(|token| ("oauth_token", &*token.token)));
        own.extend(more);
        let signature = self.signature(request, &own, token);
        let own = own.iter().copied();
        let all = own.chain([("oauth_signature", &*signature)]);
        let all = all.map(|(name, value)| format!("{name}=\"{}\"", encode(value)));
        format!("OAuth {}", all.collect::<Vec<_>>().join(", "))
    }

    /// RFC 5849, 3.4.
    fn signature(
        &self,
        request: &Request<Bytes>,
        own: &[(&str, &str)],
        token: Option<&OAuth1Token>,
    ) -> String {
        let uri = request.uri();
        let query = pairs(uri.query().unwrap_or_default());
        let query = query.iter().map(|(name, value)| (&**name, &**value));
        let all = own.iter().copied().chain(query);
        let mut all: Vec<_> = all
            .map(|(name, value)| (encode(name), encode(value)))
            .collect();
        all.sort_unstable();
        let all: Vec<_> = all
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let scheme = uri.scheme_str().unwrap_or("https");
        let host = uri.host().unwrap_or_default().to_ascii_lowercase();
        let port = match (scheme, uri.port_u16()) {
            (_, None) | ("http", Some(80)) | ("https", Some(443)) => String::new(),
            (_, Some(port)) => format!(":{port}"),
        };
        let base = format!("{scheme}://{host}{port}{}", uri.path());
        let text = format!(
            "{}&{}&{}",
            request.method(),
            encode(&base),
            encode(&all.join("&"))
        );
        let secret = token.map_or("", |token| &*token.secret);
        let key = format!("{}&{}", encode(&self.consumer_secret), encode(secret));
        let mac = Hmac::<Sha1>::new_from_slice(key.as_bytes()).map(|mut mac| {
            mac.update(text.as_bytes());
            STANDARD.encode(mac.finalize().into_bytes())
        });
        mac.unwrap_or_default()
    }
}

/// Leaves the secret out.
impl fmt::Debug for OAuth1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuth1")
            .field("provider", &self.provider)
            .field("consumer_key", &self.consumer_key)
            .finish_non_exhaustive()
    }
}

fn pairs(text: &str) -> Vec<(String, String)> {
    let decode = |text: &str| {
        let spaced = text.replace('+', " ");
        let decoded = percent_encoding::percent_decode_str(&spaced);
        decoded.decode_utf8_lossy().into_owned()
    };
    let parts = text.split('&').filter(|part| !part.is_empty());
    let split = parts.map(|part| part.split_once('=').unwrap_or((part, "")));
    split
        .map(|(name, value)| (decode(name), decode(value)))
        .collect()
}

fn find<'f>(fields: &'f [(String, String)], name: &str) -> Option<&'f str> {
    let mut fields = fields.iter();
    fields.find_map(|(other, value)| (other == name).then_some(&**value))
}
