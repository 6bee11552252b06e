//! What lets clients come back without a full handshake.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::{
    NoServerSessionStorage, ProducesTickets, ServerSessionMemoryCache, StoresServerSessions,
};

use super::builder::{ServerTlsBuilder, TICKETS_PER_HANDSHAKE};
use crate::tls::error::TlsError;
use crate::tls::provider::Provider;

/// The key of tickets and the stored sessions. Without them all clients have to do a full handshake.
pub(super) struct Resumption {
    tickets: Option<Arc<dyn ProducesTickets>>,
    sessions: Arc<dyn StoresServerSessions>,
    /// Whether there are any to store.
    is_storing: bool,
}

impl Resumption {
    pub(super) fn new(settings: &ServerTlsBuilder, provider: &Provider) -> Result<Self, TlsError> {
        Ok(Self {
            tickets: settings.tickets.then(|| provider.tickets()).transpose()?,
            sessions: match settings.sessions {
                0 => Arc::new(NoServerSessionStorage {}),
                sessions => ServerSessionMemoryCache::new(sessions),
            },
            is_storing: settings.sessions > 0,
        })
    }

    /// Has the sessions of a configuration go on with these.
    pub(super) fn put_into(&self, config: &mut ServerConfig) {
        config.session_storage = Arc::clone(&self.sessions);
        config.send_tls13_tickets = TICKETS_PER_HANDSHAKE;
        match &self.tickets {
            Some(tickets) => config.ticketer = Arc::clone(tickets),
            // Tickets of TLS 1.3 then are keys of the stored sessions.
            None if !self.is_storing => config.send_tls13_tickets = 0,
            None => {}
        }
    }
}
