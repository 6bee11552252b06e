//! `SqliteLog`: the port `Log` in a database.

mod limits;

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use cyclone_core::{EntryId, Log, LogEntry, LogRead, PortError, PortErrorKind};
use rusqlite::{Connection, OptionalExtension};

use crate::error::Error;
use crate::handle::Sqlite;
use crate::port::{number, prepare};

pub use self::limits::SqliteLogLimits;

/// `AUTOINCREMENT` never gives an id twice, also after the newest entry was removed.
const MIGRATIONS: &[&str] = &["
    CREATE TABLE cyclone_log (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        epoch INTEGER NOT NULL,
        forgotten INTEGER NOT NULL DEFAULT 0,
        streams INTEGER NOT NULL DEFAULT 0,
        bytes INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE TABLE cyclone_log_stream (
        key INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        entries INTEGER NOT NULL DEFAULT 0,
        bytes INTEGER NOT NULL DEFAULT 0,
        last INTEGER NOT NULL DEFAULT 0,
        floor INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX cyclone_log_stream_last ON cyclone_log_stream (last);
    CREATE TABLE cyclone_log_entry (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        stream INTEGER NOT NULL,
        payload BLOB NOT NULL
    ) STRICT;
    CREATE INDEX cyclone_log_entry_stream ON cyclone_log_entry (stream);
"];

/// The port [`Log`] in a database: what was appended survives the process, as far as the [`Durability`] goes.
///
/// The high half of its ids is the time at which its tables were made, in microseconds since 1970, so that ids of
/// another file, or of one that was deleted meanwhile, are recognised as a gap. The low half grows with every entry
/// and is never used again, whatever was removed. Appends share their commits.
///
/// Every stream keeps its newest entries within the [limits](SqliteLogLimits). When there are too many streams, or
/// too many bytes in all, the stream that was appended to least recently is forgotten as a whole; its readers are
/// told of a gap. Several processes may use the same file.
///
/// Its tables are called `cyclone_log…` and are made when it is opened; they do not touch `user_version`.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use cyclone_core::Log;
/// use cyclone_sqlite::{Sqlite, SqliteLog};
///
/// let db = Sqlite::memory().await?;
/// let log = SqliteLog::open(&db).await?;
/// let first = log.append("news", "one".into()).await?;
/// log.append("news", "two".into()).await?;
/// let read = log.read_after("news", first, 10).await?;
/// assert_eq!(read.entries[0].payload, "two");
/// assert!(!read.gap);
/// # Ok(())
/// # }
/// ```
///
/// [`Durability`]: crate::Durability
#[derive(Clone, Debug)]
pub struct SqliteLog {
    db: Sqlite,
    limits: SqliteLogLimits,
}

impl SqliteLog {
    /// Makes the tables, if they are not there, and opens the log with the default limits.
    ///
    /// # Errors
    /// Any [`Error`] of the call, and [`Error::NewerSchema`] when a newer program made the tables.
    ///
    /// # Cancel safety
    /// When the future is dropped, the tables are there or not: never half.
    pub async fn open(db: &Sqlite) -> Result<Self, Error> {
        Self::open_with_limits(db, SqliteLogLimits::new()).await
    }

    /// As [`open`](Self::open), with other limits. Smaller ones than before take effect with the next append.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    ///
    /// # Cancel safety
    /// As [`open`](Self::open).
    pub async fn open_with_limits(db: &Sqlite, limits: SqliteLogLimits) -> Result<Self, Error> {
        prepare(db, "log", MIGRATIONS).await?;
        let epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_micros();
        let epoch = i64::try_from(epoch).unwrap_or(i64::MAX);
        db.execute(
            "INSERT OR IGNORE INTO cyclone_log (one, epoch) VALUES (1, ?1)",
            [epoch],
        )
        .await?;
        Ok(Self {
            db: db.clone(),
            limits,
        })
    }
}

impl Log for SqliteLog {
    async fn append(&self, stream: &str, payload: Bytes) -> Result<EntryId, PortError> {
        PortError::check_name(stream)?;
        let limits = self.limits;
        if number(payload.len()) > limits.stream_bytes {
            return Err(PortError::new(
                PortErrorKind::Invalid,
                "the entry is larger than a stream may be",
            ));
        }
        let stream: Arc<str> = stream.into();
        let appended = self
            .db
            .write_grouped(move |tx| append(tx, &limits, &stream, &payload))
            .await;
        Ok(appended?)
    }

    async fn read_after(
        &self,
        stream: &str,
        after: EntryId,
        limit: usize,
    ) -> Result<LogRead, PortError> {
        PortError::check_name(stream)?;
        let stream: Arc<str> = stream.into();
        let read = self.db.read(move |conn| read(conn, &stream, after, limit));
        Ok(read.await?)
    }

    /// For a stream without entries it is the newest id of the whole log, which comes before all that the stream
    /// will have.
    async fn last_id(&self, stream: &str) -> Result<EntryId, PortError> {
        PortError::check_name(stream)?;
        let stream: Arc<str> = stream.into();
        let last = self.db.read(move |conn| -> Result<EntryId, Error> {
            let whole = Whole::load(conn)?;
            let known = Stream::load(conn, &stream)?;
            Ok(id(
                whole.epoch,
                known.map_or(whole.last, |stream| stream.last),
            ))
        });
        Ok(last.await?)
    }
}

/// The state of the log as a whole.
struct Whole {
    epoch: i64,
    /// The greatest number that went away with a forgotten stream.
    forgotten: i64,
    streams: i64,
    bytes: i64,
    /// The newest number given out, to any stream.
    last: i64,
}

impl Whole {
    fn load(conn: &Connection) -> rusqlite::Result<Self> {
        conn.prepare_cached(
            "SELECT epoch, forgotten, streams, bytes, coalesce( \
                (SELECT seq FROM sqlite_sequence WHERE name = 'cyclone_log_entry'), 0) \
             FROM cyclone_log",
        )?
        .query_row((), |row| {
            Ok(Self {
                epoch: row.get(0)?,
                forgotten: row.get(1)?,
                streams: row.get(2)?,
                bytes: row.get(3)?,
                last: row.get(4)?,
            })
        })
    }

    fn save(&self, tx: &Connection) -> rusqlite::Result<()> {
        tx.prepare_cached("UPDATE cyclone_log SET forgotten = ?1, streams = ?2, bytes = ?3")?
            .execute((self.forgotten, self.streams, self.bytes))
            .map(drop)
    }
}

struct Stream {
    key: i64,
    entries: i64,
    bytes: i64,
    /// The newest number.
    last: i64,
    /// Reading after a smaller number has a gap.
    floor: i64,
}

impl Stream {
    fn load(conn: &Connection, name: &str) -> rusqlite::Result<Option<Self>> {
        conn.prepare_cached(
            "SELECT key, entries, bytes, last, floor FROM cyclone_log_stream WHERE name = ?1",
        )?
        .query_row([name], |row| {
            Ok(Self {
                key: row.get(0)?,
                entries: row.get(1)?,
                bytes: row.get(2)?,
                last: row.get(3)?,
                floor: row.get(4)?,
            })
        })
        .optional()
    }

    fn create(tx: &Connection, name: &str, floor: i64) -> rusqlite::Result<Self> {
        let key = tx
            .prepare_cached("INSERT INTO cyclone_log_stream (name, floor) VALUES (?1, ?2)")?
            .insert((name, floor))?;
        Ok(Self {
            key,
            entries: 0,
            bytes: 0,
            last: 0,
            floor,
        })
    }

    fn save(&self, tx: &Connection) -> rusqlite::Result<()> {
        tx.prepare_cached(
            "UPDATE cyclone_log_stream SET entries = ?2, bytes = ?3, last = ?4, floor = ?5 \
             WHERE key = ?1",
        )?
        .execute((self.key, self.entries, self.bytes, self.last, self.floor))
        .map(drop)
    }

    /// Removes the oldest entry; false when there is none.
    fn trim(&mut self, tx: &Connection) -> rusqlite::Result<bool> {
        let oldest: Option<(i64, i64)> = tx
            .prepare_cached(
                "SELECT id, length(payload) FROM cyclone_log_entry \
                 WHERE stream = ?1 ORDER BY id LIMIT 1",
            )?
            .query_row([self.key], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let Some((id, bytes)) = oldest else {
            return Ok(false);
        };
        tx.prepare_cached("DELETE FROM cyclone_log_entry WHERE id = ?1")?
            .execute([id])?;
        self.entries -= 1;
        self.bytes -= bytes;
        self.floor = id;
        Ok(true)
    }
}

fn append(
    tx: &Connection,
    limits: &SqliteLogLimits,
    name: &str,
    payload: &[u8],
) -> Result<EntryId, Error> {
    let mut whole = Whole::load(tx)?;
    let mut stream = match Stream::load(tx, name)? {
        Some(stream) => stream,
        None => {
            whole.streams += 1;
            Stream::create(tx, name, whole.forgotten)?
        }
    };
    let number_of_entry = tx
        .prepare_cached("INSERT INTO cyclone_log_entry (stream, payload) VALUES (?1, ?2)")?
        .insert((stream.key, payload))?;
    let bytes_before = stream.bytes;
    stream.entries += 1;
    stream.bytes += number(payload.len());
    stream.last = number_of_entry;
    while stream.entries > limits.stream_entries || stream.bytes > limits.stream_bytes {
        if !stream.trim(tx)? {
            break;
        }
    }
    stream.save(tx)?;
    whole.bytes += stream.bytes - bytes_before;
    while whole.streams > limits.streams || (whole.bytes > limits.bytes && whole.streams > 1) {
        if !forget_oldest(tx, &mut whole)? {
            break;
        }
    }
    whole.save(tx)?;
    Ok(id(whole.epoch, number_of_entry))
}

/// Forgets the stream that was appended to least recently.
fn forget_oldest(tx: &Connection, whole: &mut Whole) -> rusqlite::Result<bool> {
    let oldest: Option<(i64, i64, i64)> = tx
        .prepare_cached("SELECT key, last, bytes FROM cyclone_log_stream ORDER BY last LIMIT 1")?
        .query_row((), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let Some((key, last, bytes)) = oldest else {
        return Ok(false);
    };
    tx.prepare_cached("DELETE FROM cyclone_log_entry WHERE stream = ?1")?
        .execute([key])?;
    tx.prepare_cached("DELETE FROM cyclone_log_stream WHERE key = ?1")?
        .execute([key])?;
    whole.forgotten = whole.forgotten.max(last);
    whole.streams -= 1;
    whole.bytes -= bytes;
    Ok(true)
}

fn read(conn: &Connection, name: &str, after: EntryId, limit: usize) -> Result<LogRead, Error> {
    let whole = Whole::load(conn)?;
    let epoch = whole.epoch.unsigned_abs();
    let foreign = after != EntryId::ZERO && after.high() != epoch;
    let after = match after.high().cmp(&epoch) {
        std::cmp::Ordering::Less => 0,
        std::cmp::Ordering::Equal => i64::try_from(after.low()).unwrap_or(i64::MAX),
        std::cmp::Ordering::Greater => i64::MAX,
    };
    let future = after > whole.last;
    let Some(stream) = Stream::load(conn, name)? else {
        let gap = foreign || future || after < whole.forgotten;
        return Ok(LogRead::new(Vec::new(), gap));
    };
    let gap = foreign || future || after < stream.floor;
    let mut statement = conn.prepare_cached(
        "SELECT id, payload FROM cyclone_log_entry \
         WHERE stream = ?1 AND id > ?2 ORDER BY id LIMIT ?3",
    )?;
    let mut rows = statement.query((stream.key, after, number(limit)))?;
    let mut entries = Vec::new();
    while let Some(row) = rows.next()? {
        let payload: Vec<u8> = row.get(1)?;
        entries.push(LogEntry::new(id(whole.epoch, row.get(0)?), payload.into()));
    }
    Ok(LogRead::new(entries, gap))
}

fn id(epoch: i64, number: i64) -> EntryId {
    EntryId::new(epoch.unsigned_abs(), number.unsigned_abs())
}
