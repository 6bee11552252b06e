//! Connections, protocols, servers, services, pools and message buses for long-lived asynchronous servers.
//!
//! This is the floor of the cyclone crates, and useful without them: Twisted's factories, endpoints and services on
//! tokio. A server made of it knows every connection it has, of whatever protocol: it bounds and shows them, tells
//! each one when it is time to go, waits, cuts what is left, and reports what that was.
//!
//! ```no_run
//! use cyclone_core::{Connection, Endpoint, Server, protocol_fn};
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//!
//! async fn echo(mut connection: Connection) -> std::io::Result<()> {
//!     let (session, mut bytes) = (connection.session().clone(), [0; 4096]);
//!     loop {
//!         let read = tokio::select! {
//!             read = connection.read(&mut bytes) => read?,
//!             () = session.draining() => return Ok(()), // the server shuts down
//!         };
//!         match read {
//!             0 => return Ok(()),
//!             read => connection.write_all(&bytes[..read]).await?,
//!         }
//!     }
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let server = Server::new().listen(Endpoint::tcp(7007), protocol_fn("echo", echo));
//!     println!("{}", server.run().await?); // until SIGINT or SIGTERM
//!     Ok(())
//! }
//! ```
//!
//! # What is here
//!
//! - **Servers**: [`Server`] listens on [`Endpoint`]s and runs a [`Protocol`] for each [`Connection`], built by a
//!   [`ProtocolFactory`]. Its [`Registry`] has all of them; [`Server::shutdown_deadline`] ends the wait for them.
//! - **Sessions**: [`Session`] is a connection's place in its server, with the signals that end it. It travels with
//!   the work, so that an upgraded socket or a streaming body stays registered. [`upgrade`] hands a connection over to
//!   its next protocol.
//! - **Services**: [`Service`] is a named part beside the listeners, started in order, run again with
//!   [backoff](BackoffPolicy) when it fails, stopped in reverse. [`LoopingCall`] and [`EventLoopDelay`] are services;
//!   [`Health`] is a value that can be watched.
//! - **Observation**: [`ServerHandle::snapshot`] is a server as plain data, [`ServerHandle::readiness`] whether it is
//!   ready, [`Inspect`] how a part of yours is shown. A subscriber that looks at `cyclone::connection` down to DEBUG
//!   sees a `tracing` span for each connection.
//! - **Clients**: [`Pool`] and [`Link`] keep connections to other systems alive for whoever implements
//!   [`Connector`]: many to borrow, or one that is always reconnecting. [`Pool::run`] and [`CallLink::call`] say of an
//!   operation that failed whether it was sent, close its connection when its outcome is unknown, and stand behind a
//!   [`Breaker`].
//! - **Resources**: [`Resources`] is what a server's parts share, and [`Context`] is everything that reaches it.
//! - **Ports**: [`Bus`], [`Log`] and [`Store`] stand between protocols and databases. [`LocalBus`], [`MemoryLog`]
//!   and [`MemoryStore`] need nothing.
//!
//! # How it fits with the others
//!
//! `cyclone-web` is a [`ProtocolFactory`] for HTTP. `cyclone-websocket` and `cyclone-sse` find the [`Session`] in the
//! extensions of a request, in any server that puts one there. `cyclone-sqlite` implements the ports and adds a method
//! to every [`Context`]. A crate of yours does the same things with the same traits. Nothing here knows of HTTP.
//!
//! # Limits
//!
//! | what | default | set by |
//! |---|---|---|
//! | connections of a server | 80 % of `RLIMIT_NOFILE` | [`Server::max_connections`] |
//! | connections that the kernel queues | 1,024 | [`Endpoint::backlog`] |
//! | what comes before the protocol, as a PROXY header | 15 s | [`Endpoint::opening_timeout`] |
//! | a PROXY header | 107 bytes (version 1), 8 KiB (version 2) | fixed |
//! | connecting of a client, addresses tried | 30 s, 32 | [`ClientEndpoint::timeout`], fixed |
//! | drain at shutdown | 30 s | [`Server::shutdown_deadline`] |
//! | start, and each half of the stop, of a service | 10 s | [`Server::service_timeout`] |
//! | connections of a pool, callers that wait | 10, 1,024 | [`PoolBuilder`] |
//! | checkout, connect, check | 5 s, 3 s, 1 s | [`PoolBuilder`] |
//! | pause before reconnecting | 50 ms, doubled up to 5 s, jittered | [`BackoffPolicy`] |
//! | attempts to connect of a pool or link | 20 a second | fixed |
//! | an operation of a pool, a call over a link | 10 s | [`PoolBuilder`], [`LinkBuilder`] |
//! | calls over a link that wait, that are in flight | 1,024, 1 | [`LinkBuilder`] |
//! | failures in a row that open a breaker, pause | 5; 50 ms, doubled up to 5 s | [`BreakerPolicy`] |
//! | queue of a subscription | 256 messages, 4 MiB; then a gap | [`SubscriptionLimits`] |
//! | topics and subscriptions of a local bus | 65,536 and 262,144 | [`BusLimits`] |
//! | a stream of a memory log | 1,024 entries, 1 MiB | [`LogLimits`] |
//! | all of a memory log | 65,536 streams, 256 MiB | [`LogLimits`] |
//! | a memory store | 1,048,576 keys, 256 MiB | [`StoreLimits`] |
//! | name of a topic, stream or key | 1,024 bytes | fixed |
//! | line, wait for a line, wait to write (`Lines`) | 16 KiB, 10 min, 30 s | `Lines` |
//! | netstring, string after its length | 99,999 bytes | `NetstringCodec`, `Int8Codec`, `Int16Codec`, `Int32Codec` |
//!
//! How long a protocol of your own may take is its own business: put [`tokio::time::timeout`] around what waits for a
//! peer, or use `Lines`, which has limits of its own.
//!
//! # Features
//!
//! | feature | default | adds |
//! |---|---|---|
//! | `lines` | no | `Lines`, a bounded reader and writer of text lines; codecs of lines, netstrings and prefixed strings |
//! | `tls` | no | `tls`: TLS of servers and clients on rustls, with a provider of cryptography that the program names |
//! | `ring`, `aws-lc-rs` | no | such a provider; both may be on |
//! | `self-signed` | no | certificates for development |
//! | `acme` | no | certificates from an authority that speaks ACME (RFC 8555); brings `ring` |
//! | `runner` | no | `runner`: command line, configuration, logs, daemon, workers and upgrades of a whole program |
//! | `testing` | no | `testing`, a proxy that breaks connections on purpose, for tests of clients and drivers |
//! | `metrics` | no | what [`Snapshot::metrics`] has goes through the [`metrics`](https://docs.rs/metrics) facade, every 5 s |
//! | `opentelemetry` | no | `export_metrics`: the same through a meter of OpenTelemetry |
//! | `conformance` | no | `conformance`, checks of what the ports promise, for tests of drivers |
//!
//! # Not supported yet
//!
//! Bus, log and store of several machines: the drivers for that are not written. UDP. Other
//! systems than Unix; the tests run on Linux.

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(all(feature = "runner", not(target_os = "linux")))]
compile_error!(
    "the feature `runner` of cyclone-core is for Linux: switch it off for other systems"
);

