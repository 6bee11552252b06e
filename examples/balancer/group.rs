//! The backends of a group: who may be given a client, and who waits for one.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, timeout_at};

use super::backend::Backend;
use super::condition::Condition;
use super::config::GroupConfig;
use super::schedule::{Candidate, Schedule};
use super::statistics::{BackendStatistics, count};

/// What an operator wants of a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mode {
    /// It is given clients while it is well.
    Enabled,
    /// It is given no more; those it has stay.
    Draining,
    /// It is given no more, and those it has are cut.
    Disabled,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Enabled => "enabled",
            Self::Draining => "draining",
            Self::Disabled => "disabled",
        })
    }
}

/// What is known of a backend.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BackendInfo {
    /// Its group and its name: `blue/one`.
    pub name: String,
    /// Where it is.
    pub address: String,
    /// Its share of the clients.
    pub weight: u32,
    /// What the operator wants of it.
    pub mode: Mode,
    /// Why it is taken out, if it is.
    pub down: Option<String>,
    /// Its connections.
    pub open: usize,
    /// How many it may have, if that is limited.
    pub max_connections: Option<usize>,
    /// What it did.
    pub statistics: BackendStatistics,
}

/// Why a client was given no backend; nothing of what it said was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// Too many wait already.
    QueueFull,
    /// None had a place in time.
    TimedOut,
    /// All that may be given clients were tried.
    AllTried,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::QueueFull => "too many clients wait for a backend",
            Self::TimedOut => "no backend had a place in time",
            Self::AllTried => "no backend answered",
        })
    }
}

/// A group of backends.
pub(super) struct Group {
    pub(super) name: String,
    pub(super) config: GroupConfig,
    pub(super) backends: Vec<Backend>,
    state: Mutex<State>,
}

struct State {
    /// One for each backend.
    slots: Vec<Slot>,
    schedule: Schedule,
    /// Clients that wait, the oldest first.
    waiting: VecDeque<Waiter>,
    next_waiter: u64,
}

struct Slot {
    open: usize,
    mode: Mode,
    condition: Condition,
}

struct Waiter {
    id: u64,
    backend: oneshot::Sender<Lease>,
}

impl Group {
    pub(super) fn new(name: &str, config: &GroupConfig) -> Arc<Self> {
        let backends: Vec<_> = config.backends.iter().cloned().map(Backend::new).collect();
        let slot = |_: &Backend| Slot {
            open: 0,
            mode: Mode::Enabled,
            condition: Condition::new(config.check.rise, config.check.fall),
        };
        Arc::new(Self {
            name: name.to_owned(),
            state: Mutex::new(State {
                slots: backends.iter().map(slot).collect(),
                schedule: Schedule::new(config.scheduler, backends.len()),
                waiting: VecDeque::new(),
                next_waiter: 0,
            }),
            backends,
            config: config.clone(),
        })
    }

    /// Gives a client a backend, and waits until `until` when none has a place. Clients are served in their order.
    ///
    /// Those in `tried` are left out, unless it had to wait.
    ///
    /// # Cancel safety
    /// A dropped future gives its place in the queue up, or the backend back.
    pub(super) async fn acquire(
        self: &Arc<Self>,
        tried: &[usize],
        until: Instant,
    ) -> Result<Lease, Refused> {
        let waiting = {
            let mut state = self.state();
            if state.waiting.is_empty() {
                if let Some(index) = state.pick(&self.backends, tried) {
                    return Ok(self.lease(index));
                }
                // Others may be free, but they did not answer this client.
                if !tried.is_empty() && state.pick_would_find(&self.backends) {
                    return Err(Refused::AllTried);
                }
            }
            if state.waiting.len() >= self.config.max_queued {
                return Err(Refused::QueueFull);
            }
            let (sender, backend) = oneshot::channel();
            let id = state.next_waiter;
            state.next_waiter += 1;
            state.waiting.push_back(Waiter {
                id,
                backend: sender,
            });
            Waiting {
                group: Arc::clone(self),
                id,
                backend,
            }
        };
        waiting.until(until).await
    }

    /// How many clients wait.
    pub(super) fn queued(&self) -> usize {
        self.state().waiting.len()
    }

    /// A check of a backend passed.
    pub(super) fn passed(self: &Arc<Self>, index: usize) {
        if self.state().slots[index].condition.passed() {
            let backend = self.full_name(index);
            tracing::info!(backend, "backend is back");
            self.serve_queue();
        }
    }

    /// A check of a backend failed, or it did not answer a client.
    pub(super) fn failed(&self, index: usize, reason: &str) {
        let fell = self.state().slots[index].condition.failed(reason);
        self.note_fall(index, fell, reason);
    }

    /// A backend refused a client: it is taken out at once.
    pub(super) fn refused(&self, index: usize, reason: &str) {
        let fell = self.state().slots[index].condition.refused(reason);
        self.note_fall(index, fell, reason);
    }

