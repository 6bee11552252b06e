//! Why a body ended early.

use std::error::Error as StdError;
use std::fmt;

use http::StatusCode;

/// Any error.
pub(crate) type BoxError = Box<dyn StdError + Send + Sync>;

/// Why a body ended before its end.
///
/// [`kind`](Self::kind) says who is at fault and [`status`](Self::status) is what to answer. A body that failed
/// stays failed; the request may be sent again by the client if its method is idempotent.
#[derive(Debug)]
pub struct BodyError {
    kind: BodyErrorKind,
    source: Option<BoxError>,
}

/// The kinds of [`BodyError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BodyErrorKind {
    /// The client sends more than the limit, in bytes.
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// The client sends too slowly.
    Timeout,
    /// The client went away before the end of the body.
    Disconnected,
    /// The client's framing of the body is wrong.
    Malformed,
    /// The content coding of the body is broken, where an application expands compressed bodies.
    Coding,
    /// What feeds the body failed: a file, a stream, a body of another library. The fault is on our side.
    Source,
}

impl BodyError {
    pub(crate) fn new(kind: BodyErrorKind) -> Self {
        Self { kind, source: None }
    }

    pub(crate) fn with_source(kind: BodyErrorKind, source: impl Into<BoxError>) -> Self {
        Self {
            kind,
            source: Some(source.into()),
        }
    }

    /// Wraps the error of whatever feeds a body; an error that is a `BodyError` stays what it is.
    pub(crate) fn from_source(source: BoxError) -> Self {
        match source.downcast::<Self>() {
            Ok(error) => *error,
            Err(source) => Self::with_source(BodyErrorKind::Source, source),
        }
    }

    /// The error behind this one.
    #[cfg(feature = "client")]
    pub(crate) fn into_source(self) -> Option<BoxError> {
        self.source
    }

    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> BodyErrorKind {
        self.kind
    }

    /// The status to answer with: 413, 408, 400, or 500 when the fault is not the client's.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self.kind {
            BodyErrorKind::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            BodyErrorKind::Timeout => StatusCode::REQUEST_TIMEOUT,
            BodyErrorKind::Disconnected | BodyErrorKind::Malformed | BodyErrorKind::Coding => {
                StatusCode::BAD_REQUEST
            }
            BodyErrorKind::Source => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            BodyErrorKind::TooLarge { limit } => {
                write!(f, "the body is larger than {limit} bytes")
            }
            BodyErrorKind::Timeout => f.write_str("the body arrives too slowly"),
            BodyErrorKind::Disconnected => {
                f.write_str("the client went away before the end of the body")
            }
            BodyErrorKind::Malformed => f.write_str("the framing of the body is malformed"),
            BodyErrorKind::Coding => f.write_str("the content coding of the body is broken"),
            BodyErrorKind::Source => f.write_str("the source of the body failed"),
        }
    }
}

impl StdError for BodyError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_ref().map(|source| &**source as _)
    }
}
