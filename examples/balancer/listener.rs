//! Where clients come in, and what is done with each.

use std::fmt;
use std::io;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use cyclone_core::{Connection, Peer, Protocol, ProtocolFactory};
use tokio::time::Instant;

use super::config::LimitsConfig;
use super::group::{Group, Lease};
use super::statistics::count;
use super::transfer::{End, Silence, Transfer};
use super::upstream::{NotConnected, Upstream};

/// A listener of a balancer: the factory of its connections. Clones are the same listener.
#[derive(Clone)]
pub struct BalancerListener {
    inner: Arc<Inner>,
}

struct Inner {
    name: String,
    group: RwLock<Arc<Group>>,
    connect_timeout: Duration,
    silence: Silence,
}

impl BalancerListener {
    pub(super) fn new(name: &str, group: Arc<Group>, limits: &LimitsConfig) -> Self {
        Self {
            inner: Arc::new(Inner {
                name: name.to_owned(),
                group: RwLock::new(group),
                connect_timeout: limits.connect_timeout_s,
                silence: Silence {
                    limit: limits.idle_limit_s,
                    draining: limits.drain_idle_limit_s.unwrap_or(limits.idle_limit_s),
                },
            }),
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    pub(super) fn group(&self) -> Arc<Group> {
        let group = self.inner.group.read();
        Arc::clone(&group.unwrap_or_else(PoisonError::into_inner))
    }

    /// Has another group serve those who come from now on.
    pub(super) fn switch(&self, group: Arc<Group>) {
        let place = self.inner.group.write();
        *place.unwrap_or_else(PoisonError::into_inner) = group;
    }
}

impl fmt::Debug for BalancerListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BalancerListener")
            .field("name", &self.inner.name)
            .field("group", &self.group().name)
            .finish()
    }
}

impl ProtocolFactory for BalancerListener {
    type Protocol = BalancedConnection;

    fn build(&self, _peer: &Peer) -> Option<BalancedConnection> {
        Some(BalancedConnection {
            group: self.group(),
            listener: Arc::clone(&self.inner),
        })
    }

    fn name(&self) -> &'static str {
        "balanced"
    }
}

/// A client's connection, and later that to a backend.
#[derive(Debug)]
pub struct BalancedConnection {
    group: Arc<Group>,
    listener: Arc<Inner>,
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Listener").field(&self.name).finish()
    }
}

impl Protocol for BalancedConnection {
    /// Serves a client by one backend; goes on to the next while none was sent anything.
    async fn run(self, connection: Connection) -> io::Result<()> {
        let Self { group, listener } = self;
        let header = group.config.proxy.of(connection.peer());
        let until = Instant::now() + group.config.queue_timeout_s;
        let mut transfer = Transfer::new(connection);
        // Those that were slow or reset; who refuses is taken out of the group.
        let mut tried = Vec::new();
        loop {
            let lease = match group.acquire(&tried, until).await {
                Ok(lease) => lease,
                Err(refused) => {
                    let (group, peer) = (&group.name, transfer.client().peer());
                    tracing::warn!(group, %peer, %refused, "client turned away");
                    transfer.reset();
                    return Ok(());
                }
            };
            let index = lease.index();
            let address = &lease.backend().config.address;
            let limit = listener.connect_timeout;
            let upstream = match Upstream::connect(address, &header, limit).await {
                Ok(upstream) => upstream,
                Err(error) => {
                    count(&lease.backend().counts.failed);
                    match error {
                        NotConnected::Refused(_) => group.refused(index, &error.to_string()),
                        NotConnected::Slow(_) => {
                            group.failed(index, &error.to_string());
                            tried.push(index);
                        }
                        NotConnected::Ours(error) => {
                            tracing::error!(%error, "cannot connect to any backend");
                            transfer.reset();
                            return Err(error);
                        }
                    }
                    continue;
                }
            };
            if lease.is_cut() {
                // It is not what the operator wants any more, and nothing was said to it.
                continue;
            }
            match serve(&mut transfer, upstream, &lease, &listener).await {
                Served::Ended(end) => return end,
                Served::NotBegun(error) => {
                    // Who was told of the client may have something against it and nothing against others.
                    if header.is_empty() {
                        group.refused(index, &format!("reset: {error}"));
                    }
                    tried.push(index);
                }
            }
        }
    }
}

/// What became of a client at one backend.
enum Served {
    Ended(io::Result<()>),
    /// The backend was gone at once, before it was sent anything.
    NotBegun(io::Error),
}

async fn serve(
    transfer: &mut Transfer,
    upstream: Upstream,
    lease: &Lease,
    listener: &Inner,
) -> Served {
    let backend = lease.backend();
    let counts = &backend.counts;
    count(&counts.connections);
    let begun = Instant::now();
    let end = transfer
        .run(upstream, counts, listener.silence, lease.cut())
        .await;
    // Later it is tired of a client that says nothing, and that is no fault of the backend's.
    let at_once = begun.elapsed() <= listener.connect_timeout;
    Served::Ended(match end {
        End::Finished => Ok(()),
        End::ClientGone(error) => Err(error),
        End::BackendGone(error) if at_once && transfer.can_move() => {
            count(&counts.moved);
            return Served::NotBegun(error);
        }
        End::BackendGone(error) => {
            count(&counts.broken);
            transfer.reset();
            Err(error)
        }
        End::Silent => Err(io::ErrorKind::TimedOut.into()),
        End::TakenAway => {
            transfer.reset();
            Ok(())
        }
    })
}
