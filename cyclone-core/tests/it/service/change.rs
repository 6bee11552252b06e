//! Services that come and go while the server runs.

use std::time::Duration;

use cyclone_core::{
    BackoffPolicy, Jitter, Restart, Server, Service, ServiceContext, ServiceError, ServiceGroup,
    ServiceOptions, ServiceState,
};
use tokio::time::Instant;

use super::{Act, Diary, Part};

fn options() -> ServiceOptions {
    ServiceOptions::new()
}

#[tokio::test]
async fn a_service_that_is_added_is_started_and_stopped_first() {
    let diary = Diary::default();
    let group = ServiceGroup::new("group").service(Part::new("a", &diary));
    let server = Server::new()
        .service(Part::new("one", &diary))
        .service(group.clone())
        .start()
        .await
        .unwrap();
    let handle = server.handle().clone();
    let mut services = handle.watch_services();
    handle
        .add_service(Part::new("two", &diary), options())
        .await
        .unwrap();
    group.add(Part::new("b", &diary), options()).await.unwrap();
    handle
        .add_service(Part::new("one", &diary), options().needs("one"))
        .await
        .unwrap();
    let seen = services.changed().await;
    let paths: Vec<_> = seen.iter().map(|info| info.path.as_str()).collect();
    assert_eq!(paths, ["one", "group", "two", "one#2"]);
    assert!(handle.service_named("group/b").unwrap().health.is_up());
    server.shutdown();
    assert!(server.wait().await.is_clean());
    let stops: Vec<_> = diary
        .read()
        .into_iter()
        .filter(|event| event.ends_with("stops"))
        .collect();
    assert_eq!(
        stops,
        ["one stops", "two stops", "b stops", "a stops", "one stops"]
    );
    let late = handle.add_service(Part::new("late", &diary), options());
    let late = late.await.unwrap_err();
    assert!(late.is_stopping(), "{late}");
    let late = group.add(Part::new("late", &diary), options()).await;
    assert!(late.unwrap_err().is_stopping());
    assert!(!diary.read().contains(&"late starts".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_added_and_does_not_start_is_not_there() {
    let diary = Diary::default();
    let server = Server::new().start().await.unwrap();
    let handle = server.handle();
    for act in [Act::Fail, Act::Panic, Act::Hang] {
        let bad = Part {
            start: act,
            ..Part::new("bad", &diary)
        };
        let error = handle.add_service(bad, options()).await.unwrap_err();
        assert!(error.is_start());
        assert_eq!(error.path(), "bad");
        assert!(handle.services().is_empty());
    }
    let needy = handle.add_service(Part::new("needy", &diary), options().needs("x"));
    let needy = needy.await.unwrap_err();
    assert!(needy.is_start());
    assert!(needy.to_string().contains("it needs `x`"), "{needy}");
    assert!(handle.readiness().is_ready());
}

#[tokio::test]
async fn a_service_that_is_removed_is_stopped_and_gone() {
    let diary = Diary::default();
    let group = ServiceGroup::new("group")
        .service(Part::new("a", &diary))
        .service(Part::new("b", &diary));
    let server = Server::new()
        .service(Part::new("one", &diary))
        .service(group)
        .start()
        .await
        .unwrap();
    let handle = server.handle();
    handle.remove_service("group/a").await.unwrap();
    assert!(diary.read().ends_with(&["a stops".to_owned()]));
    assert_eq!(handle.service_named("group/a"), None);
    for path in ["group/a", "grou", "", "group/", "one/a"] {
        let missing = handle.remove_service(path).await.unwrap_err();
        assert!(missing.is_missing(), "{path}: {missing}");
    }
    // A whole group goes as it would at the end.
    handle.remove_service("group").await.unwrap();
    assert!(diary.read().ends_with(&["b stops".to_owned()]));
    assert_eq!(handle.services().len(), 1);
    server.shutdown();
    assert!(server.wait().await.is_clean());
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_removed_and_does_not_stop_is_gone_all_the_same() {
    let diary = Diary::default();
    let bad = Part {
        run: Act::Hang,
        stop: Act::Fail,
        ..Part::new("bad", &diary)
    };
    let own_limit = options().timeout(Duration::from_secs(3));
    let server = Server::new()
        .service_with(bad, own_limit)
        .start()
        .await
        .unwrap();
    let begun = Instant::now();
    let error = server.handle().remove_service("bad").await.unwrap_err();
    assert!(error.is_stop());
    assert_eq!(
        error.to_string(),
        "service `bad` did not stop well: it ran on for 3 s and was dropped; it failed on purpose"
    );
    assert_eq!(begun.elapsed(), Duration::from_secs(3));
    assert!(server.handle().services().is_empty());
}

#[tokio::test(start_paused = true)]
async fn removing_goes_on_when_nobody_waits_for_it_and_the_server_does() {
    let diary = Diary::default();
    let slow = Part {
        run: Act::Hang,
        ..Part::new("slow", &diary)
    };
    let server = Server::new().service(slow).start().await.unwrap();
    let begun = Instant::now();
    let handle = server.handle().clone();
    let removing = tokio::time::timeout(Duration::from_secs(1), handle.remove_service("slow"));
    assert!(removing.await.is_err());
    server.shutdown();
    let report = server.wait().await;
    assert!(report.is_clean(), "{report}");
    assert!(begun.elapsed() >= Duration::from_secs(10));
    assert!(diary.read().ends_with(&["slow stops".to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn a_service_that_starts_while_the_server_stops_makes_way() {
    let diary = Diary::default();
    let hang = Part {
        start: Act::Hang,
        ..Part::new("hang", &diary)
    };
    let server = Server::new().start().await.unwrap();
    let handle = server.handle().clone();
    let adding = tokio::spawn(async move { handle.add_service(hang, options()).await });
    while !diary.read().contains(&"hang starts".to_owned()) {
        tokio::task::yield_now().await;
    }
    let begun = Instant::now();
    server.shutdown();
    assert!(server.wait().await.is_clean());
    assert_eq!(begun.elapsed(), Duration::ZERO);
    assert!(adding.await.unwrap().unwrap_err().is_stopping());
}

#[tokio::test]
async fn a_group_that_is_not_started_is_filled_without_starting() {
    let diary = Diary::default();
    let group = ServiceGroup::new("group");
    group.add(Part::new("a", &diary), options()).await.unwrap();
    assert_eq!(diary.read(), [""; 0]);
    let info = group.service_named("a").unwrap();
    assert_eq!(
        (info.state, info.path.as_str()),
        (ServiceState::New, "group/a")
    );
    let server = Server::new().service(group).start().await.unwrap();
    assert_eq!(diary.read(), ["a starts"]);
    drop(server);
}

/// That it was ready once helps nobody.
#[tokio::test(start_paused = true)]
async fn a_need_of_a_service_that_has_failed_is_not_met() {
    struct Flaky;
    impl Service for Flaky {
        fn name(&self) -> &str {
            "flaky"
        }
        async fn run(&self, _cx: &ServiceContext) -> Result<(), ServiceError> {
            tokio::time::sleep(Duration::from_secs(60)).await;
            Err("broken".into())
        }
    }
    let again = Duration::from_secs(20);
    let pause = BackoffPolicy::default()
        .base(again)
        .max(again)
        .jitter(Jitter::None);
    for (policy, outcome) in [
        (options().restart(Restart::Never), Err("which failed")),
        (options().backoff(pause), Ok(again)),
    ] {
        let diary = Diary::default();
        let server = Server::new().service_with(Flaky, policy);
        let server = server.start().await.unwrap();
        tokio::time::sleep(Duration::from_secs(61)).await;
        let begun = Instant::now();
        let needy = Part::new("needy", &diary);
        let added = server
            .handle()
            .add_service(needy, options().needs("flaky"))
            .await;
        match outcome {
            Err(why) => assert!(added.unwrap_err().to_string().contains(why)),
            Ok(_) => {
                added.unwrap();
                assert!(begun.elapsed() > Duration::from_secs(15));
            }
        }
    }
}
