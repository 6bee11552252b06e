//! What both sorts of connection can do, whoever made them.

use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use tokio::sync::{mpsc, watch};

use super::command::Command;
use super::error::EslError;
use super::event::Event;
use super::events::{Events, Notice, Stage};
use super::exchange::{MAX_IN_FLIGHT, Request};
use super::message::{Disconnect, Reply};
use super::waits::Waits;
use super::wanted::Subscriptions;

/// Commands to FreeSWITCH over one connection at a time. Clones are handles of the same.
///
/// Many commands may be on their way at once; each gets its own answer. A command is never sent twice: when the
/// connection ends, those that were sent end as [outcome unknown](EslError::OutcomeUnknown) and the others as
/// [not sent](EslError::NotSent). Without a connection a command is not sent and does not wait for one.
#[derive(Clone, Debug)]
pub struct Esl {
    pub(super) shared: Arc<Shared>,
}

/// What the handles and the task of the connection share.
#[derive(Debug)]
pub(super) struct Shared {
    /// Where commands go while there is a connection.
    door: watch::Sender<Option<mpsc::Sender<Request>>>,
    stage: Stage,
    pub(super) waits: Arc<Waits>,
    pub(super) subscriptions: Subscriptions,
    /// Names of events that were subscribed to for ourselves and that nobody else wants to see.
    hidden: RwLock<Vec<&'static str>>,
    /// The channel of the connection has ended, and the last of its events come.
    lingers: watch::Sender<bool>,
}

impl Shared {
    pub(super) fn new(subscriptions: Subscriptions) -> Self {
        Self {
            door: watch::Sender::new(None),
            stage: Stage::new(),
            waits: Arc::default(),
            subscriptions,
            hidden: RwLock::default(),
            lingers: watch::Sender::new(false),
        }
    }

    /// Lets commands in: those that come go into the returned queue.
    pub(super) fn queue() -> (mpsc::Sender<Request>, mpsc::Receiver<Request>) {
        mpsc::channel(MAX_IN_FLIGHT)
    }

    pub(super) fn open(&self, requests: mpsc::Sender<Request>) {
        self.door.send_replace(Some(requests));
    }

    /// Lets no more commands in, and gives up what would have come over the connection.
    pub(super) fn shut(&self) {
        self.door.send_replace(None);
        self.waits.fail_all();
    }

    /// There will not be another connection.
    pub(super) fn close(&self) {
        self.shut();
        self.stage.close();
    }

    pub(super) fn door(&self) -> Option<mpsc::Sender<Request>> {
        self.door.borrow().clone()
    }

    /// Waits until commands are let in.
    pub(super) async fn opened(&self) {
        let mut door = self.door.subscribe();
        // The sender is ours, so there is no error.
        let _ = door.wait_for(Option::is_some).await;
    }

    pub(super) fn event(&self, event: Event) {
        self.waits.see(&event);
        let hidden = self.hidden.read().unwrap_or_else(PoisonError::into_inner);
        if hidden.contains(&event.name()) {
            return;
        }
        drop(hidden);
        self.tell(Notice::Event(event.into()));
    }

    pub(super) fn linger(&self, end: Disconnect) {
        self.tell(Notice::Lingering(end.into()));
        self.lingers.send_replace(true);
    }

    /// Waits until the channel of the connection has ended.
    pub(super) async fn lingering(&self) {
        let mut lingers = self.lingers.subscribe();
        // The sender is ours, so there is no error.
        let _ = lingers.wait_for(|lingers| *lingers).await;
    }

    pub(super) fn hide(&self, names: Vec<&'static str>) {
        *self.hidden.write().unwrap_or_else(PoisonError::into_inner) = names;
    }

    pub(super) fn tell(&self, notice: Notice) {
        self.stage.tell(notice);
    }
}

/// Sends a command into this connection and waits for its answer.
pub(super) async fn request(
    door: &mpsc::Sender<Request>,
    command: &Command,
) -> Result<Reply, EslError> {
    let (request, answer) = Request::new(command)?;
    // A request that cannot be handed over says so itself.
    let _ = door.send(request).await;
    let reason = "the connection ended before the answer";
    answer
        .await
        .unwrap_or(Err(EslError::OutcomeUnknown { reason }))
}

/// As [`request`], and an answer that begins with `-ERR` is an error.
pub(super) async fn order(
    door: &mpsc::Sender<Request>,
    command: &Command,
) -> Result<Reply, EslError> {
    accepted(request(door, command).await?)
}

fn accepted(reply: Reply) -> Result<Reply, EslError> {
    if reply.is_refused() {
        return Err(EslError::Refused { text: reply.text() });
    }
    Ok(reply)
}

impl Esl {
    /// Sends any command and waits for its answer, whatever it says.
    ///
    /// There is no time limit but that of the connection: put [`tokio::time::timeout`] around it.
    ///
    /// # Errors
    /// [`EslError::BadCommand`], [`EslError::NotSent`] or [`EslError::OutcomeUnknown`].
    ///
    /// # Cancel safety
    /// Dropping the future forgets the answer. The command is not sent if it was not yet taken up by the connection;
    /// else the outcome is unknown.
    pub async fn send(&self, command: &Command) -> Result<Reply, EslError> {
        let Some(door) = self.shared.door() else {
            let reason = "there is no connection";
            // A bad command is bad without one too.
            command.to_bytes()?;
            return Err(EslError::NotSent { reason });
        };
        request(&door, command).await
    }

    /// Sends any command; an answer that begins with `-ERR` is an error.
    ///
    /// # Errors
    /// Those of [`send`](Self::send), and [`EslError::Refused`].
    ///
    /// # Cancel safety
    /// As for [`send`](Self::send).
    pub async fn order(&self, command: &Command) -> Result<Reply, EslError> {
        accepted(self.send(command).await?)
    }

    /// Runs a command of FreeSWITCH's console and gives what it prints. Everything else on the connection waits for
    /// it, events too.
    ///
    /// # Errors
    /// As for [`order`](Self::order).
    ///
    /// # Cancel safety
    /// As for [`send`](Self::send).
    pub async fn api(&self, command: &str) -> Result<String, EslError> {
        Ok(self.order(&Command::api(command)).await?.text())
    }

    /// Makes an event in FreeSWITCH; returns its UUID.
    ///
    /// # Errors
    /// As for [`order`](Self::order).
    ///
    /// # Cancel safety
    /// As for [`send`](Self::send).
    pub async fn sendevent(
        &self,
        name: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes> + Send,
    ) -> Result<String, EslError> {
        let command = headers
            .iter()
            .fold(Command::sendevent(name), |command, (name, value)| {
                command.header(name, *value)
            });
        let reply = self.order(&command.body(body)).await?;
        let text = reply.text();
        Ok(text.strip_prefix("+OK ").unwrap_or(&text).to_owned())
    }

    /// The notices from now on: events, lines of the log, gaps.
    #[must_use]
    pub fn events(&self) -> Events {
        self.shared.stage.subscribe()
    }

    /// Whether commands are let in now.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.shared.door().is_some()
    }
}

/// A UUID of version 4.
pub(super) fn new_uuid() -> String {
    let random = fastrand::u128(..);
    let random = random & !(0xf << 76) & !(0xc << 60) | (0x4 << 76) | (0x8 << 60);
    let hex = format!("{random:032x}");
    let (a, b, c, d, e) = (
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..],
    );
    format!("{a}-{b}-{c}-{d}-{e}")
}
