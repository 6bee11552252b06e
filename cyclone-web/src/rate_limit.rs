//! How many requests a client may make.

mod local;

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cyclone_core::{PortError, SharedStore, Store as _};
use http::StatusCode;
use http::header::{HeaderName, HeaderValue, RETRY_AFTER};
use sha2::{Digest as _, Sha256};

use crate::context::RequestContext;
use crate::error::{Error, Result};
use local::Buckets;

/// How many clients a [`RateLimit`] counts at once in this process: 65,536, in about 1 MiB.
pub const MAX_RATE_LIMIT_CLIENTS: usize = 65_536;

/// How long a request waits for a [shared store](RateLimit::shared) before this process counts alone: 1 s.
pub const RATE_LIMIT_STORE_WAIT: Duration = Duration::from_secs(1);

/// How many requests a client may make in a time. Given to [`Application::rate_limit`](crate::Application::rate_limit)
/// for all of them, or to [`UrlSpec::rate_limit`](crate::UrlSpec::rate_limit) for those of a route.
///
/// Each client has a bucket of tokens, full at first, which fills evenly again; a request takes one. Without one it is
/// answered with 429 and `Retry-After`. All responses have the fields `RateLimit-Policy` and `RateLimit` of the IETF's
/// draft (`"default";q=100;w=60` and `"default";r=42;t=35`: 42 are left, and all are there again in 35 seconds).
///
/// Who the client is: the address (of IPv6 its first 64 bits, which one subscriber has to himself) as
/// [`remote_ip`](RequestContext::remote_ip) knows it, unless [`by`](Self::by) or [`by_user`](Self::by_user) say
/// otherwise. Behind a proxy all are one without [`trusted_proxies`](crate::Application::trusted_proxies).
///
/// Clones count together, so one limit can span several routes.
///
/// ```
/// use std::time::Duration;
/// use cyclone_web::{Application, RateLimit, RequestContext, Result, url};
///
/// async fn login(cx: &mut RequestContext) -> Result {
///     cx.text("password, please")
/// }
///
/// let app = Application::new()
///     .rate_limit(RateLimit::new(1000, Duration::from_secs(60)))
///     .post(url("/login").rate_limit(RateLimit::new(5, Duration::from_secs(60)).name("login")), login);
/// # let _ = app;
/// ```
#[derive(Clone)]
#[must_use = "it does nothing until an application or a route has it"]
pub struct RateLimit {
    name: Cow<'static, str>,
    requests: u32,
    per: Duration,
    client: Client,
    buckets: Arc<Buckets>,
    store: Option<SharedStore>,
}

/// Who is counted.
#[derive(Clone)]
enum Client {
    Address,
    Named(Arc<Name>),
    User(Arc<Name>),
}

type Name = dyn Fn(&RequestContext) -> Option<String> + Send + Sync;

impl RateLimit {
    /// At most `requests` in the time `per`, which are also the most at once.
    ///
    /// # Panics
    /// When either is zero.
    pub fn new(requests: u32, per: Duration) -> Self {
        assert!(requests > 0 && !per.is_zero(), "a rate limit of nothing");
        Self {
            name: Cow::Borrowed("default"),
            requests,
            per,
            client: Client::Address,
            buckets: Arc::new(Buckets::new(requests, per, MAX_RATE_LIMIT_CLIENTS)),
            store: None,
        }
    }

    /// Names the limit, `default` unless called: in the fields of responses, and in a [shared store](Self::shared), where
    /// limits of the same name count together.
    ///
    /// # Panics
    /// When the name has something other than visible ASCII, or a quote or a backslash.
    pub fn name(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        let name = name.into();
        let is_sound = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\');
        assert!(
            name.bytes().all(is_sound),
            "`{name}` cannot name a rate limit"
        );
        self.name = name;
        self
    }

    /// Says who the client is, by an API key for instance; a request for which it is `None` is not limited.
    ///
    /// It is asked before anything else is known of the request: what it looks at may be wrong.
    pub fn by(
        mut self,
        name: impl Fn(&RequestContext) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        self.client = Client::Named(Arc::new(name));
        self
    }

    /// Counts users, once they are [known](RequestContext::current_user); those for whom it is `None` are counted by
    /// their address. It has no effect on mounts, whose users are not known here.
    ///
    /// ```
    /// use std::time::Duration;
    /// use cyclone_web::RateLimit;
    ///
    /// struct User { id: u64 }
    ///
    /// let limit = RateLimit::new(100, Duration::from_secs(60))
    ///     .by_user(|cx| Some(cx.current_user::<User>()?.id.to_string()));
    /// # let _ = limit;
    /// ```
    pub fn by_user(
        mut self,
        name: impl Fn(&RequestContext) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        self.client = Client::User(Arc::new(name));
        self
    }

    /// Sets how many clients this process counts at once, rounded up to eights; [`MAX_RATE_LIMIT_CLIENTS`] unless called.
    /// When there are more, those that have the most tokens are forgotten, and have all again.
    pub fn max_clients(mut self, clients: usize) -> Self {
        self.buckets = Arc::new(Buckets::new(self.requests, self.per, clients));
        self
    }

