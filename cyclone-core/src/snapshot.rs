//! A server as it is now, as plain data.

use std::time::{Duration, SystemTime};

use crate::health::Health;
use crate::inspect::Metric;
use crate::peer::Address;
use crate::readiness::Readiness;
use crate::service::ServiceInfo;
use crate::shutdown::ServerHandle;

pub use process::ProcessFacts;
pub use runtime::RuntimeFacts;

mod process;
mod runtime;

/// A server as it is now: connections, listeners, services, what is inspected, process and runtime.
///
/// It is plain data for consoles, pages and metrics, read from one part after the other. Its
/// [`metrics`](Self::metrics) have all numbers in one list. It has addresses and reasons that belong to operators,
/// and not in answers to strangers.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Snapshot {
    /// When it was taken.
    pub taken_at: SystemTime,
    /// For how long the server has been there.
    pub uptime: Duration,
    /// The version of the program, if the server [was told](crate::Server::version).
    pub version: Option<String>,
    /// Whether the server is ready for work.
    pub readiness: Readiness,
    /// Its connections.
    pub connections: ConnectionsSnapshot,
    /// Where it listens, in the order in which the listeners were added.
    pub listeners: Vec<ListenerInfo>,
    /// Its services, in the order of their start.
    pub services: Vec<ServiceInfo>,
    /// What is [inspected](crate::Server::inspect), in the order in which it came.
    pub sources: Vec<SourceSnapshot>,
    /// The process.
    pub process: ProcessFacts,
    /// The tokio runtime of the server.
    pub runtime: RuntimeFacts,
}

/// The connections of a server in numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionsSnapshot {
    /// Open connections.
    pub open: usize,
    /// How many may be open at once.
    pub limit: usize,
    /// Connections accepted since the start.
    pub accepted: u64,
    /// Peers that a factory refused since the start.
    pub refused: u64,
    /// By protocol, in the order of their names: those that were spoken so far.
    pub protocols: Vec<ProtocolSnapshot>,
}

/// The connections that speak one protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProtocolSnapshot {
    /// The name of the protocol.
    pub protocol: &'static str,
    /// Open connections that speak it now.
    pub open: usize,
    /// Connections that have begun to speak it since the start; one that was upgraded counts for both.
    pub begun: u64,
}

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListenerInfo {
    /// The endpoint as a text, with the port that was asked for.
    pub endpoint: String,
    /// The address, with the port that the kernel picked where 0 was asked for.
    pub address: Address,
    /// The protocol that its connections speak first.
    pub protocol: &'static str,
}

/// Something that is inspected.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SourceSnapshot {
    /// The name it was given.
    pub name: String,
    /// What it is: `pool`, `link`, `bus`.
    pub kind: &'static str,
    /// How well it works, if it says so.
    pub health: Option<Health>,
    /// Its numbers, with names that do without `cyclone_` and its kind.
    pub metrics: Vec<Metric>,
}

/// Something that has a limit, and how much of it is used.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct LimitUse {
    /// What is limited: `connections`, `pool main connections`, `open files`.
    pub name: String,
    /// How much is used.
    pub used: f64,
    /// The limit.
    pub limit: u64,
}

impl Snapshot {
    /// Everything that has a limit, and how much of it is used: connections, open files, and what is inspected.
    #[must_use]
    pub fn limits(&self) -> Vec<LimitUse> {
        let connections = &self.connections;
        let mut limits = vec![LimitUse {
            name: "connections".to_owned(),
            used: as_f64(connections.open),
            limit: connections.limit as u64,
        }];
        if let (Some(used), Some(limit)) = (self.process.open_files, self.process.max_files) {
            limits.push(LimitUse {
                name: "open files".to_owned(),
                used: as_f64(used),
                limit,
            });
        }
        for source in &self.sources {
            let (kind, name) = (source.kind, &source.name);
            for metric in &source.metrics {
                let Some(limit) = metric.limit else { continue };
                limits.push(LimitUse {
                    name: format!("{kind} {name} {}", metric.name.replace('_', " ")),
                    used: metric.value.as_f64(),
                    limit,
                });
            }
        }
        limits
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "to look at; counts beyond 2^53 are rounded"
)]
fn as_f64(count: usize) -> f64 {
    count as f64
}

impl ServerHandle {
    /// The server as it is now.
    ///
    /// It asks every service and everything that is inspected, and reads a few small files of `/proc`: to be taken
    /// once a second perhaps, not with each request.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let observed = &self.observed;
        Snapshot {
            taken_at: SystemTime::now(),
            uptime: observed.started.elapsed(),
            version: observed.version.clone(),
            readiness: self.readiness(),
            connections: self.connections_snapshot(),
            listeners: observed.listeners(),
            services: self.services(),
            sources: observed.inspect_all(),
            process: ProcessFacts::read(),
            runtime: RuntimeFacts::of(&observed.runtime),
        }
    }

    fn connections_snapshot(&self) -> ConnectionsSnapshot {
        let registry = self.registry();
        let mut open = registry.counts();
        let mut protocols: Vec<_> = registry
            .begun()
            .into_iter()
            .map(|(protocol, begun)| ProtocolSnapshot {
                protocol,
                open: open.remove(protocol).unwrap_or(0),
                begun,
            })
            .collect();
        // One that began between the two looks.
        protocols.extend(open.into_iter().map(|(protocol, open)| ProtocolSnapshot {
            protocol,
            open,
            begun: open as u64,
        }));
        ConnectionsSnapshot {
            open: protocols.iter().map(|protocol| protocol.open).sum(),
            limit: self.observed.max_connections,
            accepted: registry.accepted(),
            refused: registry.refused(),
            protocols,
        }
    }
}
