//! The HTTP client that providers are spoken to with.

use std::error::Error as StdError;
use std::net::IpAddr;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, Uri};
use serde_json::Value;

use super::error::{OAuthError, OAuthErrorKind};

/// How many bytes an answer of a provider may have: 1 MiB.
pub const MAX_OAUTH_RESPONSE: usize = 1024 * 1024;

/// How long a provider may take for an answer: 10 seconds.
pub const OAUTH_TIMEOUT: Duration = Duration::from_secs(10);

/// Any error of a client.
pub type OAuthHttpError = Box<dyn StdError + Send + Sync>;

/// An HTTP client for logins: any that sends a request and gives the whole answer back.
///
/// It has to check certificates, must not follow redirects, and should read no more than
/// [1 MiB](MAX_OAUTH_RESPONSE). The call is dropped after [10 seconds](OAUTH_TIMEOUT). With the feature `client` the
/// `Client` of this crate is one.
pub trait OAuthHttp: Send + Sync + 'static {
    /// Sends a request with an absolute URL.
    ///
    /// # Errors
    /// When there is no answer; a status of any kind is one.
    fn send(
        &self,
        request: Request<Bytes>,
    ) -> impl Future<Output = Result<Response<Bytes>, OAuthHttpError>> + Send;
}

type Sending<'a> =
    Pin<Box<dyn Future<Output = Result<Response<Bytes>, OAuthHttpError>> + Send + 'a>>;

/// A client with its type erased.
pub(super) trait DynHttp: Send + Sync {
    fn send_boxed(&self, request: Request<Bytes>) -> Sending<'_>;
}

impl<H: OAuthHttp> DynHttp for H {
    fn send_boxed(&self, request: Request<Bytes>) -> Sending<'_> {
        Box::pin(self.send(request))
    }
}

/// A request without a body.
pub(super) fn get(url: &str) -> Result<Request<Bytes>, OAuthError> {
    request(Method::GET, url, Bytes::new())
}

/// A form.
pub(super) fn post(url: &str, form: &[(&str, &str)]) -> Result<Request<Bytes>, OAuthError> {
    let mut request = request(Method::POST, url, query(form).into())?;
    let media = HeaderValue::from_static("application/x-www-form-urlencoded");
    request.headers_mut().insert(CONTENT_TYPE, media);
    Ok(request)
}

fn request(method: Method, url: &str, body: Bytes) -> Result<Request<Bytes>, OAuthError> {
    check_url(url)?;
    let mut request = Request::new(body);
    *request.method_mut() = method;
    *request.uri_mut() = url
        .parse()
        .map_err(|_invalid| OAuthError::settings("an endpoint is no URL"))?;
    let headers = request.headers_mut();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    let agent = HeaderValue::from_static("cyclone");
    headers.insert(http::header::USER_AGENT, agent);
    Ok(request)
}

/// Endpoints are behind TLS, except on this machine.
pub(super) fn check_url(url: &str) -> Result<(), OAuthError> {
    let is_safe = url.parse::<Uri>().is_ok_and(|uri| {
        let host = uri.host().unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let is_local = host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
        match uri.scheme_str() {
            Some("https") => !host.is_empty(),
            Some("http") => is_local,
            _ => false,
        }
    });
    match is_safe {
        true => Ok(()),
        false => Err(OAuthError::settings("an endpoint is not behind TLS")),
    }
}

pub(super) async fn send(
    http: &dyn DynHttp,
    request: Request<Bytes>,
) -> Result<Response<Bytes>, OAuthError> {
    let unreachable = |what: &str| OAuthError::new(OAuthErrorKind::Unreachable, what);
    let answer = match tokio::time::timeout(OAUTH_TIMEOUT, http.send_boxed(request)).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => return Err(unreachable("the provider cannot be reached").because(error)),
        Err(_elapsed) => return Err(unreachable("the provider took too long")),
    };
    if answer.body().len() > MAX_OAUTH_RESPONSE {
        return Err(OAuthError::provider("the answer is too large"));
    }
    if answer.status().is_server_error() {
        return Err(unreachable("the provider is in trouble"));
    }
    Ok(answer)
}

/// An answer in JSON that is a success.
pub(super) async fn send_json(
    http: &dyn DynHttp,
    request: Request<Bytes>,
) -> Result<Value, OAuthError> {
    let answer = send(http, request).await?;
    let value: Value = serde_json::from_slice(answer.body())
        .map_err(|error| OAuthError::provider("the answer is no JSON").because(error))?;
    // GitHub answers errors with 200.
    if let Some(code) = value.get("error") {
        return Err(OAuthError::provider(format!(
            "the provider says {code:.200}"
        )));
    }
    match answer.status().is_success() {
        true => Ok(value),
        false => Err(OAuthError::provider(format!("status {}", answer.status()))),
    }
}

/// Names and values as a query or a form.
pub(super) fn query(pairs: &[(&str, &str)]) -> String {
    let encoded = pairs.iter().map(|(name, value)| {
        let (name, value) = (encode(name), encode(value));
        format!("{name}={value}")
    });
    encoded.collect::<Vec<_>>().join("&")
}

/// All but letters, digits and `-._~` (RFC 3986, 2.3; RFC 5849, 3.6).
pub(super) fn encode(text: &str) -> String {
    use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
    const STRICT: &AsciiSet = &NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'.')
        .remove(b'_')
        .remove(b'~');
    utf8_percent_encode(text, STRICT).to_string()
}

/// An URL with more arguments.
pub(super) fn with_query(url: &str, pairs: &[(&str, &str)]) -> String {
    let separator = if url.contains('?') { '&' } else { '?' };
    format!("{url}{separator}{}", query(pairs))
}
