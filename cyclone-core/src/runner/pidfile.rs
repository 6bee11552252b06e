//! The pid file: one running program for each path, whatever starts at the same time.
//!
//! The file is locked (`flock(2)`) as long as the program runs, and the lock is what counts: a file that nobody has
//! locked is left over from a program that died, and is taken. The lock belongs to the open file, so a successor
//! that gets the descriptor has it too, without a moment in between.

use std::fmt;
use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Read, Seek};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::process::Pid;

use super::exit::{EXIT_CANNOT_CREATE, EXIT_RUNNING, Exit};

#[cfg(test)]
mod tests;

/// How often a start tries to get hold of a pid file that others remove at the same time.
const ATTEMPTS: usize = 100;

/// The longest content that a pid file can have, in bytes; a longer file is something else.
const MAX_CONTENT_BYTES: u64 = 32;

/// Permission bits: everyone may look who it is.
const MODE: u32 = 0o644;

/// A pid file that is ours; dropping it lets the lock go and leaves the file.
#[derive(Debug)]
pub(crate) struct PidFile {
    path: PathBuf,
    file: File,
}

/// Why there is no pid file.
#[derive(Debug)]
pub(crate) enum PidFileError {
    /// Another process has it.
    Running(Option<Pid>),
    /// The path is something that we must not overwrite.
    Foreign(&'static str),
    Io(io::Error),
}

impl PidFile {
    /// Creates and locks the file, and writes the number of this process.
    pub(crate) fn create(path: &Path) -> Result<Self, PidFileError> {
        for _ in 0..ATTEMPTS {
            let file = open(path, true)?;
            match lock(&file, path)? {
                Lock::Ours => {}
                Lock::Another => return Err(PidFileError::Running(content(&file)?)),
                Lock::Gone => continue,
            }
            let stale = content(&file)?;
            if let Some(pid) = stale {
                tracing::info!(path = %path.display(), %pid, "took over a stale pid file");
            }
            let path = path.to_owned();
            let mine = Self { path, file };
            mine.write(rustix::process::getpid())?;
            return Ok(mine);
        }
        Err(io::Error::other("it is removed again and again").into())
    }

    /// Takes the file of the predecessor if it is the one at `path`.
    pub(crate) fn inherit(path: &Path, file: OwnedFd) -> Result<Option<Self>, PidFileError> {
        let file = File::from(file);
        let path = path.to_owned();
        Ok(is_at(&file, &path)?.then_some(Self { path, file }))
    }

    /// Writes who the owner is.
    pub(crate) fn write(&self, pid: Pid) -> Result<(), PidFileError> {
        let text = format!("{}\n", pid.as_raw_pid());
        // One write, and only then the end, so that no reader finds the file empty.
        self.file.write_all_at(text.as_bytes(), 0)?;
        self.file.set_len(text.len() as u64)?;
        self.file
            .set_permissions(Permissions::from_mode(MODE))
            .or_else(|error| {
                // Who dropped privileges does not own it; then it has its permissions already.
                match error.kind() {
                    io::ErrorKind::PermissionDenied => Ok(()),
                    _ => Err(error),
                }
            })?;
        Ok(())
    }

    /// The open file, for a successor.
    pub(crate) fn share(&self) -> io::Result<OwnedFd> {
        self.file.try_clone().map(OwnedFd::from)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Removes the file, or empties it where dropped privileges or another root directory do not allow that; then the
    /// lock is gone.
    ///
    /// Another file that is at the path by now is left alone.
    pub(crate) fn remove(self) {
        let removed = match is_at(&self.file, &self.path) {
            Ok(true) => std::fs::remove_file(&self.path),
            Ok(false) => Err(io::ErrorKind::NotFound.into()),
            Err(error) => Err(error),
        };
        if let Err(error) = removed {
            let emptied = self.file.set_len(0).is_ok();
            tracing::debug!(path = %self.path.display(), %error, emptied, "cannot remove the pid file");
        }
    }
}

/// The process that holds the pid file at `path`; `None` when none does.
pub(crate) fn owner(path: &Path) -> Result<Option<Pid>, PidFileError> {
    let file = match open(path, false) {
        Err(PidFileError::Io(error)) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    // A shared lock does not come into the way of others who only look.
    match flock(&file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => Ok(None),
        Err(rustix::io::Errno::WOULDBLOCK) => content(&file),
        Err(error) => Err(io::Error::from(error).into()),
    }
}

fn open(path: &Path, create: bool) -> Result<File, PidFileError> {
    // A link could lead the pid into any file. Something that blocks when it is opened must not block the start.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = OpenOptions::new()
        .read(true)
        .write(create)
        .create(create)
        .mode(MODE)
        .custom_flags(flags.bits().cast_signed())
        .open(path);
    let file = file.map_err(|error| match error.raw_os_error() {
        Some(code) if code == rustix::io::Errno::LOOP.raw_os_error() => {
            PidFileError::Foreign("it is a symbolic link")
        }
        _ => error.into(),
    })?;
    if !file.metadata()?.is_file() {
        return Err(PidFileError::Foreign("it is not a regular file"));
    }
    Ok(file)
}

/// Who has the lock of an open file.
#[derive(Debug, PartialEq, Eq)]
enum Lock {
    Ours,
    Another,
    /// We, but of a file that its owner has removed between our opening and our locking: others make a new one.
    Gone,
}

fn lock(file: &File, path: &Path) -> Result<Lock, PidFileError> {
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) if is_at(file, path)? => Ok(Lock::Ours),
        Ok(()) => Ok(Lock::Gone),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(Lock::Another),
        Err(error) => Err(io::Error::from(error).into()),
    }
}

/// Whether `path` still leads to the open file.
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let ours = file.metadata()?;
    match std::fs::symlink_metadata(path) {
        Ok(found) => Ok((found.dev(), found.ino()) == (ours.dev(), ours.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// The number in the file; a file that is neither empty nor a number is not ours to overwrite.
fn content(file: &File) -> Result<Option<Pid>, PidFileError> {
    const FOREIGN: PidFileError = PidFileError::Foreign("its content is no process number");
    let mut text = String::new();
    let mut reader = file;
    reader.rewind()?;
    let read = reader.take(MAX_CONTENT_BYTES + 1).read_to_string(&mut text);
    match read {
        Ok(_) if text.len() as u64 > MAX_CONTENT_BYTES => return Err(FOREIGN),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::InvalidData => return Err(FOREIGN),
        Err(error) => return Err(error.into()),
    }
    // After the first line may be what is left of a longer number, for a moment.
    match text.lines().next().unwrap_or_default().trim() {
        "" => Ok(None),
        number => {
            let number = number.parse().ok().filter(|number| *number > 0);
            number.and_then(Pid::from_raw).map(Some).ok_or(FOREIGN)
        }
    }
}

impl PidFileError {
    /// The exit of a start that failed for it.
    pub(crate) fn exit(&self, path: &Path) -> Exit {
        let code = match self {
            Self::Running(_) => EXIT_RUNNING,
            Self::Foreign(_) | Self::Io(_) => EXIT_CANNOT_CREATE,
        };
        Exit::new(code, format!("pid file {}: {self}", path.display()))
    }
}

impl From<io::Error> for PidFileError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl fmt::Display for PidFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Running(Some(pid)) => {
                write!(f, "the program runs already as process {pid}")
            }
            Self::Running(None) => f.write_str("the program is just being started"),
            Self::Foreign(reason) => write!(f, "{reason}, and is left alone"),
            Self::Io(error) => error.fmt(f),
        }
    }
}
