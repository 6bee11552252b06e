//! The proxy and its task.

use std::{fmt, future::Future, io, net::SocketAddr, path::PathBuf, pin::Pin, sync::Arc};

use tokio::{
    select,
    sync::{mpsc, oneshot, watch},
    task::{JoinHandle, JoinSet},
};

use super::{
    Cut, FaultStream, ProxiedConnection, ProxyStatistics, Toxics,
    connections::Connections,
    listening::{Listening, Target, TcpListening, UnixListening},
    relay::relay,
    wire::Wire,
};
use crate::peer::Address;

/// What is done with those who connect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Accepting {
    /// They are connected with the server.
    #[default]
    Forward,
    /// They are refused: nobody listens.
    Refuse,
    /// They are not answered. Over TCP (on Linux) their packets are dropped, so that connecting takes for ever; over
    /// a Unix socket they wait in the kernel's queue.
    Ignore,
}

/// A proxy in front of a server that breaks connections on purpose.
///
/// Dropped, or [closed](Self::close), it takes its connections with it.
pub struct FaultProxy {
    address: Address,
    connections: Arc<Connections>,
    commands: mpsc::Sender<Command>,
    accepting: watch::Sender<Accepting>,
    task: JoinHandle<()>,
}

/// What the task is told.
enum Command {
    Accept(Accepting, oneshot::Sender<io::Result<()>>),
    /// The client's end of an in-memory connection.
    Connect(oneshot::Sender<FaultStream>),
}

type Served = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What is behind the proxy.
enum Behind {
    Target(Arc<Target>),
    Memory(Box<dyn Fn(FaultStream) -> Served + Send + Sync>),
}

impl FaultProxy {
    /// A proxy in front of the server at `target`, on a free port of the loopback interface.
    ///
    /// # Errors
    ///
    /// When no socket can be made.
    pub async fn tcp(target: SocketAddr) -> io::Result<Self> {
        let listening = TcpListening::bind(target)?;
        let address = Address::Tcp(listening.address());
        let behind = Behind::Target(Arc::new(Target::Tcp(target)));
        Ok(Self::start(address, Listening::Tcp(listening), behind))
    }

    /// A proxy in front of the server at the Unix socket `target`, with a socket of its own at `path`, which is
    /// removed at the end.
    ///
    /// # Errors
    ///
    /// When the socket cannot be made.
    pub async fn unix(target: impl Into<PathBuf>, path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        let listening = UnixListening::bind(path.clone())?;
        let address = Address::Unix(Some(path));
        let behind = Behind::Target(Arc::new(Target::Unix(target.into())));
        Ok(Self::start(address, Listening::Unix(listening), behind))
    }

    /// A proxy in front of `serve`, which is called with each connection, all of it in memory: for tests in tokio's
    /// paused time. Clients are made by [`connect`](Self::connect).
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn in_memory<F, S>(serve: F) -> Self
    where
        F: Fn(FaultStream) -> S + Send + Sync + 'static,
        S: Future<Output = ()> + Send + 'static,
    {
        let behind = Behind::Memory(Box::new(move |stream| Box::pin(serve(stream))));
        Self::start(Address::Memory, Listening::Memory, behind)
    }

    fn start(address: Address, listening: Listening, behind: Behind) -> Self {
        let connections = Connections::new();
        let (commands, told) = mpsc::channel(1);
        let task = Task {
            listening,
            behind,
            connections: Arc::clone(&connections),
            tasks: JoinSet::new(),
        };
        Self {
            address,
            connections,
            commands,
            accepting: watch::Sender::default(),
            task: tokio::spawn(task.run(told)),
        }
    }

    /// Where clients connect to.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Where clients connect to, over TCP.
    #[must_use]
    pub fn socket_addr(&self) -> Option<SocketAddr> {
        self.address.socket_addr()
    }

    /// The client's end of a new in-memory connection.
    ///
    /// # Errors
    ///
    /// `ConnectionRefused` while connections are [refused](Accepting::Refuse), `Unsupported` for a proxy that was
    /// not made by [`in_memory`](Self::in_memory).
    ///
    /// # Cancel safety
    ///
    /// A connection may have been made all the same.
    pub async fn connect(&self) -> io::Result<FaultStream> {
        if self.address != Address::Memory {
            let message = "the proxy has an address to connect to";
            return Err(io::Error::new(io::ErrorKind::Unsupported, message));
        }
        let gone = || io::Error::from(io::ErrorKind::ConnectionRefused);
        let mut accepting = self.accepting.subscribe();
        let accepting = *accepting
            .wait_for(|accepting| *accepting != Accepting::Ignore)
            .await
            .map_err(|_| gone())?;
        if accepting == Accepting::Refuse {
            return Err(gone());
        }
        let (sender, connected) = oneshot::channel();
        let command = Command::Connect(sender);
        self.commands.send(command).await.map_err(|_| gone())?;
        connected.await.map_err(|_| gone())
    }

