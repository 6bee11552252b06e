//! Files as they are on disk: found, opened and read on a blocking thread.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::HeaderValue;
use sha2::{Digest as _, Sha256};

use super::encoding::Encoding;
use super::{MAX_CACHED_FILE, StaticError};
use crate::etag::{ETag, InvalidETag};
use crate::http_date;

/// A large file changed less than this before now may change again within the same time stamp, so
/// its tag is weak.
const SETTLING: Duration = Duration::from_secs(2);

/// Bytes of a hash that go into a tag: 128 bits.
const TAG_BYTES: usize = 16;

/// What tells a changed file from the one that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) modified: Option<SystemTime>,
    pub(super) size: u64,
    /// Device and inode; a file moved over another may have the time and size of the other.
    identity: (u64, u64),
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        #[cfg(unix)]
        let identity = {
            use std::os::unix::fs::MetadataExt as _;
            (metadata.dev(), metadata.ino())
        };
        #[cfg(not(unix))]
        let identity = (0, 0);
        Self {
            modified: metadata.modified().ok(),
            size: metadata.len(),
            identity,
        }
    }
}

/// One file in one coding.
#[derive(Debug)]
pub(super) struct Representation {
    pub(super) encoding: Encoding,
    pub(super) stamp: Stamp,
    /// Bytes of the file; those of the content when that is here.
    pub(super) size: u64,
    pub(super) etag: ETag,
    pub(super) etag_value: HeaderValue,
    pub(super) last_modified: Option<HeaderValue>,
    /// All of a small file.
    pub(super) content: Option<Bytes>,
}

/// What is at a name.
pub(super) enum Found {
    File(Representation),
    Directory,
}

/// Looks at what is at the name and reads it when it is a small file. Blocks.
pub(super) fn find(root: &Path, name: &str, encoding: Encoding) -> Result<Found, StaticError> {
    let Some((mut file, metadata)) = open(root, name)? else {
        return Ok(Found::Directory);
    };
    let stamp = Stamp::of(&metadata);
    // Hex digits always make a tag.
    let no_tag = |error| StaticError::Io(io::Error::other(error));
    let (etag, content) = if stamp.size <= MAX_CACHED_FILE {
        // What grows or shrinks meanwhile is served as it was read, until the next look.
        let content = read(&mut file, 0, stamp.size).map_err(StaticError::from_io)?;
        let etag = ETag::strong(&hex(&Sha256::digest(&content)[..TAG_BYTES]));
        (etag.map_err(no_tag)?, Some(content))
    } else {
        let etag = large_tag(&stamp, SystemTime::now()).map_err(no_tag)?;
        (etag, None)
    };
    let file = Representation::new(encoding, stamp, etag, content);
    Ok(Found::File(file))
}

impl Representation {
    fn new(encoding: Encoding, stamp: Stamp, etag: ETag, content: Option<Bytes>) -> Self {
        Self {
            encoding,
            stamp,
            size: content
                .as_ref()
                .map_or(stamp.size, |content| content.len() as u64),
            etag_value: etag.header_value(),
            etag,
            last_modified: stamp.modified.and_then(http_date::header_value),
            content,
        }
    }
}

/// The tag of a file too large to be hashed: its time in nanoseconds and its size.
fn large_tag(stamp: &Stamp, now: SystemTime) -> Result<ETag, InvalidETag> {
    let modified = stamp.modified.unwrap_or(SystemTime::UNIX_EPOCH);
    let nanos = modified
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos());
    let tag = format!("{nanos:x}-{:x}", stamp.size);
    let settled = now
        .duration_since(modified)
        .is_ok_and(|age| age >= SETTLING);
    if settled {
        ETag::strong(&tag)
    } else {
        ETag::weak(&tag)
    }
}

fn hex(bytes: &[u8]) -> String {
    let digits = b"0123456789abcdef";
    let digit = |value: u8| char::from(digits[usize::from(value & 15)]);
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(*byte)])
        .collect()
}

/// Opens the regular file of that name below the root; `None` for a directory. Blocks, but not on a
/// FIFO or a device.
///
/// The name is made canonical and compared with the root component by component, so neither a
/// symbolic link nor a directory whose name begins with that of the root leads out of it. The
/// last component must not be swapped for a link meanwhile; those who can write below the root are
/// trusted otherwise.
pub(super) fn open(root: &Path, name: &str) -> Result<Option<(File, Metadata)>, StaticError> {
    let root = fs::canonicalize(root).map_err(StaticError::from_io)?;
    let path = fs::canonicalize(root.join(name)).map_err(StaticError::from_io)?;
    if !path.starts_with(&root) {
        return Err(StaticError::Forbidden);
    }
    let metadata = fs::metadata(&path).map_err(StaticError::from_io)?;
    if metadata.is_dir() {
        return Ok(None);
    }
    if !metadata.is_file() {
        return Err(StaticError::Forbidden);
    }
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use rustix::fs::OFlags;
        use std::os::unix::fs::OpenOptionsExt as _;
        let flags = OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::NOCTTY;
        options.custom_flags(flags.bits().cast_signed());
    }
    let file = options.open(&path).map_err(StaticError::from_io)?;
    // What was opened may not be what was looked at.
    let metadata = file.metadata().map_err(StaticError::from_io)?;
    if !metadata.is_file() {
        return Err(StaticError::Forbidden);
    }
    Ok(Some((file, metadata)))
}

/// Opens a file that was found before, and tells whether it is still the same. Blocks.
pub(super) fn reopen(root: &Path, name: &str, stamp: &Stamp) -> Result<Option<File>, StaticError> {
    let Some((file, metadata)) = open(root, name)? else {
        return Err(StaticError::Forbidden);
    };
    Ok((Stamp::of(&metadata) == *stamp).then_some(file))
}

/// Looks whether there is still what there was. Blocks.
pub(super) fn is_current(root: &Path, name: &str, stamp: Option<&Stamp>) -> bool {
    let now = fs::metadata(root.join(name)).ok();
    now.map(|metadata| Stamp::of(&metadata)).as_ref() == stamp
}

/// Reads at most `length` bytes from `start`; fewer only at the end of the file. Blocks.
pub(super) fn read(file: &mut File, start: u64, length: u64) -> io::Result<Bytes> {
    file.seek(SeekFrom::Start(start))?;
    let mut content = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
    file.take(length).read_to_end(&mut content)?;
    Ok(Bytes::from(content))
}
