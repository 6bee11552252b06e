//! A file that a client has sent.

use std::collections::VecDeque;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use tokio::task::spawn_blocking;

use super::header::PartHeader;
use super::spool::Content;
use super::temporary::copy_to;
use crate::body::Body;
use crate::static_files::{FileBody, FilePart, read};

/// A file that a client has sent in a form: a small one in memory, a large one in a temporary file.
///
/// Clones are handles of the same file. When the last one is dropped, most often with the request, the temporary file is
/// gone; [`persist`](Self::persist) keeps the content.
#[derive(Clone, Debug)]
pub struct UploadedFile {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    header: PartHeader,
    length: u64,
    content: Content,
}

impl UploadedFile {
    pub(super) fn new(header: PartHeader, length: u64, content: Content) -> Self {
        let inner = Arc::new(Inner {
            header,
            length,
            content,
        });
        Self { inner }
    }

    /// The header of its part.
    #[must_use]
    pub fn header(&self) -> &PartHeader {
        &self.inner.header
    }

    /// The name of the field.
    #[must_use]
    pub fn name(&self) -> &str {
        self.inner.header.name()
    }

    /// The name of the file as the client sent it, which is not to be trusted: see
    /// [`safe_file_name`](PartHeader::safe_file_name) of the [header](Self::header).
    #[must_use]
    pub fn file_name(&self) -> &str {
        self.inner.header.file_name().unwrap_or_default()
    }

    /// The `Content-Type` that the client sent, which need not be that of the content.
    #[must_use]
    pub fn content_type(&self) -> Option<&str> {
        self.inner.header.content_type()
    }

    /// How many bytes it has.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.inner.length
    }

    /// Whether it has no byte.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.inner.length == 0
    }

    /// Whether all of it is in memory.
    #[must_use]
    pub fn is_in_memory(&self) -> bool {
        matches!(self.inner.content, Content::Memory(_))
    }

    /// All of its bytes.
    ///
    /// # Errors
    /// What the disk fails with; the file stays.
    ///
    /// # Cancel safety
    /// It may be called again.
    pub async fn bytes(&self) -> io::Result<Bytes> {
        self.read(0, self.len()).await
    }

    /// At most `length` bytes from `start`; fewer only at the end of the file.
    ///
    /// # Errors
    /// As [`bytes`](Self::bytes).
    ///
    /// # Cancel safety
    /// As [`bytes`](Self::bytes).
    pub async fn read(&self, start: u64, length: u64) -> io::Result<Bytes> {
        let start = start.min(self.len());
        let length = length.min(self.len() - start);
        match &self.inner.content {
            Content::Memory(bytes) => {
                // Both are within the content.
                let narrow = |number| usize::try_from(number).map_err(io::Error::other);
                let start = narrow(start)?;
                Ok(bytes.slice(start..start + narrow(length)?))
            }
            Content::Disk(_) => {
                let inner = Arc::clone(&self.inner);
                let reading = spawn_blocking(move || match &inner.content {
                    Content::Disk(file) => read(file.file(), start, length),
                    Content::Memory(_) => Err(io::ErrorKind::Unsupported.into()),
                });
                reading.await.map_err(io::Error::other)?
            }
        }
    }

    /// A body that sends it, piece by piece.
    #[must_use]
    pub fn to_body(&self) -> Body {
        match &self.inner.content {
            Content::Memory(bytes) => bytes.clone().into(),
            Content::Disk(file) => {
                let parts = VecDeque::from([FilePart::File {
                    start: 0,
                    length: self.len(),
                }]);
                Body::new(FileBody::new(Arc::clone(file.file()), parts))
            }
        }
    }

    /// Keeps the content at a path, at which there must be nothing yet; all of it is there then, or nothing. The
    /// directory has to exist.
    ///
    /// On the file system of the [temporary files](crate::MultipartConfig::directory) nothing is copied, on others it is.
    /// Only the owner may read the file: set its permissions for others. That it is on the disk for good is up to
    /// the system, as with any file that nobody synchronised.
    ///
    /// Never join the path from what the client sent, but from a name of your own or
    /// [`safe_file_name`](PartHeader::safe_file_name).
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`], or what the disk fails with.
    ///
    /// # Cancel safety
    /// The file may be there or not when the future is dropped.
    pub async fn persist(&self, path: impl Into<PathBuf>) -> io::Result<()> {
        let inner = Arc::clone(&self.inner);
        let path = path.into();
        let persisting = spawn_blocking(move || match &inner.content {
            Content::Memory(bytes) => copy_to(&path, |file| file.write_all(bytes)),
            Content::Disk(file) => file.persist(&path),
        });
        persisting.await.map_err(io::Error::other)?
    }
}
