//! Why services could not be started, added or removed.

use std::error::Error;
use std::fmt;

use super::ServiceError;

/// Why a service could not be started, added to a group or removed from it.
#[derive(Debug)]
pub struct ServiceChangeError {
    path: String,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Start(ServiceError),
    Needs(String),
    Stop(String),
    Missing,
    Stopping,
}

impl ServiceChangeError {
    pub(super) fn start(path: &str, source: ServiceError) -> Self {
        // A group tells which of its services it was.
        match source.downcast::<Self>() {
            Ok(inner) => *inner,
            Err(source) => Self::new(path, Kind::Start(source)),
        }
    }

    pub(super) fn needs(path: &str, why: String) -> Self {
        Self::new(path, Kind::Needs(why))
    }

    pub(super) fn stop(path: &str, why: String) -> Self {
        Self::new(path, Kind::Stop(why))
    }

    pub(super) fn missing(path: &str) -> Self {
        Self::new(path, Kind::Missing)
    }

    pub(super) fn stopping(path: &str) -> Self {
        Self::new(path, Kind::Stopping)
    }

    fn new(path: &str, kind: Kind) -> Self {
        Self {
            path: path.to_owned(),
            kind,
        }
    }

    /// The path of the service.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Whether the service failed to start, or what it needs is not ready; nothing of it is left behind. Trying again
    /// may help.
    #[must_use]
    pub fn is_start(&self) -> bool {
        matches!(self.kind, Kind::Start(_) | Kind::Needs(_))
    }

    /// Whether the service was removed and did not stop well.
    #[must_use]
    pub fn is_stop(&self) -> bool {
        matches!(self.kind, Kind::Stop(_))
    }

    /// Whether there is no service of that name; nothing was done.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self.kind, Kind::Missing)
    }

    /// Whether the group, and its server perhaps, is being stopped; the service was not added.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        matches!(self.kind, Kind::Stopping)
    }

    /// The path, and why: the source if there is one.
    pub(crate) fn into_parts(self) -> (String, ServiceError) {
        match self.kind {
            Kind::Start(source) => (self.path, source),
            Kind::Needs(why) | Kind::Stop(why) => (self.path, why.into()),
            Kind::Missing => (self.path, "there is no such service".into()),
            Kind::Stopping => (self.path, "the services are being stopped".into()),
        }
    }
}

impl fmt::Display for ServiceChangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = &self.path;
        match &self.kind {
            Kind::Start(_) => write!(f, "service `{path}` did not start"),
            Kind::Needs(why) => write!(f, "service `{path}` did not start: {why}"),
            Kind::Stop(why) => write!(f, "service `{path}` did not stop well: {why}"),
            Kind::Missing => write!(f, "there is no service `{path}`"),
            Kind::Stopping => write!(f, "service `{path}` comes too late: all are being stopped"),
        }
    }
}

impl Error for ServiceChangeError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.kind {
            Kind::Start(source) => Some(source.as_ref()),
            _ => None,
        }
    }
}

/// The services of a group that did not stop well, with the reason.
#[derive(Debug)]
pub(super) struct StopFailures(pub(super) Vec<(String, String)>);

impl fmt::Display for StopFailures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (path, why)) in self.0.iter().enumerate() {
            let separator = if at == 0 { "" } else { "; " };
            write!(f, "{separator}{path}: {why}")?;
        }
        Ok(())
    }
}

impl Error for StopFailures {}
