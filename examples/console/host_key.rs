//! The key by which clients know the server again.

use std::error::Error;
use std::fmt;
use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use russh::keys::ssh_key::LineEnding;
use russh::keys::ssh_key::private::{Ed25519Keypair, KeypairData};
use russh::keys::{HashAlg, PrivateKey};

use super::limits::MAX_FILE_BYTES;

/// The key by which clients know the server again: Ed25519, in a file of OpenSSH's format.
///
/// Clients remember it at their first visit (`known_hosts`) and refuse a server that has another one later. So it is
/// made once and kept; its file must be readable by its owner alone.
#[derive(Clone)]
pub struct HostKey {
    pub(super) key: PrivateKey,
}

impl HostKey {
    /// Reads the key, or makes one and keeps it there, readable by the owner alone (mode 600).
    ///
    /// A program that becomes another user later (`--uid`) needs a key that this user owns: its successor (`--upgrade`)
    /// is that user from the beginning, and cannot start with a key of root's.
    ///
    /// Of several processes that do it at once, one makes the key, and all have the same. It reads and writes a file
    /// and so blocks the thread for a moment: it is for the start of a program.
    ///
    /// # Errors
    /// [`HostKeyError`]. A file that is there and cannot be used is never replaced.
    pub fn load_or_create(path: impl AsRef<Path>) -> Result<Self, HostKeyError> {
        let path = path.as_ref();
        let failed = |what| {
            move |source: Cause| HostKeyError {
                path: path.to_owned(),
                what,
                source,
            }
        };
        match read(path) {
            Ok(key) => return Ok(Self { key }),
            Err(Cause::Io(error)) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed("read")(error)),
        }
        create(path).map_err(failed("make"))?;
        // The file of whoever was first.
        let key = read(path).map_err(failed("read"))?;
        tracing::info!(path = %path.display(), "made a host key");
        Ok(Self { key })
    }

    /// What `ssh` shows of it: `SHA256:` and 43 characters.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        self.key.fingerprint(HashAlg::Sha256).to_string()
    }
}

impl fmt::Debug for HostKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("HostKey").field(&self.fingerprint()).finish()
    }
}

fn read(path: &Path) -> Result<PrivateKey, Cause> {
    let file = fs::File::open(path)?;
    let metadata = file.metadata()?;
    let mode = metadata.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(Cause::Open(mode));
    }
    let mut text = String::new();
    file.take(MAX_FILE_BYTES).read_to_string(&mut text)?;
    let key = PrivateKey::from_openssh(&text)?;
    if key.is_encrypted() {
        return Err(Cause::Encrypted);
    }
    Ok(key)
}

/// Writes a new key beside the path and links it there: whoever finds it finds all of it, and nothing is overwritten.
fn create(path: &Path) -> Result<(), Cause> {
    let mut random = [0; 40];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    let (seed, name) = random.split_at(32);
    let seed = seed.try_into().map_err(io::Error::other)?;
    let pair = KeypairData::Ed25519(Ed25519Keypair::from_seed(&seed));
    let text = PrivateKey::new(pair, "console host key")?.to_openssh(LineEnding::LF)?;
    let draft = path.with_file_name(format!(".{}~", hex(name)));
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)
        .and_then(|mut file| {
            // The mask of the process may have taken from it.
            file.set_permissions(Permissions::from_mode(0o600))?;
            file.write_all(text.as_bytes())?;
            file.sync_all()
        })
        .and_then(|()| match fs::hard_link(&draft, path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            linked => linked,
        });
    let removed = fs::remove_file(&draft);
    written?;
    removed?;
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Why there is no host key; the server should not start then.
#[derive(Debug)]
pub struct HostKeyError {
    path: PathBuf,
    what: &'static str,
    source: Cause,
}

#[derive(Debug)]
enum Cause {
    Io(io::Error),
    Format(russh::keys::ssh_key::Error),
    Open(u32),
    Encrypted,
}

impl From<io::Error> for Cause {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<russh::keys::ssh_key::Error> for Cause {
    fn from(error: russh::keys::ssh_key::Error) -> Self {
        Self::Format(error)
    }
}

impl fmt::Display for HostKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        write!(f, "cannot {} the host key {path}", self.what)?;
        match &self.source {
            Cause::Io(_) | Cause::Format(_) => Ok(()),
            Cause::Open(mode) => {
                write!(f, ": its mode {mode:o} lets others in, make it 600")
            }
            Cause::Encrypted => f.write_str(": it is encrypted, and nobody is there to type"),
        }
    }
}

impl Error for HostKeyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.source {
            Cause::Io(error) => Some(error),
            Cause::Format(error) => Some(error),
            Cause::Open(_) | Cause::Encrypted => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn the_key_is_made_once_and_readable_by_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("host_key");
        let first = HostKey::load_or_create(&path).unwrap();
        let mode = fs::metadata(&path).unwrap().mode();
        assert_eq!(mode & 0o777, 0o600);
        let second = HostKey::load_or_create(&path).unwrap();
        assert_eq!(first.fingerprint(), second.fingerprint());
        assert!(first.fingerprint().starts_with("SHA256:"));
        let names = fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(names, 1, "a draft was left");
    }

    #[test]
    fn processes_that_start_at_once_have_the_same_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("host_key");
        let load = || HostKey::load_or_create(&path).unwrap().fingerprint();
        let prints: Vec<_> = thread::scope(|scope| {
            let started: Vec<_> = (0..8).map(|_| scope.spawn(load)).collect();
            started.into_iter().map(|one| one.join().unwrap()).collect()
        });
        assert!(prints.windows(2).all(|two| two[0] == two[1]), "{prints:?}");
    }

    #[test]
    fn a_key_that_others_can_read_is_refused_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("host_key");
        HostKey::load_or_create(&path).unwrap();
        for mode in [0o640, 0o604, 0o660] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let error = HostKey::load_or_create(&path).unwrap_err().to_string();
            assert!(error.contains(&format!("its mode {mode:o}")), "{error}");
        }
        fs::set_permissions(&path, Permissions::from_mode(0o400)).unwrap();
        HostKey::load_or_create(&path).unwrap();
    }

    #[test]
    fn what_is_no_key_is_refused_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("host_key");
        fs::write(&path, "nonsense").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        let error = HostKey::load_or_create(&path).unwrap_err();
        assert!(error.to_string().contains("cannot read the host key"));
        assert_eq!(fs::read_to_string(&path).unwrap(), "nonsense");
        let nowhere = folder.path().join("missing/host_key");
        let error = HostKey::load_or_create(&nowhere).unwrap_err().to_string();
        assert!(error.contains("cannot make the host key"), "{error}");
    }
}
