//! Services in groups, and groups in groups.

use std::time::Duration;

use cyclone_core::{
    DEFAULT_SERVICE_TIMEOUT, GiveUp, Health, Restart, Server, Service, ServiceContext,
    ServiceError, ServiceGroup, ServiceOptions, ServiceState,
};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use super::{Act, Diary, Part};

/// `one`, `two` with `a` and `inner` with `b`, `three`.
fn nested(diary: &Diary) -> Server {
    let inner = ServiceGroup::new("inner").service(Part::new("b", diary));
    let two = ServiceGroup::new("two")
        .service(Part::new("a", diary))
        .service(inner);
    Server::new()
        .service(Part::new("one", diary))
        .service(two)
        .service(Part::new("three", diary))
}

#[tokio::test]
async fn groups_start_in_order_stop_in_reverse_and_have_paths() {
    let diary = Diary::default();
    let server = nested(&diary).start().await.unwrap();
    assert_eq!(
        diary.read(),
        ["one starts", "a starts", "b starts", "three starts"]
    );
    let handle = server.handle().clone();
    let mut paths = Vec::new();
    for info in handle.services() {
        info.visit(&mut |info| paths.push(info.path.clone()));
    }
    assert_eq!(
        paths,
        ["one", "two", "two/a", "two/inner", "two/inner/b", "three"]
    );
    for path in &paths {
        let info = handle.service_named(path).unwrap();
        assert_eq!(&info.path, path);
        assert!(info.health.is_up() || info.state == ServiceState::Starting);
    }
    for path in ["", "tw", "two/", "two/b", "one/a", "two/inner/b/c"] {
        assert_eq!(handle.service_named(path), None, "{path}");
    }
    server.shutdown();
    let report = server.wait().await;
    assert!(report.is_clean(), "{report}");
    let ends: Vec<_> = diary.read()[4..]
        .iter()
        .filter(|event| !event.ends_with("ends"))
        .cloned()
        .collect();
    assert_eq!(
        ends,
        [
            "three told",
            "three stops",
            "b told",
            "b stops",
            "a told",
            "a stops",
            "one told",
            "one stops"
        ]
    );
    let state = |path| handle.service_named(path).map(|info| info.state);
    assert_eq!(state("two/inner/b"), Some(ServiceState::Stopped));
}

#[tokio::test(start_paused = true)]
async fn a_service_in_a_group_that_does_not_start_is_named_by_its_path() {
    for act in [Act::Fail, Act::Panic, Act::Hang] {
        let diary = Diary::default();
        let bad = Part {
            start: act,
            ..Part::new("bad", &diary)
        };
        let inner = ServiceGroup::new("inner")
            .service(Part::new("two", &diary))
            .service(bad);
        let outer = ServiceGroup::new("outer").service(inner);
        let begun = Instant::now();
        let error = Server::new()
            .service(Part::new("one", &diary))
            .service(outer)
            .service(Part::new("never", &diary))
            .start()
            .await
            .unwrap_err();
        assert_eq!(error.failed_service(), Some("outer/inner/bad"));
        if act == Act::Hang {
            // That of the service, and not those of the groups around it.
            assert_eq!(begun.elapsed(), DEFAULT_SERVICE_TIMEOUT);
        }
        let stops: Vec<_> = diary
            .read()
            .into_iter()
            .filter(|event| event.ends_with("stops"))
            .collect();
        assert_eq!(stops, ["two stops", "one stops"]);
    }
}

#[tokio::test(start_paused = true)]
async fn services_in_a_group_that_do_not_stop_are_named_and_have_a_limit_each() {
    const LIMIT: Duration = Duration::from_secs(4);
    let diary = Diary::default();
    let bad = |name| Part {
        run: Act::Hang,
        stop: Act::Hang,
        ..Part::new(name, &diary)
    };
    let group = ServiceGroup::new("group")
        .service(Part::new("good", &diary))
        .service(bad("a"))
        .service(ServiceGroup::new("inner").service(bad("b")));
    let server = Server::new()
        .service(Part::new("one", &diary))
        .service(group)
        .service_timeout(LIMIT)
        .start()
        .await
        .unwrap();
    server.shutdown();
    let report = server.wait().await;
    let reason = "it ran on for 4 s and was dropped; it took too long";
    assert_eq!(
        report.failed_services,
        [
            ("group/inner/b".to_owned(), reason.to_owned()),
            ("group/a".to_owned(), reason.to_owned())
        ]
    );
    assert_eq!(report.elapsed, 4 * LIMIT);
    assert!(diary.read().ends_with(&["one stops".to_owned()]));
}

