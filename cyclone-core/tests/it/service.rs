#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use std::future::pending;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cyclone_core::{
    Connection, DEFAULT_SERVICE_TIMEOUT, Endpoint, Health, Server, ServerHandle, Service,
    ServiceContext, ServiceError, ServiceInfo, protocol_fn,
};
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use crate::support::{greeted, polite, rest, tcp_address, within};

mod change;
mod group;
mod ready;
mod restart;
mod unfinished;

/// What happened, in order, to all services of a test.
#[derive(Clone, Default)]
struct Diary(Arc<Mutex<Vec<String>>>);

impl Diary {
    fn note(&self, name: &str, what: &str) {
        self.0.lock().unwrap().push(format!("{name} {what}"));
    }
    fn read(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

/// How a [`Part`] behaves in one of its functions.
#[derive(Clone, Copy, Default, PartialEq)]
enum Act {
    #[default]
    Well,
    Fail,
    Panic,
    /// Panics before there is a future.
    PanicAtCall,
    Hang,
}

impl Act {
    async fn act(self) -> Result<(), ServiceError> {
        match self {
            Self::Well => Ok(()),
            Self::Fail => Err("it failed on purpose".into()),
            Self::Panic | Self::PanicAtCall => panic!("on purpose"),
            Self::Hang => pending().await,
        }
    }
}

/// A service that writes a diary.
struct Part {
    name: &'static str,
    diary: Diary,
    start: Act,
    /// What `run` does once it is told to stop.
    run: Act,
    stop: Act,
}

impl Part {
    fn new(name: &'static str, diary: &Diary) -> Self {
        Self {
            name,
            diary: diary.clone(),
            start: Act::Well,
            run: Act::Well,
            stop: Act::Well,
        }
    }
}

impl Service for Part {
    fn name(&self) -> &str {
        self.name
    }
    fn start(&self, _cx: &ServiceContext) -> impl Future<Output = Result<(), ServiceError>> + Send {
        assert!(self.start != Act::PanicAtCall, "on purpose");
        async {
            self.diary.note(self.name, "starts");
            self.start.act().await
        }
    }
    async fn run(&self, cx: &ServiceContext) -> Result<(), ServiceError> {
        struct Dropped<'a>(&'a Part);
        impl Drop for Dropped<'_> {
            fn drop(&mut self) {
                self.0.diary.note(self.0.name, "ends");
            }
        }
        let _dropped = Dropped(self);
        cx.stopping().await;
        self.diary.note(self.name, "told");
        self.run.act().await
    }
    fn stop(&self) -> impl Future<Output = Result<(), ServiceError>> + Send {
        self.diary.note(self.name, "stops");
        assert!(self.stop != Act::PanicAtCall, "on purpose");
        self.stop.act()
    }
}