    /// Counts in a store that other processes count in too, by windows of time instead of a bucket: they begin at
    /// multiples of the time since 1970, so the clocks of all machines have to agree. A client that comes at the end of
    /// one and the begin of the next may make twice as many requests.
    ///
    /// While the store fails, or takes longer than [`RATE_LIMIT_STORE_WAIT`], this process counts alone.
    ///
    /// The store gets a hash of who the client is.
    pub fn shared(mut self, store: SharedStore) -> Self {
        self.store = Some(store);
        self
    }

    pub(crate) fn is_by_user(&self) -> bool {
        matches!(self.client, Client::User(_))
    }

    /// Counts a request.
    pub(crate) async fn admit(&self, cx: &mut RequestContext) -> Result<()> {
        let Some(client) = self.client_of(cx) else {
            return Ok(());
        };
        let count = match &self.store {
            Some(store) => self.count_in(store, &client).await,
            None => self.buckets.take(&client),
        };
        let (name, requests, per) = (&self.name, self.requests, seconds(self.per));
        let policy = format!("\"{name}\";q={requests};w={per}");
        let (left, until_full) = (count.left, seconds(count.until_full));
        let state = format!("\"{name}\";r={left};t={until_full}");
        for (field, value) in [(POLICY, policy), (STATE, state)] {
            cx.add_standing(field, HeaderValue::try_from(value)?);
        }
        let Some(wait) = count.refused_for else {
            return Ok(());
        };
        let wait = HeaderValue::from(seconds(wait).max(1));
        let line = format!("over the rate limit `{name}`");
        let refusal = Error::new(StatusCode::TOO_MANY_REQUESTS).log(line);
        Err(refusal.header(RETRY_AFTER, wait))
    }

    fn client_of(&self, cx: &RequestContext) -> Option<String> {
        match &self.client {
            Client::Address => Some(address(cx)),
            Client::Named(name) => name(cx).map(|name| format!("name {name}")),
            Client::User(name) => {
                Some(name(cx).map_or_else(|| address(cx), |name| format!("user {name}")))
            }
        }
    }

    async fn count_in(&self, store: &SharedStore, client: &str) -> Count {
        let counting = self.increment(store, client, SystemTime::now());
        match tokio::time::timeout(RATE_LIMIT_STORE_WAIT, counting).await {
            Ok(Ok(count)) => count,
            Ok(Err(error)) => {
                tracing::warn!(%error, limit = %self.name, "rate limit is counted by this process alone");
                self.buckets.take(client)
            }
            Err(_elapsed) => {
                tracing::warn!(limit = %self.name, "store is slow, rate limit is counted by this process alone");
                self.buckets.take(client)
            }
        }
    }

    async fn increment(
        &self,
        store: &SharedStore,
        client: &str,
        now: SystemTime,
    ) -> std::result::Result<Count, PortError> {
        let per = self.per.as_nanos().max(1);
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let (window, into) = (now.as_nanos() / per, now.as_nanos() % per);
        let left = u64::try_from(per - into).unwrap_or(u64::MAX);
        let until_full = Duration::from_nanos(left);
        let name = &self.name;
        let key = format!("rate:{name}:{window}:{}", hashed(client));
        let count = store.increment(&key, 1, Some(until_full)).await?;
        let left = i64::from(self.requests).saturating_sub(count);
        Ok(Count {
            left: u32::try_from(left).unwrap_or(0),
            until_full,
            refused_for: (left < 0).then_some(until_full),
        })
    }
}

impl fmt::Debug for RateLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimit")
            .field("name", &self.name)
            .field("requests", &self.requests)
            .field("per", &self.per)
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const STATE: HeaderName = HeaderName::from_static("ratelimit");

/// What became of a request that was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Count {
    /// Requests that the client may make at once now.
    left: u32,
    /// Until he may make all of them.
    until_full: Duration,
    /// The request is one too many; how long until he may make one.
    refused_for: Option<Duration>,
}

/// The address of a client; all that have none are one.
fn address(cx: &RequestContext) -> String {
    match cx.remote_ip().map(|ip| ip.to_canonical()) {
        Some(IpAddr::V4(ip)) => ip.to_string(),
        Some(IpAddr::V6(ip)) => {
            let network = Ipv6Addr::from_bits(ip.to_bits() & !u128::from(u64::MAX));
            format!("{network}/64")
        }
        None => "nobody".to_owned(),
    }
}

/// Whole seconds, rounded up.
fn seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

/// A name of fixed length for whatever a client is called, from which nobody learns it.
fn hashed(client: &str) -> String {
    use std::fmt::Write as _;
    let mut name = String::with_capacity(32);
    for byte in Sha256::digest(client).iter().take(16) {
        // Writing to a String cannot fail.
        let _ = write!(name, "{byte:02x}");
    }
    name
}

#[cfg(test)]
mod tests;
