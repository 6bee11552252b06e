//! TLS of servers and clients, on [rustls](https://docs.rs/rustls).
//!
//! - [`ServerTls`] is TLS of a server: certificates chosen by the name that the client asks for, mutual TLS,
//!   resumption, limits of handshakes, and certificates that are replaced while connections go on.
//! - [`ClientTls`] is TLS of a client; the name of the server is always checked.
//! - [`TlsInfo`] is what the two sides agreed upon; a [`Peer`](crate::Peer) has it.
//!
//! # Cryptography
//!
//! The features `ring` and `aws-lc-rs` bring one implementation each, and may both be on: a configuration names
//! its [`Provider`], or takes [the one that is built in](Provider::built_in). The default of the process is never
//! used and never set.
//!
//! # Limits
//!
//! | what | default | set by |
//! |---|---|---|
//! | a handshake, with waiting for a turn | 10 s | [`ServerTlsBuilder::handshake_timeout`] |
//! | handshakes at once | 1,024 | [`ServerTlsBuilder::max_handshakes`] |
//! | sessions kept for clients that come back | 1,024 | [`ServerTlsBuilder::sessions`] |
//! | life of the key of session tickets | 6 h, and 6 h more to read old ones | fixed |
//! | a message of a handshake | 64 KiB | fixed, by rustls |
//! | plaintext that a connection holds unsent | 64 KiB | fixed, by rustls |
//! | a file of certificates | 64 MiB | fixed |

#[cfg(feature = "acme")]
mod acme;
mod certificate;
mod client;
mod client_auth;
mod error;
mod files;
mod handshake_error;
mod identity;
mod info;
mod name;
mod pem;
mod provider;
mod reload;
mod resolver;
#[cfg(feature = "self-signed")]
mod self_signed;
mod server;
mod stream;
mod system_roots;

#[cfg(feature = "acme")]
#[cfg_attr(docsrs, doc(cfg(feature = "acme")))]
pub use acme::{
    ACME_ATTEMPT_TIMEOUT, ACME_RETRY_AFTER, ACME_RETRY_MAX, Acme, AcmeBuilder, AcmeRenewal,
    LETS_ENCRYPT, LETS_ENCRYPT_STAGING, MAX_ACME_NAMES,
};
pub use certificate::{Certificate, SubjectName};
pub use client::{ClientTls, ClientTlsBuilder};
pub use client_auth::ClientAuth;
pub use error::{TlsError, TlsErrorKind};
pub use files::MAX_FOLDER_IDENTITIES;
pub use handshake_error::{HandshakeError, HandshakeErrorKind};
pub use identity::Identity;
pub use info::{TlsInfo, TlsVersion};
pub use pem::MAX_PEM_BYTES;
pub use provider::Provider;
pub use reload::TlsReload;
pub use resolver::SniPolicy;
#[cfg(feature = "self-signed")]
#[cfg_attr(docsrs, doc(cfg(feature = "self-signed")))]
pub use self_signed::{SELF_SIGNED_LIFE, SelfSigned};
pub use server::{
    DEFAULT_EXPIRY_WARNING, DEFAULT_HANDSHAKE_TIMEOUT, DEFAULT_MAX_HANDSHAKES,
    DEFAULT_RELOAD_INTERVAL, DEFAULT_TLS_SESSIONS, ServerTls, ServerTlsBuilder,
    TICKETS_PER_HANDSHAKE, TlsState,
};
pub use stream::TlsStream;
