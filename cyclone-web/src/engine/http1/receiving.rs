//! The body of the current request: from its framing on the wire to its reader, or to nowhere.

use std::sync::Arc;
use std::task::Context;

use bytes::{Bytes, BytesMut};

use super::chunked::{Chunked, Malformed, Step};
use super::inbox::Inbox;
use super::parse::Framing;
use super::upload::{Interest, Upload};
use crate::body::BodyErrorKind;
use crate::limits::Limits;

/// Bytes of data from which on they are handed to the reader without those of the next chunk.
const GATHERED_BYTES: usize = 16 * 1024;

/// A body of which not all has been used.
pub(crate) struct Receiving {
    pub(crate) upload: Arc<Upload>,
    framing: Decoder,
    phase: Phase,
    /// The client waits for `100 Continue`.
    expecting: bool,
    /// Bytes of data that came.
    received: u64,
    /// Bytes of these that were thrown away.
    drained: u64,
    /// The reader was told that they come too slowly.
    late: bool,
    /// Where pieces of a large body are read to.
    pub(crate) pieces: BytesMut,
}

/// What becomes of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Somebody may read it.
    Open,
    /// Nobody wants the rest, which is read and thrown away.
    Draining,
    /// Nobody wants the rest, and it is not worth reading.
    Abandoned,
}

enum Decoder {
    Length(u64),
    Chunked(Box<Chunked>),
}

/// What came of a look at the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Nothing can be done for now.
    Stuck,
    /// Something was done.
    Moved,
    /// The client has to be told to go on.
    Continue,
    /// The body is over: nothing of it is left on the wire.
    Over,
}

