//! Which backend is given the next client. No I/O, no clock.

use serde::Deserialize;

/// How a backend is chosen among those that may be given a client; all of them respect the weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Scheduler {
    /// One after the other; a backend of weight 2 twice as often as one of weight 1, and not twice in a row.
    #[default]
    RoundRobin,
    /// The one with the fewest open connections for its weight; one after the other where that is equal.
    LeastConnections,
    /// Any of them.
    Random,
}

impl Scheduler {
    /// The name in configurations.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::RoundRobin => "round-robin",
            Self::LeastConnections => "least-connections",
            Self::Random => "random",
        }
    }
}

/// A backend that may be given a client.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate {
    /// Its place in the group.
    pub(super) index: usize,
    pub(super) weight: u32,
    /// Its open connections.
    pub(super) open: usize,
}

/// What a scheduler remembers.
#[derive(Debug)]
pub(super) struct Schedule {
    scheduler: Scheduler,
    /// How much each backend of the group has earned (smooth weighted round-robin, as nginx has it).
    earned: Vec<i64>,
    /// Where to begin to look.
    turn: usize,
}

impl Schedule {
    pub(super) fn new(scheduler: Scheduler, backends: usize) -> Self {
        Self {
            scheduler,
            earned: vec![0; backends],
            turn: 0,
        }
    }

    /// Chooses one; `random` is from 0 to 1, drawn anew for every call. `None` when none has a weight.
    pub(super) fn pick(&mut self, candidates: &[Candidate], random: f64) -> Option<usize> {
        let candidates = candidates.iter().filter(|one| one.weight > 0);
        let total: u64 = candidates.clone().map(|one| u64::from(one.weight)).sum();
        let picked = match self.scheduler {
            Scheduler::RoundRobin => {
                for one in candidates.clone() {
                    self.earned[one.index] += i64::from(one.weight);
                }
                // The first of those that have earned most.
                let most = candidates.rev().max_by_key(|one| self.earned[one.index])?;
                self.earned[most.index] -= i64::try_from(total).unwrap_or(i64::MAX);
                most
            }
            Scheduler::LeastConnections => {
                let turns = self.earned.len();
                let wait = |one: &Candidate| (one.index + turns - self.turn) % turns;
                candidates.min_by(|one, other| {
                    let load = one.open as u128 * u128::from(other.weight);
                    let other_load = other.open as u128 * u128::from(one.weight);
                    let by_turn = wait(one).cmp(&wait(other));
                    load.cmp(&other_load).then(by_turn)
                })?
            }
            Scheduler::Random => {
                let mut left = random.clamp(0.0, 1.0) * total as f64;
                let last = candidates.clone().next_back();
                let mut candidates = candidates;
                let found = candidates.find(|one| {
                    left -= f64::from(one.weight);
                    left < 0.0
                });
                found.or(last)?
            }
        };
        self.turn = (picked.index + 1) % self.earned.len();
        Some(picked.index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidates(weights: &[u32]) -> Vec<Candidate> {
        let indexed = weights.iter().enumerate();
        indexed
            .map(|(index, weight)| Candidate {
                index,
                weight: *weight,
                open: 0,
            })
            .collect()
    }

    fn turns(weights: &[u32], count: usize) -> Vec<usize> {
        let mut schedule = Schedule::new(Scheduler::RoundRobin, weights.len());
        let candidates = candidates(weights);
        let picked = (0..count).map(|_| schedule.pick(&candidates, 0.0).unwrap());
        picked.collect()
    }

    #[test]
    fn round_robin_goes_one_after_the_other_and_spreads_the_weights() {
        assert_eq!(turns(&[1, 1, 1], 6), [0, 1, 2, 0, 1, 2]);
        // The example of nginx's algorithm.
        assert_eq!(turns(&[5, 1, 1], 7), [0, 0, 1, 0, 2, 0, 0]);
        assert_eq!(turns(&[0, 1], 3), [1, 1, 1]);
    }

    #[test]
    fn round_robin_is_fair_when_backends_come_and_go() {
        let mut schedule = Schedule::new(Scheduler::RoundRobin, 3);
        let all = candidates(&[1, 1, 1]);
        for _ in 0..100 {
            schedule.pick(&all[..2], 0.0);
        }
        let mut picked = [0; 3];
        for _ in 0..30 {
            picked[schedule.pick(&all, 0.0).unwrap()] += 1;
        }
        assert_eq!(picked, [10, 10, 10]);
    }

    #[test]
    fn least_connections_looks_at_the_weight_and_then_at_the_turn() {
        let mut schedule = Schedule::new(Scheduler::LeastConnections, 3);
        let mut all = candidates(&[1, 1, 4]);
        let mut picked = Vec::new();
        for _ in 0..12 {
            let index = schedule.pick(&all, 0.0).unwrap();
            all[index].open += 1;
            picked.push(index);
        }
        assert_eq!(picked[..3], [0, 1, 2], "each once at first");
        let open: Vec<_> = all.iter().map(|one| one.open).collect();
        assert_eq!(open, [2, 2, 8]);
        all[1].open = 0;
        assert_eq!(schedule.pick(&all, 0.0), Some(1));
    }

    #[test]
    fn random_is_as_the_weights_are() {
        let mut schedule = Schedule::new(Scheduler::Random, 3);
        let all = candidates(&[1, 0, 3]);
        let mut picked = [0; 3];
        for step in 0..400 {
            picked[schedule.pick(&all, f64::from(step) / 400.0).unwrap()] += 1;
        }
        assert_eq!(picked, [100, 0, 300]);
        assert_eq!(schedule.pick(&all, 1.0), Some(2));
        assert_eq!(schedule.pick(&all, 0.0), Some(0));
    }

    #[test]
    fn nobody_is_chosen_where_nobody_has_a_weight() {
        for scheduler in [
            Scheduler::RoundRobin,
            Scheduler::LeastConnections,
            Scheduler::Random,
        ] {
            let mut schedule = Schedule::new(scheduler, 2);
            assert_eq!(schedule.pick(&[], 0.5), None);
            assert_eq!(schedule.pick(&candidates(&[0, 0]), 0.5), None);
            assert_eq!(schedule.pick(&candidates(&[0, 1]), 0.5), Some(1));
        }
    }
}
