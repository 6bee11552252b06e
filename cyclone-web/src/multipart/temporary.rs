//! Temporary files that go away.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use tempfile::{NamedTempFile, TempPath};

use super::config::UPLOAD_CHUNK;
use crate::static_files::read;

/// Files of more bytes are closed on a blocking thread: to give a large file back takes time.
const QUICK_TO_CLOSE: u64 = 1024 * 1024;

/// A file that nobody else can open, and that is gone when this is dropped.
///
/// On Linux it has no name (`O_TMPFILE`): however the process ends, nothing is left. Where the system or the file system
/// has no such files it has a random name, which is removed on the drop.
#[derive(Debug)]
pub(super) struct TemporaryFile {
    file: Arc<File>,
    /// Its name, if it has one.
    path: Option<TempPath>,
}

impl TemporaryFile {
    /// Makes one in a directory, that of the system unless one is given. Blocks.
    pub(super) fn create(directory: Option<&Path>) -> io::Result<Self> {
        let of_system;
        let directory = match directory {
            Some(directory) => directory,
            None => {
                of_system = std::env::temp_dir();
                &of_system
            }
        };
        match nameless(directory) {
            Some(file) => Ok(Self {
                file: Arc::new(file),
                path: None,
            }),
            None => Self::named(directory),
        }
    }

    pub(super) fn named(directory: &Path) -> io::Result<Self> {
        let (file, path) = NamedTempFile::new_in(directory)?.into_parts();
        Ok(Self {
            file: Arc::new(file),
            path: Some(path),
        })
    }

    pub(super) fn writer(&self) -> &File {
        &self.file
    }

    pub(super) fn file(&self) -> &Arc<File> {
        &self.file
    }

    /// Gives it a name for good, which nothing has yet. Blocks.
    pub(super) fn persist(&self, target: &Path) -> io::Result<()> {
        match self.link(target) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => self.copy(target),
            linked => linked,
        }
    }

    fn link(&self, target: &Path) -> io::Result<()> {
        match &self.path {
            Some(path) => std::fs::hard_link(path, target),
            None => link_nameless(&self.file, target),
        }
    }

    /// For another file system, and where there are no links.
    fn copy(&self, target: &Path) -> io::Result<()> {
        copy_to(target, |file| {
            let mut at = 0;
            loop {
                let piece = read(&self.file, at, UPLOAD_CHUNK)?;
                if piece.is_empty() {
                    return Ok(());
                }
                io::Write::write_all(file, &piece)?;
                at += piece.len() as u64;
            }
        })
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        // Without a runtime the thread is the caller's own.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let is_large = |file: &File| {
            let length = file.metadata().map(|metadata| metadata.len());
            length.is_ok_and(|length| length > QUICK_TO_CLOSE)
        };
        if is_large(&self.file) {
            let file = Arc::clone(&self.file);
            let path = self.path.take();
            runtime.spawn_blocking(move || drop((path, file)));
        }
    }
}

/// Makes a file at a name that nothing has yet: all of it is there, or nothing. Blocks.
pub(super) fn copy_to(
    target: &Path,
    write: impl FnOnce(&mut File) -> io::Result<()>,
) -> io::Result<()> {
    let directory = match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut copy = NamedTempFile::new_in(directory)?;
    write(copy.as_file_mut())?;
    copy.persist_noclobber(target)
        .map(drop)
        .map_err(|error| error.error)
}

/// A file without a name, for the owner alone; `None` where there are none.
#[cfg(target_os = "linux")]
fn nameless(directory: &Path) -> Option<File> {
    use rustix::fs::{Mode, OFlags, open};
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    let file = open(directory, flags, Mode::RUSR | Mode::WUSR);
    file.ok().map(File::from)
}

#[cfg(not(target_os = "linux"))]
fn nameless(_directory: &Path) -> Option<File> {
    None
}

/// As open(2) describes it for `O_TMPFILE`.
#[cfg(target_os = "linux")]
fn link_nameless(file: &File, target: &Path) -> io::Result<()> {
    use rustix::fs::{AtFlags, CWD, linkat};
    use std::os::fd::AsRawFd as _;
    let source = format!("/proc/self/fd/{}", file.as_raw_fd());
    Ok(linkat(CWD, source, CWD, target, AtFlags::SYMLINK_FOLLOW)?)
}

#[cfg(not(target_os = "linux"))]
fn link_nameless(_file: &File, _target: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
