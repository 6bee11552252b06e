//! Files as they are on disk: found, opened and read on a blocking thread.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::HeaderValue;
use sha2::{Digest as _, Sha256};

use super::StaticError;
use super::encoding::Encoding;
use crate::etag::{ETag, InvalidETag};
use crate::http_date;

/// A file changed less than this before now may change again within the same time stamp: the tag of a large
/// one is weak, and a small one is read again at the next look.
const SETTLING: Duration = Duration::from_secs(2);

/// Bytes of a hash that go into a tag: 128 bits.
const TAG_BYTES: usize = 16;

/// What tells a changed file from the one that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) modified: Option<SystemTime>,
    pub(super) size: u64,
    /// When the content, the mode or a name of the file changed by the clock of the file system, which
    /// nobody can set back as they can `modified`.
    changed: Option<SystemTime>,
    /// Device and inode; a file moved over another may have the time and size of the other.
    identity: (u64, u64),
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        let modified = metadata.modified().ok();
        #[cfg(unix)]
        let (changed, identity) = {
            use std::os::unix::fs::MetadataExt as _;
            let seconds = u64::try_from(metadata.ctime()).unwrap_or_default();
            let nanos = u32::try_from(metadata.ctime_nsec()).unwrap_or_default();
            let changed = SystemTime::UNIX_EPOCH.checked_add(Duration::new(seconds, nanos));
            (changed, (metadata.dev(), metadata.ino()))
        };
        #[cfg(not(unix))]
        let (changed, identity) = (modified, (0, 0));
        Self {
            modified,
            size: metadata.len(),
            changed,
            identity,
        }
    }

    /// That of a file in the program: it never settles, and so is found anew at every look.
    #[cfg(feature = "embed")]
    fn embedded(modified: Option<SystemTime>, size: u64) -> Self {
        Self {
            modified,
            size,
            changed: None,
            identity: (0, 0),
        }
    }

    /// Whether any later change shows in the stamp.
    pub(super) fn is_settled(&self, now: SystemTime) -> bool {
        self.changed
            .is_some_and(|changed| is_long_ago(changed, now))
    }
}

fn is_long_ago(time: SystemTime, now: SystemTime) -> bool {
    now.duration_since(time).is_ok_and(|age| age >= SETTLING)
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
    /// The content is part of the program, and takes no memory of the cache.
    pub(super) is_borrowed: bool,
}

/// What is at a name.
pub(super) enum Found {
    File(Representation),
    Directory,
}

/// Looks at what is at the name and reads it when it has up to `whole` bytes. Blocks.
pub(super) fn find(
    root: &Path,
    name: &str,
    encoding: Encoding,
    whole: u64,
    now: SystemTime,
) -> Result<Found, StaticError> {
    let Some((file, metadata)) = open(root, name)? else {
        return Ok(Found::Directory);
    };
    let stamp = Stamp::of(&metadata);
    // Hex digits always make a tag.
    let no_tag = |error| StaticError::Io(io::Error::other(error));
    let (etag, content) = if stamp.size <= whole {
        // What grows or shrinks meanwhile is served as it was read, until the next look.
        let content = read(&file, 0, stamp.size).map_err(StaticError::from_io)?;
        let etag = ETag::strong(&hex(&Sha256::digest(&content)[..TAG_BYTES]));
        (etag.map_err(no_tag)?, Some(content))
    } else {
        let etag = large_tag(&stamp, now).map_err(no_tag)?;
        (etag, None)
    };
    let file = Representation::new(encoding, stamp, etag, content);
    Ok(Found::File(file))
}

impl Representation {
    /// Whether a look that finds the same stamp finds the same file.
    pub(super) fn is_settled(&self, now: SystemTime) -> bool {
        // A weak tag may become a strong one.
        !self.etag.is_weak() && self.stamp.is_settled(now)
    }

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
            is_borrowed: false,
        }
    }

    /// A file in the program; its tag is that of the same file on a disk.
    #[cfg(feature = "embed")]
    pub(super) fn embedded(
        encoding: Encoding,
        modified: Option<SystemTime>,
        hash: &[u8; 32],
        content: Bytes,
        is_borrowed: bool,
    ) -> Result<Self, StaticError> {
        let stamp = Stamp::embedded(modified, content.len() as u64);
        let etag = ETag::strong(&hex(&hash[..TAG_BYTES]));
        let etag = etag.map_err(|error| StaticError::Io(io::Error::other(error)))?;
        Ok(Self {
            is_borrowed,
            ..Self::new(encoding, stamp, etag, Some(content))
        })
    }
}

