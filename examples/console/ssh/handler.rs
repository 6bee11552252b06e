//! What a client of a console may ask of russh, and the answers.

use std::collections::HashSet;
use std::sync::Arc;

use cyclone_core::Session;
use russh::keys::{Algorithm, PublicKey};
use russh::server::{self, Auth, ChannelOpenHandle, Msg, PublicKeyOffer, VerifiedPublicKey};
use russh::{Channel, ChannelId, ChannelOpenFailure, Disconnect, Pty};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::{Shared, places};
use crate::console::access::Operator;

/// How many channels a connection may open over its whole life: russh keeps a little of each.
const MAX_CHANNELS_OPENED: usize = 1000;

/// What happened on a connection.
pub(super) enum Event {
    LoggedIn(Operator),
    /// A channel, and its place among those of the connection.
    Opened(Channel<Msg>, OwnedSemaphorePermit),
}

/// Decides what a client may; what it is told otherwise is `no`, which is russh's own answer to everything that is not
/// here: ports, agents, X11, subsystems.
pub(super) struct Handler {
    shared: Arc<Shared>,
    session: Session,
    events: mpsc::Sender<Event>,
    operator: Option<Operator>,
    /// One of the sessions of the console, once logged in.
    place: Option<OwnedSemaphorePermit>,
    /// Places for channels.
    channels: Arc<Semaphore>,
    opened: usize,
    /// The channels that were told what to do.
    begun: HashSet<ChannelId>,
}

impl Handler {
    pub(super) fn new(shared: &Arc<Shared>, session: Session, events: mpsc::Sender<Event>) -> Self {
        Self {
            shared: Arc::clone(shared),
            session,
            events,
            operator: None,
            place: None,
            channels: places(shared.limits.channels),
            opened: 0,
            begun: HashSet::new(),
        }
    }

    /// Refuses, and says once more what may be tried.
    fn refuse(&self, user: &str, how: &str) -> Auth {
        tracing::info!(?user, how, peer = %self.session.peer(), "login refused");
        Auth::Reject {
            proceed_with_methods: Some(self.shared.access.methods()),
            partial_success: false,
        }
    }

    async fn key(&self, user: &str, key: &PublicKey, algorithm: &Algorithm) -> Option<Operator> {
        self.shared.access.key(user, key, algorithm).await
    }

    /// Whether a channel is told for the first time what to do.
    fn begin(&mut self, channel: ChannelId) -> bool {
        self.begun.insert(channel)
    }
}

impl server::Handler for Handler {
    type Error = russh::Error;

    async fn auth_publickey_offered(
        &mut self,
        user: &str,
        offer: PublicKeyOffer<'_>,
    ) -> Result<Auth, Self::Error> {
        match self.key(user, offer.public_key, offer.algorithm).await {
            Some(_) => Ok(Auth::Accept),
            None => Ok(self.refuse(user, "key")),
        }
    }

    async fn auth_publickey(
        &mut self,
        user: &str,
        key: VerifiedPublicKey<'_>,
    ) -> Result<Auth, Self::Error> {
        self.operator = self.key(user, key.public_key, key.algorithm).await;
        match self.operator {
            Some(_) => Ok(Auth::Accept),
            None => Ok(self.refuse(user, "key")),
        }
    }

    async fn auth_password(&mut self, user: &str, password: &str) -> Result<Auth, Self::Error> {
        self.operator = self.shared.access.password(user, password).await;
        match self.operator {
            Some(_) => Ok(Auth::Accept),
            None => Ok(self.refuse(user, "password")),
        }
    }

    async fn auth_succeeded(&mut self, session: &mut server::Session) -> Result<(), Self::Error> {
        let place = Arc::clone(&self.shared.sessions).try_acquire_owned();
        let Ok(place) = place else {
            tracing::warn!(peer = %self.session.peer(), "too many sessions, one refused");
            return session.disconnect(Disconnect::TooManyConnections, "too many sessions", "");
        };
        self.place = Some(place);
        if let Some(operator) = &self.operator {
            // It fails when the connection is ended by us just now.
            let _ = self.events.send(Event::LoggedIn(operator.clone())).await;
        }
        Ok(())
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut server::Session,
    ) -> Result<(), Self::Error> {
        let is_refused = self.opened >= MAX_CHANNELS_OPENED || self.session.is_draining();
        let place = Arc::clone(&self.channels).try_acquire_owned();
        let Some(place) = place.ok().filter(|_| !is_refused) else {
            reply.reject(ChannelOpenFailure::ResourceShortage).await;
            return Ok(());
        };
        self.opened += 1;
        reply.accept().await;
        let _ = self.events.send(Event::Opened(channel, place)).await;
        Ok(())
    }

    async fn pty_request(
        &mut self,
        channel: ChannelId,
        _term: &str,
        _columns: u32,
        _rows: u32,
        _width: u32,
        _height: u32,
        _modes: &[(Pty, u32)],
        session: &mut server::Session,
    ) -> Result<(), Self::Error> {
        if self.operator.as_ref().is_some_and(|operator| operator.pty) {
            session.channel_success(channel)
        } else {
            session.channel_failure(channel)
        }
    }

    async fn shell_request(
        &mut self,
        channel: ChannelId,
        session: &mut server::Session,
    ) -> Result<(), Self::Error> {
        if self.begin(channel) {
            session.channel_success(channel)
        } else {
            session.channel_failure(channel)
        }
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        _command: &[u8],
        session: &mut server::Session,
    ) -> Result<(), Self::Error> {
        self.shell_request(channel, session).await
    }

    async fn env_request(
        &mut self,
        channel: ChannelId,
        _name: &str,
        _value: &str,
        session: &mut server::Session,
    ) -> Result<(), Self::Error> {
        session.channel_failure(channel)
    }

    async fn x11_request(
        &mut self,
        channel: ChannelId,
        _single: bool,
        _protocol: &str,
        _cookie: &str,
        _screen: u32,
        session: &mut server::Session,
    ) -> Result<(), Self::Error> {
        session.channel_failure(channel)
    }

    async fn subsystem_request(
        &mut self,
        channel: ChannelId,
        _name: &str,
        session: &mut server::Session,
    ) -> Result<(), Self::Error> {
        session.channel_failure(channel)
    }
}
