//! Hashes of passwords, by Argon2.

mod error;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{Error as HashError, PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::Semaphore;

pub use self::error::PasswordError;

/// Memory for one hash unless told otherwise: 19 MiB, in KiB, with 2 passes and 1 lane, as OWASP recommends.
pub const PASSWORD_MEMORY: u32 = Params::DEFAULT_M_COST;

/// The most memory that the hash of a password may ask for when it is checked: 1 GiB, in KiB.
pub const MAX_PASSWORD_MEMORY: u32 = 1024 * 1024;

/// How many bytes a password may have: 1,024.
pub const MAX_PASSWORD: usize = 1_024;

/// How many hashes may wait for their turn unless told otherwise: 64. More are a 503 at once.
pub const MAX_PASSWORDS_WAITING: usize = 64;

/// Hashes passwords with Argon2id and checks them, on threads for blocking work and only so many at a time: each takes
/// some 20 ms of a processor and 19 MiB, and whoever may try passwords must not get all of both.
///
/// Keep one value for all requests: clones share their limits.
///
/// ```
/// use cyclone_web::{PasswordError, Passwords};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), PasswordError> {
/// let passwords = Passwords::new();
/// let kept = passwords.hash("correct horse").await?;
/// assert!(kept.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
/// assert!(passwords.verify("correct horse", &kept).await?);
/// assert!(!passwords.verify("battery staple", &kept).await?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Passwords {
    params: Params,
    turns: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
    max_waiting: usize,
}

impl Passwords {
    /// Hashes with 19 MiB, 2 passes and 1 lane, as many at a time as there are processors.
    #[must_use]
    pub fn new() -> Self {
        Self::of(Params::DEFAULT)
    }

    /// Hashes with this memory in KiB, passes and lanes.
    ///
    /// # Errors
    /// [`PasswordError::Cost`] when Argon2 has no such parameters, or the memory is over
    /// [its limit](MAX_PASSWORD_MEMORY).
    pub fn with_cost(memory: u32, passes: u32, lanes: u32) -> Result<Self, PasswordError> {
        let params = Params::new(memory, passes, lanes, None);
        match params {
            Ok(params) if memory <= MAX_PASSWORD_MEMORY => Ok(Self::of(params)),
            _ => Err(PasswordError::Cost),
        }
    }

