//! `SqliteStore`: the port `Store` in a database.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use cyclone_core::{DEFAULT_STORE_BYTES, DEFAULT_STORE_ENTRIES, PortError, PortErrorKind, Store};
use rusqlite::{Connection, OptionalExtension};

use crate::error::Error;
use crate::handle::Sqlite;
use crate::port::{number, prepare};

/// How many expired entries one call removes at most, unless it needs their room: 32.
const RECLAIM_PER_CALL: i64 = 32;

/// The triggers keep the totals right, whoever changes the table.
const MIGRATIONS: &[&str] = &["
    CREATE TABLE cyclone_store (
        key TEXT PRIMARY KEY NOT NULL,
        value BLOB NOT NULL,
        expires INTEGER
    ) STRICT;
    CREATE INDEX cyclone_store_expires ON cyclone_store (expires) WHERE expires IS NOT NULL;
    CREATE TABLE cyclone_store_total (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        entries INTEGER NOT NULL,
        bytes INTEGER NOT NULL
    ) STRICT;
    INSERT INTO cyclone_store_total VALUES (1, 0, 0);
    CREATE TRIGGER cyclone_store_insert AFTER INSERT ON cyclone_store BEGIN
        UPDATE cyclone_store_total SET entries = entries + 1,
            bytes = bytes + length(CAST(new.key AS BLOB)) + length(new.value);
    END;
    CREATE TRIGGER cyclone_store_delete AFTER DELETE ON cyclone_store BEGIN
        UPDATE cyclone_store_total SET entries = entries - 1,
            bytes = bytes - length(CAST(old.key AS BLOB)) - length(old.value);
    END;
    CREATE TRIGGER cyclone_store_update AFTER UPDATE OF value ON cyclone_store BEGIN
        UPDATE cyclone_store_total SET bytes = bytes + length(new.value) - length(old.value);
    END;
"];

/// Bounds a [`SqliteStore`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct SqliteStoreLimits {
    entries: i64,
    bytes: i64,
}

impl SqliteStoreLimits {
    /// 1,048,576 keys and 256 MiB of keys and values, as [`MemoryStore`](cyclone_core::MemoryStore).
    pub fn new() -> Self {
        Self {
            entries: number(DEFAULT_STORE_ENTRIES),
            bytes: number(DEFAULT_STORE_BYTES),
        }
    }

    /// Sets how many keys are kept.
    pub fn entries(mut self, entries: usize) -> Self {
        self.entries = number(entries);
        self
    }

    /// Sets how many bytes of keys and values are kept.
    pub fn bytes(mut self, bytes: usize) -> Self {
        self.bytes = number(bytes);
        self
    }
}

impl Default for SqliteStoreLimits {
    fn default() -> Self {
        Self::new()
    }
}

type Clock = dyn Fn() -> SystemTime + Send + Sync;

/// The port [`Store`] in a database: sessions and counters that survive the process.
///
/// Values expire by the clock of the system, to the millisecond, in every process that uses the file; a clock that
/// is set back lets them live longer. Expired entries are removed a few at a time by the calls that write, and never
/// count against the limits. Writes share their commits.
///
/// Its tables are called `cyclone_store…` and are made when it is opened; they do not touch `user_version`.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use cyclone_core::Store;
/// use cyclone_sqlite::{Sqlite, SqliteStore};
///
/// let db = Sqlite::memory().await?;
/// let store = SqliteStore::open(&db).await?;
/// let minute = Some(Duration::from_secs(60));
/// assert_eq!(store.increment("requests:10.0.0.1", 1, minute).await?, 1);
/// assert_eq!(store.increment("requests:10.0.0.1", 1, minute).await?, 2);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SqliteStore {
    db: Sqlite,
    limits: SqliteStoreLimits,
    clock: Arc<Clock>,
}

impl SqliteStore {
    /// Makes the tables, if they are not there, and opens the store with the default limits.
    ///
    /// # Errors
    /// Any [`Error`] of the call, and [`Error::NewerSchema`] when a newer program made the tables.
    ///
    /// # Cancel safety
    /// When the future is dropped, the tables are there or not: never half.
    pub async fn open(db: &Sqlite) -> Result<Self, Error> {
        Self::open_with_limits(db, SqliteStoreLimits::new()).await
    }

