//! Why a login at another site failed.

use std::error::Error as StdError;
use std::fmt;

use http::StatusCode;

/// Why a login at another site failed. [`kind`](Self::kind) says who is at fault; nobody is logged in, and the user may
/// begin again.
#[derive(Debug)]
pub struct OAuthError {
    kind: OAuthErrorKind,
    what: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// The kinds of [`OAuthError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OAuthErrorKind {
    /// The user, or the provider in his place, has said no. A 403.
    Denied,
    /// The answer is of no login that this browser began in the last minutes: it may be forged. A 403.
    State,
    /// The provider could not be reached, or took too long. A 503; a retry is safe with a new login.
    Unreachable,
    /// The provider answers what it must not. A 502.
    Provider,
    /// The token does not prove who the user is: its signature or a claim is wrong. A 403.
    Token,
    /// A mistake in the program or its settings. A 500.
    Settings,
}

impl OAuthError {
    pub(super) fn new(kind: OAuthErrorKind, what: impl Into<String>) -> Self {
        Self {
            kind,
            what: what.into(),
            source: None,
        }
    }

    pub(super) fn because(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    pub(super) fn state(what: &str) -> Self {
        Self::new(OAuthErrorKind::State, what)
    }

    pub(super) fn provider(what: impl Into<String>) -> Self {
        Self::new(OAuthErrorKind::Provider, what)
    }

    pub(super) fn settings(what: impl Into<String>) -> Self {
        Self::new(OAuthErrorKind::Settings, what)
    }

    #[cfg(feature = "openid-connect")]
    pub(super) fn token(what: &str) -> Self {
        Self::new(OAuthErrorKind::Token, what)
    }

    /// Who is at fault.
    #[must_use]
    pub fn kind(&self) -> OAuthErrorKind {
        self.kind
    }

    pub(crate) fn status(&self) -> StatusCode {
        match self.kind {
            OAuthErrorKind::Denied | OAuthErrorKind::State | OAuthErrorKind::Token => {
                StatusCode::FORBIDDEN
            }
            OAuthErrorKind::Unreachable => StatusCode::SERVICE_UNAVAILABLE,
            OAuthErrorKind::Provider => StatusCode::BAD_GATEWAY,
            OAuthErrorKind::Settings => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl fmt::Display for OAuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "login at another site failed: {}", self.what)
    }
}

impl StdError for OAuthError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        let source = self.source.as_deref();
        source.map(|source| source as &(dyn StdError + 'static))
    }
}
