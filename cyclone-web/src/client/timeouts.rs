//! How long each part of a request may take.

use std::time::Duration;

use tokio::time::Instant;

/// How long finding the address and connecting may take, as in Tornado.
pub const DEFAULT_CLIENT_CONNECT_TIMEOUT: Duration = Duration::from_secs(20);

/// How long a TLS handshake of the client may take.
pub const DEFAULT_CLIENT_TLS_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a request may wait for a connection of the pool.
pub const DEFAULT_CLIENT_WAIT_TIMEOUT: Duration = Duration::from_secs(20);

/// How long a server may take nothing of a request that is being sent.
pub const DEFAULT_CLIENT_SEND_TIMEOUT: Duration = Duration::from_secs(30);

/// How long the head of a response may take, the request being sent.
pub const DEFAULT_CLIENT_FIRST_BYTE_TIMEOUT: Duration = Duration::from_secs(60);

/// How long a server may be silent amid the body of a response.
pub const DEFAULT_CLIENT_BETWEEN_BYTES_TIMEOUT: Duration = Duration::from_secs(60);

/// How long a request may take with its redirects, its further attempts and the body of its response.
pub const DEFAULT_CLIENT_TOTAL_TIMEOUT: Duration = Duration::from_secs(300);

/// How long a server with `Expect: 100-continue` is waited for before the body is sent anyway.
pub const CLIENT_CONTINUE_WAIT: Duration = Duration::from_secs(1);

/// How long each part of a request may take. Each part has its own time, and all of them have one together.
///
/// The time that a handler takes to read, or that the source of a body takes to give, is in the total only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct ClientTimeouts {
    pub(crate) wait: Duration,
    pub(crate) connect: Duration,
    pub(crate) tls: Duration,
    pub(crate) send: Duration,
    pub(crate) first_byte: Duration,
    pub(crate) between_bytes: Duration,
    pub(crate) total: Option<Duration>,
}

impl Default for ClientTimeouts {
    fn default() -> Self {
        Self {
            wait: DEFAULT_CLIENT_WAIT_TIMEOUT,
            connect: DEFAULT_CLIENT_CONNECT_TIMEOUT,
            tls: DEFAULT_CLIENT_TLS_TIMEOUT,
            send: DEFAULT_CLIENT_SEND_TIMEOUT,
            first_byte: DEFAULT_CLIENT_FIRST_BYTE_TIMEOUT,
            between_bytes: DEFAULT_CLIENT_BETWEEN_BYTES_TIMEOUT,
            total: Some(DEFAULT_CLIENT_TOTAL_TIMEOUT),
        }
    }
}

impl ClientTimeouts {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the wait for a connection of the pool, [`DEFAULT_CLIENT_WAIT_TIMEOUT`] unless called.
    pub fn wait(mut self, limit: Duration) -> Self {
        self.wait = limit;
        self
    }

    /// Sets the time for the address, the connection and the tunnel of a proxy, [`DEFAULT_CLIENT_CONNECT_TIMEOUT`]
    /// unless called.
    pub fn connect(mut self, limit: Duration) -> Self {
        self.connect = limit;
        self
    }

    /// Sets the time for a TLS handshake, [`DEFAULT_CLIENT_TLS_TIMEOUT`] unless called.
    pub fn tls(mut self, limit: Duration) -> Self {
        self.tls = limit;
        self
    }

    /// Sets how long the server may take nothing while a request is sent, [`DEFAULT_CLIENT_SEND_TIMEOUT`] unless called.
    pub fn send(mut self, limit: Duration) -> Self {
        self.send = limit;
        self
    }

    /// Sets the time for the head of the response, [`DEFAULT_CLIENT_FIRST_BYTE_TIMEOUT`] unless called.
    pub fn first_byte(mut self, limit: Duration) -> Self {
        self.first_byte = limit;
        self
    }

    /// Sets how long the server may be silent amid a body, [`DEFAULT_CLIENT_BETWEEN_BYTES_TIMEOUT`] unless called.
    pub fn between_bytes(mut self, limit: Duration) -> Self {
        self.between_bytes = limit;
        self
    }

    /// Sets the time for all of it, [`DEFAULT_CLIENT_TOTAL_TIMEOUT`] unless called; `None` for responses that have no end.
    pub fn total(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.total = limit.into();
        self
    }
}

/// The moment so long after another; for the longest limits there are, one that nobody lives to see.
pub(crate) fn after(moment: Instant, limit: Duration) -> Instant {
    const NEVER: Duration = Duration::from_secs(30 * 365 * 86_400);
    moment.checked_add(limit).unwrap_or_else(|| moment + NEVER)
}
