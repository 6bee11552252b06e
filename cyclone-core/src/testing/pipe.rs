//! One direction of a connection.

use std::{collections::VecDeque, future::pending, io, sync::Arc};

use bytes::{Buf, Bytes};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf},
    select,
    sync::watch,
    time::{Instant, sleep_until},
};

use super::{
    Cut, Direction, Flow, Toxics,
    connections::Record,
    toxics::Passage,
    wire::{FAULT_PROXY_BUFFER_BYTES, Wire},
};
use crate::backoff::later;

/// Bytes read at once, at most.
const READ_BYTES: usize = 4 * 1024;

/// Carries the bytes of one direction.
pub(super) struct Pipe {
    direction: Direction,
    pub(super) reader: ReadHalf<Wire>,
    pub(super) writer: WriteHalf<Wire>,
    toxics: watch::Receiver<Toxics>,
    record: Arc<Record>,
    random: fastrand::Rng,
    /// On the way.
    pieces: VecDeque<Piece>,
    /// Their bytes.
    queued: usize,
    /// How the sender ended, and when that arrives.
    end: Option<(Instant, Finish)>,
    /// When the newest that is on the way arrives: what is behind it is not faster.
    last_due: Instant,
    /// Nothing is delivered earlier: bandwidth, and pauses between slices.
    not_before: Instant,
    passed: u64,
    vanished: bool,
}

struct Piece {
    due: Instant,
    bytes: Bytes,
}

/// How a direction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finish {
    /// The sender ended, and the receiver was told.
    Closed,
    /// One of the two is gone.
    Reset,
    /// It was to be cut.
    Cut(Cut),
}

/// What is to be done next.
enum Step {
    Nothing,
    Wait(Instant),
    Write(usize),
    End(Finish),
}

/// What was done.
enum Done {
    Waited,
    Wrote(io::Result<usize>),
    Ended(Finish),
}

impl Pipe {
    pub(super) fn new(
        direction: Direction,
        reader: ReadHalf<Wire>,
        writer: WriteHalf<Wire>,
        toxics: watch::Receiver<Toxics>,
        record: Arc<Record>,
        seed: u64,
    ) -> Self {
        let now = Instant::now();
        Self {
            direction,
            reader,
            writer,
            toxics,
            record,
            random: fastrand::Rng::with_seed(seed),
            pieces: VecDeque::new(),
            queued: 0,
            end: None,
            last_due: now,
            not_before: now,
            passed: 0,
            vanished: false,
        }
    }

    /// Carries bytes until the end; what it was may be asked once.
    pub(super) async fn run(&mut self) -> Finish {
        let mut buffer = [0; READ_BYTES];
        loop {
            let flow = self.toxics.borrow_and_update().flow(self.direction).clone();
            if flow.passage == Passage::Vanished && !self.vanished {
                self.vanish();
            }
            if let Some(cut) = flow.cut_at(self.passed) {
                return Finish::Cut(cut);
            }
            let step = self.step(&flow);
            let may_read = self.end.is_none() && self.queued < FAULT_PROXY_BUFFER_BYTES;
            let room = READ_BYTES.min(FAULT_PROXY_BUFFER_BYTES - self.queued);
            let Self {
                toxics,
                reader,
                writer,
                pieces,
                ..
            } = self;
            let done = select! {
                biased;
                changed = toxics.changed() => {
                    if changed.is_err() {
                        pending::<()>().await;
                    }
                    continue;
                }
                read = reader.read(&mut buffer[..room]), if may_read => {
                    self.take(read.ok().map(|read| &buffer[..read]), &flow);
                    continue;
                }
                done = act(step, pieces, writer) => done,
            };
            match done {
                Done::Waited => {}
                Done::Wrote(Ok(written)) => self.delivered(written, &flow),
                // The receiver is gone.
                Done::Wrote(Err(_)) => return Finish::Reset,
                Done::Ended(finish) => return finish,
            }
        }
    }

    /// Puts what was read on the way, or how reading ended: with nothing, or without an order (`None`).
    fn take(&mut self, read: Option<&[u8]>, flow: &Flow) {
        if self.vanished {
            match read {
                Some(bytes) if !bytes.is_empty() => self.record.swallowed(bytes.len()),
                // Nobody is told.
                _ => self.end = Some((Instant::now(), Finish::Closed)),
            }
            return;
        }
        let jitter = flow.jitter.mul_f64(self.random.f64());
        let delay = flow.latency.saturating_add(jitter);
        let due = later(Instant::now(), delay).max(self.last_due);
        self.last_due = due;
        match read {
            Some([]) => self.end = Some((due, Finish::Closed)),
            Some(bytes) => {
                self.queued += bytes.len();
                let bytes = Bytes::copy_from_slice(bytes);
                self.pieces.push_back(Piece { due, bytes });
            }
            None => self.end = Some((due, Finish::Reset)),
        }
    }

    /// Swallows what is on the way, and all that will be.
    fn vanish(&mut self) {
        self.vanished = true;
        self.record.swallowed(self.queued);
        self.pieces.clear();
        self.queued = 0;
    }

    fn step(&self, flow: &Flow) -> Step {
        if self.vanished || flow.passage == Passage::Held {
            return Step::Nothing;
        }
        let now = Instant::now();
        let at = |due: Instant| due.max(self.not_before);
        match (self.pieces.front(), self.end) {
            (Some(piece), _) if at(piece.due) > now => Step::Wait(at(piece.due)),
            (Some(piece), _) => Step::Write(piece.bytes.len().min(flow.portion(self.passed))),
            (None, Some((due, finish))) => match later(at(due), flow.slow_close) {
                at if at > now => Step::Wait(at),
                _ => Step::End(finish),
            },
            (None, None) => Step::Nothing,
        }
    }

    fn delivered(&mut self, written: usize, flow: &Flow) {
        self.passed += written as u64;
        self.queued -= written;
        self.not_before = later(Instant::now(), flow.pause(written));
        if let Some(piece) = self.pieces.front_mut() {
            piece.bytes.advance(written);
            if piece.bytes.is_empty() {
                self.pieces.pop_front();
            }
        }
        self.record.passed(self.direction, written);
    }
}

/// Does one step; dropped, it was not done.
async fn act(step: Step, pieces: &VecDeque<Piece>, writer: &mut WriteHalf<Wire>) -> Done {
    match step {
        Step::Nothing => pending().await,
        Step::Wait(at) => {
            sleep_until(at).await;
            Done::Waited
        }
        Step::Write(length) => match pieces.front() {
            Some(piece) => Done::Wrote(writer.write(&piece.bytes[..length]).await),
            None => Done::Waited,
        },
        Step::End(finish) => {
            if finish == Finish::Closed && writer.shutdown().await.is_err() {
                return Done::Ended(Finish::Reset);
            }
            Done::Ended(finish)
        }
    }
}
