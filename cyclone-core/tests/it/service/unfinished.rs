//! Starts that do not come to their end.

use std::time::Duration;

use cyclone_core::{
    GiveUp, Restart, Server, Service, ServiceContext, ServiceError, ServiceGroup, ServiceOptions,
};
use tokio::time::sleep;

use super::{Act, Diary, Part};
use crate::support::within;

/// Otherwise they would run for as long as the process does.
#[tokio::test(start_paused = true)]
async fn services_of_a_group_whose_start_is_given_up_are_told_to_end() {
    let diary = Diary::default();
    let hang = Part {
        start: Act::Hang,
        ..Part::new("hang", &diary)
    };
    let inner = ServiceGroup::new("inner").service(Part::new("a", &diary));
    let group = ServiceGroup::new("group").service(inner).service(hang);
    let server = Server::new().start().await.unwrap();
    let adding = server.handle().add_service(group, ServiceOptions::new());
    let adding = tokio::time::timeout(Duration::from_secs(1), adding).await;
    assert!(adding.is_err());
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    let seen = ["a starts", "hang starts", "a told", "a ends"];
    assert_eq!(diary.read(), seen);
    assert!(server.handle().services().is_empty());
}

/// A group inside of a service that does something of its own at its start.
struct Around {
    group: ServiceGroup,
    start: Act,
}

impl Service for Around {
    fn name(&self) -> &str {
        "around"
    }
    async fn start(&self, cx: &ServiceContext) -> Result<(), ServiceError> {
        self.group.start(cx).await?;
        self.start.act().await
    }
    async fn run(&self, cx: &ServiceContext) -> Result<(), ServiceError> {
        self.group.run(cx).await
    }
    async fn stop(&self) -> Result<(), ServiceError> {
        self.group.stop().await
    }
    fn parts(&self) -> Option<&ServiceGroup> {
        Some(&self.group)
    }
}

#[tokio::test(start_paused = true)]
async fn services_inside_of_one_that_does_not_start_are_stopped() {
    for act in [Act::Fail, Act::Panic, Act::Hang] {
        let diary = Diary::default();
        let group = ServiceGroup::new("inside").service(Part::new("a", &diary));
        let around = Around { group, start: act };
        let error = Server::new().service(around).start().await.unwrap_err();
        assert!(error.to_string().contains("around"), "{error}");
        assert_eq!(
            diary.read(),
            ["a starts", "a told", "a ends", "a stops"],
            "it was started and nobody else would stop it"
        );
    }
}

/// Fails at once.
struct Broken;

impl Service for Broken {
    fn name(&self) -> &str {
        "broken"
    }
    async fn run(&self, _cx: &ServiceContext) -> Result<(), ServiceError> {
        Err("broken".into())
    }
}

/// Takes a second to start.
struct Slow;

impl Service for Slow {
    fn name(&self) -> &str {
        "slow"
    }
    async fn start(&self, _cx: &ServiceContext) -> Result<(), ServiceError> {
        sleep(Duration::from_secs(1)).await;
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_group_fails_with_a_service_that_failed_while_the_others_started() {
    let up = |give_up| {
        let options = ServiceOptions::new().restart(Restart::Never);
        options.give_up(give_up)
    };
    let group = ServiceGroup::new("group")
        .service_with(Broken, up(GiveUp::FailGroup))
        .service(Slow);
    let server = Server::new().service_with(group, up(GiveUp::StopServer));
    let server = server.start().await.unwrap();
    let report = within(server.wait()).await;
    assert_eq!(report.cause.unwrap().path, "group");
}
