//! A worker: one runtime with one server, in a thread of its own.

use std::io;
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;

use super::affinity;
use super::exit::{EXIT_SOFTWARE, Exit};
use super::logging::LogHandle;
use super::options::Settings;
use super::process::{Ask, Process};
use super::report::Report;
use super::start::{BuildError, Hooks, Start};
use crate::server::{BoundServer, RunningServer, Server};
use crate::sockets::Sockets;

/// Orders that a worker has not looked at yet, at most. There is never more than one of a kind.
pub(crate) const ORDER_QUEUE: usize = 16;

/// How long work that was left in the background may take to end after the server has.
const BACKGROUND_TIMEOUT: Duration = Duration::from_secs(1);

/// Listening sockets with the names of their endpoints.
pub(crate) type Set = Vec<(String, OwnedFd)>;

/// What a worker is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Accept connections.
    Go,
    /// Let the connections end, and then end.
    Drain,
    /// Cut the connections, and end.
    Cut,
    /// Run what was registered for a reload.
    Reload,
    /// Open the log files again.
    Reopen,
    /// Say that the runtime makes progress.
    Ping,
}

/// What a worker tells.
#[derive(Debug)]
pub(crate) enum Event {
    /// It listens on these, and waits for [`Order::Go`].
    Bound(Set),
    /// It accepts connections.
    Ready,
    /// The reload is done, and this failed.
    Reloaded(Vec<String>),
    /// Its runtime makes progress.
    Pong,
    /// Something in it asks this of the whole program.
    Asked(Ask),
    /// It has ended: with a report, or with the reason why it did not serve or does not any more.
    Ended(Result<Report, Exit>),
}

/// Where the events of a worker go, with its number.
#[derive(Clone, Debug)]
pub(crate) struct Teller {
    pub(crate) number: usize,
    pub(crate) events: mpsc::Sender<(usize, Event)>,
}

impl Teller {
    pub(crate) async fn tell(&self, event: Event) {
        // Nobody listens any more when the process is about to end.
        let _ = self.events.send((self.number, event)).await;
    }
}

/// What the workers of one process have in common.
pub(crate) struct Plan<A, F> {
    pub(crate) settings: Arc<Settings<A>>,
    pub(crate) build: F,
    pub(crate) process: Process,
    pub(crate) hooks: Hooks<A>,
    pub(crate) log: LogHandle,
    /// How many workers there are, in all processes.
    pub(crate) workers: usize,
    /// How many there are in this process.
    pub(crate) threads: usize,
    /// Whether each runtime has a thread for each core rather than one.
    pub(crate) multi_threaded: bool,
    /// The processors to bind workers to.
    pub(crate) processors: Option<Vec<usize>>,
}

