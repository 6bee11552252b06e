//! Sessions in a store.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use cyclone_core::{SharedStore, Store as _};
use http::StatusCode;
use sha2::{Digest as _, Sha256};
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::Instant;

use super::record::Changes;
use super::{Record, SESSION_LOCK_TIMEOUT, Sessions};
use crate::error::{Error, Result};
use crate::hex;
use crate::random::random;

/// Requests of this process queue at one of so many locks.
const STRIPES: usize = 64;

/// How long a lock in the store lasts when whoever holds it dies.
const LOCK_LIFE: Duration = Duration::from_secs(10);

/// Pauses between looks at a lock of another process.
const FIRST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

pub(crate) struct Stored {
    store: SharedStore,
    stripes: [Mutex<()>; STRIPES],
    hasher: RandomState,
}

/// The right to write a session.
struct Lock<'a> {
    key: String,
    taken: Instant,
    _turn: MutexGuard<'a, ()>,
}

impl Stored {
    pub(super) fn new(store: SharedStore) -> Self {
        Self {
            store,
            stripes: std::array::from_fn(|_| Mutex::new(())),
            hasher: RandomState::new(),
        }
    }

    /// A session that has not expired, and whose user has not logged out everywhere since.
    pub(super) async fn load(&self, sessions: &Sessions, id: &str) -> Result<Option<Record>> {
        let Some(bytes) = self.store.get(&key(id)).await? else {
            return Ok(None);
        };
        let record: Record = serde_json::from_slice(&bytes)?;
        if sessions.left(&record, sessions.now()).is_none() {
            return Ok(None);
        }
        if let Some(user) = &record.user {
            let mark = self.mark(user).await?;
            if mark.is_some() && mark != record.mark {
                return Ok(None);
            }
        }
        Ok(Some(record))
    }

    pub(super) async fn put(&self, sessions: &Sessions, id: &str, record: &Record) -> Result<()> {
        let bytes = sessions.write(record)?;
        let Some(left) = sessions.left(record, sessions.now()) else {
            return Ok(());
        };
        Ok(self.store.put(&key(id), bytes.into(), Some(left)).await?)
    }

    /// The mark of a user's last logout everywhere.
    pub(super) async fn mark(&self, user: &str) -> Result<Option<String>> {
        let mark = self.store.get(&mark_key(user)).await?;
        Ok(mark.map(|mark| String::from_utf8_lossy(&mark).into_owned()))
    }

    /// Ends all sessions of a user that have begun before. The mark outlives them.
    pub(super) async fn end_all(&self, sessions: &Sessions, user: &str) -> Result<()> {
        let mark = Bytes::from(hex::encode(&random::<16>()?));
        let life = sessions.life + Duration::from_secs(60);
        Ok(self.store.put(&mark_key(user), mark, Some(life)).await?)
    }

    /// Changes a session while nobody else does, and returns what became of it; what it was where it is deleted. A task
    /// of its own does it, so that a client that goes away leaves no lock behind.
    pub(super) async fn change(
        self: &Arc<Self>,
        sessions: &Arc<Sessions>,
        id: &str,
        change: Change,
    ) -> Result<Option<Record>> {
        let (this, sessions) = (Arc::clone(self), Arc::clone(sessions));
        let id = id.to_owned();
        let task = tokio::spawn(async move {
            let waiting = tokio::time::timeout(SESSION_LOCK_TIMEOUT, this.lock(&id)).await;
            let lock = waiting.unwrap_or_else(|_elapsed| {
                let busy = Error::new(StatusCode::SERVICE_UNAVAILABLE);
                Err(busy.log("others write the same session"))
            })?;
            let changed = this.change_locked(&sessions, &id, change).await;
            this.unlock(lock).await?;
            changed
        });
        task.await?
    }

    async fn change_locked(
        &self,
        sessions: &Sessions,
        id: &str,
        change: Change,
    ) -> Result<Option<Record>> {
        let Some(mut record) = self.load(sessions, id).await? else {
            return Ok(None);
        };
        match change {
            Change::End => {
                self.store.delete(&key(id)).await?;
            }
            Change::Values(changes) => {
                record.seen = record.seen.max(sessions.now());
                changes.apply(&mut record.values);
                self.put(sessions, id, &record).await?;
            }
        }
        Ok(Some(record))
    }

    /// Waits for the right to write a session.
    async fn lock(&self, id: &str) -> Result<Lock<'_>> {
        let stripe = usize::try_from(self.hasher.hash_one(id) % STRIPES as u64).unwrap_or(0);
        let turn = self.stripes[stripe].lock().await;
        let key = format!("{}:lock", key(id));
        let mut pause = FIRST_PAUSE;
        loop {
            let taken = Instant::now();
            let is_ours = self
                .store
                .put_if_absent(&key, Bytes::new(), Some(LOCK_LIFE));
            if is_ours.await? {
                return Ok(Lock {
                    key,
                    taken,
                    _turn: turn,
                });
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Gives the right back, unless it has run out and is somebody else's.
    async fn unlock(&self, lock: Lock<'_>) -> Result<()> {
        if lock.taken.elapsed() < LOCK_LIFE {
            self.store.delete(&lock.key).await?;
        }
        Ok(())
    }
}

/// What is done to a session in a store.
pub(super) enum Change {
    /// Values are changed, and the last request was now.
    Values(Changes),
    End,
}

/// An id that nobody can guess.
pub(super) fn new_id() -> Result<String> {
    Ok(URL_SAFE_NO_PAD.encode(random::<32>()?))
}

/// Whether a text can be an id: others need not be looked for.
pub(super) fn is_id(text: &str) -> bool {
    text.len() == 43 && URL_SAFE_NO_PAD.decode(text).is_ok()
}

/// Where a session is: who reads the keys of a store does not know the ids.
fn key(id: &str) -> String {
    format!("session:{}", hex::encode(&Sha256::digest(id.as_bytes())))
}

fn mark_key(user: &str) -> String {
    format!(
        "session-mark:{}",
        hex::encode(&Sha256::digest(user.as_bytes()))
    )
}
