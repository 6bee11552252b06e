//! Connections, protocols, servers, services, pools and message buses for long-lived asynchronous servers.

mod connection;
mod peer;
mod protocol;
mod registry;
mod resources;
mod session;
mod transport;

pub use connection::{Connection, IN_MEMORY_BUFFER_BYTES};
pub use peer::{Address, Peer};
pub use protocol::{Protocol, ProtocolFactory, ProtocolFn, protocol_fn};
pub use registry::{ConnectionId, ConnectionInfo, Registry};
pub use resources::{Context, MissingResource, Resources, ResourcesBuilder};
pub use session::{Session, SessionGuard};
pub use transport::Transport;
