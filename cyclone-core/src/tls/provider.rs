//! Which implementation of the cryptography is used: always a named one.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::server::ProducesTickets;

use super::error::TlsError;

/// An implementation of the cryptography of TLS.
///
/// Each configuration has its own. The default of the process, which rustls knows too, is never used and never
/// installed: it is one for all libraries of a program, and absent when two of them want different ones.
#[derive(Clone)]
pub struct Provider {
    name: &'static str,
    crypto: Arc<CryptoProvider>,
    tickets: fn() -> Result<Arc<dyn ProducesTickets>, rustls::Error>,
}

impl Provider {
    /// The cryptography of [ring](https://docs.rs/ring): quick to build, with few needs.
    #[cfg(feature = "ring")]
    #[cfg_attr(docsrs, doc(cfg(feature = "ring")))]
    #[must_use]
    pub fn ring() -> Self {
        Self {
            name: "ring",
            crypto: Arc::new(rustls::crypto::ring::default_provider()),
            tickets: rustls::crypto::ring::Ticketer::new,
        }
    }

    /// The cryptography of [AWS-LC](https://docs.rs/aws-lc-rs): more algorithms, among them key exchange that
    /// withstands quantum computers (X25519MLKEM768). Building it needs a C compiler.
    #[cfg(feature = "aws-lc-rs")]
    #[cfg_attr(docsrs, doc(cfg(feature = "aws-lc-rs")))]
    #[must_use]
    pub fn aws_lc_rs() -> Self {
        Self {
            name: "aws-lc-rs",
            crypto: Arc::new(rustls::crypto::aws_lc_rs::default_provider()),
            tickets: rustls::crypto::aws_lc_rs::Ticketer::new,
        }
    }

    /// The one that is built in: that of the feature `aws-lc-rs`, else that of `ring`, else none.
    #[must_use]
    pub fn built_in() -> Option<Self> {
        #[cfg(feature = "aws-lc-rs")]
        return Some(Self::aws_lc_rs());
        #[cfg(all(feature = "ring", not(feature = "aws-lc-rs")))]
        return Some(Self::ring());
        #[cfg(not(any(feature = "ring", feature = "aws-lc-rs")))]
        return None;
    }

    /// The name, `ring` or `aws-lc-rs`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) fn or_built_in(given: Option<Self>) -> Result<Self, TlsError> {
        given.or_else(Self::built_in).ok_or_else(|| {
            TlsError::settings("no cryptography is built in")
                .fix("turn on the feature `ring` or `aws-lc-rs` of cyclone-core")
        })
    }

    pub(crate) fn crypto(&self) -> &Arc<CryptoProvider> {
        &self.crypto
    }

    /// Keys for session tickets, replaced every six hours and accepted for twelve.
    pub(crate) fn tickets(&self) -> Result<Arc<dyn ProducesTickets>, TlsError> {
        (self.tickets)().map_err(|error| {
            TlsError::settings("no key for session tickets could be made").because(error)
        })
    }
}

impl PartialEq for Provider {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Provider {}

impl Hash for Provider {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Provider").field(&self.name).finish()
    }
}
