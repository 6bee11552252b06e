//! Why a server did not start.

use std::error::Error;
use std::fmt;
use std::io;

use crate::endpoint::Endpoint;
use crate::resources::MissingResource;
use crate::service::{ServiceChangeError, ServiceError};
#[cfg(feature = "tls")]
use crate::tls::TlsError;

/// Why a server did not start; nothing of it is left behind.
#[derive(Debug)]
pub struct ServerError {
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Bind {
        endpoint: String,
        source: io::Error,
    },
    Missing(MissingResource),
    #[cfg(feature = "tls")]
    Tls {
        endpoint: String,
        source: TlsError,
    },
    Service {
        name: String,
        source: ServiceError,
    },
    Signals(io::Error),
}

impl ServerError {
    pub(crate) fn bind(endpoint: &Endpoint, source: io::Error) -> Self {
        let endpoint = endpoint.to_string();
        Self {
            kind: Kind::Bind { endpoint, source },
        }
    }

    #[cfg(feature = "tls")]
    pub(crate) fn tls(endpoint: &Endpoint, source: TlsError) -> Self {
        let endpoint = endpoint.to_string();
        Self {
            kind: Kind::Tls { endpoint, source },
        }
    }

    pub(crate) fn missing(missing: MissingResource) -> Self {
        Self {
            kind: Kind::Missing(missing),
        }
    }

    pub(crate) fn service(error: ServiceChangeError) -> Self {
        let (name, source) = error.into_parts();
        Self {
            kind: Kind::Service { name, source },
        }
    }

    pub(crate) fn signals(source: io::Error) -> Self {
        Self {
            kind: Kind::Signals(source),
        }
    }

    /// Whether an endpoint could not be bound; trying again may help once the address is free.
    #[must_use]
    pub fn is_bind(&self) -> bool {
        matches!(self.kind, Kind::Bind { .. })
    }

    /// What is wrong with the certificates of an endpoint: a mistake in a file or in the configuration.
    #[cfg(feature = "tls")]
    #[cfg_attr(docsrs, doc(cfg(feature = "tls")))]
    #[must_use]
    pub fn tls_error(&self) -> Option<&TlsError> {
        match &self.kind {
            Kind::Tls { source, .. } => Some(source),
            _ => None,
        }
    }

    /// The resource that a protocol needs and the server lacks: a mistake in the composition.
    #[must_use]
    pub fn missing_resource(&self) -> Option<&MissingResource> {
        match &self.kind {
            Kind::Missing(missing) => Some(missing),
            _ => None,
        }
    }

    /// The path of the service that did not start: its name behind those of the groups that it is in.
    #[must_use]
    pub fn failed_service(&self) -> Option<&str> {
        match &self.kind {
            Kind::Service { name, .. } => Some(name),
            _ => None,
        }
    }
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Bind { endpoint, .. } => write!(f, "cannot listen on `{endpoint}`"),
            #[cfg(feature = "tls")]
            Kind::Tls { endpoint, .. } => write!(f, "cannot serve TLS on `{endpoint}`"),
            Kind::Missing(_) => f.write_str("a protocol needs what the server lacks"),
            Kind::Service { name, .. } => write!(f, "service `{name}` did not start"),
            Kind::Signals(_) => f.write_str("cannot listen for signals"),
        }
    }
}

impl Error for ServerError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.kind {
            Kind::Bind { source, .. } | Kind::Signals(source) => Some(source),
            Kind::Missing(missing) => Some(missing),
            #[cfg(feature = "tls")]
            Kind::Tls { source, .. } => Some(source),
            Kind::Service { source, .. } => Some(source.as_ref()),
        }
    }
}
