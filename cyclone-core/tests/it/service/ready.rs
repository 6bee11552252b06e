//! Readiness of services, of those that need them, and of the server.

use std::time::Duration;

use cyclone_core::{
    DEFAULT_READY_TIMEOUT, FailureKind, Health, HealthReporter, Readiness, Restart, Server,
    Service, ServiceContext, ServiceError, ServiceGroup, ServiceOptions, ServiceState,
};
use tokio::time::{Instant, sleep};

use super::{Diary, Part};

/// Is ready after a while; says so in a diary.
struct Slow {
    name: &'static str,
    after: Duration,
    diary: Diary,
}

impl Slow {
    fn new(name: &'static str, after: Duration, diary: &Diary) -> Self {
        Self {
            name,
            after,
            diary: diary.clone(),
        }
    }
}

impl Service for Slow {
    fn name(&self) -> &str {
        self.name
    }
    async fn run(&self, cx: &ServiceContext) -> Result<(), ServiceError> {
        sleep(self.after).await;
        self.diary.note(self.name, "is ready");
        cx.ready();
        assert!(cx.is_ready());
        cx.stopping().await;
        Ok(())
    }
    fn reports_ready(&self) -> bool {
        true
    }
}

const SECOND: Duration = Duration::from_secs(1);

fn needs(name: &str) -> ServiceOptions {
    ServiceOptions::new().needs(name)
}

#[tokio::test(start_paused = true)]
async fn who_needs_a_service_waits_for_it_and_so_does_the_server() {
    let diary = Diary::default();
    let storage = ServiceGroup::new("storage")
        .service(Slow::new("db", 2 * SECOND, &diary))
        .service(Slow::new("cache", 3 * SECOND, &diary));
    let begun = Instant::now();
    let server = Server::new()
        .service(storage)
        .service(Part::new("early", &diary))
        .service_with(Part::new("reader", &diary), needs("storage/db"))
        .service_with(Part::new("both", &diary), needs("early").needs("storage"))
        .service(Slow::new("last", 5 * SECOND, &diary))
        .start()
        .await
        .unwrap();
    assert_eq!(
        diary.read(),
        [
            "early starts",
            "db is ready",
            "reader starts",
            "cache is ready",
            "both starts"
        ]
    );
    let handle = server.handle();
    let starting = Readiness::Starting(vec!["last".to_owned()]);
    assert_eq!(handle.readiness(), starting);
    assert_eq!(handle.readiness().to_string(), "starting: last");
    let last = handle.service_named("last").unwrap();
    assert_eq!(
        (last.state, last.health),
        (ServiceState::Starting, Health::Starting)
    );
    // Nothing needs it, but the server is not ready without.
    assert_eq!(handle.wait_ready(SECOND).await, Err(starting));
    assert_eq!(handle.wait_ready(60 * SECOND).await, Ok(()));
    assert!(begun.elapsed() >= 8 * SECOND && begun.elapsed() < 9 * SECOND);
    assert_eq!(handle.readiness(), Readiness::Ready);
    server.shutdown();
    assert_eq!(handle.readiness(), Readiness::Draining);
    assert_eq!(handle.wait_ready(SECOND).await, Err(Readiness::Draining));
    assert!(server.wait().await.is_clean());
}

#[tokio::test(start_paused = true)]
async fn who_is_told_to_end_before_it_was_ready_drains() {
    let diary = Diary::default();
    let server = Server::new()
        .service(Slow::new("slow", 5 * SECOND, &diary))
        .start()
        .await
        .unwrap();
    let handle = server.handle();
    assert_eq!(handle.readiness().as_str(), "starting");
    server.shutdown();
    assert_eq!(handle.readiness(), Readiness::Draining);
    assert_eq!(handle.wait_ready(SECOND).await, Err(Readiness::Draining));
    server.wait().await;
}

