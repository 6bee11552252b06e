//! A request of ours, as it is put together.

use std::fmt;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use serde::Serialize;
use url::Url;
use url::form_urlencoded::Serializer;

use super::Client;
use super::credentials::{Credentials, of_url};
use super::error::ClientError;
use super::response::ClientResponse;
use super::settings::Settings;
use super::timeouts::ClientTimeouts;
use super::upload::Content;
use crate::body::Body;

/// A request that is being put together; [`send`](Self::send) sends it.
///
/// What is wrong with its parts is told by `send`, so that the calls can be chained.
#[must_use = "nothing is sent until `send` is called"]
pub struct ClientRequest {
    pub(crate) client: Client,
    pub(crate) parts: Result<Parts, ClientError>,
    pub(crate) settings: Settings,
}

/// What there is to send.
pub(crate) struct Parts {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) content: Content,
    pub(crate) credentials: Option<Credentials>,
    pub(crate) idempotent: bool,
    pub(crate) expect_continue: bool,
}

/// Fields that say how a message is framed and what becomes of the connection. That is our business: a value from
/// elsewhere would let one request be taken for two.
const OURS: [HeaderName; 7] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::EXPECT,
];

impl ClientRequest {
    pub(crate) fn new(client: Client, method: Method, url: &str) -> Self {
        let parts = Url::parse(url)
            .map_err(|error| ClientError::request("the URL cannot be read").because(error));
        let parts = parts.map(|mut url| {
            let credentials =
                of_url(&url).map(|(user, password)| Credentials::basic(user, password));
            forget_user(&mut url);
            Parts {
                idempotent: is_idempotent(&method),
                method,
                url,
                headers: HeaderMap::new(),
                content: Content::Bytes(Bytes::new()),
                credentials,
                expect_continue: false,
            }
        });
        let settings = client.inner.settings.clone();
        Self {
            client,
            parts,
            settings,
        }
    }

    fn with(mut self, change: impl FnOnce(&mut Parts) -> Result<(), ClientError>) -> Self {
        if let Ok(parts) = &mut self.parts
            && let Err(error) = change(parts)
        {
            self.parts = Err(error);
        }
        self
    }

    /// Adds a header, beside those of the same name.
    ///
    /// Those of the framing (`Content-Length`, `Transfer-Encoding`, `Connection` and their like) are left out: the client
    /// writes its own. A value that is [sensitive](HeaderValue::is_sensitive) is not sent where a redirect leads to
    /// another origin, as `Authorization` and `Cookie` never are.
    pub fn header<N, V>(self, name: N, value: V) -> Self
    where
        N: TryInto<HeaderName>,
        V: TryInto<HeaderValue>,
    {
        self.with(|parts| {
            let name = name
                .try_into()
                .map_err(|_| ClientError::request("the name of a header is none"))?;
            let value = value.try_into().map_err(|_| {
                ClientError::request(format!("the value of the header `{name}` is none"))
            })?;
            parts.add(name, value);
            Ok(())
        })
    }

    /// Adds headers, as [`header`](Self::header) does.
    pub fn headers(self, headers: &HeaderMap) -> Self {
        self.with(|parts| {
            for (name, value) in headers {
                parts.add(name.clone(), value.clone());
            }
            Ok(())
        })
    }

    /// Adds arguments to the query of the URL.
    pub fn query<K: AsRef<str>, V: AsRef<str>>(
        self,
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        self.with(|parts| {
            parts.url.query_pairs_mut().extend_pairs(pairs);
            Ok(())
        })
    }

    /// Sets the body: bytes that are sent again where a redirect or a further attempt asks for it.
    pub fn body(self, bytes: impl Into<Bytes>) -> Self {
        self.with(|parts| {
            parts.content = Content::Bytes(bytes.into());
            Ok(())
        })
    }

    /// Sets the body: a stream, read no faster than the server takes it. It can be sent once.
    pub fn stream(self, body: Body) -> Self {
        self.with(|parts| {
            parts.content = Content::Stream(Some(body));
            Ok(())
        })
    }

    /// Sets the body: JSON of a value, with its `Content-Type` unless that is set.
    pub fn json<T: Serialize + ?Sized>(self, value: &T) -> Self {
        self.with(|parts| {
            let bytes = serde_json::to_vec(value)
                .map_err(|error| ClientError::request("the value cannot be JSON").because(error))?;
            parts.content = Content::Bytes(bytes.into());
            parts.default_media("application/json");
            Ok(())
        })
    }

    /// Sets the body: a form (`application/x-www-form-urlencoded`).
    pub fn form<K: AsRef<str>, V: AsRef<str>>(
        self,
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        self.with(|parts| {
            let mut text = Serializer::new(String::new());
            let text = text.extend_pairs(pairs).finish();
            parts.content = Content::Bytes(text.into());
            parts.default_media("application/x-www-form-urlencoded");
            Ok(())
        })
    }

