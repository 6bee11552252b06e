//! Who may use a console.

use std::error::Error;
use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use russh::keys::{Algorithm, HashAlg, PublicKey};
use russh::{MethodKind, MethodSet};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::limits::{MAX_FILE_BYTES, MAX_PASSWORD_BYTES};
use super::{authorized_keys, passwords};

/// How many passwords are compared at once: each takes some 20 MiB and a processor for a while.
const HASHES_AT_ONCE: usize = 1;

/// The shortest RSA key that is let in, in bits.
const MIN_RSA_BITS: usize = 2048;

/// Who may use a console: the keys of one file and the passwords of another. Without any nobody may.
///
/// The files are read at every login, so that what changes in them holds at once. They must not be writable by others,
/// and that of the passwords not readable.
#[derive(Clone, Debug)]
pub struct Access {
    keys: Option<PathBuf>,
    passwords: Option<PathBuf>,
    hashing: Arc<Semaphore>,
}

impl Access {
    /// Lets nobody in.
    #[must_use]
    pub fn nobody() -> Self {
        Self {
            keys: None,
            passwords: None,
            hashing: Arc::new(Semaphore::new(HASHES_AT_ONCE)),
        }
    }

    /// Lets in whoever has a key of this file, by whatever name; it has the format of OpenSSH's `authorized_keys`.
    ///
    /// Ed25519, ECDSA and RSA (2,048 bits at least, signatures with SHA-2 only). Of the options `command`, `restrict`,
    /// `pty` and `no-pty` are obeyed; a key with another one that restricts it is not let in.
    #[must_use]
    pub fn authorized_keys(mut self, path: impl Into<PathBuf>) -> Self {
        self.keys = Some(path.into());
        self
    }

    /// Lets in the names of this file with their passwords, one `NAME:HASH` on each line; [`hash_password`] makes the
    /// hashes.
    #[must_use]
    pub fn passwords(mut self, path: impl Into<PathBuf>) -> Self {
        self.passwords = Some(path.into());
        self
    }

    /// Reads both files once, so that a mistake is seen when the program starts; keys that are not understood are logged.
    ///
    /// A program that becomes another user later (`--uid`) or goes into another root (`--chroot`) must find them and be
    /// able to read them there too: that is not looked at here, and nobody gets in otherwise.
    ///
    /// # Errors
    /// [`AccessError`] when one cannot be read or others could change it.
    pub fn check(&self) -> Result<(), AccessError> {
        if let Some(path) = &self.keys {
            let text = read(path, 0o022)?;
            for (line, reason) in authorized_keys::mistakes(&text) {
                let path = path.display();
                tracing::warn!(%path, line, reason, "a key is not let in");
            }
        }
        if let Some(path) = &self.passwords {
            read(path, 0o026)?;
        }
        Ok(())
    }

    /// What a client is told that it may try.
    pub(super) fn methods(&self) -> MethodSet {
        let mut methods = MethodSet::empty();
        if self.keys.is_some() {
            methods.push(MethodKind::PublicKey);
        }
        if self.passwords.is_some() {
            methods.push(MethodKind::Password);
        }
        methods
    }

    /// Who has this key, if it may come in with a signature of this algorithm.
    pub(super) async fn key(
        &self,
        user: &str,
        key: &PublicKey,
        algorithm: &Algorithm,
    ) -> Option<Operator> {
        let path = self.keys.clone()?;
        if !is_strong(key, algorithm) {
            return None;
        }
        let wanted = key.clone();
        let found = spawn_blocking(move || {
            let text = read(&path, 0o022)?;
            Ok(authorized_keys::find(&text, &wanted))
        });
        let found = known(found.await)??;
        let print = found.key.fingerprint(HashAlg::Sha256);
        Some(Operator {
            name: format!("{user} by key {print}"),
            command: found.command,
            pty: found.pty,
        })
    }

    /// Who has this password.
    pub(super) async fn password(&self, user: &str, password: &str) -> Option<Operator> {
        let path = self.passwords.clone()?;
        if password.len() > MAX_PASSWORD_BYTES {
            return None;
        }
        let turn = Arc::clone(&self.hashing).acquire_owned().await.ok()?;
        let (name, password) = (user.to_owned(), password.to_owned());
        let verified = spawn_blocking(move || {
            // Kept until the work is done, even if nobody waits for it any more.
            let _turn = turn;
            let text = read(&path, 0o026)?;
            Ok(passwords::verify(&text, &name, &password))
        });
        known(verified.await)?.then(|| Operator {
            name: format!("{user} by password"),
            command: None,
            pty: true,
        })
    }
}

/// A hash for the file of passwords: Argon2id with a salt of its own.
///
/// It takes tens of milliseconds, on purpose.
///
/// # Errors
/// The reason, in words: the system has no random numbers.
pub fn hash_password(password: &str) -> Result<String, String> {
    if password.len() > MAX_PASSWORD_BYTES {
        return Err(format!("a password has {MAX_PASSWORD_BYTES} bytes at most"));
    }
    passwords::hash(password)
}

