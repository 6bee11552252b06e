//! The machine with a clock of the tests' own, and the handles.

use std::{io, time::Duration};

use tokio::time::Instant;

use super::{
    Breaker, BreakerPolicy, BreakerState, DEFAULT_BREAKER_FAILURES,
    machine::{Machine, Ticket},
};
use crate::{
    backoff::{BackoffPolicy, Jitter},
    connector::ConnectionError,
};

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn reset() -> ConnectionError {
    ConnectionError::new(io::Error::from(io::ErrorKind::ConnectionReset))
}

/// Pauses of 100 ms, doubled up to 400 ms.
fn policy() -> BreakerPolicy {
    let pause = BackoffPolicy::default()
        .base(ms(100))
        .max(ms(400))
        .jitter(Jitter::None);
    BreakerPolicy::default().failures(3).pause(pause)
}

/// A machine and its time.
struct Bench {
    machine: Machine,
    now: Instant,
}

impl Bench {
    fn new(policy: BreakerPolicy) -> Self {
        Self {
            machine: Machine::new(policy),
            now: Instant::now(),
        }
    }

    fn permit(&mut self) -> Option<Ticket> {
        self.machine.permit(self.now).ok()
    }

    /// One operation that is let through and fails.
    fn fail(&mut self) {
        let ticket = self.permit().expect("let through");
        self.machine.failed(&ticket, reset(), self.now, 0.5);
    }

    fn succeed(&mut self) {
        let ticket = self.permit().expect("let through");
        self.machine.succeeded(&ticket, self.now);
    }

    fn open(&mut self) {
        while self.machine.state(self.now).is_closed() {
            self.fail();
        }
    }

    fn state(&mut self) -> BreakerState {
        self.machine.state(self.now)
    }
}

#[test]
fn it_opens_at_the_threshold_of_failures_in_a_row() {
    for (failures, open) in [(2, false), (3, true), (4, true)] {
        let mut bench = Bench::new(policy());
        for _ in 0..failures {
            if let Some(ticket) = bench.permit() {
                bench.machine.failed(&ticket, reset(), bench.now, 0.5);
            }
        }
        assert_eq!(bench.state().is_open(), open, "{failures} failures");
        assert_eq!(bench.permit().is_none(), open, "{failures} failures");
        assert_eq!(bench.machine.refused() > 0, open);
    }
}

#[test]
fn the_default_threshold() {
    let mut bench = Bench::new(BreakerPolicy::default());
    for _ in 1..DEFAULT_BREAKER_FAILURES {
        bench.fail();
    }
    assert!(bench.state().is_closed(), "just under");
    bench.fail();
    assert!(bench.state().is_open(), "at");
}

#[test]
fn a_success_in_between_starts_the_count_anew() {
    let mut bench = Bench::new(policy());
    for _ in 0..10 {
        bench.fail();
        bench.fail();
        bench.succeed();
    }
    assert!(bench.state().is_closed());
}

#[test]
fn the_pause_ends_at_its_time() {
    for (after, half_open) in [(99, false), (100, true), (101, true)] {
        let mut bench = Bench::new(policy());
        bench.open();
        bench.now += ms(after);
        assert_eq!(bench.state().is_half_open(), half_open, "after {after} ms");
        assert_eq!(bench.permit().is_some(), half_open, "after {after} ms");
    }
}

#[test]
fn so_many_probes_go_through_and_no_more() {
    for probes in [1, 2, 3] {
        let mut bench = Bench::new(policy().probes(probes));
        bench.open();
        bench.now += ms(100);
        let tickets: Vec<_> = std::iter::from_fn(|| bench.permit()).take(10).collect();
        assert_eq!(tickets.len(), probes as usize);
        // One that is given up makes room for another.
        bench.machine.given_up(&tickets[0]);
        assert!(bench.permit().is_some() && bench.permit().is_none());
        assert!(bench.state().is_half_open());
    }
}

#[test]
fn a_probe_that_does_not_end_keeps_others_out_no_longer_than_its_limit() {
    for (after, let_through) in [(999, false), (1000, true), (1001, true)] {
        let mut bench = Bench::new(policy());
        bench.open();
        bench.now += ms(100);
        let endless = bench.permit().expect("a probe");
        bench.now += ms(after);
        let other = bench.permit();
        assert_eq!(other.is_some(), let_through, "after {after} ms");
        let Some(other) = other else { continue };
        assert!(bench.permit().is_none(), "one more, not all");
        bench.machine.succeeded(&other, bench.now);
        assert!(bench.state().is_closed());
        bench.machine.failed(&endless, reset(), bench.now, 0.5);
        assert!(bench.state().is_closed(), "it says nothing any more");
    }
}

