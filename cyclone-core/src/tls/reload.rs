//! New certificates while the server runs.

use std::sync::Mutex;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::sleep;

use super::error::TlsError;
use super::server::ServerTls;
use crate::health::Health;
use crate::lock::lock;
use crate::service::{Service, ServiceContext, ServiceError};

/// A service that [reloads](ServerTls::reload) certificates when their files change, and on SIGHUP.
///
/// A [`Server`](crate::Server) runs one for each [`ServerTls`] of its endpoints, so this is for those that are used
/// without an endpoint. Files are looked at every
/// [`reload_interval`](super::ServerTlsBuilder::reload_interval) by time of change, number and size. The health of
/// the service is that of the certificates.
#[derive(Debug)]
pub struct TlsReload {
    tls: ServerTls,
    name: String,
    /// Made at the start, so that no signal kills the process in between.
    hangup: Mutex<Option<Signal>>,
}

impl TlsReload {
    /// Keeps the certificates of `tls` up to date.
    #[must_use]
    pub fn new(tls: &ServerTls) -> Self {
        Self {
            tls: tls.clone(),
            name: "tls".to_owned(),
            hangup: Mutex::new(None),
        }
    }

    /// Sets the name of the service, `tls` unless called.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    fn interval(&self) -> Duration {
        self.tls.reload_interval()
    }

    /// Reads files in a thread where that may block. What is wrong with them is in the log and the state.
    async fn reload(&self, always: bool) -> Result<(), ServiceError> {
        let tls = self.tls.clone();
        let work = move || -> Option<Result<(), TlsError>> {
            if always {
                Some(tls.reload())
            } else {
                tls.reload_if_changed()
            }
        };
        // An error is no reason to run the service anew: the old certificates stay.
        let _outcome = tokio::task::spawn_blocking(work).await?;
        Ok(())
    }
}

impl Service for TlsReload {
    fn name(&self) -> &str {
        &self.name
    }

    async fn start(&self, _cx: &ServiceContext) -> Result<(), ServiceError> {
        // Without files the signal keeps its meaning.
        if self.tls.has_files() {
            *lock(&self.hangup) = Some(signal(SignalKind::hangup())?);
        }
        Ok(())
    }

    async fn run(&self, cx: &ServiceContext) -> Result<(), ServiceError> {
        if !self.tls.has_files() {
            cx.stopping().await;
            return Ok(());
        }
        let waiting = lock(&self.hangup).take();
        let mut hangup = match waiting {
            Some(signal) => signal,
            None => signal(SignalKind::hangup())?,
        };
        loop {
            let always = tokio::select! {
                biased;
                () = cx.stopping() => return Ok(()),
                _ = hangup.recv() => true,
                () = sleep(self.interval()) => false,
            };
            self.reload(always).await?;
        }
    }

    fn health(&self) -> Health {
        self.tls.health()
    }
}