/// Starts a worker with what it shall listen on. It always says [`Event::Ended`], last of all.
pub(crate) fn spawn<A, F, Fut>(
    plan: Arc<Plan<A, F>>,
    inherited: Set,
    teller: Teller,
) -> io::Result<mpsc::Sender<Order>>
where
    A: Send + Sync + 'static,
    F: Fn(Start<A>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Server, BuildError>>,
{
    let (orders, received) = mpsc::channel(ORDER_QUEUE);
    let thread = std::thread::Builder::new().name(format!("worker-{}", teller.number));
    // Its last event says that it has ended.
    thread.spawn(move || {
        let work = AssertUnwindSafe(|| run(&plan, inherited, received, &teller));
        let ended = catch_unwind(work).unwrap_or_else(|_panic| {
            let reason = format!("worker {} panicked", teller.number);
            Err(Exit::new(EXIT_SOFTWARE, reason))
        });
        plan.process.left(teller.number);
        let ended = (teller.number, Event::Ended(ended));
        let _ = teller.events.blocking_send(ended);
    })?;
    Ok(orders)
}

fn run<A, F, Fut>(
    plan: &Plan<A, F>,
    inherited: Set,
    orders: mpsc::Receiver<Order>,
    teller: &Teller,
) -> Result<Report, Exit>
where
    A: Send + Sync + 'static,
    F: Fn(Start<A>) -> Fut,
    Fut: Future<Output = Result<Server, BuildError>>,
{
    if let Some(processors) = &plan.processors {
        let failed = |error| Exit::os("cannot bind a worker to its processor", &error);
        if plan.multi_threaded {
            affinity::restrict(processors).map_err(failed)?;
        } else {
            let cpu = affinity::pin(teller.number, processors).map_err(failed)?;
            tracing::debug!(worker = teller.number, cpu, "bound to a processor");
        }
    }
    let runtime =
        runtime(plan.multi_threaded).map_err(|error| Exit::os("cannot start a runtime", &error))?;
    let ended = runtime.block_on(serve(plan, inherited, orders, teller));
    runtime.shutdown_timeout(BACKGROUND_TIMEOUT);
    ended
}

fn runtime(multi_threaded: bool) -> io::Result<Runtime> {
    let mut builder = match multi_threaded {
        true => Builder::new_multi_thread(),
        false => Builder::new_current_thread(),
    };
    builder.enable_all().build()
}

/// The life of a server from its build to its report.
async fn serve<A, F, Fut>(
    plan: &Plan<A, F>,
    inherited: Set,
    mut orders: mpsc::Receiver<Order>,
    teller: &Teller,
) -> Result<Report, Exit>
where
    A: Send + Sync + 'static,
    F: Fn(Start<A>) -> Fut,
    Fut: Future<Output = Result<Server, BuildError>>,
{
    let sockets = Sockets::new();
    let bound = tokio::select! {
        bound = bind(plan, inherited, &sockets, teller.number) => bound?,
        () = told_to_end(&mut orders) => return Ok(Report::default()),
    };
    let set = sockets.hand_over();
    let set = set.map_err(|error| Exit::os("cannot duplicate the listening sockets", &error))?;
    teller.tell(Event::Bound(set)).await;
    if !told_to_go(&mut orders).await {
        return Ok(Report::default());
    }
    let handle = bound.handle().clone();
    let mut starting = pin!(bound.start());
    let server = loop {
        tokio::select! {
            server = &mut starting => break server.map_err(|error| Exit::server(&error))?,
            order = orders.recv() => match order {
                // It starts nevertheless, so that its services are stopped as they should be.
                Some(Order::Drain) => handle.shutdown(),
                None | Some(Order::Cut) => handle.shutdown_now(),
                Some(Order::Ping) => teller.tell(Event::Pong).await,
                Some(_) => {}
            },
        }
    };
    plan.process.joined(teller.number, handle);
    teller.tell(Event::Ready).await;
    Ok(obey(server, orders, plan, teller).await)
}

/// Builds the server and binds its endpoints.
async fn bind<A, F, Fut>(
    plan: &Plan<A, F>,
    inherited: Set,
    sockets: &Sockets,
    number: usize,
) -> Result<BoundServer, Exit>
where
    F: Fn(Start<A>) -> Fut,
    Fut: Future<Output = Result<Server, BuildError>>,
{
    let server = build(plan, number).await?;
    if !inherited.is_empty() {
        // They belong to the predecessor until it is gone, whatever becomes of this process.
        sockets.keep_files();
    }
    for (name, socket) in inherited {
        sockets.insert(name, socket);
    }
    let bound = server.take_all(sockets).bind().await;
    let bound = bound.map_err(|error| Exit::server(&error))?;
    // The files are removed by the process that leads, before the sockets close.
    sockets.keep_files();
    for name in sockets.close_unclaimed() {
        tracing::info!(
            endpoint = name,
            "the predecessor listened here, and nobody does now"
        );
    }
    Ok(bound)
}

/// Calls the function of the application and adds what every server of a runner has.
pub(crate) async fn build<A, F, Fut>(plan: &Plan<A, F>, number: usize) -> Result<Server, Exit>
where
    F: Fn(Start<A>) -> Fut,
    Fut: Future<Output = Result<Server, BuildError>>,
{
    let start = Start {
        settings: Arc::clone(&plan.settings),
        process: plan.process.clone(),
        hooks: plan.hooks.of(number),
        worker: number,
        workers: plan.workers,
    };
    let server = (plan.build)(start).await;
    let mut server = server.map_err(|error| Exit::build(error.as_ref()))?;
    // Otherwise the application has the last word.
    if !plan.settings.is_built_in_default("shutdown-timeout") {
        server = server.shutdown_deadline(plan.settings.process.shutdown_timeout);
    }
    Ok(server
        .share_descriptors(plan.threads)
        .resource(plan.process.clone())
        .resource(plan.log.clone()))
}

/// Resolves when there is no sense in starting any more.
async fn told_to_end(orders: &mut mpsc::Receiver<Order>) {
    while !matches!(orders.recv().await, None | Some(Order::Drain | Order::Cut)) {}
}

/// Whether it may start.
async fn told_to_go(orders: &mut mpsc::Receiver<Order>) -> bool {
    loop {
        match orders.recv().await {
            Some(Order::Go) => return true,
            None | Some(Order::Drain | Order::Cut) => return false,
            Some(_) => {}
        }
    }
}

/// Does as told until the server has ended.
async fn obey<A, F>(
    server: RunningServer,
    mut orders: mpsc::Receiver<Order>,
    plan: &Plan<A, F>,
    teller: &Teller,
) -> Report
where
    A: Send + Sync + 'static,
{
    let handle = server.handle().clone();
    let mut ended = pin!(server.wait());
    let mut commanded = true;
    loop {
        tokio::select! {
            report = &mut ended => return report.into(),
            order = orders.recv(), if commanded => match order {
                Some(Order::Drain) => handle.shutdown(),
                Some(Order::Cut) => handle.shutdown_now(),
                Some(Order::Reload) => {
                    let (hooks, teller) = (plan.hooks.of(teller.number), teller.clone());
                    tokio::spawn(async move {
                        let failed = hooks.run().await;
                        teller.tell(Event::Reloaded(failed)).await;
                    });
                }
                // In a task: it is the tasks of the runtime that have to get their turn.
                Some(Order::Ping) => {
                    let teller = teller.clone();
                    tokio::spawn(async move { teller.tell(Event::Pong).await });
                }
                Some(Order::Go | Order::Reopen) => {}
                None => {
                    commanded = false;
                    handle.shutdown();
                }
            },
        }
    }
}