mod accept;
mod backoff;
mod breaker;
mod bus;
mod client_endpoint;
#[cfg(feature = "lines")]
mod codec;
#[cfg(feature = "conformance")]
pub mod conformance;
mod connection;
mod connection_task;
mod connector;
mod endpoint;
mod event_loop_delay;
mod health;
mod inspect;
mod keep_alive;
#[cfg(feature = "lines")]
mod lines;
mod link;
mod listener;
mod lock;
mod log;
mod looping_call;
mod metrics;
mod nearest;
mod network;
mod observed;
mod opening;
mod operation;
mod peer;
mod pool;
mod port_error;
mod protocol;
pub mod proxy_protocol;
mod readiness;
mod registry;
mod resources;
#[cfg(all(feature = "runner", target_os = "linux"))]
pub mod runner;
mod server;
mod service;
mod session;
mod shutdown;
mod snapshot;
mod sockets;
mod state_watch;
mod store;
#[cfg(feature = "testing")]
pub mod testing;
#[cfg(feature = "tls")]
pub mod tls;
mod transport;
mod until_cut;
pub mod upgrade;

pub use backoff::{
    AttemptLimiter, Backoff, BackoffPolicy, DEFAULT_BACKOFF_BASE, DEFAULT_BACKOFF_MAX,
    DEFAULT_BACKOFF_MULTIPLIER, DEFAULT_RECONNECT_MAX, DEFAULT_RESET_AFTER, Jitter,
    MAX_ATTEMPTS_PER_SECOND, UNLIMITED_ATTEMPTS,
};
pub use breaker::{
    Breaker, BreakerOpen, BreakerPermit, BreakerPolicy, BreakerState, DEFAULT_BREAKER_FAILURES,
    DEFAULT_BREAKER_PROBE_TIMEOUT, DEFAULT_BREAKER_PROBES, DEFAULT_BREAKER_SUCCESSES,
};
pub use bus::{
    Bus, BusEvent, BusLimits, BusStatistics, DEFAULT_BUS_SUBSCRIPTIONS, DEFAULT_BUS_TOPICS,
    DEFAULT_SUBSCRIPTION_BYTES, DEFAULT_SUBSCRIPTION_MESSAGES, Delivery, LocalBus, SharedBus,
    Subscription, SubscriptionLimits, SubscriptionSender,
};
pub use client_endpoint::{
    CONNECTION_ATTEMPT_DELAY, ClientEndpoint, ConnectError, DEFAULT_CLIENT_TIMEOUT,
    MAX_ADDRESSES_TRIED,
};
#[cfg(feature = "lines")]
pub use codec::{
    DEFAULT_MAX_DISCARDED_BYTES, DEFAULT_MAX_LINE_BYTES, DEFAULT_MAX_STRING_BYTES, FrameError,
    Int8Codec, Int16Codec, Int32Codec, LineCodec, LineEvent, NetstringCodec, PrefixedCodec, Raw,
};
pub use connection::{Connection, IN_MEMORY_BUFFER_BYTES};
pub use connector::{ConnectionError, ConnectionErrorKind, Connector, DEFAULT_CONNECT_TIMEOUT};
pub use endpoint::{
    DEFAULT_BACKLOG, DEFAULT_OPENING_TIMEOUT, DEFAULT_UNIX_MODE, Endpoint, EndpointError,
    ProxyProtocol, Untrusted,
};
pub use event_loop_delay::{DEFAULT_RESOLUTION, EventLoopDelay};
pub use health::{Health, HealthReporter, HealthWatch};
pub use inspect::{
    HistogramValue, Inspect, Inspection, MAX_SOURCES, Metric, MetricKind, MetricValue,
};
#[cfg(feature = "lines")]
pub use lines::{DEFAULT_IDLE_TIMEOUT, DEFAULT_WRITE_TIMEOUT, Lines};
pub use link::{
    Answer, CallLink, CallQueue, DEFAULT_LINK_CLOSE_TIMEOUT, DEFAULT_LINK_MAX_IN_FLIGHT,
    DEFAULT_LINK_MAX_PENDING, LateAnswers, Link, LinkBuilder, LinkContext, LinkError, LinkState,
    LinkStatistics, MAX_LINK_CALLS,
};
pub use log::{
    DEFAULT_LOG_BYTES, DEFAULT_LOG_STREAM_BYTES, DEFAULT_LOG_STREAM_ENTRIES, DEFAULT_LOG_STREAMS,
    EntryId, Log, LogEntry, LogLimits, LogRead, MemoryLog, ParseEntryIdError, SharedLog,
};
pub use looping_call::{LoopingCall, SHORTEST_INTERVAL, Tick};
#[cfg(feature = "metrics")]
pub use metrics::METRICS_INTERVAL;
#[cfg(feature = "opentelemetry")]
pub use metrics::export_metrics;
pub use network::{Network, NetworkError};
pub use operation::{DEFAULT_OPERATION_TIMEOUT, NotSent, OperationError, Outcome};
pub use peer::{Address, Peer};
pub use pool::{
    DEFAULT_CHECK_AFTER, DEFAULT_CHECK_TIMEOUT, DEFAULT_KEEPALIVE, DEFAULT_MAX_LIFETIME,
    DEFAULT_POOL_CLOSE_TIMEOUT, DEFAULT_POOL_IDLE_TIMEOUT, DEFAULT_POOL_MAX_SIZE,
    DEFAULT_POOL_MAX_WAITING, DEFAULT_POOL_MIN_IDLE, DEFAULT_SLOW_CHECKOUT, DEFAULT_WAIT_TIMEOUT,
    LIFETIME_JITTER, MAX_POOL_SIZE, Pool, PoolBuilder, PoolError, PoolState, PoolStatistics,
    Pooled, PooledOperation,
};
pub use port_error::{MAX_NAME_BYTES, PortError, PortErrorKind};
pub use protocol::{Protocol, ProtocolFactory, ProtocolFn, protocol_fn};
pub use readiness::Readiness;
pub use registry::{ConnectionId, ConnectionInfo, Registry};
pub use resources::{Context, MissingResource, Resources, ResourcesBuilder};
pub use server::{BoundServer, DEFAULT_SHUTDOWN_DEADLINE, RunningServer, Server, ServerError};
pub use service::{
    DEFAULT_READY_TIMEOUT, DEFAULT_SERVICE_TIMEOUT, FailureKind, GiveUp, MAX_COUNTED_RESTARTS,
    Restart, Service, ServiceChangeError, ServiceContext, ServiceError, ServiceFailure,
    ServiceGroup, ServiceInfo, ServiceOptions, ServiceState, ServicesWatch,
};
pub use session::{Session, SessionGuard};
pub use shutdown::{ServerHandle, ShutdownReport};
pub use snapshot::{
    ConnectionsSnapshot, LimitUse, ListenerInfo, ProcessFacts, ProtocolSnapshot, RuntimeFacts,
    Snapshot, SourceSnapshot,
};
pub use sockets::Sockets;
pub use state_watch::StateWatch;
pub use store::{
    DEFAULT_STORE_BYTES, DEFAULT_STORE_ENTRIES, MemoryStore, SharedStore, Store, StoreLimits,
};
pub use transport::Transport;
pub use upgrade::{OnUpgrade, UpgradeError, UpgradeSender, Upgraded};

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
