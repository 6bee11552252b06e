//! A copy of the database while it is in use.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};
use tokio::sync::oneshot;

use crate::connect::Role;
use crate::error::Error;
use crate::handle::Sqlite;
use crate::job::Ticket;
use crate::run::stop_error;
use crate::shared::Shared;

/// What is added to the name of a copy until it is complete.
const PARTIAL: &str = ".partial";

impl Sqlite {
    /// Writes a copy of the database as it is at one moment into a file, while reads and writes go on.
    ///
    /// The copy is compact (`VACUUM INTO`), has the permissions of the original, and appears under its name only
    /// when it is complete and on the disk; a file of that name is replaced. It is made by a connection and a thread
    /// of its own and has no time limit. While it is made the write-ahead log cannot be cut, so it grows with the
    /// writes of that time.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), cyclone_sqlite::Error> {
    /// # let db = cyclone_sqlite::Sqlite::memory().await?;
    /// # db.execute_batch("CREATE TABLE t (n)").await?;
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let path = directory.path().join("backup.sqlite3");
    /// db.backup(&path).await?;
    /// # assert!(path.exists());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Io`] when the file cannot be made, or any [`Error`] of a call. The database is never changed; what
    /// was under that name before is still there.
    ///
    /// # Cancel safety
    /// When the future is dropped, copying is interrupted and what was copied is removed.
    pub async fn backup(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        let target = path.as_ref().to_owned();
        let shared = Arc::clone(&self.owner.shared);
        let ticket = Arc::new(Ticket::new());
        let (reply, answer) = oneshot::channel();
        let guard = StopOnDrop(Arc::clone(&ticket));
        if !shared.guest_begins() {
            return Err(Error::Closed);
        }
        let guest = Guest(shared);
        std::thread::Builder::new()
            .name("sqlite-backup".to_owned())
            .spawn(move || {
                let outcome = copy(&guest.0, &ticket, &target);
                drop(guest);
                let _ = reply.send(outcome);
            })
            .map_err(Error::Io)?;
        let outcome = answer.await;
        drop(guard);
        outcome.unwrap_or(Err(Error::Interrupted))
    }
}

/// Keeps the writer from closing before the copy is made.
struct Guest(Arc<Shared>);

impl Drop for Guest {
    fn drop(&mut self) {
        self.0.reader_ends();
    }
}

struct StopOnDrop(Arc<Ticket>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

fn copy(shared: &Shared, ticket: &Arc<Ticket>, target: &Path) -> Result<(), Error> {
    let live = shared.opener.open(Role::Copier)?;
    let partial = Partial::create(shared, target)?;
    let name = partial.0.to_str().ok_or_else(|| {
        Error::Io(io::Error::new(
            io::ErrorKind::InvalidInput,
            "the path of the copy is not utf-8",
        ))
    })?;
    if !ticket.start(&live.interrupt) {
        return Err(Error::Interrupted);
    }
    let scope = shared.enter(ticket, None, None);
    let copied = if shared.opener.is_memory() {
        // VACUUM INTO would make the copy in memory, too.
        copy_pages(&live.connection, name)
    } else {
        live.connection.execute("VACUUM INTO ?1", [name]).map(drop)
    };
    let stop = ticket.settle();
    drop(scope);
    if let Some(stop) = stop {
        return Err(stop_error(stop, None));
    }
    copied?;
    partial.finish(target).map_err(Error::Io)
}

fn copy_pages(from: &Connection, name: &str) -> rusqlite::Result<()> {
    let mut to = Connection::open(name)?;
    // All pages in one step.
    match Backup::new(from, &mut to)?.step(-1)? {
        StepResult::Done => Ok(()),
        _ => Err(rusqlite::Error::SqliteFailure(
            rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY),
            Some("the database was locked while it was copied".to_owned()),
        )),
    }
}

/// The file of an incomplete copy; dropping it removes it.
struct Partial(PathBuf);

impl Partial {
    /// Makes an empty file that nobody may read who may not read the database.
    fn create(shared: &Shared, target: &Path) -> Result<Self, Error> {
        let mut name = OsString::from(target);
        name.push(PARTIAL);
        let partial = Self(name.into());
        // One that an earlier process left behind.
        if let Err(error) = fs::remove_file(&partial.0)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(Error::Io(error));
        }
        let file = File::create_new(&partial.0).map_err(Error::Io)?;
        if let Some(original) = shared.opener.path() {
            let permissions = fs::metadata(original).map_err(Error::Io)?.permissions();
            file.set_permissions(permissions).map_err(Error::Io)?;
        }
        Ok(partial)
    }

    fn finish(self, target: &Path) -> io::Result<()> {
        File::open(&self.0)?.sync_all()?;
        fs::rename(&self.0, target)?;
        // The name is on the disk once the directory is.
        let directory = target
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty());
        File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // After success there is none of that name any more.
        let _ = fs::remove_file(&self.0);
    }
}
