//! The console as a protocol of the server.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use cyclone_core::{Connection, Peer, Protocol, ProtocolFactory, Session};
use russh::server::{self, Handle, Msg};
use russh::{Channel, Disconnect, SshId};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::access::{Access, Operator};
use super::command::{Afterwards, Commands};
use super::host_key::HostKey;
use super::limits::{GOODBYE_LIMIT, Limits};
use super::strangers::{Stranger, Strangers};
use super::stream::closable;
use super::terminal::{self, Desk, Ended};
use crate::deadline::after;
use handler::{Event, Handler};

mod handler;

/// Bytes that a client may send on a channel before they are taken (RFC 4254, 5.2).
const WINDOW_BYTES: u32 = 64 * 1024;

/// The longest packet that is taken.
const PACKET_BYTES: u32 = 32 * 1024;

/// Messages of a channel, and of a connection, that wait for whoever takes them.
const QUEUED_MESSAGES: usize = 16;

/// How often a client that is silent is asked whether it is there, and how often without an answer.
const KEEPALIVE: Duration = Duration::from_secs(30);
const KEEPALIVES: usize = 3;

/// The console over SSH: a factory for a port of its own.
///
/// ```no_run
/// use cyclone_core::{Endpoint, Server};
/// use cyclone_examples::console::{Access, Commands, HostKey, SshConsole};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let access = Access::nobody().authorized_keys("/etc/app/authorized_keys");
/// let console = SshConsole::new(HostKey::load_or_create("/var/lib/app/host_key")?, access)
///     .commands(Commands::standard());
/// Server::new().listen(Endpoint::loopback(2222), console).run().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SshConsole {
    shared: Arc<Shared>,
}

#[derive(Clone)]
struct Shared {
    host_key: HostKey,
    access: Access,
    commands: Commands,
    prompt: Arc<str>,
    greeting: Arc<str>,
    limits: Arc<Limits>,
    strangers: Strangers,
    sessions: Arc<Semaphore>,
}

impl SshConsole {
    /// A console with the standard commands and the default limits.
    #[must_use]
    pub fn new(host_key: HostKey, access: Access) -> Self {
        let limits = Limits::default();
        Self {
            shared: Arc::new(Shared {
                host_key,
                access,
                commands: Commands::standard(),
                prompt: "> ".into(),
                greeting: "type help for the commands".into(),
                strangers: Strangers::new(&limits),
                sessions: places(limits.sessions),
                limits: Arc::new(limits),
            }),
        }
    }

    /// Sets the commands, [`Commands::standard`] unless called.
    #[must_use]
    pub fn commands(mut self, commands: Commands) -> Self {
        self.edit().commands = commands;
        self
    }

    /// Sets what is shown before each line, `> ` unless called.
    #[must_use]
    pub fn prompt(mut self, prompt: &str) -> Self {
        self.edit().prompt = prompt.into();
        self
    }

    /// Sets what is said to whoever comes to the prompt.
    #[must_use]
    pub fn greeting(mut self, greeting: &str) -> Self {
        self.edit().greeting = greeting.into();
        self
    }

    /// Sets what is allowed at most.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        let shared = self.edit();
        shared.strangers = Strangers::new(&limits);
        shared.sessions = places(limits.sessions);
        shared.limits = Arc::new(limits);
        self
    }

    fn edit(&mut self) -> &mut Shared {
        Arc::make_mut(&mut self.shared)
    }
}

impl fmt::Debug for SshConsole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SshConsole")
            .field("host_key", &self.shared.host_key)
            .field("access", &self.shared.access)
            .field("limits", &self.shared.limits)
            .finish_non_exhaustive()
    }
}

impl ProtocolFactory for SshConsole {
    type Protocol = SshSession;

    /// Refuses a peer when too many have not logged in yet.
    fn build(&self, peer: &Peer) -> Option<SshSession> {
        let Some(stranger) = self.shared.strangers.admit(peer) else {
            tracing::warn!(%peer, "too many clients that have not logged in, one refused");
            return None;
        };
        Some(SshSession {
            shared: Arc::clone(&self.shared),
            stranger,
        })
    }

    fn name(&self) -> &'static str {
        "ssh"
    }
}

/// One connection to a console.
pub struct SshSession {
    shared: Arc<Shared>,
    stranger: Stranger,
}

impl fmt::Debug for SshSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SshSession").finish_non_exhaustive()
    }
}

impl Shared {
    fn config(&self) -> server::Config {
        let limits = &self.limits;
        server::Config {
            server_id: SshId::Standard("SSH-2.0-cyclone".into()),
            keys: vec![self.host_key.key.clone()],
            methods: self.access.methods(),
            max_auth_attempts: limits.login_attempts,
            auth_rejection_time: limits.login_pause,
            // Clients begin with a try that asks what there is; they learn nothing from the time it takes.
            auth_rejection_time_initial: Some(Duration::ZERO),
            window_size: WINDOW_BYTES,
            maximum_packet_size: PACKET_BYTES,
            channel_buffer_size: QUEUED_MESSAGES,
            event_buffer_size: QUEUED_MESSAGES,
            keepalive_interval: Some(KEEPALIVE),
            keepalive_max: KEEPALIVES,
            // Silence is counted here, where it is known what is waited for.
            inactivity_timeout: None,
            ..server::Config::default()
        }
    }
}

