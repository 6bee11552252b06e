//! The settings of a client.

use std::sync::Arc;
use std::time::Duration;

use cyclone_core::{BackoffPolicy, DEFAULT_CONNECT_TIMEOUT, Link};

use super::EslClient;
use super::connector::EslConnector;
use super::session::session;
use crate::freeswitch::command::Command;
use crate::freeswitch::esl::{Esl, Shared};
use crate::freeswitch::event::EventFormat;
use crate::freeswitch::frame::FrameLimits;
use crate::freeswitch::wanted::{Subscriptions, Wanted};
use crate::freeswitch::wire::Patience;

/// Settings of a client, all with defaults; made by [`EslClient::builder`].
#[derive(Clone, Debug)]
#[must_use]
pub struct EslClientBuilder {
    connector: EslConnector,
    backoff: BackoffPolicy,
    connect_timeout: Duration,
    wanted: Wanted,
    patience: Patience,
}

impl EslClientBuilder {
    pub(super) fn new(address: String) -> Self {
        Self {
            connector: EslConnector {
                address,
                login: Command::auth("ClueCon"),
                limits: FrameLimits::default(),
            },
            backoff: BackoffPolicy::reconnect(),
            connect_timeout: DEFAULT_CONNECT_TIMEOUT,
            wanted: Wanted::new(EventFormat::default()),
            patience: Patience::default(),
        }
    }

    /// The password; `ClueCon` unless called, as FreeSWITCH comes.
    pub fn password(mut self, password: &str) -> Self {
        self.connector.login = Command::auth(password);
        self
    }

    /// A user (`1000@example.com`) of the directory and the password, instead of that of the event socket.
    pub fn user(mut self, user: &str, password: &str) -> Self {
        self.connector.login = Command::userauth(user, password);
        self
    }

    /// The form events come in; plain unless called.
    pub fn format(mut self, format: EventFormat) -> Self {
        self.wanted.format = format;
        self
    }

    /// Events to subscribe to from the first connection on, as [`EslClient::subscribe`] has them.
    pub fn events(mut self, names: &[impl AsRef<str>]) -> Self {
        self.wanted.add(names);
        self
    }

    /// How much a frame may hold.
    pub fn limits(mut self, limits: FrameLimits) -> Self {
        self.connector.limits = limits;
        self
    }

    /// How long FreeSWITCH may owe an answer before the connection counts as dead; 120 s unless called.
    pub fn reply_timeout(mut self, limit: Duration) -> Self {
        self.patience.reply = limit;
        self
    }

    /// How long nothing may come before FreeSWITCH is asked whether it is there; 30 s unless called.
    pub fn probe_after(mut self, silence: Duration) -> Self {
        self.patience.probe_after = silence;
        self
    }

    /// Delays between attempts to connect.
    pub fn backoff(mut self, policy: BackoffPolicy) -> Self {
        self.backoff = policy;
        self
    }

    /// Time limit of one attempt to connect and to log in; 3 s unless called.
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = limit;
        self
    }

    /// Starts the client; it connects in the background.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    #[must_use]
    pub fn spawn(self) -> EslClient {
        let subscriptions = Subscriptions::Kept(self.wanted.into());
        let shared = Arc::new(Shared::new(subscriptions));
        let patience = self.patience;
        // Closes with the link, also when its task is dropped.
        let stage = CloseOnDrop(Arc::clone(&shared));
        let link = Link::builder(self.connector)
            .backoff(self.backoff)
            .connect_timeout(self.connect_timeout)
            .spawn(move |connection, context| {
                session(connection, context, Arc::clone(&stage.0), patience)
            });
        EslClient {
            esl: Esl { shared },
            link,
        }
    }
}

struct CloseOnDrop(Arc<Shared>);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        self.0.close();
    }
}
