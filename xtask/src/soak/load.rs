//! The crowd: threads that do one random thing after the other until the time is over.

use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use fastrand::Rng;

use super::wire::{Failure, Pace};
use super::world::{Outcome, World};
use super::{events, hostile, operator, pages, talk};

/// Threads that do short things, and threads that do long ones.
const QUICK: u64 = 10;
const LASTING: u64 = 22;

/// The longest rest between two operations, in milliseconds: the load is bounded, not as much as possible.
const REST_MS: u64 = 60;

/// The slowest and the largest reads of a slow reader.
const SLOW_BYTES: usize = 1024;
const SLOW_PAUSE_MS: u64 = 8;

/// One kind of thing that a client does.
struct Operation {
    name: &'static str,
    /// How often it is chosen, among the others of its list.
    weight: u32,
    run: fn(&World, &mut Rng) -> Outcome,
}

const QUICK_ONES: &[Operation] = &[
    operation("keep-alive", 5, pages::keep_alive),
    operation("pipeline", 3, pages::pipeline),
    operation("form", 3, pages::form),
    operation("file", 2, pages::file),
    operation("cut", 8, hostile::cut),
    operation("malformed", 4, hostile::malformed),
    operation("half-open", 2, hostile::half_open),
    operation("console", 2, operator::operate),
    operation("chat", 3, talk::chat),
    operation("vanish", 2, talk::vanish),
];

const LASTING_ONES: &[Operation] = &[
    operation("silent", 3, hostile::silent),
    operation("slow", 4, pages::slow),
    operation("events", 4, events::follow),
    operation("deaf stream", 1, events::deaf),
    operation("deaf guest", 2, talk::deaf),
    operation("chat", 6, talk::chat),
];

const fn operation(
    name: &'static str,
    weight: u32,
    run: fn(&World, &mut Rng) -> Outcome,
) -> Operation {
    Operation { name, weight, run }
}

/// How fast a slow reader reads.
pub(super) fn slow_pace(rng: &mut Rng) -> Pace {
    Pace {
        bytes: rng.usize(1..SLOW_BYTES),
        pause: Duration::from_millis(rng.u64(..SLOW_PAUSE_MS)),
    }
}

/// What a client does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// Everything there is once, each client beginning with something else, and then at random.
    EverythingFirst,
    Random,
}

/// Loads the server until the end of the world; `watch` is called now and then.
pub(super) fn run(
    world: &World,
    seed: u64,
    choice: Choice,
    mut watch: impl FnMut() -> Result<()>,
) -> Result<()> {
    thread::scope(|scope| {
        let crowd: Vec<_> = (0..QUICK + LASTING)
            .map(|number| {
                let mut rng = Rng::with_seed(seed.wrapping_add(number));
                let operations = if number < QUICK {
                    QUICK_ONES
                } else {
                    LASTING_ONES
                };
                let mut first = match choice {
                    Choice::EverythingFirst => round(operations, number),
                    Choice::Random => Vec::new(),
                };
                scope.spawn(move || client(world, operations, &mut first, &mut rng))
            })
            .collect();
        let mut outcome = Ok(());
        while !world.is_over() && outcome.is_ok() {
            let left = world.end.saturating_duration_since(Instant::now());
            sleep(left.min(Duration::from_millis(500)));
            outcome = watch();
        }
        for client in crowd {
            if client.join().is_err() {
                bail!("a client panicked");
            }
        }
        outcome
    })
}

/// All operations once, the last one first; each client begins with another one.
fn round(operations: &[Operation], number: u64) -> Vec<&Operation> {
    let mut round: Vec<&Operation> = operations.iter().collect();
    let length = round.len();
    round.rotate_left(usize::try_from(number).unwrap_or_default() % length);
    round
}

fn client<'a>(
    world: &World,
    operations: &'a [Operation],
    first: &mut Vec<&'a Operation>,
    rng: &mut Rng,
) {
    while !world.is_over() {
        let operation = first.pop().unwrap_or_else(|| choose(operations, rng));
        let result = (operation.run)(world, rng);
        let mut books = world.books();
        match result {
            Ok(outcome) => books.tally.count(operation.name, outcome),
            Err(Failure::Over) => books.tally.count(operation.name, "the time was over"),
            Err(Failure::Closed) => books.tally.fail(operation.name, "closed by the server"),
            Err(Failure::Broken(error)) => books.tally.fail(operation.name, &error.to_string()),
            Err(Failure::Wrong(what)) => books.tally.fail(operation.name, &what),
        }
        drop(books);
        sleep(Duration::from_millis(rng.u64(..REST_MS)));
    }
}

fn choose<'a>(operations: &'a [Operation], rng: &mut Rng) -> &'a Operation {
    let sum: u32 = operations.iter().map(|operation| operation.weight).sum();
    let mut place = rng.u32(..sum);
    for operation in operations {
        if place < operation.weight {
            return operation;
        }
        place -= operation.weight;
    }
    &operations[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_has_everything_and_begins_anywhere() {
        for operations in [QUICK_ONES, LASTING_ONES] {
            let mut firsts = Vec::new();
            for number in 0..operations.len() as u64 {
                let round = round(operations, number);
                assert_eq!(round.len(), operations.len());
                for one in operations {
                    assert_eq!(
                        round.iter().filter(|other| other.name == one.name).count(),
                        1
                    );
                }
                firsts.extend(round.last().map(|operation| operation.name));
            }
            firsts.sort_unstable();
            firsts.dedup();
            assert_eq!(firsts.len(), operations.len());
        }
    }

    #[test]
    fn a_seed_gives_the_same_choices_and_all_are_made() {
        let choices = |seed| -> Vec<&str> {
            let mut rng = Rng::with_seed(seed);
            (0..200)
                .map(|_| choose(QUICK_ONES, &mut rng).name)
                .collect()
        };
        assert_eq!(choices(1), choices(1));
        assert_ne!(choices(1), choices(2));
        for operation in QUICK_ONES {
            assert!(choices(1).contains(&operation.name), "{}", operation.name);
        }
    }
}
