//! The limits of a multipart form, and where its files go.

use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Default of the number of parts one form may have. Tornado has the same limit.
pub const MAX_PARTS: usize = 100;

/// Default of the bytes that the header of a part may have, without the empty line behind it. Tornado has the
/// same limit.
pub const MAX_PART_HEADER: usize = 10 * 1024;

/// Header fields that a part may have.
pub const MAX_PART_FIELDS: usize = 32;

/// Bytes that the name of a part, and likewise the name of its file, may have after decoding.
pub const MAX_PART_NAME: usize = 1024;

/// Bytes that may stand before the first part or after the last one; they are thrown away (RFC 2046 5.1.1).
pub const MAX_AROUND_PARTS: usize = 10 * 1024;

/// Default of the bytes that the value of one field may have; files have a limit of their own.
pub const MAX_FIELD: u64 = 256 * 1024;

/// Default of the bytes of one form that are kept in memory: its names, its fields, and its small files. Fields beyond
/// are refused, files go to the disk.
pub const MAX_FORM_MEMORY: u64 = 1024 * 1024;

/// Default of the bytes up to which a file stays in memory.
pub const MAX_FILE_IN_MEMORY: u64 = 64 * 1024;

/// Bytes that are collected for one write to the disk, and that one read takes from there.
pub const UPLOAD_CHUNK: u64 = 256 * 1024;

/// The limits of multipart forms, and where their files go, as Tornado's `ParseMultipartConfig`.
///
/// The size of the whole is limited by the body: [`Limits::body`](crate::Limits::body), or
/// [`UrlSpec::body_limit`](crate::UrlSpec::body_limit) for a route.
///
/// ```
/// use cyclone_web::{Application, MultipartConfig};
///
/// // Forms are read before their handlers, files beyond 16 KiB land in a directory of our own.
/// let config = MultipartConfig::new().parts(20).file_in_memory(16 * 1024).directory("/var/tmp");
/// let app = Application::new().multipart(config);
/// # let _ = app;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MultipartConfig {
    pub(crate) parts: usize,
    pub(crate) part_header: usize,
    pub(crate) field: u64,
    pub(crate) file: u64,
    pub(crate) memory: u64,
    pub(crate) file_in_memory: u64,
    pub(crate) directory: Option<Arc<Path>>,
}

impl MultipartConfig {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how many parts a form may have; [`MAX_PARTS`] unless set, and one more is a 400.
    #[must_use]
    pub fn parts(mut self, count: usize) -> Self {
        self.parts = count;
        self
    }

    /// Sets the bytes that the header of a part may have; [`MAX_PART_HEADER`] unless set, and one more is a 400.
    #[must_use]
    pub fn part_header(mut self, bytes: usize) -> Self {
        self.part_header = bytes;
        self
    }

    /// Sets the bytes that the value of a field may have; [`MAX_FIELD`] unless set, and one more is a 413.
    #[must_use]
    pub fn field(mut self, bytes: u64) -> Self {
        self.field = bytes;
        self
    }

    /// Sets the bytes that a file may have, and one more is a 413; unless set only the body has a limit.
    #[must_use]
    pub fn file(mut self, bytes: u64) -> Self {
        self.file = bytes;
        self
    }

    /// Sets the bytes of one form that are kept in memory; [`MAX_FORM_MEMORY`] unless set. Fields beyond are a 413,
    /// files go to the disk.
    #[must_use]
    pub fn memory(mut self, bytes: u64) -> Self {
        self.memory = bytes;
        self
    }

    /// Sets the bytes up to which a file stays in memory; [`MAX_FILE_IN_MEMORY`] unless set, and with 0 every file
    /// that is not empty goes to the disk.
    #[must_use]
    pub fn file_in_memory(mut self, bytes: u64) -> Self {
        self.file_in_memory = bytes;
        self
    }

    /// Sets the directory for temporary files; that of the system ([`std::env::temp_dir`]) unless set. Where it is on
    /// the file system of the place that files are [kept](crate::UploadedFile::persist) at, these are not copied.
    #[must_use]
    pub fn directory(mut self, path: impl Into<PathBuf>) -> Self {
        self.directory = Some(path.into().into());
        self
    }
}

impl Default for MultipartConfig {
    fn default() -> Self {
        Self {
            parts: MAX_PARTS,
            part_header: MAX_PART_HEADER,
            field: MAX_FIELD,
            file: u64::MAX,
            memory: MAX_FORM_MEMORY,
            file_in_memory: MAX_FILE_IN_MEMORY,
            directory: None,
        }
    }
}
