//! Rooms and their messages, in SQLite.

use std::time::{SystemTime, UNIX_EPOCH};

use cyclone_web::sqlite::rusqlite::{self, OptionalExtension as _, params};
use cyclone_web::sqlite::{Error, Sqlite};
use serde::{Deserialize, Serialize};

/// Messages that one reading of the history gives at most.
pub(crate) const PAGE: usize = 200;

/// Rooms that there may be.
pub(crate) const MAX_ROOMS: usize = 500;

const MIGRATIONS: &[(&str, &str)] = &[(
    "rooms and messages",
    "CREATE TABLE rooms (name TEXT PRIMARY KEY) STRICT;
     CREATE TABLE messages (
         seq INTEGER PRIMARY KEY AUTOINCREMENT,
         room TEXT NOT NULL REFERENCES rooms (name),
         author TEXT NOT NULL,
         id TEXT NOT NULL,
         text TEXT NOT NULL,
         sent_ms INTEGER NOT NULL,
         UNIQUE (room, author, id)
     ) STRICT;
     CREATE INDEX messages_by_room ON messages (room, seq);
     INSERT INTO rooms VALUES ('lobby');",
)];

/// A message of a room.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Message {
    /// Its place in the history, over all rooms.
    pub(crate) seq: i64,
    /// The place of the message before it in the same room, 0 for the first: who has that one misses nothing.
    pub(crate) previous: i64,
    pub(crate) room: String,
    pub(crate) author: String,
    /// What its author called it; sending it again does not store it again.
    pub(crate) id: String,
    pub(crate) text: String,
    /// Milliseconds since 1970.
    pub(crate) sent_ms: i64,
}

/// A room and how much was said in it.
#[derive(Debug, Serialize)]
pub(crate) struct Room {
    pub(crate) name: String,
    pub(crate) messages: i64,
}

/// Rooms and messages; clones are handles.
#[derive(Clone, Debug)]
pub(crate) struct Storage {
    sqlite: Sqlite,
}

impl Storage {
    pub(crate) async fn open(sqlite: Sqlite) -> Result<Self, Error> {
        sqlite.migrate(MIGRATIONS).await?;
        Ok(Self { sqlite })
    }

    /// Stores a message; `None` when there is no such room. When this returns it survives the process.
    ///
    /// A message of the same author and id is stored once; the second time gives the first with `false`.
    pub(crate) async fn add(
        &self,
        room: &str,
        author: &str,
        id: &str,
        text: &str,
    ) -> Result<Option<(Message, bool)>, Error> {
        let (room, author) = (room.to_owned(), author.to_owned());
        let (id, text, sent_ms) = (id.to_owned(), text.to_owned(), now_ms());
        self.sqlite
            .write_grouped(move |tx| -> rusqlite::Result<_> {
                let mut insert = tx.prepare_cached(
                    "INSERT INTO messages (room, author, id, text, sent_ms)
                     SELECT name, ?2, ?3, ?4, ?5 FROM rooms WHERE name = ?1
                     ON CONFLICT (room, author, id) DO NOTHING",
                )?;
                let added = insert.execute(params![room, author, id, text, sent_ms])? > 0;
                let mut stored =
                    tx.prepare_cached(&select("room = ?1 AND author = ?2 AND id = ?3"))?;
                let message = stored
                    .query_row(params![room, author, id], message)
                    .optional()?;
                Ok(message.map(|message| (message, added)))
            })
            .await
    }

    /// The messages of a room after a place in its history, oldest first, [`PAGE`] at most.
    pub(crate) async fn after(&self, room: &str, seq: i64) -> Result<Vec<Message>, Error> {
        let sql = select("room = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3");
        let arguments = (room.to_owned(), seq, limit(PAGE));
        self.sqlite.query(sql, arguments, message).await
    }

    /// The last messages of a room, oldest first.
    pub(crate) async fn last(&self, room: &str, count: usize) -> Result<Vec<Message>, Error> {
        let sql = select("room = ?1 ORDER BY seq DESC LIMIT ?2");
        let arguments = (room.to_owned(), limit(count.min(PAGE)));
        let mut messages = self.sqlite.query(sql, arguments, message).await?;
        messages.reverse();
        Ok(messages)
    }

    pub(crate) async fn rooms(&self) -> Result<Vec<Room>, Error> {
        let sql = "SELECT name, (SELECT count(*) FROM messages WHERE room = name)
                   FROM rooms ORDER BY name";
        let room = |row: &rusqlite::Row<'_>| {
            Ok(Room {
                name: row.get(0)?,
                messages: row.get(1)?,
            })
        };
        self.sqlite.query(sql, (), room).await
    }

    pub(crate) async fn has_room(&self, room: &str) -> Result<bool, Error> {
        let sql = "SELECT EXISTS (SELECT 1 FROM rooms WHERE name = ?1)";
        let room = room.to_owned();
        self.sqlite.query_one(sql, [room], |row| row.get(0)).await
    }

    /// Makes a room unless it is there; `false` when there are too many.
    pub(crate) async fn add_room(&self, room: &str) -> Result<bool, Error> {
        let sql = "INSERT INTO rooms SELECT ?1 WHERE (SELECT count(*) FROM rooms) < ?2
                   ON CONFLICT DO NOTHING";
        let added = self
            .sqlite
            .execute(sql, (room.to_owned(), limit(MAX_ROOMS)))
            .await?;
        Ok(added > 0 || self.has_room(room).await?)
    }
}

fn select(condition: &str) -> String {
    format!(
        "SELECT seq, coalesce((SELECT max(seq) FROM messages AS before
                 WHERE before.room = messages.room AND before.seq < messages.seq), 0),
                room, author, id, text, sent_ms
         FROM messages WHERE {condition}"
    )
}

fn message(row: &rusqlite::Row<'_>) -> rusqlite::Result<Message> {
    Ok(Message {
        seq: row.get(0)?,
        previous: row.get(1)?,
        room: row.get(2)?,
        author: row.get(3)?,
        id: row.get(4)?,
        text: row.get(5)?,
        sent_ms: row.get(6)?,
    })
}

fn limit(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    })
}
