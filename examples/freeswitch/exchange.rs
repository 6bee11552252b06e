//! Which answer belongs to which command, without any I/O: answers come in the order of the commands.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::command::{Command, Expects};
use super::error::EslError;
use super::message::Reply;

/// Commands that wait for their answers; others wait to be sent.
pub const MAX_IN_FLIGHT: usize = 256;

/// Bytes of commands that wait for the peer to take them; others wait to be taken up.
const MAX_UNWRITTEN_BYTES: usize = 64 * 1024;

/// Whoever waits for the answer to a command. Dropped without one, it says what became of the command.
#[derive(Debug)]
pub(super) struct Ticket {
    answer: Option<oneshot::Sender<Result<Reply, EslError>>>,
    expects: Expects,
    /// The last byte was handed to the system: FreeSWITCH may act.
    sent: bool,
}

impl Ticket {
    /// A ticket, and where its answer comes.
    pub(super) fn new(expects: Expects) -> (Self, oneshot::Receiver<Result<Reply, EslError>>) {
        let (answer, receiver) = oneshot::channel();
        let ticket = Self {
            answer: Some(answer),
            expects,
            sent: false,
        };
        (ticket, receiver)
    }

    /// Whether nobody waits any more.
    fn is_abandoned(&self) -> bool {
        self.answer.as_ref().is_none_or(oneshot::Sender::is_closed)
    }

    fn resolve(&mut self, result: Result<Reply, EslError>) {
        if let Some(answer) = self.answer.take() {
            // Whoever asked may have gone.
            let _ = answer.send(result);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let reason = "the connection ended before the answer";
        self.resolve(Err(match self.sent {
            true => EslError::OutcomeUnknown { reason },
            false => EslError::NotSent { reason },
        }));
    }
}

/// A command on its way, with whoever waits for its answer.
#[derive(Debug)]
pub(super) struct Request {
    bytes: Bytes,
    ticket: Ticket,
}

impl Request {
    /// The request for a command, and where its answer comes.
    pub(super) fn new(
        command: &Command,
    ) -> Result<(Self, oneshot::Receiver<Result<Reply, EslError>>), EslError> {
        let bytes = command.to_bytes()?;
        let (ticket, answer) = Ticket::new(command.expects());
        Ok((Self { bytes, ticket }, answer))
    }
}

/// The commands of one connection that were written, or are being written, and not yet answered.
#[derive(Debug, Default)]
pub(super) struct Exchange {
    unwritten: BytesMut,
    /// Bytes of all commands so far, and how many of them were written.
    accepted: u64,
    written: u64,
    in_flight: VecDeque<InFlight>,
    /// How many of those in flight were written to their ends.
    sent: usize,
    owed_since: Option<Instant>,
}

#[derive(Debug)]
struct InFlight {
    /// Where the command ends among the bytes of all commands.
    end: u64,
    ticket: Ticket,
    is_probe: bool,
}

impl Exchange {
    /// Whether another command can be taken up.
    pub(super) fn has_room(&self) -> bool {
        self.in_flight.len() < MAX_IN_FLIGHT && self.unwritten.len() < MAX_UNWRITTEN_BYTES
    }

    /// Takes up a command, unless nobody waits for its answer any more.
    pub(super) fn push(&mut self, request: Request, now: Instant) {
        if !request.ticket.is_abandoned() {
            self.accept(request, false, now);
        }
    }

    /// Takes up a command that only asks whether the peer is there.
    pub(super) fn probe(&mut self, now: Instant) -> Result<(), EslError> {
        let (request, _nobody) = Request::new(&Command::api("uptime"))?;
        self.accept(request, true, now);
        Ok(())
    }

    fn accept(&mut self, request: Request, is_probe: bool, now: Instant) {
        self.unwritten.extend_from_slice(&request.bytes);
        self.accepted += u64::try_from(request.bytes.len()).unwrap_or(0);
        self.in_flight.push_back(InFlight {
            end: self.accepted,
            ticket: request.ticket,
            is_probe,
        });
        self.owed_since.get_or_insert(now);
    }

    /// What is to be written next; whoever writes takes it off the front and says so by [`wrote`](Self::wrote).
    pub(super) fn unwritten(&mut self) -> &mut BytesMut {
        &mut self.unwritten
    }

    /// Notes that so many bytes were written.
    pub(super) fn wrote(&mut self, bytes: usize) {
        self.written += u64::try_from(bytes).unwrap_or(0);
        while let Some(next) = self.in_flight.get_mut(self.sent)
            && next.end <= self.written
        {
            next.ticket.sent = true;
            self.sent += 1;
        }
    }

    /// Hands an answer of this kind to the oldest command.
    ///
    /// # Errors
    /// When no command waits, or the oldest waits for the other kind: from here on every answer may be another's.
    pub(super) fn answer(
        &mut self,
        kind: Expects,
        reply: Reply,
        now: Instant,
    ) -> Result<(), EslError> {
        let out_of_step = |reason| Err(EslError::Protocol { reason });
        let fits = match self.in_flight.front() {
            Some(oldest) if oldest.ticket.sent => match (oldest.ticket.expects, kind) {
                (expects, kind) if expects == kind => true,
                // A command that is no command, or one that the user may not use.
                (Expects::ApiResponse, Expects::Reply) => reply.is_refused(),
                _ => false,
            },
            _ => return out_of_step("an answer to nothing"),
        };
        if !fits {
            return out_of_step("an answer to another command");
        }
        if let Some(mut oldest) = self.in_flight.pop_front() {
            self.sent -= 1;
            oldest.ticket.resolve(Ok(reply));
        }
        self.owed_since = (!self.in_flight.is_empty()).then_some(now);
        Ok(())
    }

    /// Since when the peer owes an answer: the last one, or the command that was the first to wait.
    pub(super) fn owed_since(&self) -> Option<Instant> {
        self.owed_since
    }

    /// Whether it owes nothing but the answer to a probe.
    pub(super) fn owes_only_a_probe(&self) -> bool {
        self.in_flight.iter().all(|command| command.is_probe)
    }
}
