//! TLS: certificates, handshakes, mutual TLS, reload.

#![expect(clippy::panic, clippy::unwrap_used, reason = "helpers of tests")]

mod authority;
mod client_endpoint;
mod clients;
mod cut;
mod endpoint;
mod files;
mod fixtures;
mod handshake;
mod limits;
mod names;
mod reload;
mod resumption;
mod self_signed;
mod stream;

use cyclone_core::tls::{
    ClientTls, ClientTlsBuilder, HandshakeError, ServerTls, ServerTlsBuilder, TlsStream,
};

use authority::{Authority, Issued};

/// TLS of a server with this certificate.
fn server(issued: &Issued) -> ServerTlsBuilder {
    ServerTls::builder().identity(issued.identity())
}

/// TLS of a client that trusts this authority.
fn client(authority: &Authority) -> ClientTlsBuilder {
    ClientTls::builder().roots_pem(authority.pem())
}

type Outcome = Result<TlsStream, HandshakeError>;

/// What becomes of a handshake in memory: the server's view and the client's.
async fn handshake(server: &ServerTls, client: &ClientTls, name: &str) -> (Outcome, Outcome) {
    let (near, far) = tokio::io::duplex(64 * 1024);
    tokio::join!(server.accept(near), client.connect(name, far))
}

/// A handshake in memory that goes well.
async fn connected(server: &ServerTls, client: &ClientTls, name: &str) -> (TlsStream, TlsStream) {
    match handshake(server, client, name).await {
        (Ok(server), Ok(client)) => (server, client),
        outcome => panic!("{name}: {outcome:?}"),
    }
}
