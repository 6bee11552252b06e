//! When a service is run again, and what follows when it is not.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cyclone_core::{
    BackoffPolicy, FailureKind, GiveUp, Health, Jitter, MAX_COUNTED_RESTARTS, Restart,
    RunningServer, Server, Service, ServiceContext, ServiceError, ServiceOptions, ServiceState,
};
use tokio::time::{Instant, sleep};

/// Ends as it is told as soon as it runs, and counts its runs.
struct Short {
    fails: bool,
    runs: Arc<AtomicU64>,
}

impl Service for Short {
    fn name(&self) -> &str {
        "short"
    }
    async fn run(&self, _cx: &ServiceContext) -> Result<(), ServiceError> {
        self.runs.fetch_add(1, Ordering::SeqCst);
        if self.fails { Err("no".into()) } else { Ok(()) }
    }
}

/// A pause of a second each time.
fn steady() -> ServiceOptions {
    let policy = BackoffPolicy::default()
        .base(Duration::from_secs(1))
        .multiplier(1.0)
        .jitter(Jitter::None);
    ServiceOptions::new().backoff(policy)
}

async fn short(fails: bool, options: ServiceOptions) -> (RunningServer, Arc<AtomicU64>) {
    let runs = Arc::new(AtomicU64::new(0));
    let service = Short {
        fails,
        runs: Arc::clone(&runs),
    };
    let server = Server::new().service_with(service, options);
    (server.start().await.unwrap(), runs)
}

#[tokio::test(start_paused = true)]
async fn what_ends_is_run_again_as_its_options_say() {
    use ServiceState::{Failed, Finished, Waiting};
    let table = [
        (Restart::OnFailure, false, 1, Finished, None),
        (
            Restart::OnFailure,
            true,
            4,
            Waiting,
            Some(FailureKind::Error),
        ),
        (Restart::Always, false, 4, Waiting, Some(FailureKind::Ended)),
        (Restart::Always, true, 4, Waiting, Some(FailureKind::Error)),
        (Restart::Never, false, 1, Finished, None),
        (Restart::Never, true, 1, Failed, Some(FailureKind::Error)),
    ];
    for (restart, fails, expected_runs, state, kind) in table {
        let (server, runs) = short(fails, steady().restart(restart)).await;
        sleep(Duration::from_millis(3_500)).await;
        let info = server.handle().service_named("short").unwrap();
        assert_eq!(runs.load(Ordering::SeqCst), expected_runs, "{restart:?}");
        assert_eq!(info.state, state, "{restart:?}");
        assert_eq!(info.failure.map(|failure| failure.kind), kind);
        assert_eq!(info.health.is_up(), state == Finished);
        server.shutdown();
        assert!(server.wait().await.is_clean());
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_says_who_how_often_and_since_when() {
    let begun = Instant::now();
    let (server, _runs) = short(true, steady()).await;
    let mut services = server.handle().watch_services();
    for round in 1..=3_u32 {
        let info = services
            .wait_for("short", |info| {
                info.is_some_and(|info| info.failures == u64::from(round))
            })
            .await
            .unwrap();
        assert_eq!(info.health, Health::Down("no".to_owned()));
        let failure = info.failure.unwrap();
        assert_eq!(
            (failure.path.as_str(), failure.error.as_str()),
            ("short", "no")
        );
        assert_eq!(failure.in_a_row, round);
        assert_eq!(failure.since, begun);
        // The timer adds up to a millisecond each time.
        let late = failure.at - begun - Duration::from_secs(u64::from(round) - 1);
        assert!(late <= Duration::from_millis(3), "{late:?}");
        assert_eq!(failure.retry_at, Some(failure.at + Duration::from_secs(1)));
        let times = if round == 1 {
            String::new()
        } else {
            format!(" ({round} times in a row)")
        };
        assert_eq!(
            failure.to_string(),
            format!("service short failed: no{times}")
        );
    }
}

#[tokio::test(start_paused = true)]
async fn restarts_just_under_at_and_over_the_limit() {
    // It is run again every second: four restarts are in any 3.5 s, three in any 2.5 s.
    for (most, period, expected) in [
        (3, 3_500, None),
        (4, 3_500, Some(20)),
        (5, 3_500, Some(20)),
        (2, 2_500, None),
        (3, 2_500, Some(20)),
        (0, 3_500, None),
    ] {
        let options = steady().max_restarts(most, Duration::from_millis(period));
        let (server, runs) = short(true, options).await;
        sleep(Duration::from_millis(20_500)).await;
        let info = server.handle().service_named("short").unwrap();
        match expected {
            Some(restarts) => {
                assert_eq!(info.state, ServiceState::Waiting);
                assert_eq!(info.restarts, restarts);
            }
            None => {
                assert_eq!(info.state, ServiceState::Failed);
                assert_eq!(info.restarts, u64::from(most));
                assert_eq!(info.failure.unwrap().retry_at, None);
                assert_eq!(runs.load(Ordering::SeqCst), u64::from(most) + 1);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn more_restarts_than_can_be_counted_are_not_allowed() {
    for asked in [
        MAX_COUNTED_RESTARTS - 1,
        MAX_COUNTED_RESTARTS,
        MAX_COUNTED_RESTARTS + 1,
    ] {
        let options = steady().max_restarts(asked, Duration::MAX);
        let (server, runs) = short(true, options).await;
        sleep(Duration::from_secs(2_000)).await;
        let most = u64::from(asked.min(MAX_COUNTED_RESTARTS));
        assert_eq!(runs.load(Ordering::SeqCst), most + 1);
        drop(server);
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_given_up_is_reported_or_ends_the_server() {
    let never = || ServiceOptions::new().restart(Restart::Never);
    let (server, _runs) = short(true, never()).await;
    sleep(Duration::from_secs(60)).await;
    assert!(!server.handle().is_draining());
    let info = server.handle().service_named("short").unwrap();
    assert_eq!(info.health, Health::Down("no".to_owned()));
    server.shutdown();
    assert!(server.wait().await.is_clean());

    // In no group the two are the same.
    for give_up in [GiveUp::FailGroup, GiveUp::StopServer] {
        let (server, _runs) = short(true, never().give_up(give_up)).await;
        let report = server.wait().await;
        let cause = report.cause.clone().unwrap();
        assert_eq!((cause.path.as_str(), cause.error.as_str()), ("short", "no"));
        assert!(!report.is_clean());
        assert!(
            report
                .to_string()
                .ends_with("because service short failed: no")
        );
    }
}