/// Who says that it has parts, and then never ends, has a limit even so.
#[tokio::test(start_paused = true)]
async fn a_wrapper_of_a_group_that_hangs_does_not_hold_the_server() {
    struct Wrapper(ServiceGroup);
    impl Service for Wrapper {
        fn name(&self) -> &str {
            "wrapper"
        }
        async fn start(&self, cx: &ServiceContext) -> Result<(), ServiceError> {
            self.0.start(cx).await
        }
        async fn run(&self, _cx: &ServiceContext) -> Result<(), ServiceError> {
            std::future::pending().await
        }
        async fn stop(&self) -> Result<(), ServiceError> {
            self.0.stop().await?;
            std::future::pending().await
        }
        fn parts(&self) -> Option<&ServiceGroup> {
            Some(&self.0)
        }
    }
    let diary = Diary::default();
    let group = ServiceGroup::new("").service(Part::new("part", &diary));
    let server = Server::new().service(Wrapper(group)).start().await.unwrap();
    assert!(server.handle().service_named("wrapper/part").is_some());
    server.shutdown();
    let report = server.wait().await;
    assert_eq!(report.failed_services.len(), 1, "{report}");
    assert_eq!(report.failed_services[0].0, "wrapper");
    assert!(diary.read().contains(&"part stops".to_owned()));
}

#[tokio::test]
async fn names_that_are_taken_get_a_number() {
    let diary = Diary::default();
    let server = Server::new()
        .service(Part::new("same", &diary))
        .service(Part::new("same", &diary))
        .service(Part::new("same", &diary))
        .start()
        .await
        .unwrap();
    let paths: Vec<_> = server
        .handle()
        .services()
        .into_iter()
        .map(|info| info.path)
        .collect();
    assert_eq!(paths, ["same", "same#2", "same#3"]);
}

/// Fails when it is told to.
struct Breakable {
    name: &'static str,
    diary: Diary,
    breaks: tokio::sync::Mutex<mpsc::UnboundedReceiver<()>>,
}

impl Breakable {
    fn new(name: &'static str, diary: &Diary) -> (Self, mpsc::UnboundedSender<()>) {
        let (sender, breaks) = mpsc::unbounded_channel();
        let this = Self {
            name,
            diary: diary.clone(),
            breaks: tokio::sync::Mutex::new(breaks),
        };
        (this, sender)
    }
}