#[tokio::test]
async fn services_start_in_order_and_stop_in_reverse_after_the_connections() {
    let diary = Diary::default();
    let last_words = diary.clone();
    let protocol = protocol_fn("slow", move |mut connection: Connection| {
        let diary = last_words.clone();
        async move {
            connection.write_all(b"hi").await?;
            connection.session().draining().await;
            // Whatever would happen too early happens in these turns.
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            diary.note("connection", "ends");
            Ok(())
        }
    });
    let server = Server::new()
        .listen(Endpoint::loopback(0), protocol)
        .service(Part::new("one", &diary))
        .on_stop("two", {
            let diary = diary.clone();
            move || {
                let diary = diary.clone();
                async move {
                    diary.note("two", "stops");
                    Ok(())
                }
            }
        })
        .service(Part::new("three", &diary))
        .start()
        .await
        .unwrap();
    assert_eq!(diary.read(), ["one starts", "three starts"]);
    let names: Vec<_> = server
        .handle()
        .services()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(names, ["one up", "two up", "three up"]);
    let mut peer = greeted(tcp_address(&server, 0)).await;
    server.shutdown();
    let report = within(server.wait()).await;
    assert!(report.is_clean(), "{report}");
    assert_eq!(rest(&mut peer).await, "");
    assert_eq!(
        diary.read()[2..],
        [
            "connection ends",
            "three told",
            "three ends",
            "three stops",
            "two stops",
            "one told",
            "one ends",
            "one stops"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_service_that_does_not_start_keeps_the_server_from_starting() {
    for (act, reason) in [
        (Act::Fail, "it failed on purpose"),
        (Act::Panic, "it panicked"),
        (Act::PanicAtCall, "it panicked"),
        (Act::Hang, "it took too long"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.sock");
        let diary = Diary::default();
        let begun = Instant::now();
        let error = Server::new()
            .listen(Endpoint::unix(&path), polite())
            .service(Part::new("one", &diary))
            .service(Part::new("two", &diary))
            .service(Part {
                start: act,
                ..Part::new("three", &diary)
            })
            .service(Part::new("four", &diary))
            .start()
            .await
            .unwrap_err();
        assert_eq!(error.failed_service(), Some("three"));
        assert_eq!(error.to_string(), "service `three` did not start");
        let source = std::error::Error::source(&error).unwrap();
        assert_eq!(source.to_string(), reason);
        assert!(!path.exists());
        if act == Act::Hang {
            assert_eq!(begun.elapsed(), DEFAULT_SERVICE_TIMEOUT);
        }
        let mut events = diary.read();
        events.retain(|event| event != "three starts");
        let (starts, stops) = events.split_at(2);
        assert_eq!(starts, ["one starts", "two starts"]);
        let stops: Vec<_> = stops
            .iter()
            .filter(|event| event.ends_with("stops"))
            .collect();
        assert_eq!(stops, ["two stops", "one stops"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_does_not_stop_is_named_and_delays_the_others_only_so_long() {
    const LIMIT: Duration = Duration::from_secs(4);
    let table = [
        (Act::Hang, Act::Well, 4, "it ran on for 4 s and was dropped"),
        (Act::Well, Act::Hang, 4, "it took too long"),
        (
            Act::Hang,
            Act::Hang,
            8,
            "it ran on for 4 s and was dropped; it took too long",
        ),
        (Act::Fail, Act::Well, 0, "it failed on purpose"),
        (Act::Panic, Act::Well, 0, "it panicked"),
        (Act::Well, Act::Fail, 0, "it failed on purpose"),
        (Act::Well, Act::Panic, 0, "it panicked"),
        (Act::Well, Act::PanicAtCall, 0, "it panicked"),
        (
            Act::Fail,
            Act::Panic,
            0,
            "it failed on purpose; it panicked",
        ),
    ];
    for (run, stop, seconds, reason) in table {
        let diary = Diary::default();
        let server = Server::new()
            .service(Part::new("one", &diary))
            .service(Part {
                run,
                stop,
                ..Part::new("bad", &diary)
            })
            .service_timeout(LIMIT)
            .start()
            .await
            .unwrap();
        server.shutdown();
        let report = server.wait().await;
        assert_eq!(report.elapsed, Duration::from_secs(seconds), "{reason}");
        assert_eq!(
            report.failed_services,
            [("bad".to_owned(), reason.to_owned())]
        );
        assert!(!report.is_clean());
        let text = format!("service bad did not stop: {reason}");
        assert!(report.to_string().ends_with(&text));
        // Whatever the one did, its `stop` ran after its `run` was gone, and then the other's turn came.
        assert_eq!(
            diary.read()[2..],
            [
                "bad told",
                "bad ends",
                "bad stops",
                "one told",
                "one ends",
                "one stops"
            ],
            "{reason}"
        );
    }
}

/// Fails at its first runs in turn by an error, a panic and an early panic, then runs on.
struct Failing {
    runs: AtomicU64,
    ran: mpsc::UnboundedSender<Instant>,
}

impl Service for Failing {
    fn name(&self) -> &str {
        "failing"
    }
    fn run(&self, cx: &ServiceContext) -> impl Future<Output = Result<(), ServiceError>> + Send {
        self.ran.send(Instant::now()).unwrap();
        let run = self.runs.fetch_add(1, Ordering::SeqCst);
        assert!(run != 2, "on purpose");
        async move {
            match run {
                0 => Err("no luck".into()),
                1 => panic!("on purpose"),
                _ => {
                    cx.stopping().await;
                    Ok(())
                }
            }
        }
    }
    fn health(&self) -> Health {
        Health::Degraded("somewhat".into())
    }
}

fn info(server: &ServerHandle) -> ServiceInfo {
    server.services().remove(0)
}

#[tokio::test(start_paused = true)]
async fn a_service_that_fails_or_panics_is_run_again_after_growing_pauses() {
    let (sender, mut ran) = mpsc::unbounded_channel();
    let server = Server::new()
        .service(Failing {
            runs: AtomicU64::new(0),
            ran: sender,
        })
        .start()
        .await
        .unwrap();
    let handle = server.handle();
    let mut last = ran.recv().await.unwrap();
    // 50 ms, 100 ms and 200 ms, each between half and all of it; the timer adds up to a millisecond.
    for (restarts, ceiling, reason) in [
        (0, 50, "no luck"),
        (1, 100, "it panicked"),
        (2, 200, "it panicked"),
    ] {
        tokio::task::yield_now().await;
        let waiting = info(handle);
        assert_eq!(waiting.health, Health::Down(reason.into()));
        assert_eq!(waiting.restarts, restarts);
        let next = ran.recv().await.unwrap();
        let pause = next - last;
        assert!(pause >= Duration::from_millis(ceiling / 2), "{pause:?}");
        assert!(pause <= Duration::from_millis(ceiling + 1), "{pause:?}");
        last = next;
    }
    let now = info(handle);
    assert_eq!(now.health, Health::Degraded("somewhat".into()));
    assert_eq!(now.restarts, 3);
    assert_eq!(now.to_string(), "failing degraded: somewhat (3 restarts)");
    server.shutdown();
    assert!(server.wait().await.is_clean());
    assert!(ran.recv().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_service_that_stayed_up_starts_over_with_short_pauses() {
    struct Unsteady(mpsc::UnboundedSender<Instant>);
    impl Service for Unsteady {
        fn name(&self) -> &str {
            "unsteady"
        }
        async fn run(&self, _cx: &ServiceContext) -> Result<(), ServiceError> {
            self.0.send(Instant::now()).unwrap();
            sleep(Duration::from_secs(10)).await;
            Err("tired".into())
        }
    }
    let (sender, mut ran) = mpsc::unbounded_channel();
    let server = Server::new()
        .service(Unsteady(sender))
        .start()
        .await
        .unwrap();
    let mut last = ran.recv().await.unwrap();
    for _ in 0..10 {
        let next = ran.recv().await.unwrap();
        assert!(next - last <= Duration::from_millis(10_051));
        last = next;
    }
    drop(server);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_waits_to_be_run_again_stops_at_once() {
    struct Hopeless;
    impl Service for Hopeless {
        fn name(&self) -> &str {
            "hopeless"
        }
        async fn run(&self, _cx: &ServiceContext) -> Result<(), ServiceError> {
            Err("never".into())
        }
    }
    let server = Server::new().service(Hopeless).start().await.unwrap();
    sleep(Duration::from_secs(120)).await;
    let waiting = info(server.handle());
    assert_eq!(waiting.health, Health::Down("never".into()));
    // Pauses of 15 s to 30 s by now: no more than a dozen runs or so in two minutes.
    assert!((10..=18).contains(&waiting.restarts), "{waiting}");
    server.shutdown();
    let report = server.wait().await;
    assert!(report.is_clean());
    assert_eq!(report.elapsed, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_done_is_not_run_again() {
    struct Once(AtomicU64);
    impl Service for Once {
        fn name(&self) -> &str {
            "once"
        }
        async fn run(&self, _cx: &ServiceContext) -> Result<(), ServiceError> {
            assert_eq!(self.0.fetch_add(1, Ordering::SeqCst), 0);
            Ok(())
        }
    }
    let server = Server::new()
        .service(Once(AtomicU64::new(0)))
        .start()
        .await
        .unwrap();
    sleep(Duration::from_secs(3600)).await;
    assert_eq!(info(server.handle()).restarts, 0);
    assert!(info(server.handle()).health.is_up());
    server.shutdown();
    assert!(server.wait().await.is_clean());
}
