//! What a console allows at most.

use std::time::Duration;

/// How long a client may take to log in, from the first byte of the connection.
pub const DEFAULT_LOGIN_LIMIT: Duration = Duration::from_secs(30);

/// Refused keys and passwords after which a connection is closed.
pub const DEFAULT_LOGIN_ATTEMPTS: usize = 6;

/// How long the answer to a refused key or password is held back.
pub const DEFAULT_LOGIN_PAUSE: Duration = Duration::from_secs(1);

/// Connections at once that have not logged in yet.
pub const DEFAULT_STRANGERS: usize = 10;

/// Those of them that come from one address.
pub const DEFAULT_STRANGERS_OF_ADDRESS: usize = 4;

/// Connections at once that have logged in.
pub const DEFAULT_SESSIONS: usize = 8;

/// Channels at once in one connection: prompts and single commands.
pub const DEFAULT_CHANNELS: usize = 4;

/// How long an operator may be silent.
pub const DEFAULT_IDLE_LIMIT: Duration = Duration::from_secs(600);

/// How long a command may run.
pub const DEFAULT_COMMAND_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a client may take nothing of what it is sent.
pub const DEFAULT_WRITE_LIMIT: Duration = Duration::from_secs(30);

/// Bytes that an operator can type ahead while a command runs; more end the conversation, with what fitted carried out.
pub(super) const TYPE_AHEAD_BYTES: usize = 64 * 1024;

/// Bytes of a line.
pub(super) const MAX_LINE_BYTES: usize = 1024;

/// Lines of a prompt's history.
pub(super) const MAX_HISTORY_LINES: usize = 100;

/// How long a client may take to close what was closed for it.
pub(super) const GOODBYE_LIMIT: Duration = Duration::from_secs(1);

/// How many connections are shown at once.
pub(super) const MAX_SHOWN_CONNECTIONS: usize = 1000;

/// Bytes of a password.
pub(super) const MAX_PASSWORD_BYTES: usize = 1024;

/// Bytes of a file of keys or passwords.
pub(super) const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// What a console allows at most; every value has a default of the name of its field.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// [`DEFAULT_LOGIN_LIMIT`].
    pub login_limit: Duration,
    /// [`DEFAULT_LOGIN_ATTEMPTS`].
    pub login_attempts: usize,
    /// [`DEFAULT_LOGIN_PAUSE`].
    pub login_pause: Duration,
    /// [`DEFAULT_STRANGERS`].
    pub strangers: usize,
    /// [`DEFAULT_STRANGERS_OF_ADDRESS`].
    pub strangers_of_address: usize,
    /// [`DEFAULT_SESSIONS`].
    pub sessions: usize,
    /// [`DEFAULT_CHANNELS`].
    pub channels: usize,
    /// [`DEFAULT_IDLE_LIMIT`].
    pub idle_limit: Duration,
    /// [`DEFAULT_COMMAND_TIMEOUT`].
    pub command_timeout: Duration,
    /// [`DEFAULT_WRITE_LIMIT`].
    pub write_limit: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            login_limit: DEFAULT_LOGIN_LIMIT,
            login_attempts: DEFAULT_LOGIN_ATTEMPTS,
            login_pause: DEFAULT_LOGIN_PAUSE,
            strangers: DEFAULT_STRANGERS,
            strangers_of_address: DEFAULT_STRANGERS_OF_ADDRESS,
            sessions: DEFAULT_SESSIONS,
            channels: DEFAULT_CHANNELS,
            idle_limit: DEFAULT_IDLE_LIMIT,
            command_timeout: DEFAULT_COMMAND_TIMEOUT,
            write_limit: DEFAULT_WRITE_LIMIT,
        }
    }
}
