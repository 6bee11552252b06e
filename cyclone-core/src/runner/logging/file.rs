//! A log file that threads and processes append to, and that any of them sets aside.

use std::ffi::{CString, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{
    AtFlags, CWD, FileType, FlockOperation, Gid, Mode, OFlags, Stat, Uid, fchown, fstat, openat,
    readlinkat, statat,
};
use rustix::io::Errno;
use rustix::process::geteuid;

use super::output::Sink;
use super::rotation::Rotation;
use super::{LOG_FILE_MODE, LogError, LogOptions};

/// How long rotation is left alone after it failed, for lack of a right for example.
const ROTATION_PAUSE: Duration = Duration::from_secs(60);

/// How often a line runs after a file that others set aside meanwhile; then it goes to the one that is open.
const FOLLOW_ROUNDS: usize = 3;

/// A file, open for appending, in a directory that is open too: neither `chroot` nor another working directory
/// takes it away.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    name: OsString,
    directory: OwnedFd,
    file: OwnedFd,
    /// Which file it is, if it is one that can be set aside.
    identity: Option<Identity>,
    rotation: Rotation,
    /// Who the file was given to; those that are made later are his too.
    owner: Option<(Option<Uid>, Option<Gid>)>,
    /// The end of the file is a piece of a line.
    is_torn: bool,
    rotate_after: Option<Instant>,
}

pub(super) type Identity = (rustix::fs::Dev, u64);

impl LogFile {
    pub(super) fn open(path: &Path, options: &LogOptions) -> io::Result<Self> {
        let path = std::path::absolute(path)?;
        let name = path
            .file_name()
            .ok_or(io::ErrorKind::IsADirectory)?
            .to_owned();
        let directory = open_directory(&path)?;
        let (file, identity) = open_file(&directory, &name)?;
        let rotation = Rotation::new(options);
        Ok(Self {
            path,
            name,
            directory,
            file,
            identity,
            rotation,
            owner: None,
            is_torn: false,
            rotate_after: None,
        })
    }

    #[cfg(test)]
    pub(super) fn identity(&self) -> Option<Identity> {
        self.identity
    }

    /// Opens the file of that name, in the directory of that name if there is one (after `chroot` there is none).
    fn open_again(&mut self) -> io::Result<()> {
        if let Ok(directory) = open_directory(&self.path)
            && open_file(&directory, &self.name).is_ok()
        {
            self.directory = directory;
        }
        self.follow()
    }

    /// Opens the file that has the name now.
    fn follow(&mut self) -> io::Result<()> {
        (self.file, self.identity) = open_file(&self.directory, &self.name)?;
        self.is_torn = false;
        // Without the right to do so it stays as it is.
        let _ = self.give();
        Ok(())
    }

    fn give(&self) -> rustix::io::Result<()> {
        match (self.owner, self.identity) {
            (Some((uid, gid)), Some(_)) => fchown(&self.file, uid, gid),
            // A terminal, a pipe or a device is not ours to give.
            _ => Ok(()),
        }
    }

    /// Sees that the file is the one of its name, and that it has room for the line.
    fn prepare(&mut self, length: usize) {
        for _ in 0..FOLLOW_ROUNDS {
            let Some(identity) = self.identity else {
                return;
            };
            // Set aside or removed, by whomever. If there is no other, this one is still better than none.
            let found = match statat(&self.directory, &self.name, AtFlags::empty()) {
                Ok(stat) if identity_of(&stat) == identity => {
                    if self.rotation.is_due(&stat, length) {
                        self.rotate(identity, length);
                    }
                    return;
                }
                Ok(_) => self.follow(),
                Err(_) => self.open_again(),
            };
            if found.is_err() {
                return;
            }
        }
    }

