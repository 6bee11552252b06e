//! A worker process from the inside: one worker in a thread, led by the process that started this one.

use std::io;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::interval;

use super::channel::{Channel, Message};
use super::exit::{EXIT_UNAVAILABLE, Exit};
use super::logging::LogHandle;
use super::privileges::Privileges;
use super::process::Ask;
use super::report::Report;
use super::signals::{Signal, Signals, raise_reload};
use super::worker::{Event, Order, Set, Teller};
use super::workers::Launch;

#[cfg(test)]
mod tests;

/// Events of the worker that were not sent yet, at most.
const EVENT_QUEUE: usize = 16;

/// How long the runtime of a worker that nobody leads any more may be silent. One that is blocked would hold the
/// listening sockets for ever, with the connections that the kernel puts there.
const ORPHAN_TIMEOUT: Duration = Duration::from_secs(10);

/// What the process that leads has said so far.
pub(crate) struct Orders {
    pub(crate) number: usize,
    pub(crate) workers: usize,
    pub(crate) inherited: Set,
}

/// What a worker process has to do with.
pub(crate) struct WorkerProcess<'a> {
    pub(crate) channel: &'a Channel,
    pub(crate) signals: Signals,
    pub(crate) asked: mpsc::Receiver<Ask>,
    pub(crate) privileges: &'a Privileges,
    pub(crate) log: &'a LogHandle,
    /// Reads the configuration again; returns what is wrong with it.
    pub(crate) reload: &'a dyn Fn() -> Vec<String>,
}

/// Waits for what the worker has to listen on.
pub(crate) async fn orders(channel: &Channel) -> Result<Orders, Exit> {
    let mut inherited = Set::new();
    loop {
        let message = channel.receive().await;
        let message =
            message.map_err(|error| Exit::os("cannot read from the leading process", &error))?;
        match message {
            Some(Message::Socket(_, name, socket)) => inherited.push((name, socket)),
            Some(Message::Begin(number, workers)) => {
                return Ok(Orders {
                    number,
                    workers,
                    inherited,
                });
            }
            Some(_) => {}
            None => {
                return Err(Exit::os(
                    "the leading process",
                    &io::ErrorKind::BrokenPipe.into(),
                ));
            }
        }
    }
}

impl WorkerProcess<'_> {
    /// Runs the worker that `launch` starts until it has ended, and says so.
    pub(crate) async fn run(mut self, orders: Orders, mut launch: Launch) -> Result<Report, Exit> {
        let (events, mut told) = mpsc::channel(EVENT_QUEUE);
        let number = orders.number;
        let worker = launch(orders.inherited, Teller { number, events })?;
        let order = |order| {
            if worker.try_send(order).is_err() {
                tracing::debug!(?order, "the worker takes no orders");
            }
        };
        let (mut led, mut ending) = (true, 0);
        // Once nobody leads, whether the worker has answered since the last look.
        let mut answered = true;
        let mut look = interval(ORPHAN_TIMEOUT);
        let end = |ending: &mut u32| {
            *ending += 1;
            order(if *ending == 1 {
                Order::Drain
            } else {
                Order::Cut
            });
        };
        loop {
            tokio::select! {
                event = told.recv() => {
                    // It cannot end before the last event.
                    let Some((_, event)) = event else { return Ok(Report::default()) };
                    if let Event::Ended(ended) = event {
                        // Somebody in the application ended the server: that is meant for the whole program.
                        if ended.is_ok() && ending == 0 {
                            self.say(Message::Ask(Ask::Shutdown)).await;
                        }
                        return ended;
                    }
                    answered |= matches!(event, Event::Pong);
                    self.pass(event).await;
                }
                _ = look.tick(), if !led => {
                    if !std::mem::take(&mut answered) {
                        let reason = "the leading process is gone, and the worker does not answer";
                        return Err(Exit::new(EXIT_UNAVAILABLE, reason));
                    }
                    order(Order::Ping);
                }
                message = self.channel.receive(), if led => match message {
                    Ok(Some(Message::Go)) => {
                        self.privileges.drop(false)?;
                        order(Order::Go);
                    }
                    Ok(Some(Message::Drain)) => {
                        ending = ending.max(1);
                        order(Order::Drain);
                    }
                    Ok(Some(Message::Cut)) => {
                        ending = 2;
                        order(Order::Cut);
                    }
                    Ok(Some(Message::Reload)) => raise_reload(),
                    Ok(Some(Message::Reopen)) => super::reopen(self.log),
                    Ok(Some(Message::Ping)) => order(Order::Ping),
                    Ok(Some(_)) => {}
                    Ok(None) | Err(_) => {
                        tracing::warn!("the leading process is gone, shutting down");
                        led = false;
                        look.reset_immediately();
                        ending = ending.max(1);
                        order(Order::Drain);
                    }
                },
                signal = self.signals.next() => match signal {
                    Signal::End(name) => {
                        tracing::info!(signal = name, "the worker shuts down");
                        end(&mut ending);
                    }
                    Signal::ReopenLogs => super::reopen(self.log),
                    Signal::Reload => {
                        let failed = (self.reload)();
                        if failed.is_empty() {
                            order(Order::Reload);
                        } else {
                            self.say(Message::Reloaded(failed)).await;
                        }
                    }
                    Signal::Upgrade => self.say(Message::Ask(Ask::Upgrade)).await,
                },
                Some(ask) = self.asked.recv() => self.say(Message::Ask(ask)).await,
            }
        }
    }

    async fn pass(&self, event: Event) {
        match event {
            Event::Bound(set) => {
                for (name, socket) in set {
                    self.say(Message::Bound(name, socket)).await;
                }
                self.say(Message::AllBound).await;
            }
            Event::Ready => self.say(Message::Ready).await,
            Event::Reloaded(failed) => self.say(Message::Reloaded(failed)).await,
            Event::Pong => self.say(Message::Pong).await,
            Event::Asked(ask) => self.say(Message::Ask(ask)).await,
            Event::Ended(_) => {}
        }
    }

    async fn say(&self, message: Message) {
        if let Err(error) = self.channel.send(&message).await {
            tracing::debug!(%error, "cannot reach the leading process");
        }
    }
}
