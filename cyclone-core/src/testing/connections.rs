//! The connections of a proxy: what is done to each, and what was counted.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
};

use tokio::sync::watch;

use super::{Cut, Direction, Toxics};
use crate::lock::lock;

/// Connections that have ended of which a [`FaultProxy`](super::FaultProxy) remembers the numbers, at most.
pub const FAULT_PROXY_HISTORY: usize = 1024;

/// What a proxy did; the numbers are read one after the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProxyStatistics {
    /// Connections that were accepted.
    pub accepted: u64,
    /// Those that are open.
    pub open: u64,
    /// Those for which the server could not be reached: they were reset.
    pub unreachable: u64,
    /// Bytes that were swallowed.
    pub swallowed: u64,
    to_server: u64,
    to_client: u64,
}

impl ProxyStatistics {
    /// Bytes that were delivered.
    #[must_use]
    pub fn bytes(&self, direction: Direction) -> u64 {
        match direction {
            Direction::ToServer => self.to_server,
            Direction::ToClient => self.to_client,
        }
    }
}

/// What a proxy knows of one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProxiedConnection {
    /// 1 for the first that was accepted.
    pub number: u64,
    /// Whether it is open.
    pub open: bool,
    to_server: u64,
    to_client: u64,
}

impl ProxiedConnection {
    /// Bytes that were delivered.
    #[must_use]
    pub fn bytes(&self, direction: Direction) -> u64 {
        match direction {
            Direction::ToServer => self.to_server,
            Direction::ToClient => self.to_client,
        }
    }
}

/// All connections of a proxy.
#[derive(Debug)]
pub(super) struct Connections {
    state: Mutex<State>,
    totals: watch::Sender<ProxyStatistics>,
}

#[derive(Debug, Default)]
struct State {
    common: Toxics,
    /// By the number of the connection.
    planned: BTreeMap<u64, Toxics>,
    known: BTreeMap<u64, Arc<Record>>,
    accepted: u64,
    seed: u64,
}

/// One connection.
#[derive(Debug)]
pub(super) struct Record {
    number: u64,
    open: AtomicBool,
    to_server: AtomicU64,
    to_client: AtomicU64,
    toxics: watch::Sender<Toxics>,
    cut: watch::Sender<Option<Cut>>,
    totals: watch::Sender<ProxyStatistics>,
}

impl Connections {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            totals: watch::Sender::default(),
        })
    }

    /// Enters a connection that was accepted; returns it with the seed of its chance.
    pub(super) fn enter(&self) -> (Arc<Record>, u64) {
        let mut state = lock(&self.state);
        state.accepted += 1;
        let number = state.accepted;
        let toxics = state.planned.get(&number).unwrap_or(&state.common).clone();
        let record = Arc::new(Record {
            number,
            open: AtomicBool::new(true),
            to_server: AtomicU64::new(0),
            to_client: AtomicU64::new(0),
            toxics: watch::Sender::new(toxics),
            cut: watch::Sender::new(None),
            totals: self.totals.clone(),
        });
        state.known.insert(number, Arc::clone(&record));
        if state.known.len() > FAULT_PROXY_HISTORY {
            let ended = |record: &Arc<Record>| !record.open.load(SeqCst);
            let oldest = state.known.values().find(|record| ended(record));
            if let Some(number) = oldest.map(|record| record.number) {
                state.known.remove(&number);
            }
        }
        self.totals.send_modify(|totals| {
            totals.accepted += 1;
            totals.open += 1;
        });
        (record, state.seed.wrapping_add(number))
    }

    pub(super) fn set(&self, toxics: Toxics) {
        let mut state = lock(&self.state);
        for (number, record) in &state.known {
            if !state.planned.contains_key(number) {
                record.toxics.send_replace(toxics.clone());
            }
        }
        state.common = toxics;
    }

    pub(super) fn set_for(&self, number: u64, toxics: Toxics) {
        let mut state = lock(&self.state);
        if let Some(record) = state.known.get(&number) {
            record.toxics.send_replace(toxics.clone());
        }
        state.planned.insert(number, toxics);
    }

    pub(super) fn toxics(&self) -> Toxics {
        lock(&self.state).common.clone()
    }

    pub(super) fn set_seed(&self, seed: u64) {
        lock(&self.state).seed = seed;
    }

    pub(super) fn cut(&self, cut: Cut) {
        for record in lock(&self.state).known.values() {
            record.cut.send_replace(Some(cut));
        }
    }

    pub(super) fn cut_one(&self, number: u64, cut: Cut) {
        if let Some(record) = lock(&self.state).known.get(&number) {
            record.cut.send_replace(Some(cut));
        }
    }

    pub(super) fn get(&self, number: u64) -> Option<ProxiedConnection> {
        let state = lock(&self.state);
        let record = state.known.get(&number)?;
        Some(ProxiedConnection {
            number,
            open: record.open.load(SeqCst),
            to_server: record.to_server.load(SeqCst),
            to_client: record.to_client.load(SeqCst),
        })
    }

    pub(super) fn totals(&self) -> watch::Receiver<ProxyStatistics> {
        self.totals.subscribe()
    }
}

impl Record {
    pub(super) fn toxics(&self) -> watch::Receiver<Toxics> {
        self.toxics.subscribe()
    }

    /// How it is to be cut, as soon as it is.
    pub(super) fn cuts(&self) -> watch::Receiver<Option<Cut>> {
        self.cut.subscribe()
    }

    pub(super) fn passed(&self, direction: Direction, bytes: usize) {
        let bytes = bytes as u64;
        let mine = match direction {
            Direction::ToServer => &self.to_server,
            Direction::ToClient => &self.to_client,
        };
        mine.fetch_add(bytes, SeqCst);
        self.totals.send_modify(|totals| match direction {
            Direction::ToServer => totals.to_server += bytes,
            Direction::ToClient => totals.to_client += bytes,
        });
    }

    pub(super) fn swallowed(&self, bytes: usize) {
        self.totals
            .send_modify(|totals| totals.swallowed += bytes as u64);
    }

    pub(super) fn unreachable(&self) {
        self.totals.send_modify(|totals| totals.unreachable += 1);
    }

    /// Notes that it has ended; more than once is no harm.
    pub(super) fn closed(&self) {
        if self.open.swap(false, SeqCst) {
            self.totals.send_modify(|totals| totals.open -= 1);
        }
    }
}