    /// Says who the request is from. A user and password in the URL do the same, as [`Credentials::basic`].
    pub fn auth(self, credentials: &Credentials) -> Self {
        self.with(|parts| {
            parts.credentials = Some(credentials.clone());
            Ok(())
        })
    }

    /// Shorthand for [`Credentials::basic`].
    pub fn basic_auth(self, user: impl AsRef<str>, password: impl AsRef<str>) -> Self {
        self.auth(&Credentials::basic(user, password))
    }

    /// Shorthand for [`Credentials::digest`].
    pub fn digest_auth(self, user: impl Into<String>, password: impl Into<String>) -> Self {
        self.auth(&Credentials::digest(user, password))
    }

    /// Shorthand for [`Credentials::bearer`].
    pub fn bearer_auth(self, token: impl AsRef<str>) -> Self {
        self.with(|parts| {
            parts.credentials = Some(Credentials::bearer(token)?);
            Ok(())
        })
    }

    /// Says whether the server does the same when it gets the request twice, which is so for `GET`, `HEAD`, `OPTIONS`,
    /// `TRACE`, `PUT`, `DELETE` and `QUERY` unless called. Only such requests are sent again when it is unknown
    /// whether the server has seen them.
    pub fn idempotent(self, yes: bool) -> Self {
        self.with(|parts| {
            parts.idempotent = yes;
            Ok(())
        })
    }

    /// Asks the server before the body is sent (`Expect: 100-continue`), and waits
    /// [`CLIENT_CONTINUE_WAIT`](super::CLIENT_CONTINUE_WAIT) for its word. HTTP/1.1 only.
    pub fn expect_continue(self, yes: bool) -> Self {
        self.with(|parts| {
            parts.expect_continue = yes;
            Ok(())
        })
    }

    /// Sets the times of this request.
    pub fn timeouts(mut self, timeouts: ClientTimeouts) -> Self {
        self.settings.timeouts = timeouts;
        self
    }

    /// Sets how many redirects are followed; with 0 the redirect is the answer.
    pub fn redirects(mut self, limit: usize) -> Self {
        self.settings.redirects = limit;
        self
    }

    /// Sets the largest body of the response in bytes, as it comes and as it is expanded; `None` for one without an end.
    pub fn body_limit(mut self, bytes: impl Into<Option<u64>>) -> Self {
        self.settings.body_limit = bytes.into();
        self
    }

    /// Sets how many further attempts there are, as [`ClientBuilder::retries`](super::ClientBuilder::retries).
    pub fn retries(mut self, count: u32) -> Self {
        self.settings.retries = count;
        self
    }

    /// Whether compressed bodies are asked for and expanded.
    pub fn decompress(mut self, yes: bool) -> Self {
        self.settings.decompress = yes;
        self
    }

    /// Sends the request and waits for the head of the response.
    ///
    /// # Errors
    /// [`ClientError`]; a status of 400 or more is none.
    ///
    /// # Cancel safety
    /// Dropping the future cuts the connection (ends the stream of HTTP/2); the server may have acted.
    pub async fn send(self) -> Result<ClientResponse, ClientError> {
        super::send::send(self).await
    }
}

impl Parts {
    fn add(&mut self, name: HeaderName, value: HeaderValue) {
        let is_ours = OURS.contains(&name) || name == "keep-alive" || name == "proxy-connection";
        if !is_ours && name != header::PROXY_AUTHORIZATION {
            self.headers.append(name, value);
        }
    }

    fn default_media(&mut self, media: &'static str) {
        let entry = self.headers.entry(header::CONTENT_TYPE);
        entry.or_insert(HeaderValue::from_static(media));
    }
}

/// User and password are no part of what is sent in the first line, logged or told.
pub(crate) fn forget_user(url: &mut Url) {
    // They fail for URLs that cannot have any.
    let _ = url.set_username("");
    let _ = url.set_password(None);
}

/// RFC 9110 section 9.2.2, and `QUERY`.
fn is_idempotent(method: &Method) -> bool {
    matches!(
        *method,
        Method::GET
            | Method::HEAD
            | Method::OPTIONS
            | Method::TRACE
            | Method::PUT
            | Method::DELETE
            | Method::QUERY
    )
}

impl fmt::Debug for ClientRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("ClientRequest");
        if let Ok(parts) = &self.parts {
            debug.field("method", &parts.method);
            debug.field("url", &super::error::shown(&parts.url));
            debug.field("content", &parts.content);
        }
        debug.finish_non_exhaustive()
    }
}
