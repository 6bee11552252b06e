//! JSON-RPC and XML-RPC from one registry of methods.
//!
//! **Nothing is implemented yet.** The name is reserved and this page says what will be here, so that the
//! other crates can be designed around it. Depend on it once a release says otherwise.
//!
//! A method is written once and answers to both protocols, over HTTP and, for JSON-RPC, over WebSocket and
//! TCP lines too.
//!
//! What will be here:
//!
//! - JSON-RPC 2.0 with batches and notifications, on the types of `jsonrpsee`; at most 100 calls a
//!   batch, nesting bounded.
//! - XML-RPC with introspection and multicall, on `quick-xml`.
//! - A `tower::Service` over `http` types, so it mounts in cyclone-web, axum or plain hyper.
//! - A call is a `cyclone_core` `Context`: every driver's extension method works in it.
//!
//! What will not: anything of databases, and no transport of its own: it is driven by the server it is mounted in.
