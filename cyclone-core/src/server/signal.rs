//! SIGINT and SIGTERM: the first drains, the second cuts.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::shutdown::ServerHandle;

pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    pub(super) fn install() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    pub(super) async fn shut_down(mut self, server: ServerHandle) {
        let name = self.next().await;
        tracing::info!(signal = name, "shutting down");
        server.shutdown();
        let name = self.next().await;
        tracing::warn!(signal = name, "cutting what is still open");
        server.shutdown_now();
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }
}