impl Receiving {
    /// `None` when there is no body.
    pub(crate) fn new(framing: Framing, expecting: bool) -> Option<Self> {
        let (framing, length) = match framing {
            Framing::None => return None,
            Framing::Length(length) => (Decoder::Length(length), Some(length)),
            Framing::Chunked => (Decoder::Chunked(Box::new(Chunked::new())), None),
        };
        Some(Self {
            upload: Upload::new(length),
            framing,
            phase: Phase::Open,
            expecting,
            received: 0,
            drained: 0,
            late: false,
            pieces: BytesMut::new(),
        })
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    pub(crate) fn received(&self) -> u64 {
        self.received
    }

    /// Whether somebody waits for data.
    pub(crate) fn is_wanted(&self) -> bool {
        self.phase == Phase::Open && self.upload.interest() == Interest::Wanted
    }

    /// Whether a reader was told that it is late and has not looked.
    pub(crate) fn is_late(&self) -> bool {
        self.late && self.upload.interest() == Interest::Wanted
    }

    /// Tells the reader that the client is too slow.
    pub(crate) fn give_up_on_client(&mut self, cx: &Context<'_>) {
        self.late = true;
        self.phase = Phase::Abandoned;
        self.upload.fail(BodyErrorKind::Timeout, cx);
    }

    /// Gives up on a rest that is being thrown away.
    pub(crate) fn give_up_draining(&mut self) {
        self.phase = Phase::Abandoned;
    }

    /// Uses what is in `inbox`, as far as somebody wants it. `eof` says that no more will come.
    pub(crate) fn pump(
        &mut self,
        inbox: &mut Inbox,
        eof: bool,
        limits: &Limits,
        cx: &Context<'_>,
    ) -> Outcome {
        match self.phase {
            Phase::Open => match self.upload.interest() {
                Interest::Quiet => Outcome::Stuck,
                Interest::Wanted => self.feed(inbox, eof, limits, cx),
                Interest::Dropped => self.leave(eof, limits),
                Interest::Abandoned => {
                    self.phase = Phase::Abandoned;
                    Outcome::Moved
                }
            },
            Phase::Draining => self.drain(inbox, eof, limits),
            Phase::Abandoned => Outcome::Stuck,
        }
    }

    /// Nobody reads the rest: decides whether it is short enough to be thrown away.
    fn leave(&mut self, eof: bool, limits: &Limits) -> Outcome {
        let left = match &self.framing {
            Decoder::Length(left) => *left,
            Decoder::Chunked(_) => 0,
        };
        let is_coming = !self.expecting && !eof;
        let worth_it = self.is_over() || (is_coming && left <= limits.drain_bytes);
        self.phase = if worth_it {
            Phase::Draining
        } else {
            Phase::Abandoned
        };
        Outcome::Moved
    }

    fn feed(&mut self, inbox: &mut Inbox, eof: bool, limits: &Limits, cx: &Context<'_>) -> Outcome {
        if inbox.is_empty() && !self.is_over() {
            if eof {
                self.phase = Phase::Abandoned;
                self.upload.fail(BodyErrorKind::Disconnected, cx);
                return Outcome::Moved;
            }
            if std::mem::take(&mut self.expecting) {
                return Outcome::Continue;
            }
            return Outcome::Stuck;
        }
        self.expecting = false;
        let Ok(step) = self.step(inbox.bytes(), limits) else {
            return self.refuse(cx);
        };
        let first = &inbox.bytes()[step.data.clone()];
        if step.ended || step.used == inbox.len() || first.len() >= GATHERED_BYTES {
            let data = Bytes::copy_from_slice(first);
            inbox.consume(step.used);
            return self.hand_over(data, step.ended, limits, cx);
        }
        let mut all = Vec::with_capacity(inbox.len().min(GATHERED_BYTES));
        all.extend_from_slice(first);
        inbox.consume(step.used);
        self.gather(&mut all, inbox, limits);
        self.hand_over(Bytes::from(all.into_boxed_slice()), false, limits, cx)
    }

    /// Adds the data of further small chunks, so that a client that sends nothing else does not have the reader
    /// polled for each of them. The end, and what is malformed, is left for the next look.
    fn gather(&mut self, all: &mut Vec<u8>, inbox: &mut Inbox, limits: &Limits) {
        while all.len() < GATHERED_BYTES && !inbox.is_empty() && !self.is_over() {
            let Ok(step) = self.step(inbox.bytes(), limits) else {
                return;
            };
            all.extend_from_slice(&inbox.bytes()[step.data]);
            inbox.consume(step.used);
        }
    }

    /// Whether the end has been read, though nobody may have been told.
    fn is_over(&self) -> bool {
        matches!(&self.framing, Decoder::Chunked(chunked) if chunked.is_over())
    }

    /// Takes data that came past the inbox: the next bytes of the body, no more than [`expects`](Self::expects).
    pub(crate) fn take(&mut self, data: Bytes, limits: &Limits, cx: &Context<'_>) -> Outcome {
        self.expecting = false;
        match self.step(&data, limits) {
            Ok(step) => self.hand_over(data, step.ended, limits, cx),
            Err(Malformed) => self.refuse(cx),
        }
    }

    /// Bytes that will come now and are nothing but data.
    pub(crate) fn expects(&self) -> u64 {
        match &self.framing {
            Decoder::Length(left) => *left,
            Decoder::Chunked(chunked) => chunked.expects(),
        }
    }

    fn hand_over(
        &mut self,
        data: Bytes,
        ended: bool,
        limits: &Limits,
        cx: &Context<'_>,
    ) -> Outcome {
        self.received += data.len() as u64;
        if !data.is_empty() {
            self.upload.push(data, cx);
        }
        let trailers = match &mut self.framing {
            Decoder::Chunked(chunked) if ended => match chunked.trailers(limits) {
                Ok(trailers) => trailers,
                Err(Malformed) => return self.refuse(cx),
            },
            _ => None,
        };
        if ended {
            self.upload.end(trailers, cx);
            return Outcome::Over;
        }
        Outcome::Moved
    }

    fn refuse(&mut self, cx: &Context<'_>) -> Outcome {
        self.phase = Phase::Abandoned;
        self.upload.fail(BodyErrorKind::Malformed, cx);
        Outcome::Moved
    }

    fn drain(&mut self, inbox: &mut Inbox, eof: bool, limits: &Limits) -> Outcome {
        if inbox.is_empty() && !self.is_over() {
            if eof {
                self.phase = Phase::Abandoned;
                return Outcome::Moved;
            }
            return Outcome::Stuck;
        }
        let Ok(step) = self.step(inbox.bytes(), limits) else {
            self.phase = Phase::Abandoned;
            return Outcome::Moved;
        };
        self.drained += step.data.len() as u64;
        self.received += step.data.len() as u64;
        inbox.consume(step.used);
        if step.ended {
            return self.end_drain(limits);
        }
        if self.drained > limits.drain_bytes {
            self.phase = Phase::Abandoned;
        }
        Outcome::Moved
    }

    /// The end of a body that nobody reads has to be right too: a request may have been taken for trailers.
    fn end_drain(&mut self, limits: &Limits) -> Outcome {
        if let Decoder::Chunked(chunked) = &mut self.framing
            && chunked.trailers(limits).is_err()
        {
            self.phase = Phase::Abandoned;
            return Outcome::Moved;
        }
        Outcome::Over
    }

    fn step(&mut self, input: &[u8], limits: &Limits) -> Result<Step, Malformed> {
        match &mut self.framing {
            Decoder::Length(left) => {
                let count =
                    usize::try_from(*left).map_or(input.len(), |left| left.min(input.len()));
                *left -= count as u64;
                Ok(Step {
                    used: count,
                    data: 0..count,
                    ended: *left == 0,
                })
            }
            Decoder::Chunked(chunked) => chunked.step(input, limits),
        }
    }
}

impl Drop for Receiving {
    /// Whoever reads the body may outlive the connection, and must not wait for ever.
    fn drop(&mut self) {
        self.upload.cut_short();
    }
}