/// The tag of a file too large to be hashed: its time in nanoseconds and its size.
fn large_tag(stamp: &Stamp, now: SystemTime) -> Result<ETag, InvalidETag> {
    let modified = stamp.modified.unwrap_or(SystemTime::UNIX_EPOCH);
    let nanos = modified
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos());
    let tag = format!("{nanos:x}-{:x}", stamp.size);
    if is_long_ago(modified, now) {
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

/// Where a name leads, as long as that is below the root. Blocks.
///
/// The name is made canonical and compared with the root component by component, so neither a
/// symbolic link nor a directory whose name begins with that of the root leads out of it.
fn resolve(root: &Path, name: &str) -> Result<PathBuf, StaticError> {
    let root = fs::canonicalize(root).map_err(StaticError::from_io)?;
    let path = fs::canonicalize(root.join(name)).map_err(StaticError::from_io)?;
    if path.starts_with(&root) {
        Ok(path)
    } else {
        Err(StaticError::Forbidden)
    }
}

/// Opens the regular file of that name below the root; `None` for a directory. Blocks, but not on a
/// FIFO or a device.
///
/// The last component must not be swapped for a link after it was [resolved](resolve); those who can write
/// below the root are trusted otherwise.
pub(super) fn open(root: &Path, name: &str) -> Result<Option<(File, Metadata)>, StaticError> {
    let path = resolve(root, name)?;
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

/// Opens a file that was found before; `None` when it is another by now. Blocks.
pub(super) fn reopen(root: &Path, name: &str, stamp: &Stamp) -> Result<Option<File>, StaticError> {
    let Some((file, metadata)) = open(root, name)? else {
        return Err(StaticError::Forbidden);
    };
    Ok((Stamp::of(&metadata) == *stamp).then_some(file))
}

/// The stamp of the regular file of that name below the root, by the rules of [`open`] but without opening
/// it; `None` when there is none. Blocks.
pub(super) fn stamp(root: &Path, name: &str) -> Option<Stamp> {
    let metadata = fs::metadata(resolve(root, name).ok()?).ok()?;
    metadata.is_file().then(|| Stamp::of(&metadata))
}

/// Reads what the system has in memory of the bytes from `start`, without waiting for a disk or a network.
///
/// `None` when that is nothing, and where the file system does not offer it, as NFS does not.
#[cfg(target_os = "linux")]
pub(super) fn read_at_once(file: &File, start: u64, buffer: &mut [u8]) -> Option<usize> {
    use rustix::io::{ReadWriteFlags, preadv2};
    let mut buffers = [io::IoSliceMut::new(buffer)];
    // Linux 5.9 and 5.10 may say that the file ends here when it does not: whoever waits will see.
    preadv2(file, &mut buffers, start, ReadWriteFlags::NOWAIT)
        .ok()
        .filter(|length| *length > 0)
}

/// Nothing: there is no such call.
#[cfg(not(target_os = "linux"))]
pub(super) fn read_at_once(_file: &File, _start: u64, _buffer: &mut [u8]) -> Option<usize> {
    None
}

/// Reads at most `length` bytes from `start`; fewer only at the end of the file. Blocks.
#[cfg(unix)]
pub(crate) fn read(file: &File, start: u64, length: u64) -> io::Result<Bytes> {
    use rustix::buffer::spare_capacity;
    let length = usize::try_from(length).map_err(io::Error::other)?;
    let mut content = Vec::with_capacity(length);
    while content.len() < length {
        let at = start.saturating_add(content.len() as u64);
        match rustix::io::pread(file, spare_capacity(&mut content), at) {
            Ok(0) => break,
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    // More may have been allocated than was asked for.
    content.truncate(length);
    Ok(Bytes::from(content))
}

/// Reads at most `length` bytes from `start`; fewer only at the end of the file. Blocks.
#[cfg(not(unix))]
pub(crate) fn read(mut file: &File, start: u64, length: u64) -> io::Result<Bytes> {
    use std::io::{Read as _, Seek as _};
    file.seek(io::SeekFrom::Start(start))?;
    let mut content = Vec::with_capacity(usize::try_from(length).map_err(io::Error::other)?);
    file.take(length).read_to_end(&mut content)?;
    Ok(Bytes::from(content))
}
