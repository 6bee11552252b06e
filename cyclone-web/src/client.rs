//! A client of HTTP/1.1 and HTTP/2: for other services, webhooks, feeds.
//!
//! ```no_run
//! use cyclone_web::client::{Client, ClientTimeouts};
//! use std::time::Duration;
//!
//! # async fn example() -> Result<(), cyclone_web::client::ClientError> {
//! let client = Client::new();
//! let response = client.get("https://api.example.org/users").query([("page", "2")]).send().await?;
//! let users: Vec<String> = response.error_for_status()?.json().await?;
//!
//! // A stream without an end: no limit of the body, no time for all of it.
//! let endless = ClientTimeouts::new().total(None);
//! let mut feed = client.get("https://feed.example.org/").timeouts(endless).body_limit(None).send().await?;
//! while let Some(piece) = feed.chunk().await? {
//!     println!("{} bytes", piece.len());
//! }
//! # Ok(())
//! # }
//! ```
//!
//! A [`Client`] is one pool of connections; cloning it is cheap. Insert it into the resources of the server and take it in
//! handlers with [`RequestContext::http_client`](crate::RequestContext::http_client). Connections keep nothing of a request:
//! who it is from is told by each one itself.
//!
//! - **Versions**: HTTP/2 where a server of `https` offers it (ALPN), HTTP/1.1 otherwise. For `https` a feature with
//!   cryptography is needed, `ring` or `aws-lc-rs`; certificates are always checked.
//! - **Errors** say what the server may have done with the request ([`Outcome`]), and a request is sent again only where
//!   that is safe. A status of 400 or more is no error until [`ClientResponse::error_for_status`].
//! - **Redirects** are followed; what says who asks is left behind when another origin is reached, and from `https` to
//!   `http` none leads.
//! - **Bodies** stream in both directions, and wait for the slower side.
//! - **Spans**: `client request`, target `cyclone::client`, level DEBUG, with OpenTelemetry's names.
//!
//! # Limits
//!
//! | what | default | then |
//! |---|---|---|
//! | connections to a host | 32 | requests wait |
//! | waiting for one, how many wait | 20 s, 1,024 | an error: not sent |
//! | idle connections: of a host, all, age | 8, 128, 30 s | closed |
//! | exchanges on a connection of HTTP/2 | 100 | a further connection |
//! | connecting, TLS | 20 s, 10 s | an error: not sent |
//! | a server that takes nothing, head of the response | 30 s, 60 s | an error: outcome unknown |
//! | silence amid a body | 60 s | an error of the body |
//! | all of it | 5 min | an error |
//! | head of a response, its fields | 64 KiB, 100 | an error |
//! | responses of 1xx | 10 | an error |
//! | body of a response, as it comes and expanded | 10 MiB | an error |
//! | redirects | 5 | an error |
//! | further attempts | 0, besides those for connections that were idle | the error of the last |
//! | cookies of a jar, of a domain, bytes, age | 3,000, 180, 4,096, 400 days | the oldest go, larger ones are not kept |

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use cyclone_core::ClientEndpoint;
#[cfg(feature = "tls")]
use cyclone_core::tls::{ClientTls, ClientTlsBuilder};
use http::{HeaderValue, Method};

mod connect;
mod credentials;
mod digest;
mod error;
mod exchange;
mod jar;
mod pool;
mod proxy;
mod redirect;
mod request;
mod response;
mod route;
mod send;
mod settings;
mod timeouts;
mod upload;
mod wire;

use connect::Connector;
pub use connect::MAX_TUNNEL_HEAD;
pub use credentials::Credentials;
pub use error::{ClientError, ClientErrorKind, ClientPhase, Outcome};
pub use exchange::MAX_INFORMATIONAL;
pub use jar::{
    CookieJar, MAX_JAR_COOKIE, MAX_JAR_COOKIE_AGE, MAX_JAR_COOKIES, MAX_JAR_COOKIES_PER_DOMAIN,
};
use pool::{Pool, PoolLimits};
pub use proxy::Proxies;
pub use request::ClientRequest;
pub use response::{ClientReader, ClientResponse};
use settings::Settings;
pub use settings::{
    DEFAULT_CLIENT_BODY_LIMIT, DEFAULT_CLIENT_CONNECTIONS_PER_HOST, DEFAULT_CLIENT_HEAD_LIMIT,
    DEFAULT_CLIENT_IDLE, DEFAULT_CLIENT_IDLE_AGE, DEFAULT_CLIENT_IDLE_PER_HOST,
    DEFAULT_CLIENT_REDIRECTS, DEFAULT_CLIENT_RETRIES, DEFAULT_CLIENT_STREAMS,
    DEFAULT_CLIENT_WAITING, MAX_CLIENT_FIELDS, MAX_STALE_CONNECTIONS,
};
pub use timeouts::{
    CLIENT_CONTINUE_WAIT, ClientTimeouts, DEFAULT_CLIENT_BETWEEN_BYTES_TIMEOUT,
    DEFAULT_CLIENT_CONNECT_TIMEOUT, DEFAULT_CLIENT_FIRST_BYTE_TIMEOUT, DEFAULT_CLIENT_SEND_TIMEOUT,
    DEFAULT_CLIENT_TLS_TIMEOUT, DEFAULT_CLIENT_TOTAL_TIMEOUT, DEFAULT_CLIENT_WAIT_TIMEOUT,
};
pub use url::Url;

