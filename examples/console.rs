//! An operator's console over SSH on a port of its own, as Twisted's manhole.
//!
//! [`SshConsole`] is one factory among others: its connections stand in the registry of the server, drain and are cut
//! like all others. Whoever has a key or a password that [`Access`] knows gets a prompt, or has a single command carried
//! out (`ssh host status`). What there is to say is a list of [`Command`]s, to which an application adds its own.
//! [`LineConsole`] has the same commands without SSH, for a Unix domain socket.
//!
//! It is no shell: it starts no program, opens no file and forwards no port, whatever the client asks for.

pub use access::{Access, AccessError, Operator, hash_password};
pub use command::{Answer, Call, Command, CommandError, Commands};
pub use host_key::{HostKey, HostKeyError};
pub use limits::{
    DEFAULT_CHANNELS, DEFAULT_COMMAND_TIMEOUT, DEFAULT_IDLE_LIMIT, DEFAULT_LOGIN_ATTEMPTS,
    DEFAULT_LOGIN_LIMIT, DEFAULT_LOGIN_PAUSE, DEFAULT_SESSIONS, DEFAULT_STRANGERS,
    DEFAULT_STRANGERS_OF_ADDRESS, DEFAULT_WRITE_LIMIT, Limits,
};
pub use line_console::LineConsole;
pub use log_level::LogLevel;
pub use ssh::{SshConsole, SshSession};

mod access;
mod authorized_keys;
mod command;
mod escape;
mod host_key;
mod limits;
mod line_console;
mod line_editor;
mod log_level;
mod passwords;
mod ssh;
mod standard;
mod strangers;
mod stream;
mod terminal;
