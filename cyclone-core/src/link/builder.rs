//! The settings of a link, all with defaults.

use std::{fmt, future::Future, sync::Arc, time::Duration};

use tokio::sync::watch;

use super::{Handle, Link, LinkContext, LinkState, keeper::Keeper};
use crate::{
    backoff::BackoffPolicy,
    connector::{Connector, DEFAULT_CONNECT_TIMEOUT},
    health::HealthReporter,
};

/// How long the session of a link may take to say goodbye.
pub const DEFAULT_LINK_CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) name: String,
    pub(super) backoff: BackoffPolicy,
    pub(super) connect_timeout: Duration,
    pub(super) close_timeout: Duration,
}

/// Makes a [`Link`]; made by [`Link::builder`].
#[must_use]
pub struct LinkBuilder<C: Connector> {
    connector: C,
    settings: Settings,
}

impl<C: Connector> fmt::Debug for LinkBuilder<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LinkBuilder")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl<C: Connector> LinkBuilder<C> {
    pub(super) fn new(connector: C) -> Self {
        let settings = Settings {
            name: connector.name().to_owned(),
            backoff: BackoffPolicy::reconnect(),
            connect_timeout: DEFAULT_CONNECT_TIMEOUT,
            close_timeout: DEFAULT_LINK_CLOSE_TIMEOUT,
        };
        Self {
            connector,
            settings,
        }
    }

    /// The name in logs; [`Connector::name`] by default.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.settings.name = name.into();
        self
    }

    /// Delays between attempts; [`BackoffPolicy::reconnect`] by default.
    pub fn backoff(mut self, policy: BackoffPolicy) -> Self {
        self.settings.backoff = policy;
        self
    }

    /// Time limit of one connection attempt; 3 s by default.
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.settings.connect_timeout = limit;
        self
    }

    /// How long a session may take to end when the link is closed; 5 s by default.
    pub fn close_timeout(mut self, limit: Duration) -> Self {
        self.settings.close_timeout = limit;
        self
    }

    /// Starts the link; `session` owns each connection in turn, see [`Link`].
    ///
    /// A session that panics counts as one that failed.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn spawn<F, S>(self, session: F) -> Link<C>
    where
        F: FnMut(C::Connection, LinkContext) -> S + Send + 'static,
        S: Future<Output = Result<(), C::Error>> + Send + 'static,
    {
        let connector = Arc::new(self.connector);
        let (closing, must_close) = watch::channel(false);
        let health = HealthReporter::default();
        let (sender, states) = watch::channel(LinkState::Connecting { attempt: 1 });
        let handle = Handle {
            connector: Arc::clone(&connector),
            name: self.settings.name.clone(),
            health: health.watch(),
            closing,
        };
        tokio::spawn(
            Keeper::new(connector, self.settings, must_close, sender, health).run(session),
        );
        Link {
            handle: Arc::new(handle),
            states,
        }
    }
}