/// A client of HTTP: a pool of connections and what holds for its requests. Clones are handles of the same client.
///
/// See the [module](self).
#[derive(Clone)]
pub struct Client {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    settings: Settings,
    pool: Arc<Pool>,
    connector: Connector,
    proxies: Proxies,
    jar: Option<CookieJar>,
    prior_knowledge: bool,
}

impl Client {
    /// A client with the defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// Settings to begin with.
    pub fn builder() -> ClientBuilder {
        ClientBuilder {
            settings: Settings::default(),
            limits: PoolLimits {
                per_host: DEFAULT_CLIENT_CONNECTIONS_PER_HOST,
                idle_per_host: DEFAULT_CLIENT_IDLE_PER_HOST,
                idle: DEFAULT_CLIENT_IDLE,
                idle_age: DEFAULT_CLIENT_IDLE_AGE,
                waiting: DEFAULT_CLIENT_WAITING,
                streams: DEFAULT_CLIENT_STREAMS,
            },
            endpoints: HashMap::new(),
            head: DEFAULT_CLIENT_HEAD_LIMIT,
            #[cfg(feature = "tls")]
            tls: ClientTls::builder().system_roots(),
            http2: true,
            prior_knowledge: false,
            proxies: Proxies::none(),
            jar: None,
        }
    }

    /// A request of this method to this URL.
    pub fn request(&self, method: Method, url: impl AsRef<str>) -> ClientRequest {
        ClientRequest::new(self.clone(), method, url.as_ref())
    }

    /// A `GET`.
    pub fn get(&self, url: impl AsRef<str>) -> ClientRequest {
        self.request(Method::GET, url)
    }

    /// A `HEAD`.
    pub fn head(&self, url: impl AsRef<str>) -> ClientRequest {
        self.request(Method::HEAD, url)
    }

    /// A `POST`.
    pub fn post(&self, url: impl AsRef<str>) -> ClientRequest {
        self.request(Method::POST, url)
    }

    /// A `PUT`.
    pub fn put(&self, url: impl AsRef<str>) -> ClientRequest {
        self.request(Method::PUT, url)
    }

    /// A `PATCH`.
    pub fn patch(&self, url: impl AsRef<str>) -> ClientRequest {
        self.request(Method::PATCH, url)
    }

    /// A `DELETE`.
    pub fn delete(&self, url: impl AsRef<str>) -> ClientRequest {
        self.request(Method::DELETE, url)
    }

    /// Connections that are open or being opened.
    #[must_use]
    pub fn open_connections(&self) -> usize {
        self.inner.pool.open()
    }

    /// Connections of HTTP/1 that wait for a request.
    #[must_use]
    pub fn idle_connections(&self) -> usize {
        self.inner.pool.idle()
    }
}

impl Default for Client {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("pool", &self.inner.pool)
            .finish_non_exhaustive()
    }
}

/// Settings of a [`Client`].
#[must_use = "it does nothing until it is built"]
pub struct ClientBuilder {
    settings: Settings,
    limits: PoolLimits,
    endpoints: HashMap<(String, u16), ClientEndpoint>,
    head: usize,
    #[cfg(feature = "tls")]
    tls: ClientTlsBuilder,
    http2: bool,
    prior_knowledge: bool,
    proxies: Proxies,
    jar: Option<CookieJar>,
}

impl ClientBuilder {
    /// Sets the times of requests.
    pub fn timeouts(mut self, timeouts: ClientTimeouts) -> Self {
        self.settings.timeouts = timeouts;
        self
    }

    /// Sets how many redirects are followed, [`DEFAULT_CLIENT_REDIRECTS`] unless called; with 0 the redirect is the answer.
    pub fn redirects(mut self, limit: usize) -> Self {
        self.settings.redirects = limit;
        self
    }

    /// Whether a redirect may lead from `https` to `http`; not unless called.
    pub fn allow_downgrade(mut self, yes: bool) -> Self {
        self.settings.allow_downgrade = yes;
        self
    }

    /// Sets the largest body of a response in bytes, [`DEFAULT_CLIENT_BODY_LIMIT`] unless called: as it comes, and as it
    /// is expanded (CVE-2026-49855). `None` for none.
    pub fn body_limit(mut self, bytes: impl Into<Option<u64>>) -> Self {
        self.settings.body_limit = bytes.into();
        self
    }

