//! The outbound side: FreeSWITCH connects to us for every call.

use std::fmt;
use std::future::Future;
use std::io;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use cyclone_core::{Connection, Context, Peer, Protocol, ProtocolFactory, Resources, Session};
use tokio::select;
use tokio::time::{sleep, timeout};

use super::channel::Channel;
use super::command::Command;
use super::error::EslError;
use super::esl::{Esl, Shared, order};
use super::event::EventFormat;
use super::frame::FrameLimits;
use super::headers::Headers;
use super::wanted::Subscriptions;
use super::wire::{Patience, Wire};

/// How long FreeSWITCH may take to say which call it is, unless said otherwise.
pub const DEFAULT_GREETING_TIMEOUT: Duration = Duration::from_secs(5);

/// How long what serves a call may go on when the call has gone, unless said otherwise.
pub const DEFAULT_FAREWELL_TIMEOUT: Duration = Duration::from_secs(30);

/// How long the last events of a call are waited for, unless said otherwise.
pub const DEFAULT_LINGER_TIMEOUT: Duration = Duration::from_secs(30);

/// Serves calls: FreeSWITCH's dialplan says `socket 127.0.0.1:8084 async full` and connects.
///
/// Each connection first asks for the channel (`connect`), for what comes after its end (`linger`) and for its events
/// (`myevents`); then the call is handed to the function. When that has ended the connection is closed by `exit`,
/// which gives the call back to the dialplan.
///
/// ```no_run
/// use cyclone_core::{Endpoint, Server};
/// use cyclone_examples::freeswitch::{Call, OutboundServer};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let calls = OutboundServer::new(|call: Call| async move {
///     call.answer().await?;
///     call.begin("playback", "tone_stream://%(200,100,440)").await?.wait().await?;
///     call.hangup("NORMAL_CLEARING").await?;
///     Ok(())
/// });
/// Server::new().listen(Endpoint::loopback(8084), calls).run().await?;
/// # Ok(())
/// # }
/// ```
pub struct OutboundServer<F> {
    serve: Arc<F>,
    options: Options,
}

#[derive(Clone, Copy, Debug)]
struct Options {
    limits: FrameLimits,
    patience: Patience,
    greeting: Duration,
    farewell: Duration,
    linger: bool,
    linger_timeout: Duration,
    events: Option<EventFormat>,
}

/// A call that FreeSWITCH has handed to us: its channel, to be told what to do, and what was said of it.
///
/// Clones are handles of the same call.
#[derive(Clone, Debug)]
pub struct Call {
    channel: Channel,
    data: Arc<Headers>,
    session: Session,
}

impl<F, Fut> OutboundServer<F>
where
    F: Fn(Call) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<(), EslError>> + Send + 'static,
{
    /// A server whose calls are served by a function.
    #[must_use]
    pub fn new(serve: F) -> Self {
        Self {
            serve: Arc::new(serve),
            options: Options {
                limits: FrameLimits::default(),
                patience: Patience::default(),
                greeting: DEFAULT_GREETING_TIMEOUT,
                farewell: DEFAULT_FAREWELL_TIMEOUT,
                linger: true,
                linger_timeout: DEFAULT_LINGER_TIMEOUT,
                events: Some(EventFormat::default()),
            },
        }
    }

    /// Whether the last events of a call are waited for; they are unless called.
    #[must_use]
    pub fn linger(mut self, linger: bool) -> Self {
        self.options.linger = linger;
        self
    }

    /// How long they are waited for before the connection is closed; 30 s unless called. FreeSWITCH itself keeps it for
    /// ever.
    #[must_use]
    pub fn linger_timeout(mut self, limit: Duration) -> Self {
        self.options.linger_timeout = limit;
        self
    }

    /// The form in which the events of the call come, or that none come; plain unless called.
    #[must_use]
    pub fn events(mut self, format: Option<EventFormat>) -> Self {
        self.options.events = format;
        self
    }

    /// How much a frame may hold.
    #[must_use]
    pub fn limits(mut self, limits: FrameLimits) -> Self {
        self.options.limits = limits;
        self
    }

    /// How long FreeSWITCH may take to say which call it is; 5 s unless called.
    #[must_use]
    pub fn greeting_timeout(mut self, limit: Duration) -> Self {
        self.options.greeting = limit;
        self
    }

    /// How long the function may go on when the call has gone; 30 s unless called.
    #[must_use]
    pub fn farewell_timeout(mut self, limit: Duration) -> Self {
        self.options.farewell = limit;
        self
    }

    /// How long nothing may come before FreeSWITCH is asked whether it is there; 30 s unless called.
    #[must_use]
    pub fn probe_after(mut self, silence: Duration) -> Self {
        self.options.patience.probe_after = silence;
        self
    }

    /// How long FreeSWITCH may owe an answer before the connection counts as dead; 120 s unless called.
    #[must_use]
    pub fn reply_timeout(mut self, limit: Duration) -> Self {
        self.options.patience.reply = limit;
        self
    }
}

