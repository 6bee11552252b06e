use std::time::Duration;

use tokio::time::Instant;

use super::{
    AttemptLimiter, Backoff, BackoffPolicy, DEFAULT_BACKOFF_MAX, Jitter, MAX_ATTEMPTS_PER_SECOND,
};

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

#[test]
fn delays_double_up_to_the_maximum() {
    let policy = BackoffPolicy::default().jitter(Jitter::None);
    let delays: Vec<_> = (1..=12).map(|n| policy.delay(n, 0.3).as_millis()).collect();
    assert_eq!(
        delays,
        [
            50, 100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 30000, 30000
        ]
    );
    assert_eq!(policy.delay(u32::MAX, 0.0), DEFAULT_BACKOFF_MAX);
}

#[test]
fn jitter_stays_in_its_bounds() {
    let equal = BackoffPolicy::default().jitter(Jitter::Equal);
    let full = BackoffPolicy::default().jitter(Jitter::Full);
    for (random, equal_ms, full_ms) in [(0.0, 25, 0), (0.5, 37, 25), (1.0, 50, 50)] {
        assert_eq!(equal.delay(1, random).as_millis(), equal_ms);
        assert_eq!(full.delay(1, random).as_millis(), full_ms);
    }
    // Random numbers out of range are the caller's mistake, not a panic.
    assert_eq!(full.delay(1, 7.0), ms(50));
    assert_eq!(full.delay(1, -7.0), Duration::ZERO);
    assert_eq!(full.delay(1, f64::NAN), ms(50));
}

#[test]
fn without_a_base_there_is_no_delay_however_many_failures() {
    let policy = BackoffPolicy::default().base(Duration::ZERO);
    for failures in [1, 1024, 1025, u32::MAX] {
        assert_eq!(policy.delay(failures, 1.0), Duration::ZERO, "{failures}");
    }
}

#[test]
fn odd_policies_do_not_panic() {
    for policy in [
        BackoffPolicy::default()
            .max(Duration::MAX)
            .base(Duration::MAX),
        BackoffPolicy::default()
            .base(Duration::ZERO)
            .multiplier(f64::INFINITY),
        BackoffPolicy::default().multiplier(f64::NAN),
        BackoffPolicy::default().multiplier(0.0),
    ] {
        for failures in [0, 1, 2, u32::MAX] {
            assert!(policy.delay(failures, 1.0) <= Duration::MAX);
        }
    }
    let flat = BackoffPolicy::default()
        .multiplier(0.0)
        .jitter(Jitter::None);
    assert_eq!(
        flat.delay(5, 0.0),
        ms(50),
        "a shrinking delay is not a backoff"
    );
    let capped = BackoffPolicy::default().max(ms(10)).jitter(Jitter::None);
    assert_eq!(
        capped.delay(1, 0.0),
        ms(10),
        "the maximum wins over the base"
    );
}

#[test]
fn failures_are_forgotten_only_after_staying_up() {
    let policy = BackoffPolicy::default()
        .jitter(Jitter::None)
        .reset_after(ms(1000));
    for (up_for, expected) in [(999, 200), (1000, 50), (1001, 50)] {
        let mut backoff = Backoff::new(policy);
        let start = Instant::now();
        backoff.failed(start, 0.0);
        backoff.failed(start, 0.0);
        backoff.succeeded(start);
        assert_eq!(
            backoff.failed(start + ms(up_for), 0.0),
            ms(expected),
            "up for {up_for} ms"
        );
    }
}

#[test]
fn a_success_counts_for_one_failure() {
    let policy = BackoffPolicy::default()
        .jitter(Jitter::None)
        .reset_after(ms(1000));
    let mut backoff = Backoff::new(policy);
    let start = Instant::now();
    backoff.succeeded(start);
    backoff.succeeded(start + ms(900));
    assert_eq!(
        backoff.failed(start + ms(1000), 0.0),
        ms(50),
        "the first success counts"
    );
    assert_eq!(
        backoff.failed(start + ms(5000), 0.0),
        ms(100),
        "it was not up since"
    );
    assert_eq!(backoff.failures(), 2);
}

#[test]
fn the_limiter_allows_twenty_in_any_second() {
    let start = Instant::now();
    let mut limiter = AttemptLimiter::default();
    for n in 0..MAX_ATTEMPTS_PER_SECOND {
        assert_eq!(limiter.try_start(start + ms(n as u64 * 10)), Ok(()));
    }
    // One more: refused until the oldest is a second old, and a refusal takes nothing.
    let free_at = start + ms(1000);
    assert_eq!(limiter.try_start(start + ms(500)), Err(free_at));
    assert_eq!(limiter.try_start(start + ms(999)), Err(free_at));
    assert_eq!(limiter.try_start(free_at), Ok(()));
    assert_eq!(limiter.try_start(free_at), Err(start + ms(1010)));
}

#[test]
fn no_window_of_a_second_holds_more() {
    let start = Instant::now();
    let mut limiter = AttemptLimiter::default();
    let started: Vec<u64> = (0..5000)
        .filter(|n| limiter.try_start(start + ms(*n)).is_ok())
        .collect();
    for window in started.windows(MAX_ATTEMPTS_PER_SECOND + 1) {
        assert!(window[MAX_ATTEMPTS_PER_SECOND] - window[0] >= 1000);
    }
    assert_eq!(started.len(), 5 * MAX_ATTEMPTS_PER_SECOND);
}

#[test]
fn a_limit_of_zero_is_one() {
    let start = Instant::now();
    let mut limiter = AttemptLimiter::new(0);
    assert_eq!(limiter.try_start(start), Ok(()));
    assert_eq!(limiter.try_start(start), Err(start + ms(1000)));
}
