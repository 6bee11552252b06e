//! Workers in processes of their own, as the one that leads them sees them.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Stdio;

use tokio::sync::mpsc;

use super::channel::{Channel, Message};
use super::child::Child;
use super::executable::Executable;
use super::exit::{EXIT_SOFTWARE, Exit};
use super::notify::{SOCKET_VARIABLE, WATCHDOG_PID_VARIABLE};
use super::report::Report;
use super::role::Part;
use super::worker::{Event, ORDER_QUEUE, Order, Set, Teller};

/// Starts a worker process with what it shall listen on. Like a thread it always says [`Event::Ended`], last of all.
pub(crate) fn spawn(
    executable: &Executable,
    workers: usize,
    daemonized: bool,
    inherited: Set,
    teller: Teller,
) -> Result<mpsc::Sender<Order>, Exit> {
    let mut command = executable.same();
    // Signals of the terminal are for the one who leads; he passes them on.
    command.process_group(0);
    if daemonized {
        // Whoever started the daemon waits for the end of its output, and must not wait for workers.
        command.stdout(Stdio::null()).stderr(Stdio::null());
    }
    // The service manager hears only of the whole.
    command.env_remove(SOCKET_VARIABLE);
    command.env_remove(WATCHDOG_PID_VARIABLE);
    let (child, channel) = Child::spawn(command, Part::Worker)
        .map_err(|error| Exit::os("cannot start a worker process", &error))?;
    tracing::debug!(worker = teller.number, pid = %child.pid(), "worker process started");
    let (orders, received) = mpsc::channel(ORDER_QUEUE);
    tokio::spawn(follow(child, channel, workers, inherited, received, teller));
    Ok(orders)
}

/// Leads a worker process until it has ended.
async fn follow(
    mut child: Child,
    channel: Channel,
    workers: usize,
    inherited: Set,
    orders: mpsc::Receiver<Order>,
    teller: Teller,
) {
    let mut ended = None;
    let carried = async {
        begin(&channel, teller.number, workers, inherited).await?;
        carry(&channel, orders, &teller, &mut ended).await
    };
    if let Err(error) = carried.await {
        tracing::debug!(worker = teller.number, %error, "the channel to a worker process is gone");
    }
    // Without the channel it drains, if it has not ended yet.
    drop(channel);
    let pid = child.pid();
    let status = match child.ended().await {
        Ok(status) => status.to_string(),
        Err(error) => error.to_string(),
    };
    let ended = ended.unwrap_or_else(|| {
        let reason = format!("worker {} (process {pid}) died: {status}", teller.number);
        Err(Exit::new(EXIT_SOFTWARE, reason))
    });
    teller.tell(Event::Ended(ended)).await;
}

async fn begin(channel: &Channel, number: usize, workers: usize, inherited: Set) -> io::Result<()> {
    for (name, socket) in inherited {
        channel.send(&Message::Socket(number, name, socket)).await?;
    }
    channel.send(&Message::Begin(number, workers)).await
}

/// Carries orders to the process and its events back, until the channel ends.
async fn carry(
    channel: &Channel,
    mut orders: mpsc::Receiver<Order>,
    teller: &Teller,
    ended: &mut Option<Result<Report, Exit>>,
) -> io::Result<()> {
    let mut bound = Set::new();
    loop {
        let message = tokio::select! {
            message = channel.receive() => message?,
            order = orders.recv() => {
                // Nobody leads any more: the channel closes, and the worker drains.
                let Some(order) = order else { return Ok(()) };
                channel.send(&to_message(order)).await?;
                continue;
            }
        };
        let Some(message) = message else {
            return Ok(());
        };
        match message {
            Message::Bound(name, socket) => bound.push((name, socket)),
            Message::AllBound => {
                teller.tell(Event::Bound(std::mem::take(&mut bound))).await;
            }
            Message::Ready => teller.tell(Event::Ready).await,
            Message::Reloaded(failed) => teller.tell(Event::Reloaded(failed)).await,
            Message::Pong => teller.tell(Event::Pong).await,
            Message::Ask(ask) => teller.tell(Event::Asked(ask)).await,
            Message::Ended(report) => *ended = Some(Ok(report)),
            Message::Failed(exit) => *ended = Some(Err(exit)),
            other => tracing::debug!(?other, "a worker process says what is not for it to say"),
        }
    }
}

fn to_message(order: Order) -> Message {
    match order {
        Order::Go => Message::Go,
        Order::Drain => Message::Drain,
        Order::Cut => Message::Cut,
        Order::Reload => Message::Reload,
        Order::Reopen => Message::Reopen,
        Order::Ping => Message::Ping,
    }
}