    fn note_fall(&self, index: usize, fell: bool, reason: &str) {
        if fell {
            count(&self.backends[index].counts.falls);
            let backend = self.full_name(index);
            tracing::warn!(backend, reason, "backend is taken out");
        }
    }

    /// Sets what the operator wants of a backend.
    pub(super) fn set_mode(self: &Arc<Self>, index: usize, mode: Mode) {
        self.state().slots[index].mode = mode;
        match mode {
            Mode::Enabled => self.serve_queue(),
            Mode::Draining => {}
            Mode::Disabled => self.backends[index].cuts.send_modify(|cuts| *cuts += 1),
        }
    }

    pub(super) fn full_name(&self, index: usize) -> String {
        format!("{}/{}", self.name, self.backends[index].config.name)
    }

    pub(super) fn info(&self) -> Vec<BackendInfo> {
        let state = self.state();
        let both = self.backends.iter().zip(&state.slots).enumerate();
        both.map(|(index, (backend, slot))| BackendInfo {
            name: self.full_name(index),
            address: backend.config.address.to_string(),
            weight: backend.config.weight,
            mode: slot.mode,
            down: slot.condition.reason().map(str::to_owned),
            open: slot.open,
            max_connections: backend.config.max_connections,
            statistics: backend.counts.read(),
        })
        .collect()
    }

    /// A backend that was picked, under the same lock: who takes it away means this one too.
    fn lease(self: &Arc<Self>, index: usize) -> Lease {
        Lease {
            group: Arc::clone(self),
            index,
            cuts: self.backends[index].cuts.subscribe(),
        }
    }

    /// Gives those who wait what is free.
    fn serve_queue(self: &Arc<Self>) {
        loop {
            let (waiter, lease) = {
                let mut state = self.state();
                if state.waiting.is_empty() {
                    return;
                }
                let Some(index) = state.pick(&self.backends, &[]) else {
                    return;
                };
                let Some(waiter) = state.waiting.pop_front() else {
                    return;
                };
                (waiter, self.lease(index))
            };
            // One that does not wait any more drops it, and it is free again.
            let _ = waiter.backend.send(lease);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group")
            .field("name", &self.name)
            .field("backends", &self.info())
            .finish_non_exhaustive()
    }
}

impl State {
    /// Chooses a backend that may be given a client, and counts the connection that it will have.
    fn pick(&mut self, backends: &[Backend], tried: &[usize]) -> Option<usize> {
        let candidates = self.candidates(backends, tried);
        let index = self.schedule.pick(&candidates, fastrand::f64())?;
        self.slots[index].open += 1;
        Some(index)
    }

    /// Whether there would be one, if none had been tried.
    fn pick_would_find(&self, backends: &[Backend]) -> bool {
        self.candidates(backends, &[])
            .iter()
            .any(|one| one.weight > 0)
    }

    fn candidates(&self, backends: &[Backend], tried: &[usize]) -> Vec<Candidate> {
        let both = backends.iter().zip(&self.slots).enumerate();
        both.filter(|(index, (backend, slot))| {
            slot.mode == Mode::Enabled
                && slot.condition.is_up()
                && slot.open < backend.max_connections()
                && !tried.contains(index)
        })
        .map(|(index, (backend, slot))| Candidate {
            index,
            weight: backend.config.weight,
            open: slot.open,
        })
        .collect()
    }
}

/// A place in the queue.
struct Waiting {
    group: Arc<Group>,
    id: u64,
    backend: oneshot::Receiver<Lease>,
}

impl Waiting {
    async fn until(mut self, until: Instant) -> Result<Lease, Refused> {
        match timeout_at(until, &mut self.backend).await {
            Ok(Ok(lease)) => Ok(lease),
            // The group lives as long as this.
            Ok(Err(_closed)) => Err(Refused::TimedOut),
            Err(_elapsed) => Err(Refused::TimedOut),
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.group.state().waiting.retain(|one| one.id != self.id);
    }
}

/// One connection of a backend; it is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Lease {
    group: Arc<Group>,
    index: usize,
    cuts: watch::Receiver<u64>,
}

impl Lease {
    pub(super) fn index(&self) -> usize {
        self.index
    }

    pub(super) fn backend(&self) -> &Backend {
        &self.group.backends[self.index]
    }

    /// Whether the operator has taken the backend away since it was given.
    pub(super) fn is_cut(&self) -> bool {
        self.cuts.has_changed().unwrap_or(false)
    }

    /// Waits until the operator takes the backend away.
    pub(super) fn cut(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut cuts = self.cuts.clone();
        async move {
            // The sender lives as long as the backend, and that as long as the connection.
            if cuts.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.group.state().slots[self.index].open -= 1;
        self.group.serve_queue();
    }
}

#[cfg(test)]
mod tests;
