//! The error of the ports `Bus`, `Log` and `Store`.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;

/// The longest name of a topic, stream or key, in bytes.
///
/// Long enough for `session:` and a signed token, short enough that a name is never the expensive part.
pub const MAX_NAME_BYTES: usize = 1024;

/// Says why a call of a port failed, and what happened to the data.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PortErrorKind {
    /// The call had no effect: the system behind the port was not reached, or was only read.
    ///
    /// Fault: the network or the other system. A retry is safe.
    NotSent,
    /// The call may or may not have had its effect: the connection broke before the answer.
    ///
    /// Fault: the network or the other system. A retry may do it twice.
    OutcomeUnknown,
    /// A bound was reached: the call had no effect and nothing was thrown away for it.
    ///
    /// Fault: the configuration or the load. A retry is safe and may work once there is room.
    Full,
    /// The caller asked for something that can never work, such as a name with a NUL byte.
    ///
    /// Fault: the caller. The call had no effect and a retry fails in the same way.
    Invalid,
    /// The system behind the port was reached and refused, for lack of a right for example.
    ///
    /// Fault: the configuration of that system. The call had no effect; a retry is safe and pointless.
    Refused,
}

impl PortErrorKind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::NotSent => "not sent",
            Self::OutcomeUnknown => "outcome unknown",
            Self::Full => "full",
            Self::Invalid => "invalid",
            Self::Refused => "refused",
        }
    }
}

/// The error of a call of [`Bus`](crate::Bus), [`Log`](crate::Log) or [`Store`](crate::Store).
///
/// [`kind`](Self::kind) tells what happened to the data, [`is_retryable`](Self::is_retryable) whether the same
/// call may simply be made again.
///
/// ```
/// use cyclone_core::{PortError, PortErrorKind};
///
/// let error = PortError::new(PortErrorKind::NotSent, "the server is away");
/// assert!(error.is_retryable());
/// assert_eq!(error.to_string(), "not sent: the server is away");
/// ```
#[derive(Debug)]
pub struct PortError {
    kind: PortErrorKind,
    message: Cow<'static, str>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl PortError {
    /// Makes an error with a short message in lower case.
    pub fn new(kind: PortErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind,
            message: message.into(),
            source: None,
        }
    }

    /// Adds the error of the driver that caused this one.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What happened to the data.
    pub fn kind(&self) -> PortErrorKind {
        self.kind
    }

    /// Whether the call had no effect and may succeed when it is made again, perhaps later.
    pub fn is_retryable(&self) -> bool {
        matches!(self.kind, PortErrorKind::NotSent | PortErrorKind::Full)
    }

    /// Checks the name of a topic, stream or key: 1 to [`MAX_NAME_BYTES`] bytes without NUL.
    ///
    /// Every implementation of a port calls it first, so that a name that works with one driver works with all.
    ///
    /// # Errors
    /// [`PortErrorKind::Invalid`] when the name breaks the rule.
    pub fn check_name(name: &str) -> Result<(), Self> {
        let complaint = if name.is_empty() {
            "the name is empty"
        } else if name.len() > MAX_NAME_BYTES {
            "the name is longer than 1024 bytes"
        } else if name.as_bytes().contains(&0) {
            "the name contains a nul byte"
        } else {
            return Ok(());
        };
        Err(Self::new(PortErrorKind::Invalid, complaint))
    }

    pub(crate) fn full(message: &'static str) -> Self {
        Self::new(PortErrorKind::Full, message)
    }

    pub(crate) fn invalid(message: &'static str) -> Self {
        Self::new(PortErrorKind::Invalid, message)
    }
}

impl fmt::Display for PortError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.as_str(), self.message)
    }
}

impl Error for PortError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        let source = self.source.as_deref()?;
        Some(source)
    }
}
