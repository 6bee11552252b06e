//! Why a multipart form was refused.

use std::error::Error as StdError;
use std::fmt;
use std::io;

use http::StatusCode;

use super::config::{MAX_AROUND_PARTS, MAX_PART_FIELDS, MAX_PART_NAME};
use crate::body::BodyError;

/// Why a multipart form was refused.
///
/// [`kind`](Self::kind) says who is at fault and [`status`](Self::status) is what to answer. A form that failed stays
/// failed, and nothing of it is left on the disk; sent again unchanged it fails again, unless the kind is
/// [`Body`](MultipartErrorKind::Body) or [`Disk`](MultipartErrorKind::Disk).
#[derive(Debug)]
pub struct MultipartError {
    kind: MultipartErrorKind,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// The kinds of [`MultipartError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MultipartErrorKind {
    /// The boundary is missing or not allowed.
    Boundary,
    /// What follows a boundary is neither the end of the line nor that of the form.
    Delimiter,
    /// The form ends before its last boundary.
    Incomplete,
    /// More parts than the limit.
    TooManyParts {
        /// The limit that was passed.
        limit: usize,
    },
    /// The header of a part is larger than the limit.
    HeaderTooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// A part has more than [`MAX_PART_FIELDS`] header fields.
    TooManyFields,
    /// The header of a part does not follow the grammar, or says what this server does not do: another
    /// `Content-Transfer-Encoding` than `7bit`, `8bit` or `binary`.
    Header,
    /// A part says not, or not clearly, what its name is (RFC 7578 4.2).
    Disposition,
    /// A name of a part or of its file has more than [`MAX_PART_NAME`] bytes.
    NameTooLong,
    /// More than [`MAX_AROUND_PARTS`] bytes before the first part or after the last one.
    Surplus,
    /// The value of a field is larger than the limit.
    FieldTooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// A file is larger than the limit.
    FileTooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// The fields together are larger than what may be kept in memory.
    FormTooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// The value of a field is no UTF-8.
    NotUtf8,
    /// The body failed; the source is its [`BodyError`](crate::BodyError).
    Body {
        /// The status that its error stands for.
        status: StatusCode,
    },
    /// A temporary file could not be written. The fault is on our side.
    Disk,
}

impl MultipartError {
    pub(crate) fn new(kind: MultipartErrorKind) -> Self {
        Self { kind, source: None }
    }

    pub(crate) fn disk(source: io::Error) -> Self {
        Self {
            kind: MultipartErrorKind::Disk,
            source: Some(source.into()),
        }
    }

    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> MultipartErrorKind {
        self.kind
    }

    /// The status to answer with: 413 for what is too large, 500 for the disk, that of the body when that failed, else
    /// 400.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self.kind {
            MultipartErrorKind::FieldTooLarge { .. }
            | MultipartErrorKind::FileTooLarge { .. }
            | MultipartErrorKind::FormTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            MultipartErrorKind::Body { status } => status,
            MultipartErrorKind::Disk => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// The error of the request; clients are told what they did wrong.
    pub(crate) fn into_error(self) -> crate::Error {
        let error = crate::Error::new(self.status());
        let error = match self.kind {
            MultipartErrorKind::Disk | MultipartErrorKind::Body { .. } => error,
            _ => error.message(self.to_string()),
        };
        error.because(self)
    }
}

impl From<BodyError> for MultipartError {
    fn from(error: BodyError) -> Self {
        Self {
            kind: MultipartErrorKind::Body {
                status: error.status(),
            },
            source: Some(error.into()),
        }
    }
}

impl fmt::Display for MultipartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            MultipartErrorKind::Boundary => f.write_str("missing or invalid multipart boundary"),
            MultipartErrorKind::Delimiter => f.write_str("a boundary of the form is no whole line"),
            MultipartErrorKind::Incomplete => f.write_str("the form ends before its last boundary"),
            MultipartErrorKind::TooManyParts { limit } => {
                write!(f, "the form has more than {limit} parts")
            }
            MultipartErrorKind::HeaderTooLarge { limit } => {
                write!(f, "the header of a part is larger than {limit} bytes")
            }
            MultipartErrorKind::TooManyFields => {
                write!(f, "a part has more than {MAX_PART_FIELDS} header fields")
            }
            MultipartErrorKind::Header => f.write_str("the header of a part is malformed"),
            MultipartErrorKind::Disposition => {
                f.write_str("the content-disposition of a part is missing or malformed")
            }
            MultipartErrorKind::NameTooLong => {
                write!(f, "a name in the form is longer than {MAX_PART_NAME} bytes")
            }
            MultipartErrorKind::Surplus => {
                write!(f, "more than {MAX_AROUND_PARTS} bytes around the parts")
            }
            MultipartErrorKind::FieldTooLarge { limit } => {
                write!(f, "a field of the form is larger than {limit} bytes")
            }
            MultipartErrorKind::FileTooLarge { limit } => {
                write!(f, "a file of the form is larger than {limit} bytes")
            }
            MultipartErrorKind::FormTooLarge { limit } => {
                write!(f, "the fields of the form are larger than {limit} bytes")
            }
            MultipartErrorKind::NotUtf8 => f.write_str("a field of the form is not utf-8"),
            MultipartErrorKind::Body { .. } => f.write_str("the body of the form failed"),
            MultipartErrorKind::Disk => f.write_str("a temporary file could not be written"),
        }
    }
}

impl StdError for MultipartError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_ref().map(|source| &**source as _)
    }
}