#[test]
fn so_many_successes_close_it() {
    for (succeeded, closed) in [(1, false), (2, true)] {
        let mut bench = Bench::new(policy().successes(2));
        bench.open();
        bench.now += ms(100);
        for _ in 0..succeeded {
            bench.succeed();
        }
        assert_eq!(bench.state().is_closed(), closed, "{succeeded} successes");
    }
}

#[test]
fn a_failed_probe_opens_it_for_longer() {
    let mut bench = Bench::new(policy());
    bench.open();
    for pause in [100, 200, 400, 400] {
        let BreakerState::Open { until, error } = bench.state() else {
            panic!("{:?}", bench.state());
        };
        assert_eq!(until - bench.now, ms(pause));
        assert!(error.downcast_ref::<io::Error>().is_some());
        bench.now = until;
        bench.fail();
    }
    assert_eq!(bench.machine.openings(), 5);
}

#[test]
fn pauses_are_forgotten_after_staying_closed() {
    for (closed_for, pause) in [(9_999, 400), (10_000, 100), (10_001, 100)] {
        let mut bench = Bench::new(policy());
        bench.open();
        bench.now += ms(100);
        bench.fail();
        bench.now += ms(200);
        bench.succeed();
        bench.now += ms(closed_for);
        bench.open();
        let BreakerState::Open { until, .. } = bench.state() else {
            panic!("{:?}", bench.state());
        };
        assert_eq!(until - bench.now, ms(pause), "closed for {closed_for} ms");
    }
}

#[test]
fn what_began_in_an_earlier_phase_counts_no_longer() {
    let mut bench = Bench::new(policy());
    let old: Vec<_> = (0..10).filter_map(|_| bench.permit()).collect();
    bench.open();
    bench.now += ms(100);
    assert!(bench.state().is_half_open());
    bench.machine.succeeded(&old[0], bench.now);
    bench.machine.failed(&old[1], reset(), bench.now, 0.5);
    bench.machine.given_up(&old[2]);
    assert!(bench.state().is_half_open());
    let probe = bench.permit().expect("one probe");
    assert!(bench.permit().is_none(), "and one alone");
    bench.machine.succeeded(&probe, bench.now);
    for ticket in &old {
        bench.machine.failed(ticket, reset(), bench.now, 0.5);
    }
    assert!(bench.state().is_closed());
}

#[test]
fn who_waited_is_asked_again() {
    let mut bench = Bench::new(policy());
    let mut waiting = bench.permit().expect("closed");
    assert!(bench.machine.confirm(&mut waiting, bench.now).is_ok());
    bench.open();
    assert!(bench.machine.confirm(&mut waiting, bench.now).is_err());
    bench.now += ms(100);
    assert!(
        bench.machine.confirm(&mut waiting, bench.now).is_ok(),
        "as a probe"
    );
    assert!(bench.permit().is_none());
    bench.machine.succeeded(&waiting, bench.now);
    assert!(bench.state().is_closed());
}

#[test]
fn never_is_never() {
    let mut bench = Bench::new(BreakerPolicy::never());
    for _ in 0..10_000 {
        bench.fail();
    }
    assert!(bench.state().is_closed());
}

#[tokio::test(start_paused = true)]
async fn handles_watch_it_and_a_dropped_permit_is_given_back() {
    let breaker = Breaker::new(policy());
    let mut watch = breaker.on_state();
    for _ in 0..3 {
        breaker.permit().unwrap().failed(reset());
    }
    let shown = watch.changed().await.unwrap();
    let refused = breaker.permit().unwrap_err();
    assert!(matches!(shown, BreakerState::Open { until, .. } if until == refused.retry_at));
    assert!(
        refused
            .to_string()
            .starts_with("the breaker is open: connection reset")
    );

    tokio::time::sleep_until(refused.retry_at).await;
    let probe = breaker.clone().permit().unwrap();
    assert!(watch.changed().await.unwrap().is_half_open());
    let waiting = breaker.permit().unwrap_err();
    assert_eq!(waiting.retry_at, Instant::now());
    drop(probe);
    breaker.permit().unwrap().succeeded();
    assert!(watch.changed().await.unwrap().is_closed());
    assert_eq!((breaker.openings(), breaker.refused()), (1, 2));
}
