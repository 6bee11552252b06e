//! Connections, protocols, servers, services, pools and message buses for long-lived asynchronous servers.

mod accept;
mod backoff;
mod bus;
#[cfg(feature = "conformance")]
pub mod conformance;
mod connection;
mod connector;
mod endpoint;
mod event_loop_delay;
mod health;
#[cfg(feature = "lines")]
mod lines;
mod link;
mod listener;
mod lock;
mod log;
mod looping_call;
mod peer;
mod pool;
mod port_error;
mod protocol;
mod registry;
mod resources;
mod server;
mod service;
mod session;
mod shutdown;
mod store;
mod transport;
mod until_cut;

pub use backoff::{
    AttemptLimiter, Backoff, BackoffPolicy, DEFAULT_BACKOFF_BASE, DEFAULT_BACKOFF_MAX,
    DEFAULT_BACKOFF_MULTIPLIER, DEFAULT_RECONNECT_MAX, DEFAULT_RESET_AFTER, Jitter,
    MAX_ATTEMPTS_PER_SECOND,
};
pub use bus::{
    Bus, BusEvent, BusLimits, DEFAULT_BUS_SUBSCRIPTIONS, DEFAULT_BUS_TOPICS,
    DEFAULT_SUBSCRIPTION_BYTES, DEFAULT_SUBSCRIPTION_MESSAGES, Delivery, LocalBus, SharedBus,
    Subscription, SubscriptionLimits, SubscriptionSender,
};
pub use connection::{Connection, IN_MEMORY_BUFFER_BYTES};
pub use connector::{ConnectionError, ConnectionErrorKind, Connector, DEFAULT_CONNECT_TIMEOUT};
pub use endpoint::{DEFAULT_BACKLOG, DEFAULT_UNIX_MODE, Endpoint, EndpointError};
pub use event_loop_delay::{DEFAULT_RESOLUTION, EventLoopDelay};
pub use health::{Health, HealthReporter, HealthWatch};
#[cfg(feature = "lines")]
pub use lines::{DEFAULT_IDLE_TIMEOUT, DEFAULT_MAX_LINE_BYTES, DEFAULT_WRITE_TIMEOUT, Lines};
pub use link::{DEFAULT_LINK_CLOSE_TIMEOUT, Link, LinkBuilder, LinkContext, LinkError, LinkState};
pub use log::{
    DEFAULT_LOG_BYTES, DEFAULT_LOG_STREAM_BYTES, DEFAULT_LOG_STREAM_ENTRIES, DEFAULT_LOG_STREAMS,
    EntryId, Log, LogEntry, LogLimits, LogRead, MemoryLog, ParseEntryIdError, SharedLog,
};
pub use looping_call::{LoopingCall, SHORTEST_INTERVAL, Tick};
pub use peer::{Address, Peer};
pub use pool::{
    DEFAULT_CHECK_AFTER, DEFAULT_CHECK_TIMEOUT, DEFAULT_KEEPALIVE, DEFAULT_MAX_LIFETIME,
    DEFAULT_POOL_CLOSE_TIMEOUT, DEFAULT_POOL_IDLE_TIMEOUT, DEFAULT_POOL_MAX_SIZE,
    DEFAULT_POOL_MAX_WAITING, DEFAULT_POOL_MIN_IDLE, DEFAULT_SLOW_CHECKOUT, DEFAULT_WAIT_TIMEOUT,
    LIFETIME_JITTER, MAX_POOL_SIZE, Pool, PoolBuilder, PoolError, PoolStatistics, Pooled,
};
pub use port_error::{MAX_NAME_BYTES, PortError, PortErrorKind};
pub use protocol::{Protocol, ProtocolFactory, ProtocolFn, protocol_fn};
pub use registry::{ConnectionId, ConnectionInfo, Registry};
pub use resources::{Context, MissingResource, Resources, ResourcesBuilder};
pub use server::{
    DEFAULT_SERVICE_TIMEOUT, DEFAULT_SHUTDOWN_DEADLINE, RunningServer, Server, ServerError,
};
pub use service::{Service, ServiceContext, ServiceError, ServiceInfo};
pub use session::{Session, SessionGuard};
pub use shutdown::{ServerHandle, ShutdownReport};
pub use store::{
    DEFAULT_STORE_BYTES, DEFAULT_STORE_ENTRIES, MemoryStore, SharedStore, Store, StoreLimits,
};
pub use transport::Transport;
