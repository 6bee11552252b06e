//! Self-healing Redis and Valkey connections for cyclone servers.
//!
//! **Nothing is implemented yet.** The name is reserved and this page says what will be here, so that the
//! other crates can be designed around it. Depend on it once a release says otherwise.
//!
//! A server keeps its connections to Redis for weeks. Machines restart, failovers happen, networks drop;
//! the server must notice, reconnect by itself without a storm of attempts, and tell each caller truly
//! whether its command ran.
//!
//! What will be here:
//!
//! - One multiplexed connection a client, the fast way to use Redis, on the `redis` crate; single
//!   server, Sentinel and Cluster, over TCP, TLS and unix sockets.
//! - A reconnecting subscriber, as a `cyclone_core` `Link`: after a break it subscribes again and
//!   reports the gap.
//! - `RedisContext`: `cx.redis()` in every request, WebSocket, RPC call and line-protocol session.
//! - The ports of `cyclone-core`: `Bus` over publish/subscribe, `Log` over Redis Streams, `Store` over
//!   keys with expiry.
//! - Errors that say whether a command was sent, so a caller knows when a retry is safe. No command is
//!   ever sent twice behind the caller's back.
//!
//! What will not: anything of HTTP. Of the cyclone crates it needs only
//! `cyclone-core`, and it is useful in any tokio program.