    /// Does this to all connections from now on, those that are open included.
    pub fn set(&self, toxics: Toxics) {
        self.connections.set(toxics);
    }

    /// Does this to the connection with this number, 1 for the first, instead of what is done to all: before it is
    /// made, or while it is open.
    pub fn set_for(&self, number: u64, toxics: Toxics) {
        self.connections.set_for(number, toxics);
    }

    /// What is done to all connections.
    #[must_use]
    pub fn toxics(&self) -> Toxics {
        self.connections.toxics()
    }

    /// Seeds the chance of the connections to come; 0 by default. Each has its own, so that a run can be repeated.
    pub fn seed(&self, seed: u64) {
        self.connections.set_seed(seed);
    }

    /// Says what is done with those who connect; those who are connected stay so. When it returns, it is done.
    ///
    /// # Errors
    ///
    /// When there is no socket to be had, or the proxy is gone with its runtime.
    ///
    /// # Cancel safety
    ///
    /// It may have been done or not.
    pub async fn accept(&self, accepting: Accepting) -> io::Result<()> {
        self.accepting.send_replace(accepting);
        let (sender, done) = oneshot::channel();
        let gone = || io::Error::from(io::ErrorKind::BrokenPipe);
        let command = Command::Accept(accepting, sender);
        self.commands.send(command).await.map_err(|_| gone())?;
        done.await.map_err(|_| gone())?
    }

    /// Cuts all connections that are open.
    pub fn cut(&self, cut: Cut) {
        self.connections.cut(cut);
    }

    /// Cuts the connection with this number, 1 for the first, if it is open.
    pub fn cut_one(&self, number: u64, cut: Cut) {
        self.connections.cut_one(number, cut);
    }

    /// What is known of the connection with this number, 1 for the first.
    #[must_use]
    pub fn connection(&self, number: u64) -> Option<ProxiedConnection> {
        self.connections.get(number)
    }

    /// What the proxy did.
    #[must_use]
    pub fn statistics(&self) -> ProxyStatistics {
        *self.connections.totals().borrow()
    }

    /// Waits until the numbers are as wanted: for so many connections, or bytes, instead of for time to pass.
    ///
    /// # Cancel safety
    ///
    /// Safe: it only looks.
    pub async fn wait_for(&self, mut wanted: impl FnMut(&ProxyStatistics) -> bool) {
        let mut totals = self.connections.totals();
        // An error means that there are no more numbers, which is not before this handle is gone.
        let _ = totals.wait_for(|totals| wanted(totals)).await;
    }

    /// Ends the proxy and all of its connections; returns when its sockets are closed.
    pub async fn close(mut self) {
        self.task.abort();
        // It was aborted, or had panicked, which its own thread has told.
        let _ = (&mut self.task).await;
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for FaultProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultProxy")
            .field("address", &self.address)
            .field("statistics", &self.statistics())
            .finish_non_exhaustive()
    }
}

/// The task of a proxy; its connections end with it.
struct Task {
    listening: Listening,
    behind: Behind,
    connections: Arc<Connections>,
    tasks: JoinSet<()>,
}

impl Task {
    async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        loop {
            select! {
                biased;
                command = commands.recv() => match command {
                    Some(Command::Accept(accepting, done)) => {
                        // Whoever asked may be gone.
                        let _ = done.send(self.listening.set(accepting).await);
                    }
                    Some(Command::Connect(connected)) => {
                        let (client, wire) = FaultStream::pair();
                        self.enter(Wire::Memory(wire));
                        // Whoever asked may be gone: an end, as of any client.
                        let _ = connected.send(client);
                    }
                    None => return,
                },
                Some(_) = self.tasks.join_next() => {}
                accepted = self.listening.accept() => match accepted {
                    Ok(client) => self.enter(client),
                    Err(error) => {
                        tracing::warn!(%error, "fault proxy stops: it cannot accept");
                        return;
                    }
                },
            }
        }
    }

    /// Connects a client with the server.
    fn enter(&mut self, client: Wire) {
        let (record, seed) = self.connections.enter();
        let (toxics, cuts) = (record.toxics(), record.cuts());
        match &self.behind {
            Behind::Memory(serve) => {
                let (wire, server) = FaultStream::pair();
                self.tasks.spawn(serve(server));
                let server = Wire::Memory(wire);
                self.tasks
                    .spawn(relay(client, server, toxics, cuts, record, seed));
            }
            Behind::Target(target) => {
                let target = Arc::clone(target);
                self.tasks.spawn(async move {
                    match target.connect().await {
                        Ok(server) => relay(client, server, toxics, cuts, record, seed).await,
                        Err(_) => {
                            record.unreachable();
                            record.closed();
                            client.reset();
                        }
                    }
                });
            }
        }
    }
}