/// Somebody who was let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operator {
    /// How the log names him: the name that he gave, and the key or password by which he came.
    pub(super) name: String,
    /// The one command that his key is good for.
    pub(super) command: Option<String>,
    /// Whether he gets a terminal.
    pub(super) pty: bool,
}

/// Neither SHA-1 (RFC 8332) nor a short key.
fn is_strong(key: &PublicKey, algorithm: &Algorithm) -> bool {
    match algorithm {
        Algorithm::Rsa { hash: None } | Algorithm::Dsa => false,
        Algorithm::Rsa { .. } => key
            .key_data()
            .rsa()
            .is_some_and(|rsa| rsa.key_size() as usize >= MIN_RSA_BITS),
        _ => true,
    }
}

/// The text of a file that nobody has more rights to than he should; `refused` are the bits of the mode that it must not
/// have.
fn read(path: &Path, refused: u32) -> Result<String, AccessError> {
    let failed = |cause| AccessError {
        path: path.to_owned(),
        cause,
    };
    let file = File::open(path).map_err(|error| failed(Cause::Io(error)))?;
    let metadata = file.metadata().map_err(|error| failed(Cause::Io(error)))?;
    if metadata.mode() & refused != 0 {
        return Err(failed(Cause::Mode(metadata.mode() & 0o777)));
    }
    if metadata.len() > MAX_FILE_BYTES {
        return Err(failed(Cause::Large(metadata.len())));
    }
    let mut text = String::new();
    let read = file.take(MAX_FILE_BYTES).read_to_string(&mut text);
    read.map_err(|error| failed(Cause::Io(error)))?;
    Ok(text)
}

/// What was found; nothing when it could not be looked for, which is logged.
fn known<T>(outcome: Result<Result<T, AccessError>, tokio::task::JoinError>) -> Option<T> {
    let error: Box<dyn Error> = match outcome {
        Ok(Ok(found)) => return Some(found),
        Ok(Err(error)) => error.into(),
        Err(error) => error.into(),
    };
    tracing::error!(error, "nobody can log in");
    None
}

/// Why a file of keys or passwords is of no use; nobody is let in by it.
#[derive(Debug)]
pub struct AccessError {
    path: PathBuf,
    cause: Cause,
}

#[derive(Debug)]
enum Cause {
    Io(io::Error),
    Mode(u32),
    Large(u64),
}

impl fmt::Display for AccessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match &self.cause {
            Cause::Io(_) => write!(f, "cannot read {path}"),
            Cause::Mode(mode) => {
                write!(f, "the mode {mode:o} of {path} gives others too much")
            }
            Cause::Large(bytes) => {
                write!(f, "{path} has {bytes} bytes, more than {MAX_FILE_BYTES}")
            }
        }
    }
}

impl Error for AccessError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.cause {
            Cause::Io(error) => Some(error),
            Cause::Mode(_) | Cause::Large(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn files_that_others_could_change_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "text").unwrap();
        let keys = Access::nobody().authorized_keys(&path);
        let passwords = Access::nobody().passwords(&path);
        for (mode, keys_are_fine, passwords_are_fine) in [
            (0o600, true, true),
            (0o640, true, true),
            (0o644, true, false),
            (0o620, false, false),
            (0o602, false, false),
        ] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            assert_eq!(keys.check().is_ok(), keys_are_fine, "{mode:o}");
            assert_eq!(passwords.check().is_ok(), passwords_are_fine, "{mode:o}");
        }
    }

    #[test]
    fn a_file_is_read_up_to_its_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        for (over, fine) in [(-1, true), (0, true), (1, false)] {
            let bytes = MAX_FILE_BYTES.checked_add_signed(over).unwrap();
            fs::write(&path, vec![b'#'; usize::try_from(bytes).unwrap()]).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
            let checked = Access::nobody().authorized_keys(&path).check();
            assert_eq!(checked.is_ok(), fine, "{over}");
        }
    }

    #[tokio::test]
    async fn a_password_is_hashed_up_to_its_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("passwords");
        let at_limit = "x".repeat(MAX_PASSWORD_BYTES);
        let line = format!("ann:{}", hash_password(&at_limit).unwrap());
        fs::write(&path, line).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        let access = Access::nobody().passwords(&path);
        assert!(access.password("ann", &at_limit).await.is_some());
        assert!(access.password("ann", &at_limit[1..]).await.is_none());
        let over = format!("{at_limit}x");
        assert!(access.password("ann", &over).await.is_none());
        assert!(hash_password(&over).is_err());
    }

    #[tokio::test]
    async fn nobody_is_nobody() {
        let access = Access::nobody();
        assert!(access.methods().is_empty());
        assert_eq!(access.password("", "").await, None);
        let missing = access.passwords("/nonexistent/passwords");
        assert!(missing.check().is_err());
        assert_eq!(missing.password("", "").await, None);
    }
}
