//! What a request is told by its client unless it says otherwise.

use http::HeaderValue;

use super::timeouts::ClientTimeouts;

/// Redirects that are followed, as in Tornado.
pub const DEFAULT_CLIENT_REDIRECTS: usize = 5;

/// The largest body of a response in bytes, as it comes and as it is expanded.
pub const DEFAULT_CLIENT_BODY_LIMIT: u64 = 10 * 1024 * 1024;

/// The largest head of a response in bytes.
pub const DEFAULT_CLIENT_HEAD_LIMIT: usize = 64 * 1024;

/// The most fields of the head of a response.
pub const MAX_CLIENT_FIELDS: usize = 100;

/// Further attempts for a request that failed, unless set.
pub const DEFAULT_CLIENT_RETRIES: u32 = 0;

/// Connections of the pool that may turn out to be closed before a new one is made for the request.
pub const MAX_STALE_CONNECTIONS: u32 = 3;

/// Connections to one host, those in use and those that are idle.
pub const DEFAULT_CLIENT_CONNECTIONS_PER_HOST: usize = 32;

/// Idle connections to one host.
pub const DEFAULT_CLIENT_IDLE_PER_HOST: usize = 8;

/// Idle connections of one client, over all hosts.
pub const DEFAULT_CLIENT_IDLE: usize = 128;

/// How long an idle connection is kept.
pub const DEFAULT_CLIENT_IDLE_AGE: std::time::Duration = std::time::Duration::from_secs(30);

/// Requests that may wait for a connection to one host.
pub const DEFAULT_CLIENT_WAITING: usize = 1_024;

/// Exchanges at a time on one connection of HTTP/2; where the server allows fewer, they wait for one
/// another there.
pub const DEFAULT_CLIENT_STREAMS: usize = 100;

/// What holds for a request.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) timeouts: ClientTimeouts,
    pub(crate) redirects: usize,
    pub(crate) allow_downgrade: bool,
    pub(crate) body_limit: Option<u64>,
    pub(crate) retries: u32,
    pub(crate) decompress: bool,
    pub(crate) user_agent: Option<HeaderValue>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            timeouts: ClientTimeouts::default(),
            redirects: DEFAULT_CLIENT_REDIRECTS,
            allow_downgrade: false,
            body_limit: Some(DEFAULT_CLIENT_BODY_LIMIT),
            retries: DEFAULT_CLIENT_RETRIES,
            decompress: true,
            user_agent: None,
        }
    }
}