impl Service for Breakable {
    fn name(&self) -> &str {
        self.name
    }
    async fn start(&self, _cx: &ServiceContext) -> Result<(), ServiceError> {
        self.diary.note(self.name, "starts");
        Ok(())
    }
    async fn run(&self, cx: &ServiceContext) -> Result<(), ServiceError> {
        let mut breaks = self.breaks.lock().await;
        tokio::select! {
            Some(()) = breaks.recv() => Err("broken".into()),
            () = cx.stopping() => Ok(()),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_group_fails_with_a_service_in_it_and_is_started_anew() {
    let diary = Diary::default();
    let (bad, breaks) = Breakable::new("bad", &diary);
    let options = ServiceOptions::new()
        .restart(Restart::Never)
        .give_up(GiveUp::FailGroup);
    let group = ServiceGroup::new("group")
        .service(Part::new("first", &diary))
        .service_with(bad, options)
        .service(Part::new("last", &diary));
    let server = Server::new()
        .service(Part::new("beside", &diary))
        .service(group)
        .start()
        .await
        .unwrap();
    let mut services = server.handle().watch_services();
    let is = |state| {
        move |info: Option<&cyclone_core::ServiceInfo>| info.is_some_and(|info| info.state == state)
    };
    services.wait_for("group", is(ServiceState::Running)).await;
    for round in 1..=2_u64 {
        breaks.send(()).unwrap();
        let down = services.wait_for("group", is(ServiceState::Waiting)).await;
        let down = down.unwrap();
        assert_eq!(
            down.health,
            Health::Down("service group/bad failed: broken".to_owned())
        );
        assert_eq!(down.failures, round);
        // One that is in nobody's group goes on.
        assert!(
            server
                .handle()
                .service_named("beside")
                .unwrap()
                .health
                .is_up()
        );
        let part = server.handle().service_named("group/last").unwrap();
        assert_eq!(part.state, ServiceState::Stopped);
        assert!(matches!(part.health, Health::Down(_)));
        services.wait_for("group", is(ServiceState::Running)).await;
        let up = server.handle().service_named("group").unwrap();
        assert!(up.health.is_up(), "{up}");
        assert_eq!(up.restarts, round);
        // It keeps what it did before.
        let bad = server.handle().service_named("group/bad").unwrap();
        assert_eq!((bad.failures, bad.state), (round, ServiceState::Running));
    }
    let round = [
        "first starts",
        "bad starts",
        "last starts",
        "last told",
        "last ends",
        "last stops",
        "first told",
        "first ends",
        "first stops",
    ];
    let expected = [&["beside starts"][..], &round, &round, &round[..3]].concat();
    assert_eq!(diary.read(), expected);
    server.shutdown();
    assert!(server.wait().await.is_clean());
}

#[tokio::test(start_paused = true)]
async fn a_failure_goes_up_through_the_groups_and_ends_the_server() {
    let diary = Diary::default();
    let (bad, breaks) = Breakable::new("bad", &diary);
    let up = || {
        ServiceOptions::new()
            .restart(Restart::Never)
            .give_up(GiveUp::FailGroup)
    };
    let inner = ServiceGroup::new("inner").service_with(bad, up());
    let outer = ServiceGroup::new("outer")
        .service(Part::new("part", &diary))
        .service_with(inner, up());
    let server = Server::new()
        .service_with(outer, up())
        .start()
        .await
        .unwrap();
    breaks.send(()).unwrap();
    let report = server.wait().await;
    let cause = report.cause.as_ref().unwrap();
    assert_eq!(cause.path, "outer");
    assert!(
        cause
            .error
            .contains("service outer/inner/bad failed: broken")
    );
    assert!(!report.is_clean());
    assert!(report.to_string().contains("because service outer failed"));
    assert!(diary.read().ends_with(&["part stops".to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn the_health_of_a_group_is_that_of_its_services() {
    struct Fixed(&'static str, Health);
    impl Service for Fixed {
        fn name(&self) -> &str {
            self.0
        }
        fn health(&self) -> Health {
            self.1.clone()
        }
    }
    let (up, bad) = (Health::Up, Health::Down("x".to_owned()));
    let some = Health::Degraded("y".to_owned());
    let table = [
        (up.clone(), up.clone(), Health::Up),
        (up.clone(), Health::Starting, Health::Starting),
        (
            up.clone(),
            some.clone(),
            Health::Degraded("b degraded: y".to_owned()),
        ),
        (
            some.clone(),
            bad.clone(),
            Health::Degraded("b down: x".to_owned()),
        ),
        (bad.clone(), bad, Health::Down("a down: x".to_owned())),
    ];
    for (a, b, expected) in table {
        let group = ServiceGroup::new("group")
            .service(Fixed("a", a))
            .service(Fixed("b", b));
        let server = Server::new().service(group).start().await.unwrap();
        sleep(Duration::from_millis(1)).await;
        let info = server.handle().service_named("group").unwrap();
        assert_eq!(info.health, expected);
    }
}

#[tokio::test]
async fn a_group_whose_start_is_given_up_tells_its_services() {
    let diary = Diary::default();
    let hang = Part {
        start: Act::Hang,
        ..Part::new("hang", &diary)
    };
    let group = ServiceGroup::new("group").service(Part::new("part", &diary));
    let starting = Server::new().service(group).service(hang).start();
    let starting = tokio::spawn(starting);
    while !diary.read().contains(&"hang starts".to_owned()) {
        tokio::task::yield_now().await;
    }
    starting.abort();
    while !diary.read().contains(&"part ends".to_owned()) {
        tokio::task::yield_now().await;
    }
}
