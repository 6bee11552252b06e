//! Limits and times of a session, all with safe defaults.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

/// Default of [`Config::max_message_bytes`]: 10 MiB, as Tornado.
pub const DEFAULT_MAX_MESSAGE_BYTES: usize = 10 * 1024 * 1024;
/// Default of [`Config::max_frame_bytes`]: 10 MiB, so that a message may come in one frame.
pub const DEFAULT_MAX_FRAME_BYTES: usize = DEFAULT_MAX_MESSAGE_BYTES;
/// Default of [`Config::outgoing_bytes`]: 1 MiB.
pub const DEFAULT_OUTGOING_BYTES: usize = 1024 * 1024;
/// Default of [`Config::outgoing_messages`]: 1024.
pub const DEFAULT_OUTGOING_MESSAGES: usize = 1024;
/// Default of [`Config::ping_interval`]: 30 s.
pub const DEFAULT_PING_INTERVAL: Duration = Duration::from_secs(30);
/// Default of [`Config::pong_timeout`]: 30 s.
pub const DEFAULT_PONG_TIMEOUT: Duration = Duration::from_secs(30);
/// Default of [`Config::write_stall_timeout`]: 30 s.
pub const DEFAULT_WRITE_STALL_TIMEOUT: Duration = Duration::from_secs(30);
/// Default of [`Config::close_timeout`]: 5 s.
pub const DEFAULT_CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
/// Default of [`Config::upgrade_timeout`]: 10 s.
pub const DEFAULT_UPGRADE_TIMEOUT: Duration = Duration::from_secs(10);
/// Default of [`Config::handler_grace`]: 30 s.
pub const DEFAULT_HANDLER_GRACE: Duration = Duration::from_secs(30);

/// The least that [`Config::ping_interval`] takes: 10 ms.
pub const SHORTEST_PING_INTERVAL: Duration = Duration::from_millis(10);

/// The most that [`Config::outgoing_bytes`] takes: 256 MiB.
pub const MAX_OUTGOING_BYTES: usize = 256 * 1024 * 1024;
/// The most that [`Config::outgoing_messages`] takes: 2^20.
pub const MAX_OUTGOING_MESSAGES: usize = 1024 * 1024;

/// Limits and times of a session.
///
/// ```
/// use std::time::Duration;
/// use cyclone_websocket::Config;
///
/// let config = Config::new()
///     .max_message_bytes(64 * 1024)
///     .ping_interval(Some(Duration::from_secs(10)));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    pub(crate) max_message_bytes: usize,
    pub(crate) max_frame_bytes: usize,
    pub(crate) outgoing_bytes: usize,
    pub(crate) outgoing_messages: usize,
    pub(crate) ping_interval: Option<Duration>,
    pub(crate) pong_timeout: Option<Duration>,
    pub(crate) write_stall_timeout: Duration,
    pub(crate) close_timeout: Duration,
    pub(crate) upgrade_timeout: Duration,
    pub(crate) handler_grace: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self::new()
    }
}

