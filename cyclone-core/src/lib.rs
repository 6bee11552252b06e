//! Connections, protocols, servers, services, pools and message buses for long-lived asynchronous servers.
