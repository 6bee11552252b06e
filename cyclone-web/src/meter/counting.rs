//! Counts the requests of a connection for its server.

use std::sync::Arc;
use std::time::Duration;

use cyclone_core::{Context as _, ServerHandle, Session};
use http::{Method, StatusCode};
use tokio::time::Instant;

use super::numbers::Numbers;
use crate::finish::{Ending, Finish, client_closed_request};

/// The name under which a server inspects the numbers of HTTP, all its applications together.
const NAME: &str = "http";

/// Counts what happens on a connection; the numbers are the server's.
#[derive(Clone, Debug)]
pub(crate) struct Meter(Option<Arc<Numbers>>);

impl Meter {
    /// For a connection of a server of ours; others have nobody who would look.
    pub(crate) fn of(session: &Session) -> Self {
        let server = session.resources().get::<ServerHandle>();
        Self(server.ok().map(|server| server.inspected(NAME)))
    }

    /// Counts nothing: somebody else does.
    pub(crate) fn none() -> Self {
        Self(None)
    }

    /// A request has come.
    #[inline]
    pub(crate) fn begins(&self) {
        if let Some(numbers) = &self.0 {
            numbers.begins();
        }
    }

    /// A request is over.
    #[inline]
    pub(crate) fn ends(&self, method: &Method, finish: &Finish) {
        if let Some(numbers) = &self.0 {
            numbers.ends(method, finish.status, finish.elapsed());
            numbers.sent(finish.body_bytes, finish.ending);
        }
    }

    /// Something came that is no request, or none that may pass.
    pub(crate) fn refuses(&self, status: StatusCode) {
        if let Some(numbers) = &self.0 {
            numbers.refuses(status);
        }
    }
}

/// A request that a service of another library answers. It ends when the response begins: what becomes of that is the
/// service's.
pub(crate) struct ForeignRequest {
    meter: Meter,
    method: Method,
    begun: Instant,
    status: Option<StatusCode>,
}

impl ForeignRequest {
    pub(crate) fn begins(meter: &Meter, method: &Method) -> Self {
        meter.begins();
        Self {
            meter: meter.clone(),
            method: method.clone(),
            begun: Instant::now(),
            status: None,
        }
    }

    pub(crate) fn answered(&mut self, status: StatusCode) {
        self.status = Some(status);
    }
}

impl Drop for ForeignRequest {
    fn drop(&mut self) {
        let Some(numbers) = &self.meter.0 else { return };
        let elapsed: Duration = self.begun.elapsed();
        match self.status {
            Some(status) => numbers.ends(&self.method, status, elapsed),
            None => {
                numbers.ends(&self.method, client_closed_request(), elapsed);
                numbers.sent(0, Ending::Disconnected);
            }
        }
    }
}