impl Config {
    /// The defaults, each a named constant of this crate.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            max_message_bytes: DEFAULT_MAX_MESSAGE_BYTES,
            max_frame_bytes: DEFAULT_MAX_FRAME_BYTES,
            outgoing_bytes: DEFAULT_OUTGOING_BYTES,
            outgoing_messages: DEFAULT_OUTGOING_MESSAGES,
            ping_interval: Some(DEFAULT_PING_INTERVAL),
            pong_timeout: Some(DEFAULT_PONG_TIMEOUT),
            write_stall_timeout: DEFAULT_WRITE_STALL_TIMEOUT,
            close_timeout: DEFAULT_CLOSE_TIMEOUT,
            upgrade_timeout: DEFAULT_UPGRADE_TIMEOUT,
            handler_grace: DEFAULT_HANDLER_GRACE,
        }
    }

    /// Sets the biggest message taken, in payload bytes; a bigger one closes with 1009.
    ///
    /// A connection holds at most two incoming messages: the one that the handler has, and one read ahead.
    #[must_use]
    pub const fn max_message_bytes(mut self, bytes: usize) -> Self {
        self.max_message_bytes = bytes;
        self
    }

    /// Sets the biggest data frame taken, in payload bytes; a bigger one closes with 1009.
    #[must_use]
    pub const fn max_frame_bytes(mut self, bytes: usize) -> Self {
        self.max_frame_bytes = bytes;
        self
    }

    /// Sets how many payload bytes may wait to be written, 1 to [`MAX_OUTGOING_BYTES`].
    ///
    /// A message bigger than this waits until nothing else does, and is then the only one.
    #[must_use]
    pub const fn outgoing_bytes(mut self, bytes: usize) -> Self {
        self.outgoing_bytes = clamp(bytes, MAX_OUTGOING_BYTES);
        self
    }

    /// Sets how many messages may wait to be written, 1 to [`MAX_OUTGOING_MESSAGES`].
    #[must_use]
    pub const fn outgoing_messages(mut self, messages: usize) -> Self {
        self.outgoing_messages = clamp(messages, MAX_OUTGOING_MESSAGES);
        self
    }

    /// Sets the time between pings of ours, at least [`SHORTEST_PING_INTERVAL`]; `None` sends none.
    #[must_use]
    pub fn ping_interval(mut self, interval: Option<Duration>) -> Self {
        self.ping_interval = interval.map(|interval| interval.max(SHORTEST_PING_INTERVAL));
        self
    }

    /// Sets how long a ping may stay without a sign of life before the connection counts as lost;
    /// `None` waits for ever.
    #[must_use]
    pub const fn pong_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.pong_timeout = timeout;
        self
    }

    /// Sets how long the peer may take no byte at all while there is something to write.
    #[must_use]
    pub const fn write_stall_timeout(mut self, timeout: Duration) -> Self {
        self.write_stall_timeout = timeout;
        self
    }

    /// Sets how long the closing handshake may last, the outgoing queue included.
    #[must_use]
    pub const fn close_timeout(mut self, timeout: Duration) -> Self {
        self.close_timeout = timeout;
        self
    }

    /// Sets how long the server may take to write the 101 and hand over the connection.
    #[must_use]
    pub const fn upgrade_timeout(mut self, timeout: Duration) -> Self {
        self.upgrade_timeout = timeout;
        self
    }

    /// Sets how long `open` or `message` may go on once the connection has ended, and how long `close` may
    /// take; after that the future is dropped.
    #[must_use]
    pub const fn handler_grace(mut self, grace: Duration) -> Self {
        self.handler_grace = grace;
        self
    }
}

thread_local! {
    /// The configuration of the session that was last opened by this thread.
    static LAST: Cell<Option<Arc<Config>>> = const { Cell::new(None) };
}

impl Config {
    /// The configuration in one allocation for all sessions that have the same, as they mostly have.
    pub(crate) fn shared(self) -> Arc<Self> {
        let last = LAST.try_with(Cell::take).ok().flatten();
        let shared = match last {
            Some(last) if *last == self => last,
            _ => Arc::new(self),
        };
        // At the end of the thread it is forgotten instead.
        let _ = LAST.try_with(|last| last.set(Some(Arc::clone(&shared))));
        shared
    }
}

const fn clamp(value: usize, max: usize) -> usize {
    if value == 0 {
        1
    } else if value > max {
        max
    } else {
        value
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::{Config, MAX_OUTGOING_BYTES, MAX_OUTGOING_MESSAGES, SHORTEST_PING_INTERVAL};

    #[test]
    fn values_out_of_range_become_the_nearest() {
        let config = Config::new().outgoing_bytes(0).outgoing_messages(0);
        assert_eq!((config.outgoing_bytes, config.outgoing_messages), (1, 1));
        let config = Config::new()
            .outgoing_bytes(MAX_OUTGOING_BYTES + 1)
            .outgoing_messages(MAX_OUTGOING_MESSAGES + 1);
        assert_eq!(config.outgoing_bytes, MAX_OUTGOING_BYTES);
        assert_eq!(config.outgoing_messages, MAX_OUTGOING_MESSAGES);
        let config = Config::new().ping_interval(Some(Duration::ZERO));
        assert_eq!(config.ping_interval, Some(SHORTEST_PING_INTERVAL));
    }

    #[test]
    fn equal_configurations_are_shared() {
        let one = Config::new().shared();
        assert!(Arc::ptr_eq(&one, &Config::new().shared()));
        let other = Config::new().max_message_bytes(1).shared();
        assert_ne!(one, other);
        assert!(Arc::ptr_eq(
            &other,
            &Config::new().max_message_bytes(1).shared()
        ));
    }
}
