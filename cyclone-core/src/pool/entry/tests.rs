use std::{convert::Infallible, sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{Entry, Verdict};
use crate::{
    connector::Connector,
    pool::{
        builder::{PoolBuilder, Settings},
        statistics::{Counts, Slot},
    },
};

struct Unit;

impl Connector for Unit {
    type Connection = ();
    type Error = Infallible;

    async fn connect(&self) -> Result<(), Infallible> {
        Ok(())
    }

    async fn check(&self, (): &mut ()) -> Result<(), Infallible> {
        Ok(())
    }
}

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Idle for at most 3 s, checked after 2 s, and 10 s old at most.
fn settings() -> Settings {
    let mut settings = PoolBuilder::new(Unit).settings;
    settings.idle_timeout = ms(3_000);
    settings.keepalive = ms(2_000);
    settings
}

/// What becomes of an idle connection that was made, used and seen so many milliseconds ago.
struct Case {
    made: u64,
    used: u64,
    seen: u64,
    epoch: u64,
    spare: usize,
}

impl Default for Case {
    fn default() -> Self {
        Self {
            made: 5_000,
            used: 500,
            seen: 500,
            epoch: 0,
            spare: 1,
        }
    }
}

impl Case {
    fn verdict(&self) -> &'static str {
        let now = Instant::now() + ms(100_000);
        let slot = Slot::connecting(&Arc::<Counts>::default());
        let mut entry = Entry::<Unit>::new((), slot, 0, now - ms(self.made), ms(10_000), 0.0);
        entry.last_used = now - ms(self.used);
        entry.seen = now - ms(self.seen);
        let mut spare = self.spare;
        let verdict = entry.judge(&Unit, &settings(), self.epoch, now, &mut spare);
        let retired_idle = spare < self.spare;
        match verdict {
            Verdict::Keep(until) => {
                assert!(until > now, "to be looked at again at once");
                "keep"
            }
            Verdict::Check => "check",
            Verdict::Retire if retired_idle => "idle",
            Verdict::Retire => "old",
            Verdict::Broken => "broken",
        }
    }
}

#[test]
fn just_under_at_and_just_over_each_limit() {
    for (at, under_it, reached) in [
        (3_000, "keep", "idle"),
        (2_000, "keep", "check"),
        (10_000, "keep", "old"),
    ] {
        for (since, expected) in [(at - 1, under_it), (at, reached), (at + 1, reached)] {
            let case = match at {
                3_000 => Case {
                    used: since,
                    ..Case::default()
                },
                2_000 => Case {
                    seen: since,
                    ..Case::default()
                },
                _ => Case {
                    made: since,
                    ..Case::default()
                },
            };
            assert_eq!(case.verdict(), expected, "after {since} ms");
        }
    }
}

#[test]
fn the_minimum_is_idle_for_as_long_as_it_likes_but_not_for_ever() {
    let minimum = |made, seen| Case {
        made,
        used: made,
        seen,
        spare: 0,
        ..Case::default()
    };
    assert_eq!(minimum(9_999, 0).verdict(), "keep");
    assert_eq!(minimum(9_999, 2_000).verdict(), "check");
    assert_eq!(minimum(10_000, 0).verdict(), "old");
}

#[test]
fn a_suspect_is_checked_whenever_it_was_seen() {
    let suspect = Case {
        epoch: 1,
        used: 0,
        seen: 0,
        ..Case::default()
    };
    assert_eq!(suspect.verdict(), "check");
}

#[test]
fn the_lifetime_is_shortened_by_up_to_a_tenth() {
    for (random, lives) in [(0.0, 10_000), (0.5, 9_500), (1.0, 9_000)] {
        let made = Instant::now();
        let slot = Slot::connecting(&Arc::<Counts>::default());
        let entry = Entry::<Unit>::new((), slot, 0, made, ms(10_000), random);
        assert!(!entry.is_expired(made + ms(lives - 1)), "{random}");
        assert!(entry.is_expired(made + ms(lives)), "{random}");
    }
}
