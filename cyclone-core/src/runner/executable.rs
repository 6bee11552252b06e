//! The program itself: how it was started, and how to start it once more.

use std::env;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

#[cfg(test)]
mod tests;

/// The file of the running program, whatever has happened to its path since.
const RUNNING: &str = "/proc/self/exe";

/// The name of the process, of which the kernel keeps the first 15 bytes (proc(5)).
const COMMAND_NAME: &str = "/proc/self/comm";

/// What the kernel adds to the path of a program whose file is gone (proc(5)).
const DELETED: &[u8] = b" (deleted)";

/// How this process was started.
#[derive(Clone, Debug)]
pub(crate) struct Executable {
    name: OsString,
    arguments: Vec<OsString>,
    /// Where the program was found, links not followed: an upgrade puts the new one there.
    path: PathBuf,
    /// The working directory of the start, to which relative paths of the command line belong.
    directory: Option<PathBuf>,
}

impl Executable {
    /// Has to be called before the working directory changes.
    pub(crate) fn current() -> io::Result<Self> {
        let mut arguments = env::args_os();
        let name = arguments.next().unwrap_or_default();
        // It may be gone; then relative paths have no meaning.
        let directory = env::current_dir().ok();
        let search = env::var_os("PATH").unwrap_or_default();
        let found = candidates(&name, directory.as_deref(), &search);
        let found = found.into_iter().find(|path| is_running(path));
        let path = match found {
            Some(path) => path,
            None => without_mark(env::current_exe()?),
        };
        Ok(Self {
            name,
            arguments: arguments.collect(),
            path,
            directory,
        })
    }

    /// The very program that runs here: for daemons and workers.
    pub(crate) fn same(&self) -> Command {
        let running = Path::new(RUNNING);
        let path = if running.exists() {
            running
        } else {
            &self.path
        };
        self.command(path)
    }

    /// Gives a process that [`same`](Self::same) started the name of its program, by which `ps` and `pkill` find it:
    /// the kernel calls it after the path, and that is `exe`.
    pub(crate) fn keep_name(&self) {
        if let Some(name) = self.path.file_name() {
            // Where there is no /proc it was not started by that path.
            let _ = std::fs::write(COMMAND_NAME, name.as_bytes());
        }
    }

    /// What is at the path of this program now: for upgrades.
    pub(crate) fn newest(&self) -> Command {
        self.command(&self.path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// In the working directory of the start: relative paths of the arguments begin there.
    fn command(&self, path: &Path) -> Command {
        let mut command = Command::new(path);
        command.arg0(&self.name).args(&self.arguments);
        // One that has been removed cannot be entered again, and absolute paths do without.
        if let (Some(start), Ok(now)) = (&self.directory, env::current_dir())
            && now != *start
            && start.is_dir()
        {
            command.current_dir(start);
        }
        command
    }
}

/// Where a program that was called by `name` can be: as a shell finds it.
fn candidates(name: &OsStr, directory: Option<&Path>, search: &OsStr) -> Vec<PathBuf> {
    let directory = directory.unwrap_or(Path::new("/"));
    let folders = if name.is_empty() {
        Vec::new()
    } else if name.as_bytes().contains(&b'/') {
        vec![directory.to_owned()]
    } else {
        env::split_paths(search)
            .map(|folder| directory.join(folder))
            .collect()
    };
    let folders = folders.into_iter();
    folders.map(|folder| folder.join(name)).collect()
}

/// Whether the file at `path` is the one that runs.
fn is_running(path: &Path) -> bool {
    let identity = |path: &Path| {
        let metadata = std::fs::metadata(path).ok()?;
        Some((metadata.dev(), metadata.ino()))
    };
    identity(path).is_some_and(|found| Some(found) == identity(Path::new(RUNNING)))
}

fn without_mark(path: PathBuf) -> PathBuf {
    let bytes = path.into_os_string().into_vec();
    let bytes = bytes.strip_suffix(DELETED).unwrap_or(&bytes).to_vec();
    OsString::from_vec(bytes).into()
}
