//! Why bytes are no frame.

use std::error::Error;
use std::fmt;
use std::io;

/// Why a codec gave up, or would not write.
///
/// After an error in what was read the place of the next frame is unknown: a codec repeats the error for whatever
/// comes, and the connection should end. With `?` it becomes an [`io::Error`], in which [`FrameError::of`] finds it
/// again.
///
/// ```
/// use std::io;
/// use cyclone_core::FrameError;
///
/// let error = io::Error::from(FrameError::TooLong { max_bytes: 100 });
/// assert_eq!(error.kind(), io::ErrorKind::InvalidData);
/// assert!(matches!(FrameError::of(&error), Some(FrameError::TooLong { max_bytes: 100 })));
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum FrameError {
    /// The peer's line or string is longer than the limit, or says that it will be (`InvalidData`). Twisted's
    /// `lineLengthExceeded` and `lengthLimitExceeded`.
    TooLong {
        /// The limit.
        max_bytes: usize,
    },
    /// The peer broke the rules of the framing (`InvalidData`). Twisted's `brokenPeer`.
    Malformed {
        /// The rule.
        reason: &'static str,
    },
    /// The peer closed in the middle of a frame, whose beginning is lost (`UnexpectedEof`).
    Truncated,
    /// What was to be written cannot be framed, and nothing of it was written (`InvalidInput`): our own fault.
    Unencodable {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The transport failed: what was being written may have arrived or not.
    Io(io::Error),
}

impl FrameError {
    /// The frame error that an [`io::Error`] was made of.
    #[must_use]
    pub fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { max_bytes } => {
                write!(f, "too long: the peer may send {max_bytes} bytes at a time")
            }
            Self::Malformed { reason } => write!(f, "malformed: {reason}"),
            Self::Truncated => f.write_str("the peer closed in the middle of a frame"),
            Self::Unencodable { reason } => write!(f, "cannot be framed: {reason}"),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl Error for FrameError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            // Its text is all of ours.
            Self::Io(error) => error.source(),
            _ => None,
        }
    }
}

impl From<io::Error> for FrameError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<FrameError> for io::Error {
    fn from(error: FrameError) -> Self {
        let kind = match error {
            FrameError::TooLong { .. } | FrameError::Malformed { .. } => io::ErrorKind::InvalidData,
            FrameError::Truncated => io::ErrorKind::UnexpectedEof,
            FrameError::Unencodable { .. } => io::ErrorKind::InvalidInput,
            FrameError::Io(error) => return error,
        };
        Self::new(kind, error)
    }
}