#[tokio::test(start_paused = true)]
async fn a_need_just_under_and_over_the_limit() {
    for (after, is_met) in [(4_900, true), (5_100, false)] {
        let diary = Diary::default();
        let slow = Slow::new("db", Duration::from_millis(after), &diary);
        let limited = ServiceOptions::new().ready_timeout(5 * SECOND);
        let started = Server::new()
            .service_with(slow, limited)
            .service_with(Part::new("reader", &diary), needs("db"))
            .start()
            .await;
        assert_eq!(started.is_ok(), is_met);
        if let Err(error) = started {
            assert_eq!(error.failed_service(), Some("reader"));
            let source = std::error::Error::source(&error).unwrap().to_string();
            assert_eq!(source, "it needs `db`, which was not ready within 5 s");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_need_that_cannot_be_met_is_told_at_once() {
    struct Hopeless;
    impl Service for Hopeless {
        fn name(&self) -> &str {
            "db"
        }
        async fn run(&self, _cx: &ServiceContext) -> Result<(), ServiceError> {
            Err("no".into())
        }
        fn reports_ready(&self) -> bool {
            true
        }
    }
    let diary = Diary::default();
    let begun = Instant::now();
    let never = ServiceOptions::new().restart(Restart::Never);
    for (need, why) in [
        ("db", "which failed"),
        ("dB", "which is not before it"),
        ("reader", "which is not before it"),
    ] {
        let error = Server::new()
            .service_with(Hopeless, never.clone())
            .service_with(Part::new("reader", &diary), needs(need))
            .start()
            .await
            .unwrap_err();
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert_eq!(source, format!("it needs `{need}`, {why}"));
    }
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_does_not_say_that_it_is_ready_has_failed() {
    let diary = Diary::default();
    let slow = Slow::new("slow", 60 * SECOND, &diary);
    let server = Server::new().service(slow).start().await.unwrap();
    let begun = Instant::now();
    let mut services = server.handle().watch_services();
    let failed = services
        .wait_for("slow", |info| info.is_some_and(|info| info.failures == 1))
        .await
        .unwrap();
    let waited = begun.elapsed();
    assert!(waited >= DEFAULT_READY_TIMEOUT && waited < DEFAULT_READY_TIMEOUT + SECOND);
    let failure = failed.failure.unwrap();
    assert_eq!(failure.kind, FailureKind::NotReady);
    assert_eq!(failure.error, "it was not ready within 30 s");
    assert!(!failed.was_ready);
    // It was dropped, and is run again.
    sleep(SECOND).await;
    assert_eq!(diary.read(), [""; 0]);
    assert_eq!(server.handle().service_named("slow").unwrap().restarts, 1);
    assert!(!server.handle().readiness().is_ready());
}

#[tokio::test(start_paused = true)]
async fn a_server_is_ready_only_while_what_it_requires_works() {
    struct Database(HealthReporter);
    impl Service for Database {
        fn name(&self) -> &str {
            "db"
        }
        fn health(&self) -> Health {
            self.0.current()
        }
    }
    let health = std::sync::Arc::new(HealthReporter::default());
    struct Shared(std::sync::Arc<HealthReporter>);
    impl Service for Shared {
        fn name(&self) -> &str {
            "cache"
        }
        fn health(&self) -> Health {
            self.0.current()
        }
    }
    let down = Health::Down("gone".to_owned());
    let server = Server::new()
        .service(Shared(health.clone()))
        .service(Database(HealthReporter::new(down.clone())))
        .ready_requires("cache")
        .start()
        .await
        .unwrap();
    let handle = server.handle();
    let cache = |health: Health| Readiness::Down(vec![("cache".to_owned(), health)]);
    assert_eq!(handle.readiness(), cache(Health::Starting));
    for (now, expected) in [
        (Health::Up, Readiness::Ready),
        (Health::Degraded("slow".to_owned()), Readiness::Ready),
        (down.clone(), cache(down.clone())),
    ] {
        health.set(now);
        assert_eq!(handle.readiness(), expected);
    }
    assert_eq!(handle.readiness().to_string(), "down: cache down: gone");
    let waiting = tokio::spawn({
        let handle = handle.clone();
        async move { handle.wait_ready(60 * SECOND).await }
    });
    sleep(SECOND).await;
    health.set(Health::Up);
    assert_eq!(waiting.await.unwrap(), Ok(()));

    let server = Server::new()
        .ready_requires("nobody")
        .start()
        .await
        .unwrap();
    let readiness = server.handle().readiness();
    assert_eq!(
        readiness.to_string(),
        "down: nobody down: there is nothing of this name"
    );
}