impl<F> Clone for OutboundServer<F> {
    fn clone(&self) -> Self {
        Self {
            serve: Arc::clone(&self.serve),
            options: self.options,
        }
    }
}

impl<F> fmt::Debug for OutboundServer<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutboundServer")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl<F, Fut> ProtocolFactory for OutboundServer<F>
where
    F: Fn(Call) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<(), EslError>> + Send + 'static,
{
    type Protocol = Self;

    fn build(&self, _peer: &Peer) -> Option<Self> {
        Some(self.clone())
    }

    fn name(&self) -> &'static str {
        "freeswitch"
    }
}

impl<F, Fut> Protocol for OutboundServer<F>
where
    F: Fn(Call) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<(), EslError>> + Send + 'static,
{
    async fn run(self, connection: Connection) -> io::Result<()> {
        let session = connection.session().clone();
        let events = self.options.events.is_some();
        let shared = Arc::new(Shared::new(Subscriptions::OfCall { events }));
        let over = Over(Arc::clone(&shared));
        let (door, mut requests) = Shared::queue();
        shared.open(door);
        let wire = Wire::new(connection, self.options.limits);
        let run = wire.run(&mut requests, &shared, self.options.patience);
        let mut work = std::pin::pin!(self.converse(Arc::clone(&shared), session));
        let lingered = async {
            shared.lingering().await;
            sleep(self.options.linger_timeout).await;
        };
        let ended = select! {
            ended = &mut work => return ended.map_err(io::Error::other),
            ended = run => ended,
            () = lingered => EslError::Disconnected,
        };
        drop(over);
        // The call has gone; what serves it may have something to write down.
        let limit = self.options.farewell;
        match (timeout(limit, work).await, ended) {
            (Err(_elapsed), _) => Err(io::Error::other("a call was served long after its end")),
            (Ok(_), EslError::Disconnected) => Ok(()),
            (Ok(_), error) => Err(io::Error::other(error)),
        }
    }
}

impl<F, Fut> OutboundServer<F>
where
    F: Fn(Call) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<(), EslError>> + Send + 'static,
{
    /// Greets, lets the function serve the call, and says goodbye.
    async fn converse(&self, shared: Arc<Shared>, session: Session) -> Result<(), EslError> {
        let reason = "it does not say which call it is";
        let call = timeout(self.options.greeting, self.greet(shared, session))
            .await
            .unwrap_or(Err(EslError::Protocol { reason }))?;
        let esl = Esl::clone(&call);
        let served = (self.serve)(call).await;
        if let Err(error) = &served {
            tracing::debug!(%error, "a call was not served to its end");
        }
        // Without a connection there is nothing to end.
        let _ = esl.send(&Command::new("exit")).await;
        served
    }

    async fn greet(&self, shared: Arc<Shared>, session: Session) -> Result<Call, EslError> {
        let reason = "there is no connection";
        let door = shared.door().ok_or(EslError::NotSent { reason })?;
        let data = order(&door, &Command::new("connect")).await?.headers;
        if self.options.linger {
            order(&door, &Command::new("linger")).await?;
        }
        match self.options.events {
            None => {}
            Some(EventFormat::Plain) => drop(order(&door, &Command::new("myevents")).await?),
            Some(format) => {
                let command = Command::new(format!("myevents {}", format.as_str()));
                order(&door, &command).await?;
            }
        }
        let own = data.get("Unique-ID").map(ToOwned::to_owned);
        Ok(Call {
            channel: Channel::new(Esl { shared }, None, own),
            data: Arc::new(data),
            session,
        })
    }
}

/// No more will come over the connection, however its protocol ended.
struct Over(Arc<Shared>);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Call {
    /// What FreeSWITCH said of the call: `Caller-Caller-ID-Number`, `variable_sip_from_user` and a hundred more.
    #[must_use]
    pub fn data(&self) -> &Headers {
        &self.data
    }

    /// The value of a channel variable when the call came; [`getvar`](Self::getvar) has the present one.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.data.get(&format!("variable_{name}"))
    }

    /// The value of a channel variable now.
    ///
    /// # Errors
    /// As for [`Esl::send`]. A value with line breaks cannot be told from what follows it and ends the connection.
    ///
    /// # Cancel safety
    /// As for [`Esl::send`].
    pub async fn getvar(&self, name: &str) -> Result<String, EslError> {
        let reply = self.send(&Command::new(format!("getvar {name}"))).await?;
        Ok(reply.text())
    }

    /// The connection's place in the server, with the signal that the server shuts down.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.session
    }
}

impl Deref for Call {
    type Target = Channel;

    fn deref(&self) -> &Channel {
        &self.channel
    }
}

impl Context for Call {
    fn resources(&self) -> &Resources {
        self.session.resources()
    }
}