    /// Sets the file aside and opens a new one; the line goes to the old one if that cannot be done.
    pub(super) fn rotate(&mut self, identity: Identity, length: usize) {
        let paused = self
            .rotate_after
            .is_some_and(|after| Instant::now() < after);
        // Whoever has the lock is doing it right now.
        if paused
            || rustix::fs::flock(&self.file, FlockOperation::NonBlockingLockExclusive).is_err()
        {
            return;
        }
        // Somebody may have done it before we had the lock.
        let stat = statat(&self.directory, &self.name, AtFlags::empty());
        let due = stat.is_ok_and(|stat| {
            identity_of(&stat) == identity && self.rotation.is_due(&stat, length)
        });
        let done = if due {
            self.rotation.set_aside(&self.directory, &self.name)
        } else {
            Ok(())
        };
        self.rotate_after = done.is_err().then(|| Instant::now() + ROTATION_PAUSE);
        if let Err(error) = done {
            use std::io::Write;
            let _ = writeln!(
                io::stderr(),
                "{}: cannot be set aside and grows: {error}",
                self.name()
            );
        }
        // The lock ends with the file, or here.
        if self.follow().is_err() {
            let _ = rustix::fs::flock(&self.file, FlockOperation::Unlock);
        }
    }

    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        if self.is_torn {
            // In one piece with the line, so that nothing comes between.
            let mut whole = Vec::with_capacity(line.len() + 1);
            whole.push(b'\n');
            whole.extend_from_slice(line);
            return self.append_all(&whole);
        }
        self.append_all(line)
    }

    fn append_all(&mut self, line: &[u8]) -> io::Result<()> {
        let mut rest = line;
        while !rest.is_empty() {
            match rustix::io::write(&self.file, rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    rest = &rest[written..];
                    self.is_torn = !rest.is_empty();
                }
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Whether no name leads to the file any more: what is in it will be gone.
    fn is_removed(&self) -> bool {
        self.identity.is_some() && fstat(&self.file).is_ok_and(|stat| stat.st_nlink == 0)
    }
}

impl Sink for LogFile {
    fn name(&self) -> String {
        format!("log file `{}`", self.path.display())
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        self.prepare(line.len());
        self.append(line)?;
        // It may have been removed between the look and the write, as the oldest of the old ones.
        if self.is_removed() {
            self.open_again()?;
            self.append(line)?;
        }
        Ok(())
    }

    fn reopen(&mut self) -> Result<(), LogError> {
        let opened = self.open_again();
        opened.map_err(|error| LogError::io("cannot open the log file again", &self.path, error))
    }

    fn change_owner(&mut self, uid: Option<u32>, gid: Option<u32>) -> Result<(), LogError> {
        self.owner = Some((uid.map(Uid::from_raw), gid.map(Gid::from_raw)));
        self.give().map_err(|error| {
            LogError::io("cannot give away the log file", &self.path, error.into())
        })
    }
}

fn open_directory(path: &Path) -> rustix::io::Result<OwnedFd> {
    let parent = path.parent().unwrap_or(path);
    openat(
        CWD,
        parent,
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )
}

fn open_file(directory: &OwnedFd, name: &OsString) -> io::Result<(OwnedFd, Option<Identity>)> {
    // Not to wait for the reader of a pipe.
    let flags = OFlags::WRONLY
        | OFlags::APPEND
        | OFlags::CREATE
        | OFlags::CLOEXEC
        | OFlags::NOCTTY
        | OFlags::NONBLOCK;
    let mode = Mode::from_raw_mode(LOG_FILE_MODE);
    let file = match openat(directory, name, flags | OFlags::NOFOLLOW, mode) {
        Err(Errno::LOOP) => openat(directory, target(directory, name)?, flags, mode)?,
        file => file?,
    };
    let stat = fstat(&file)?;
    if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile {
        return Ok((file, Some(identity_of(&stat))));
    }
    let flags = rustix::fs::fcntl_getfl(&file)?;
    rustix::fs::fcntl_setfl(&file, flags - OFlags::NONBLOCK)?;
    Ok((file, None))
}

/// Where a symbolic link leads. Root follows none of somebody else, who could let him write to any file.
fn target(directory: &OwnedFd, name: &OsString) -> io::Result<CString> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let link = openat(directory, name, flags, Mode::empty())?;
    let owner = fstat(&link)?.st_uid;
    if geteuid().is_root() && owner != Uid::ROOT.as_raw() {
        let reason = format!("it is a symbolic link of user {owner}, which root does not follow");
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, reason));
    }
    Ok(readlinkat(&link, "", Vec::new())?)
}

fn identity_of(stat: &Stat) -> Identity {
    (stat.st_dev, stat.st_ino)
}
