//! The settings of a link, all with defaults.

use std::{fmt, future::Future, sync::Arc, time::Duration};

use tokio::{select, sync::watch};

use super::{
    CallLink, CallQueue, Handle, LateAnswers, Link, LinkContext, LinkState,
    calls::Calls,
    keeper::{Keeper, Orders, Trying},
    statistics::Counts,
};
use crate::{
    backoff::{BackoffPolicy, UNLIMITED_ATTEMPTS},
    breaker::{Breaker, BreakerPolicy},
    connector::{ConnectionError, Connector, DEFAULT_CONNECT_TIMEOUT},
    health::HealthReporter,
    operation::DEFAULT_OPERATION_TIMEOUT,
};

/// How long the session of a link may take to say goodbye.
pub const DEFAULT_LINK_CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
/// Calls of a [`CallLink`] that may wait, for their turn or their answer, at the same time.
pub const DEFAULT_LINK_MAX_PENDING: usize = 1024;
/// Calls of a [`CallLink`] that its session may have taken and not answered, at the same time.
pub const DEFAULT_LINK_MAX_IN_FLIGHT: usize = 1;
/// The largest number of calls: a larger one is taken for this.
pub const MAX_LINK_CALLS: usize = 1_000_000;

#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) name: String,
    pub(super) backoff: BackoffPolicy,
    pub(super) connect_timeout: Duration,
    pub(super) close_timeout: Duration,
    pub(super) max_attempts: u32,
    breaker: BreakerPolicy,
    calls: CallSettings,
}

#[derive(Clone, Debug)]
pub(super) struct CallSettings {
    pub(super) timeout: Duration,
    pub(super) max_pending: usize,
    pub(super) max_in_flight: usize,
    pub(super) late_answers: LateAnswers,
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
            max_attempts: UNLIMITED_ATTEMPTS,
            breaker: BreakerPolicy::default(),
            calls: CallSettings {
                timeout: DEFAULT_OPERATION_TIMEOUT,
                max_pending: DEFAULT_LINK_MAX_PENDING,
                max_in_flight: DEFAULT_LINK_MAX_IN_FLIGHT,
                late_answers: LateAnswers::default(),
            },
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

    /// Connection attempts that fail one after the other before the link stops connecting by itself, until it is
    /// told to [continue](Link::continue_trying); unlimited by default. 0 counts as 1.
    ///
    /// Twisted's `maxRetries`, with the first attempt counted.
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.settings.max_attempts = attempts.max(1);
        self
    }

    /// When calls are refused because those before them failed; [`BreakerPolicy::default`] by default.
    pub fn breaker(mut self, policy: BreakerPolicy) -> Self {
        self.settings.breaker = policy;
        self
    }

    /// Time limit of a call, from the call to its answer; 10 s by default.
    pub fn operation_timeout(mut self, limit: Duration) -> Self {
        self.settings.calls.timeout = limit;
        self
    }

    /// The most calls that wait at the same time, for their turn or their answer; 1024 by default. One more is told
    /// [`NotSent::Full`](crate::NotSent::Full). It is kept between 1 and [`MAX_LINK_CALLS`].
    pub fn max_pending(mut self, calls: usize) -> Self {
        self.settings.calls.max_pending = calls.clamp(1, MAX_LINK_CALLS);
        self
    }

    /// The most calls that the session takes before it has answered one of them; 1 by default. More are for a
    /// protocol that can be sent requests ahead. It is kept between 1 and [`MAX_LINK_CALLS`].
    pub fn max_in_flight(mut self, calls: usize) -> Self {
        self.settings.calls.max_in_flight = calls.clamp(1, MAX_LINK_CALLS);
        self
    }

    /// What becomes of the answer to a call that was sent and given up; [`LateAnswers::Close`] by default.
    pub fn late_answers(mut self, late_answers: LateAnswers) -> Self {
        self.settings.calls.late_answers = late_answers;
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
        self.start(session, ConnectionError::new, Arc::default())
    }

    /// Starts a link over which requests are sent and answered: `session` owns each connection in turn, and takes
    /// the calls from its queue, see [`CallLink`].
    ///
    /// A session that panics counts as one that failed.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn spawn_with_calls<Q, A, F, S>(self, mut session: F) -> CallLink<C, Q, A>
    where
        Q: Send + 'static,
        A: Send + 'static,
        F: FnMut(C::Connection, LinkContext, CallQueue<Q, A, C::Error>) -> S + Send + 'static,
        S: Future<Output = Result<(), C::Error>> + Send + 'static,
    {
        let settings = self.settings.calls.clone();
        let counts = Arc::new(Counts::of_calls(settings.max_pending));
        let calls = Arc::new(Calls::new(settings, Arc::clone(&counts)));
        let opening = Arc::clone(&calls);
        let with_calls = move |connection, context: LinkContext| {
            let (queue, guard) = opening.open(context.clone());
            let running = session(connection, context, queue);
            async move {
                select! {
                    biased;
                    () = guard.given_up() => Err(ConnectionError::given_up()),
                    ended = running => ended.map_err(ConnectionError::new),
                }
            }
        };
        CallLink::new(self.start(with_calls, |error| error, counts), calls)
    }

    fn start<F, S, E>(
        self,
        session: F,
        reason: fn(E) -> ConnectionError,
        counts: Arc<Counts>,
    ) -> Link<C>
    where
        F: FnMut(C::Connection, LinkContext) -> S + Send + 'static,
        S: Future<Output = Result<(), E>> + Send + 'static,
        E: Send + 'static,
    {
        let (closing, must_close) = watch::channel(false);
        let (trying, may_try) = watch::channel(Trying::default());
        let (sender, states) = watch::channel(LinkState::Connecting { attempt: 1 });
        let health = HealthReporter::default();
        let handle = Handle {
            connector: Arc::new(self.connector),
            name: self.settings.name.clone(),
            health: health.watch(),
            breaker: Breaker::new(self.settings.breaker),
            counts,
            closing,
            trying,
            stopped_in: Arc::default(),
        };
        let orders = Orders {
            closing: must_close,
            trying: may_try,
        };
        let keeper = Keeper::new(&handle, self.settings, orders, sender, health);
        tokio::spawn(keeper.run(session, reason));
        Link {
            handle: Arc::new(handle),
            states,
        }
    }
}