    fn of(params: Params) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            params,
            turns: Arc::new(Semaphore::new(processors)),
            waiting: Arc::new(AtomicUsize::new(0)),
            max_waiting: MAX_PASSWORDS_WAITING,
        }
    }

    /// Sets how many are hashed at a time, at least one; as many as there are processors unless set.
    #[must_use]
    pub fn concurrency(mut self, count: usize) -> Self {
        let count = count.clamp(1, Semaphore::MAX_PERMITS);
        self.turns = Arc::new(Semaphore::new(count));
        self
    }

    /// Sets how many may wait for their turn; [64](MAX_PASSWORDS_WAITING) unless set.
    #[must_use]
    pub fn max_waiting(mut self, count: usize) -> Self {
        self.max_waiting = count;
        self
    }

    /// The hash of a password with a new salt, as text to keep: `$argon2id$v=19$…`.
    ///
    /// # Errors
    /// [`PasswordError`]; [`Busy`](PasswordError::Busy) is worth a retry.
    ///
    /// # Cancel safety
    /// Dropped while it waits for its turn it leaves nothing; later the hash is finished, and thrown away.
    pub async fn hash(&self, password: impl Into<String>) -> Result<String, PasswordError> {
        let password = password.into();
        if password.len() > MAX_PASSWORD {
            return Err(PasswordError::TooLong);
        }
        let argon2 = self.argon2();
        self.work(move || {
            let hash = argon2.hash_password(password.as_bytes());
            hash.map(|hash| hash.to_string())
                .map_err(|_failed| PasswordError::Failed)
        })
        .await
    }

    /// Whether a password is the one that was hashed, with the cost that the hash says. One that is too long is not.
    ///
    /// # Errors
    /// [`PasswordError`]; [`Malformed`](PasswordError::Malformed) when what was kept is no hash of Argon2.
    ///
    /// # Cancel safety
    /// As [`hash`](Self::hash).
    pub async fn verify(
        &self,
        password: impl Into<String>,
        hash: &str,
    ) -> Result<bool, PasswordError> {
        let password = password.into();
        let hash = parse(hash)?;
        if password.len() > MAX_PASSWORD {
            return Ok(false);
        }
        let argon2 = self.argon2();
        self.work(
            move || match argon2.verify_password(password.as_bytes(), &hash) {
                Ok(()) => Ok(true),
                Err(HashError::PasswordInvalid) => Ok(false),
                Err(_failed) => Err(PasswordError::Failed),
            },
        )
        .await
    }

    /// Takes the time of a check for a user who does not exist, so that nobody can find out who does, and says `false`.
    ///
    /// # Errors
    /// As [`hash`](Self::hash).
    pub async fn verify_nobody(&self, password: impl Into<String>) -> Result<bool, PasswordError> {
        let mut password = password.into();
        if password.len() <= MAX_PASSWORD {
            // The work is that of a check, whatever is hashed.
            password.truncate(0);
            self.hash(password).await?;
        }
        Ok(false)
    }

    /// Whether a hash was made at another cost, or with another algorithm, than new ones: then hash the password anew at
    /// the next login, which is when it is known.
    #[must_use]
    pub fn needs_rehash(&self, hash: &str) -> bool {
        let Ok(hash) = PasswordHash::new(hash) else {
            return true;
        };
        let same = Params::try_from(&hash).is_ok_and(|params| {
            let cost = |params: &Params| (params.m_cost(), params.t_cost(), params.p_cost());
            cost(&params) == cost(&self.params)
        });
        let version = hash.version == Some(Version::default().into());
        !same || !version || hash.algorithm.as_str() != Algorithm::Argon2id.as_str()
    }

    fn argon2(&self) -> Argon2<'static> {
        Argon2::new(Algorithm::Argon2id, Version::default(), self.params.clone())
    }

    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, PasswordError> + Send + 'static,
    ) -> Result<T, PasswordError> {
        let turn = match Arc::clone(&self.turns).try_acquire_owned() {
            Ok(turn) => turn,
            Err(_none) => {
                let _place = Place::take(&self.waiting, self.max_waiting)?;
                let turn = Arc::clone(&self.turns).acquire_owned().await;
                turn.map_err(|_closed| PasswordError::Failed)?
            }
        };
        let task = tokio::task::spawn_blocking(move || {
            // Whoever asked may be gone; the processor is still at work.
            let _turn = turn;
            work()
        });
        task.await.map_err(|_panicked| PasswordError::Failed)?
    }
}

/// A hash of Argon2 whose memory is within the limit.
fn parse(hash: &str) -> Result<PasswordHash, PasswordError> {
    let parsed = PasswordHash::new(hash).map_err(|_malformed| PasswordError::Malformed)?;
    let params = Params::try_from(&parsed).map_err(|_malformed| PasswordError::Malformed)?;
    let fine = params.m_cost() <= MAX_PASSWORD_MEMORY && parsed.hash.is_some();
    if fine && Algorithm::new(parsed.algorithm.as_str()).is_ok() {
        Ok(parsed)
    } else {
        Err(PasswordError::Malformed)
    }
}

/// A place in the queue.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(waiting: &'a AtomicUsize, max: usize) -> Result<Self, PasswordError> {
        let more = |count: usize| (count < max).then_some(count + 1);
        match waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more) {
            Ok(_before) => Ok(Self(waiting)),
            Err(_full) => Err(PasswordError::Busy),
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Default for Passwords {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Passwords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Passwords")
            .field("memory", &self.params.m_cost())
            .field("passes", &self.params.t_cost())
            .field("lanes", &self.params.p_cost())
            .field("free", &self.turns.available_permits())
            .finish_non_exhaustive()
    }
}