    /// As [`open`](Self::open), with other limits.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    ///
    /// # Cancel safety
    /// As [`open`](Self::open).
    pub async fn open_with_limits(db: &Sqlite, limits: SqliteStoreLimits) -> Result<Self, Error> {
        prepare(db, "store", MIGRATIONS).await?;
        Ok(Self {
            db: db.clone(),
            limits,
            clock: Arc::new(SystemTime::now),
        })
    }

    /// The same store with another clock: for tests.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Runs a change of one key, after a few expired entries were removed.
    async fn change<T: Send + 'static>(
        &self,
        key: &str,
        mut work: impl FnMut(&Change<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, PortError> {
        PortError::check_name(key)?;
        let key: Arc<str> = key.into();
        let limits = self.limits;
        let clock = Arc::clone(&self.clock);
        let changed = self
            .db
            .write_grouped(move |tx| -> Result<T, Error> {
                let change = Change {
                    tx,
                    key: &key,
                    limits: &limits,
                    now: millis(clock()),
                };
                change.reclaim(RECLAIM_PER_CALL)?;
                change.expire_key()?;
                work(&change)
            })
            .await;
        Ok(changed?)
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore")
            .field("db", &self.db)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl Store for SqliteStore {
    async fn get(&self, key: &str) -> Result<Option<Bytes>, PortError> {
        PortError::check_name(key)?;
        let clock = Arc::clone(&self.clock);
        let key: Arc<str> = key.into();
        let value = self.db.read(move |conn| {
            conn.prepare_cached(
                "SELECT value FROM cyclone_store \
                 WHERE key = ?1 AND (expires IS NULL OR expires > ?2)",
            )?
            .query_row((&*key, millis(clock())), |row| row.get::<_, Vec<u8>>(0))
            .optional()
        });
        Ok(value.await?.map(Bytes::from))
    }

    async fn put(&self, key: &str, value: Bytes, ttl: Option<Duration>) -> Result<(), PortError> {
        check_ttl(ttl)?;
        self.change(key, move |change| change.put(&value, ttl))
            .await
    }

    async fn put_if_absent(
        &self,
        key: &str,
        value: Bytes,
        ttl: Option<Duration>,
    ) -> Result<bool, PortError> {
        check_ttl(ttl)?;
        self.change(key, move |change| {
            if change.value()?.is_some() {
                return Ok(false);
            }
            change.put(&value, ttl)?;
            Ok(true)
        })
        .await
    }

    async fn delete(&self, key: &str) -> Result<bool, PortError> {
        self.change(key, |change| {
            let deleted = change
                .tx
                .prepare_cached("DELETE FROM cyclone_store WHERE key = ?1")?
                .execute([change.key])?;
            Ok(deleted > 0)
        })
        .await
    }

    async fn increment(
        &self,
        key: &str,
        delta: i64,
        ttl: Option<Duration>,
    ) -> Result<i64, PortError> {
        check_ttl(ttl)?;
        self.change(key, move |change| change.increment(delta, ttl))
            .await
    }
}

/// A change of one key, in a transaction.
struct Change<'a> {
    tx: &'a Connection,
    key: &'a str,
    limits: &'a SqliteStoreLimits,
    /// Milliseconds since 1970.
    now: i64,
}

impl Change<'_> {
    /// Removes entries that have expired, the oldest first, and says how many.
    fn reclaim(&self, limit: i64) -> rusqlite::Result<usize> {
        self.tx
            .prepare_cached(
                "DELETE FROM cyclone_store WHERE rowid IN ( \
                    SELECT rowid FROM cyclone_store \
                    WHERE expires <= ?1 ORDER BY expires LIMIT ?2)",
            )?
            .execute((self.now, limit))
    }

    fn expire_key(&self) -> rusqlite::Result<()> {
        self.tx
            .prepare_cached("DELETE FROM cyclone_store WHERE key = ?1 AND expires <= ?2")?
            .execute((self.key, self.now))
            .map(drop)
    }

    fn value(&self) -> rusqlite::Result<Option<Vec<u8>>> {
        self.tx
            .prepare_cached("SELECT value FROM cyclone_store WHERE key = ?1")?
            .query_row([self.key], |row| row.get(0))
            .optional()
    }

    fn put(&self, value: &[u8], ttl: Option<Duration>) -> Result<(), Error> {
        self.check_size(value)?;
        let expires = ttl.map(|ttl| self.now.saturating_add(round_up(ttl)));
        self.tx
            .prepare_cached(
                "INSERT INTO cyclone_store VALUES (?1, ?2, ?3) \
                 ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires = excluded.expires",
            )?
            .execute((self.key, value, expires))?;
        self.check_room()
    }

    fn increment(&self, delta: i64, ttl: Option<Duration>) -> Result<i64, Error> {
        let Some(value) = self.value()? else {
            self.put(delta.to_string().as_bytes(), ttl)?;
            return Ok(delta);
        };
        let sum = counter(&value)?
            .checked_add(delta)
            .ok_or_else(|| invalid("the counter would overflow"))?;
        // It keeps the time to live it has.
        self.tx
            .prepare_cached("UPDATE cyclone_store SET value = ?2 WHERE key = ?1")?
            .execute((self.key, sum.to_string().as_bytes()))?;
        self.check_room()?;
        Ok(sum)
    }

    fn check_size(&self, value: &[u8]) -> Result<(), PortError> {
        if number(self.key.len()).saturating_add(number(value.len())) > self.limits.bytes {
            return Err(invalid("the value is larger than the store"));
        }
        Ok(())
    }

    /// Makes room by removing what has expired; without enough of that the change is refused and rolled back.
    fn check_room(&self) -> Result<(), Error> {
        while self.is_too_much()? {
            if self.reclaim(RECLAIM_PER_CALL)? == 0 {
                let message = "the store has as much as it may";
                return Err(PortError::new(PortErrorKind::Full, message).into());
            }
        }
        Ok(())
    }

    fn is_too_much(&self) -> rusqlite::Result<bool> {
        self.tx
            .prepare_cached("SELECT entries > ?1 OR bytes > ?2 FROM cyclone_store_total")?
            .query_row((self.limits.entries, self.limits.bytes), |row| row.get(0))
    }
}

fn invalid(message: &'static str) -> PortError {
    PortError::new(PortErrorKind::Invalid, message)
}

fn check_ttl(ttl: Option<Duration>) -> Result<(), PortError> {
    if ttl.is_some_and(|ttl| ttl.is_zero()) {
        return Err(invalid("the time to live is zero"));
    }
    Ok(())
}

/// A counter as it is written: without sign for a positive one, without spaces and leading zeros.
fn counter(value: &[u8]) -> Result<i64, PortError> {
    std::str::from_utf8(value)
        .ok()
        .and_then(|text| {
            let number: i64 = text.parse().ok()?;
            (number.to_string() == text).then_some(number)
        })
        .ok_or_else(|| invalid("the value is not a counter"))
}

fn millis(time: SystemTime) -> i64 {
    let since_1970 = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX)
}

/// A time to live in milliseconds, so that nothing expires early.
fn round_up(ttl: Duration) -> i64 {
    i64::try_from(ttl.as_nanos().div_ceil(1_000_000)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_canonical_decimals_are_counters() {
        for text in ["0", "-1", "9223372036854775807", "-9223372036854775808"] {
            assert_eq!(counter(text.as_bytes()).ok(), text.parse().ok());
        }
        for text in [
            "",
            " 1",
            "1 ",
            "+1",
            "01",
            "-0",
            "1.5",
            "9223372036854775808",
            "x",
        ] {
            assert!(counter(text.as_bytes()).is_err(), "{text}");
        }
        assert!(counter(b"\xff").is_err());
    }

    #[test]
    fn times_to_live_are_rounded_up() {
        assert_eq!(round_up(Duration::from_nanos(1)), 1);
        assert_eq!(round_up(Duration::from_millis(1)), 1);
        assert_eq!(round_up(Duration::from_micros(1001)), 2);
        assert_eq!(round_up(Duration::MAX), i64::MAX);
    }
}