    /// Sets the largest head of a response in bytes, [`DEFAULT_CLIENT_HEAD_LIMIT`] unless called.
    pub fn head_limit(mut self, bytes: usize) -> Self {
        self.head = bytes;
        self
    }

    /// Sets how many further attempts a request has that failed to connect, whose connection ended, or whose time was up,
    /// [`DEFAULT_CLIENT_RETRIES`] unless called. Only for methods that are
    /// [idempotent](ClientRequest::idempotent) and bodies that can be sent again; the pauses grow as those of
    /// [`BackoffPolicy`](cyclone_core::BackoffPolicy).
    ///
    /// A connection of the pool that turns out to be closed is replaced without being counted here
    /// ([`MAX_STALE_CONNECTIONS`]).
    pub fn retries(mut self, count: u32) -> Self {
        self.settings.retries = count;
        self
    }

    /// Whether compressed bodies (gzip, deflate) are asked for and expanded; so unless called.
    pub fn decompress(mut self, yes: bool) -> Self {
        self.settings.decompress = yes;
        self
    }

    /// Sets `User-Agent`; there is none unless called.
    pub fn user_agent(mut self, agent: HeaderValue) -> Self {
        self.settings.user_agent = Some(agent);
        self
    }

    /// Sets how many connections to one host there are, [`DEFAULT_CLIENT_CONNECTIONS_PER_HOST`] unless called; at least 1.
    pub fn connections_per_host(mut self, count: usize) -> Self {
        self.limits.per_host = count.max(1);
        self
    }

    /// Sets how many requests may wait for a connection to one host, [`DEFAULT_CLIENT_WAITING`] unless called.
    pub fn waiting(mut self, count: usize) -> Self {
        self.limits.waiting = count;
        self
    }

    /// Sets how many idle connections are kept for one host, [`DEFAULT_CLIENT_IDLE_PER_HOST`] unless called.
    pub fn idle_per_host(mut self, count: usize) -> Self {
        self.limits.idle_per_host = count;
        self
    }

    /// Sets how many idle connections are kept for all hosts, [`DEFAULT_CLIENT_IDLE`] unless called.
    pub fn idle(mut self, count: usize) -> Self {
        self.limits.idle = count;
        self
    }

    /// Sets how long an idle connection is kept, [`DEFAULT_CLIENT_IDLE_AGE`] unless called. Shorter than that of the
    /// server, connections are rarely closed under a request.
    pub fn idle_age(mut self, age: Duration) -> Self {
        self.limits.idle_age = age;
        self
    }

    /// Sets how many exchanges a connection of HTTP/2 does at a time, [`DEFAULT_CLIENT_STREAMS`] unless called; at least 1.
    pub fn streams(mut self, count: usize) -> Self {
        self.limits.streams = count.max(1);
        self
    }

    /// Whether HTTP/2 is offered to servers of `https`; so unless called.
    pub fn http2(mut self, yes: bool) -> Self {
        self.http2 = yes;
        self
    }

    /// Whether HTTP/2 is spoken with servers of `http` without asking (RFC 9113 section 3.3); not unless called.
    pub fn http2_prior_knowledge(mut self, yes: bool) -> Self {
        self.prior_knowledge = yes;
        self
    }

    /// Sets who is trusted and who we are, the authorities of this machine and nobody unless called. The application
    /// protocols are the client's to set.
    #[cfg(feature = "tls")]
    #[cfg_attr(docsrs, doc(cfg(feature = "tls")))]
    pub fn tls(mut self, tls: ClientTlsBuilder) -> Self {
        self.tls = tls;
        self
    }

    /// Sets the proxies; none unless called, whatever the environment says.
    pub fn proxies(mut self, proxies: Proxies) -> Self {
        self.proxies = proxies;
        self
    }

    /// Keeps cookies in this jar, and sends them; there is none unless called.
    pub fn cookie_jar(mut self, jar: CookieJar) -> Self {
        self.jar = Some(jar);
        self
    }

    /// Connects to `endpoint` for this host and port, a Unix domain socket for instance. TLS, where there is any, still
    /// asks for the host.
    pub fn resolve(mut self, host: &str, port: u16, endpoint: ClientEndpoint) -> Self {
        self.endpoints
            .insert((host.to_ascii_lowercase(), port), endpoint);
        self
    }

    /// Makes the client. Nothing is read or opened before the first request.
    pub fn build(self) -> Client {
        Client {
            inner: Arc::new(Inner {
                settings: self.settings,
                pool: Pool::new(self.limits),
                connector: Connector {
                    endpoints: self.endpoints,
                    head: self.head,
                    fields: MAX_CLIENT_FIELDS,
                    #[cfg(feature = "tls")]
                    tls: connect::Tls::new(self.tls, self.http2),
                },
                proxies: self.proxies,
                jar: self.jar,
                prior_knowledge: self.prior_knowledge,
            }),
        }
    }
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("settings", &self.settings)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