impl Protocol for SshSession {
    async fn run(self, connection: Connection) -> io::Result<()> {
        let Self { shared, stranger } = self;
        let session = connection.session().clone();
        let login_until = after(Instant::now(), shared.limits.login_limit);
        // Dropped with this future: that ends the task of russh too.
        let (stream, _closer) = closable(connection);
        let (events, happened) = mpsc::channel(QUEUED_MESSAGES);
        let handler = Handler::new(&shared, session.clone(), events);
        let begun = server::run_stream(Arc::new(shared.config()), stream, handler);
        let running = tokio::select! {
            // The first line and the keys of the client.
            running = begun => running.map_err(lost)?,
            () = sleep_until(login_until) => return Ok(()),
            () = session.draining() => return Ok(()),
        };
        let host = Host {
            handle: running.handle(),
            shared,
            session,
            happened,
            stranger: Some(stranger),
            channels: JoinSet::new(),
            has_served: false,
            afterwards: Vec::new(),
        };
        let mut running = std::pin::pin!(running);
        let mut host = std::pin::pin!(host.serve(login_until));
        tokio::select! {
            ended = &mut running => ended.map_err(lost),
            last = &mut host => {
                // The client closes the connection once it has read the end of it.
                let ended = timeout(GOODBYE_LIMIT, running).await;
                drop(last);
                ended.unwrap_or(Ok(())).map_err(lost)
            }
        }
    }
}

/// So many places; the largest number there is means any number.
fn places(most: usize) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS)))
}

fn lost(error: russh::Error) -> io::Error {
    match error {
        russh::Error::IO(error) => error,
        error => io::Error::other(error),
    }
}

/// What keeps a connection: its channels and its limits. The task of russh speaks with the client.
struct Host {
    handle: Handle,
    shared: Arc<Shared>,
    session: Session,
    happened: mpsc::Receiver<Event>,
    /// Until somebody has logged in.
    stranger: Option<Stranger>,
    channels: JoinSet<Ended>,
    /// Whether there ever was a channel.
    has_served: bool,
    afterwards: Vec<Afterwards>,
}

impl Host {
    /// Serves until the server or a limit ends it; what is left to do is done when the result is dropped.
    async fn serve(mut self, login_until: Instant) -> Vec<Afterwards> {
        let mut operator = None;
        let mut until = login_until;
        loop {
            let is_waiting = self.channels.is_empty();
            tokio::select! {
                event = self.happened.recv() => match event {
                    Some(Event::LoggedIn(who)) => {
                        tracing::info!(operator = ?who.name, peer = %self.session.peer(), "logged in");
                        operator = Some(who);
                        self.stranger = None;
                        until = self.idle_until();
                    }
                    Some(Event::Opened(channel, place)) => {
                        if let Some(operator) = &operator {
                            self.open(channel, place, operator.clone());
                        }
                    }
                    // The task of russh is gone.
                    None => return self.afterwards,
                },
                ended = self.channels.join_next(), if !is_waiting => {
                    until = self.idle_until();
                    if !self.closed(ended) {
                        return self.afterwards;
                    }
                }
                () = sleep_until(until), if is_waiting => {
                    let reason = match operator {
                        None => "not logged in in time",
                        Some(_) => "nothing was asked for",
                    };
                    self.disconnect(reason).await;
                    return self.afterwards;
                }
                () = self.session.draining() => break,
            }
            if !self.afterwards.is_empty() {
                return self.afterwards;
            }
        }
        // Each of them says good-bye by itself. Who had one closes the connection when it is told that it ended.
        while let Some(ended) = self.channels.join_next().await {
            self.closed(Some(ended));
        }
        if self.has_served {
            let gone = self.happened.recv();
            let _ = timeout(GOODBYE_LIMIT, gone).await;
        }
        self.disconnect("the server shuts down").await;
        self.afterwards
    }

    fn idle_until(&self) -> Instant {
        after(Instant::now(), self.shared.limits.idle_limit)
    }

    fn open(&mut self, channel: Channel<Msg>, place: OwnedSemaphorePermit, operator: Operator) {
        let desk = Desk {
            commands: self.shared.commands.clone(),
            prompt: Arc::clone(&self.shared.prompt),
            greeting: Arc::clone(&self.shared.greeting),
            limits: Arc::clone(&self.shared.limits),
            operator,
            session: self.session.clone(),
        };
        self.has_served = true;
        self.channels.spawn(async move {
            let _place = place;
            terminal::serve(channel, desk).await
        });
    }

    /// Takes note of the end of a channel; `false` when the connection is of no use any more.
    fn closed(&mut self, ended: Option<Result<Ended, tokio::task::JoinError>>) -> bool {
        match ended {
            Some(Ok(Ended::Well(after))) => {
                self.afterwards.extend(after);
                true
            }
            Some(Ok(Ended::Stuck)) => {
                tracing::debug!(peer = %self.session.peer(), "the client takes nothing");
                false
            }
            Some(Err(error)) => {
                tracing::error!(%error, "a console failed");
                false
            }
            None => true,
        }
    }

    /// Tells the client why it has to go, if it still listens.
    async fn disconnect(&self, reason: &str) {
        let told =
            self.handle
                .disconnect(Disconnect::ByApplication, reason.to_owned(), String::new());
        let _ = timeout(GOODBYE_LIMIT, told).await;
    }
}
