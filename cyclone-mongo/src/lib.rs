//! Self-healing MongoDB connections for cyclone servers.
//!
//! **Nothing is implemented yet.** The name is reserved and this page says what will be here, so that the
//! other crates can be designed around it. Depend on it once a release says otherwise.
//!
//! The official `mongodb` driver pools and discovers servers on its own. What a long-lived server wants
//! beside it is supervision, health it can watch, and the data flowing out to its clients.
//!
//! What will be here:
//!
//! - A client as a `cyclone_core` service: started, checked and stopped with the server, its health a
//!   watchable value.
//! - `MongoContext`: `cx.mongo()` in every context.
//! - Change streams as a `Link` that resumes after its last token, or reports the gap when the token is
//!   gone.
//! - The ports of `cyclone-core`: `Bus` over change streams, `Log` over a collection with an ordered
//!   id, `Store` with expiry.
//!
//! What will not: anything of HTTP, and no object mapper. Of the cyclone crates it needs only
//! `cyclone-core`, and it is useful in any tokio program.
