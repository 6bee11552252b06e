//! Why a password was neither hashed nor checked.

use std::fmt;

use http::StatusCode;

/// Why a password was neither hashed nor checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PasswordError {
    /// Too many wait already; nothing was done, and a retry is safe. A 503.
    Busy,
    /// The password has more bytes than [`MAX_PASSWORD`](crate::MAX_PASSWORD). A 400.
    TooLong,
    /// What was kept is no hash of Argon2, or asks for more memory than is allowed. A 500.
    Malformed,
    /// Argon2 has no such cost. A mistake in the program.
    Cost,
    /// There was no memory, or no random bytes. A 500.
    Failed,
}

impl PasswordError {
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Self::TooLong => StatusCode::BAD_REQUEST,
            Self::Malformed | Self::Cost | Self::Failed => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl fmt::Display for PasswordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Busy => "too many passwords wait to be hashed",
            Self::TooLong => "the password is too long",
            Self::Malformed => "the kept hash of a password is malformed",
            Self::Cost => "there is no such cost of a hash",
            Self::Failed => "a password could not be hashed",
        })
    }
}

impl std::error::Error for PasswordError {}
