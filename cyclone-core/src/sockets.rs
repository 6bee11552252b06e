//! Listening sockets that outlive a server: what one process hands to the next.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::endpoint::Endpoint;
use crate::lock::lock;

/// The listening sockets of a process, by the endpoints they belong to; clones are handles of the same set.
///
/// A server that [has](crate::Server::sockets) one binds with what is in it: an endpoint takes the first socket
/// of its name instead of a new one, so that no connection is lost between the old process and the new. What a
/// server listens on is in the set as long as it listens, and [`hand_over`](Self::hand_over) gives duplicates of
/// that, for a successor or for workers.
///
/// The name of a socket is the text of its endpoint without the options that do not say where it is: `tcp:80`,
/// `tcp:80:interface=127.0.0.1`, `unix:/run/app.sock`. Whoever gives longer text means the same, so that a
/// successor may have other options. There may be several sockets of one name (`reuseport`), which are taken in
/// their order.
///
/// The file of a Unix domain socket that was handed over is the predecessor's until the server of the successor
/// accepts: one that does not get there leaves it alone. From then on it goes with the successor, and the predecessor
/// has to [keep](Self::keep_files) it.
///
/// ```
/// use cyclone_core::{Endpoint, Server, Sockets, protocol_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let hello = protocol_fn("hello", |_connection| async { Ok(()) });
/// let sockets = Sockets::new();
/// let endpoint = Endpoint::loopback(0);
/// let server = Server::new().sockets(sockets.clone()).listen(endpoint.clone(), hello.clone());
/// let old = server.start().await?;
///
/// let inherited = Sockets::new(); // in another process, usually
/// for (name, socket) in sockets.hand_over()? {
///     inherited.insert(name, socket);
/// }
/// let new = Server::new().sockets(inherited).listen(endpoint, hello).start().await?;
/// assert_eq!(new.local_addresses(), old.local_addresses());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct Sockets {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    state: Mutex<State>,
    keep_files: AtomicBool,
}

#[derive(Default)]
struct State {
    /// What came from another process and waits for its endpoint.
    unclaimed: Vec<(String, OwnedFd)>,
    /// Duplicates of what servers listen on, in the order in which they were bound.
    in_use: BTreeMap<u64, (String, OwnedFd)>,
    next: u64,
}

impl Sockets {
    /// An empty set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a listening socket that an endpoint of this name will take.
    ///
    /// Whether it fits the endpoint is seen when it is taken.
    pub fn insert(&self, name: impl Into<String>, socket: impl Into<OwnedFd>) {
        let name = canonical(name.into());
        self.state().unclaimed.push((name, socket.into()));
    }

    /// Duplicates of every socket that a server of this set listens on now, with their names, in the order of
    /// their binding. They close on exec, as all descriptors of Rust do.
    ///
    /// # Errors
    /// When the process may have no more descriptors. Nothing is changed then.
    pub fn hand_over(&self) -> io::Result<Vec<(String, OwnedFd)>> {
        let state = self.state();
        let in_use = state.in_use.values();
        in_use
            .map(|(name, socket)| Ok((name.clone(), socket.try_clone()?)))
            .collect()
    }

    /// The names of the sockets that no endpoint has taken, in the order in which they were added.
    ///
    /// Peers can connect to them, and nobody answers: once everything is bound they should be
    /// [closed](Self::close_unclaimed).
    #[must_use]
    pub fn unclaimed(&self) -> Vec<String> {
        let state = self.state();
        state
            .unclaimed
            .iter()
            .map(|(name, _)| name.clone())
            .collect()
    }

    /// Closes the sockets that no endpoint has taken, and gives their names.
    pub fn close_unclaimed(&self) -> Vec<String> {
        let unclaimed = std::mem::take(&mut self.state().unclaimed);
        unclaimed.into_iter().map(|(name, _)| name).collect()
    }

    /// From now on the files of Unix domain sockets stay when their servers end.
    ///
    /// For a process whose sockets belong to another: one that has handed them over, or a worker that got them
    /// from its parent. Nothing undoes it.
    pub fn keep_files(&self) {
        self.inner.keep_files.store(true, Ordering::Release);
    }

    pub(crate) fn keeps_files(&self) -> bool {
        self.inner.keep_files.load(Ordering::Acquire)
    }

    /// Takes the first unclaimed socket of this name.
    pub(crate) fn take(&self, name: &str) -> Option<OwnedFd> {
        let mut state = self.state();
        let at = state.unclaimed.iter().position(|(it, _)| it == name)?;
        Some(state.unclaimed.remove(at).1)
    }

    /// Puts a duplicate of a socket among those in use, until what is returned is dropped.
    pub(crate) fn record(&self, name: String, socket: &impl AsFd) -> io::Result<InUse> {
        let socket = socket.as_fd().try_clone_to_owned()?;
        let mut state = self.state();
        let key = state.next;
        state.next += 1;
        state.in_use.insert(key, (name, socket));
        let set = self.clone();
        Ok(InUse { set, key })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.inner.state)
    }
}

/// The name under which a set has the socket of an endpoint with this text.
fn canonical(text: String) -> String {
    match text.parse::<Endpoint>() {
        Ok(endpoint) => endpoint.socket_name(),
        Err(_) => text,
    }
}

impl fmt::Debug for Sockets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        let in_use: Vec<_> = state.in_use.values().map(|(name, _)| name).collect();
        let unclaimed: Vec<_> = state.unclaimed.iter().map(|(name, _)| name).collect();
        f.debug_struct("Sockets")
            .field("in_use", &in_use)
            .field("unclaimed", &unclaimed)
            .finish_non_exhaustive()
    }
}

/// The duplicate of a socket in a set; without it a socket would outlive its listener.
#[derive(Debug)]
pub(crate) struct InUse {
    set: Sockets,
    key: u64,
}

impl Drop for InUse {
    fn drop(&mut self) {
        let duplicate = self.set.state().in_use.remove(&self.key);
        drop(duplicate);
    }
}
