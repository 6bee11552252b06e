//! Connections, protocols, servers, services, pools and message buses for long-lived asynchronous servers.

mod bus;
mod connection;
mod lock;
mod log;
mod peer;
mod port_error;
mod protocol;
mod registry;
mod resources;
mod session;
mod store;
mod transport;

pub use bus::{
    Bus, BusEvent, BusLimits, DEFAULT_BUS_SUBSCRIPTIONS, DEFAULT_BUS_TOPICS,
    DEFAULT_SUBSCRIPTION_BYTES, DEFAULT_SUBSCRIPTION_MESSAGES, Delivery, LocalBus, SharedBus,
    Subscription, SubscriptionLimits, SubscriptionSender,
};
pub use connection::{Connection, IN_MEMORY_BUFFER_BYTES};
pub use log::{
    DEFAULT_LOG_BYTES, DEFAULT_LOG_STREAM_BYTES, DEFAULT_LOG_STREAM_ENTRIES, DEFAULT_LOG_STREAMS,
    EntryId, Log, LogEntry, LogLimits, LogRead, MemoryLog, ParseEntryIdError, SharedLog,
};
pub use peer::{Address, Peer};
pub use port_error::{MAX_NAME_BYTES, PortError, PortErrorKind};
pub use protocol::{Protocol, ProtocolFactory, ProtocolFn, protocol_fn};
pub use registry::{ConnectionId, ConnectionInfo, Registry};
pub use resources::{Context, MissingResource, Resources, ResourcesBuilder};
pub use session::{Session, SessionGuard};
pub use store::{
    DEFAULT_STORE_BYTES, DEFAULT_STORE_ENTRIES, MemoryStore, SharedStore, Store, StoreLimits,
};
pub use transport::Transport;
