//! What all clients of the test share.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use fastrand::Rng;

use super::ledger::Ledger;
use super::reply::Reply;
use super::tally::Tally;
use super::wire::{Failure, Wire};

/// The rooms of the chat. The console says things in the first.
pub(super) const ROOMS: [&str; 4] = ["lobby", "soak-1", "soak-2", "soak-3"];

/// A room with a long history, for those who read slowly. It is filled before the test.
pub(super) const BIG_ROOM: &str = "soak-big";

/// How an operation ended; the word is counted.
pub(super) type Outcome = Result<&'static str, Failure>;

/// The server, the books, and when it is over.
#[derive(Debug)]
pub(super) struct World {
    pub(super) http: SocketAddr,
    pub(super) console: SocketAddr,
    /// When the clients of this phase go.
    pub(super) end: Instant,
    books: Mutex<Books>,
    authors: AtomicU64,
}

#[derive(Debug, Default)]
pub(super) struct Books {
    pub(super) ledger: Ledger,
    pub(super) tally: Tally,
    /// The last acknowledged place in the history of each room.
    last: BTreeMap<String, i64>,
}

impl World {
    pub(super) fn new(http: SocketAddr, console: SocketAddr) -> Self {
        Self {
            http,
            console,
            end: Instant::now(),
            books: Mutex::default(),
            authors: AtomicU64::new(0),
        }
    }

    pub(super) fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_over(&self) -> bool {
        Instant::now() >= self.end
    }

    /// A name that nobody else has.
    pub(super) fn author(&self) -> String {
        format!("soak-{}", self.authors.fetch_add(1, Ordering::Relaxed))
    }

    pub(super) fn connect(&self) -> Result<Wire<TcpStream>, Failure> {
        Wire::connect(self.http)
    }

    /// Asks for a page on a connection of its own.
    pub(super) fn get(&self, path: &str) -> Result<Reply, Failure> {
        let mut wire = self.connect()?;
        wire.send(format!(
            "GET {path} HTTP/1.1\r\nhost: soak\r\nconnection: close\r\n\r\n"
        ))?;
        let reply = Reply::read(&mut wire)?;
        reply.expect(200)?;
        Ok(reply)
    }
}

impl Books {
    /// A message is stored.
    pub(super) fn acknowledge(&mut self, room: &str, author: &str, id: &str, seq: i64) {
        self.ledger.acknowledge(room, author, id, seq);
        self.stored(room, seq);
    }

    /// What the console said is stored.
    pub(super) fn console_acknowledges(&mut self, room: &str, text: &str, seq: i64) {
        self.ledger.console_acknowledges(text, seq);
        self.stored(room, seq);
    }

    fn stored(&mut self, room: &str, seq: i64) {
        let last = self.last.entry(room.to_owned()).or_default();
        *last = seq.max(*last);
    }

    /// A place in the history of a room that is certainly there, 0 for none.
    pub(super) fn last(&self, room: &str) -> i64 {
        self.last.get(room).copied().unwrap_or_default()
    }
}

/// One of several.
pub(super) fn pick<'a, T: ?Sized>(rng: &mut Rng, choices: &[&'a T]) -> &'a T {
    choices[rng.usize(..choices.len())]
}
