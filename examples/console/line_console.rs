//! The console without SSH, for places that only the operator can reach.

use std::io;
use std::sync::Arc;

use cyclone_core::{Connection, Lines, Peer, Protocol, ProtocolFactory};
use tokio::time::timeout;

use super::command::{Answer, CommandError, Commands};
use super::escape::escape;
use super::limits::{Limits, MAX_LINE_BYTES};

/// The console as a protocol of lines, by `nc -U` or telnet.
///
/// It asks nobody who he is: it belongs on a Unix domain socket with mode 600, or on a loopback address of a machine that
/// has no other users. A blank line follows every answer.
#[derive(Clone, Debug)]
pub struct LineConsole {
    commands: Commands,
    limits: Arc<Limits>,
}

impl LineConsole {
    /// A console with these commands and the default limits.
    #[must_use]
    pub fn new(commands: Commands) -> Self {
        Self {
            commands,
            limits: Arc::default(),
        }
    }

    /// Sets what is allowed at most; what concerns logins means nothing here.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = Arc::new(limits);
        self
    }
}

impl ProtocolFactory for LineConsole {
    type Protocol = Self;

    fn build(&self, _peer: &Peer) -> Option<Self> {
        Some(self.clone())
    }

    fn name(&self) -> &'static str {
        "console"
    }
}

impl Protocol for LineConsole {
    async fn run(self, connection: Connection) -> io::Result<()> {
        let session = connection.session().clone();
        let operator = format!("somebody at {}", connection.peer());
        let mut lines = Lines::new(connection)
            .idle_timeout(self.limits.idle_limit)
            .write_timeout(self.limits.write_limit)
            .max_line_bytes(MAX_LINE_BYTES);
        loop {
            let line = tokio::select! {
                biased;
                () = session.draining() => {
                    return lines.write("the server shuts down, good-bye").await;
                }
                line = lines.read() => line?,
            };
            let Some(line) = line else {
                return Ok(());
            };
            tracing::info!(operator, command = ?line, "console command");
            let limit = self.limits.command_timeout;
            let running = self.commands.run(&line, &operator, &session);
            let outcome = timeout(limit, running).await.unwrap_or_else(|_| {
                let message = format!("it took more than {} s and was given up", limit.as_secs());
                Err(CommandError::failed(message))
            });
            let Answer { text, ends, after } =
                outcome.unwrap_or_else(|error| format!("error: {error}").into());
            for line in escape(&text).lines() {
                lines.write(line).await?;
            }
            lines.write("").await?;
            drop(after);
            if ends {
                return Ok(());
            }
        }
    }
}
