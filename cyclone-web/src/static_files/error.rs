//! Why a file is not served.

use std::fmt;
use std::io;

use http::header::{ALLOW, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Response, StatusCode};

use crate::body::Body;

/// Why a file is not served.
#[derive(Debug)]
#[non_exhaustive]
pub enum StaticError {
    /// There is no such file, or it is hidden: 404.
    NotFound,
    /// It is outside the root, no regular file, or not readable: 403.
    Forbidden,
    /// The method is neither GET nor HEAD: 405, with `Allow: GET, HEAD`.
    MethodNotAllowed,
    /// The server is out of files or threads; the client may try again: 503.
    Busy(io::Error),
    /// The disk failed: 500.
    Io(io::Error),
}

impl StaticError {
    /// Returns the status for the client.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Busy(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Io(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    pub(super) fn from_io(error: io::Error) -> Self {
        use io::ErrorKind::{InvalidFilename, InvalidInput, NotADirectory, NotFound};
        match error.kind() {
            // ENAMETOOLONG is `InvalidFilename`.
            NotFound | NotADirectory | InvalidFilename | InvalidInput => return Self::NotFound,
            io::ErrorKind::PermissionDenied => return Self::Forbidden,
            _ => {}
        }
        #[cfg(unix)]
        {
            use rustix::io::Errno;
            match Errno::from_io_error(&error) {
                // A circle of links, or one put in the place of the file just now.
                Some(Errno::LOOP) => return Self::NotFound,
                Some(Errno::MFILE | Errno::NFILE | Errno::AGAIN | Errno::NOMEM) => {
                    return Self::Busy(error);
                }
                // A socket, or a device without a driver.
                Some(Errno::NXIO | Errno::NODEV) => return Self::Forbidden,
                _ => {}
            }
        }
        Self::Io(error)
    }

    /// The same once more, for another request that waited for the same.
    pub(super) fn again(&self) -> Self {
        let again = |error: &io::Error| match error.raw_os_error() {
            Some(code) => io::Error::from_raw_os_error(code),
            None => io::Error::new(error.kind(), error.to_string()),
        };
        match self {
            Self::NotFound => Self::NotFound,
            Self::Forbidden => Self::Forbidden,
            Self::MethodNotAllowed => Self::MethodNotAllowed,
            Self::Busy(error) => Self::Busy(again(error)),
            Self::Io(error) => Self::Io(again(error)),
        }
    }

    pub(super) fn log(&self, path: &str) {
        match self {
            Self::Busy(error) => tracing::warn!(path, %error, "static file not served"),
            Self::Io(error) => tracing::error!(path, %error, "static file not read"),
            Self::NotFound | Self::Forbidden | Self::MethodNotAllowed => {}
        }
    }

    pub(super) fn response(&self) -> Response<Body> {
        let status = self.status();
        let mut response = Response::new(Body::from(status.canonical_reason().unwrap_or_default()));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("text/plain; charset=utf-8"),
        );
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if matches!(self, Self::MethodNotAllowed) {
            headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        }
        response
    }
}

/// Shows no path: the text may reach a client.
impl fmt::Display for StaticError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotFound => "file not found",
            Self::Forbidden => "file not allowed",
            Self::MethodNotAllowed => "method not allowed for a file",
            Self::Busy(_) => "too busy to serve files",
            Self::Io(_) => "file could not be read",
        })
    }
}

impl std::error::Error for StaticError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Busy(error) | Self::Io(error) => Some(error),
            Self::NotFound | Self::Forbidden | Self::MethodNotAllowed => None,
        }
    }
}
