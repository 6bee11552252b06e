use std::time::Duration;

use super::*;
use crate::balancer::config::Config;

/// A group of backends with these options each, and options of its own.
fn group(own: &str, backends: &[&str]) -> Arc<Group> {
    let backends: Vec<_> = backends
        .iter()
        .zip(["a", "b", "c"])
        .map(|(more, name)| format!("{{ name = \"{name}\", address = \"127.0.0.1:1\"{more} }}"))
        .collect();
    let text = format!(
        "[listeners.l]\nendpoints = [\"tcp:1\"]\ngroup = \"g\"\n\
         [groups.g]\n{own}\nbackends = [{}]\n",
        backends.join(", ")
    );
    let config = Config::parse(&text).unwrap();
    Group::new("g", &config.groups["g"])
}

fn later(seconds: u64) -> Instant {
    Instant::now() + Duration::from_secs(seconds)
}

async fn take(group: &Arc<Group>) -> Lease {
    let now = Instant::now();
    group.acquire(&[], now).await.unwrap()
}

fn open(group: &Group) -> Vec<usize> {
    group.info().iter().map(|one| one.open).collect()
}

#[tokio::test]
async fn a_backend_is_free_again_when_its_client_is_gone() {
    let group = group("", &["", ""]);
    let (one, other) = (take(&group).await, take(&group).await);
    assert_eq!(open(&group), [1, 1]);
    drop(one);
    assert_eq!(open(&group), [0, 1]);
    drop(other);
    assert_eq!(open(&group), [0, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_full_backend_has_its_clients_wait_in_their_order() {
    let group = group("", &[", max_connections = 2"]);
    let one = take(&group).await;
    let _other = take(&group).await;
    let mut first = Box::pin(group.acquire(&[], later(10)));
    let mut second = Box::pin(group.acquire(&[], later(10)));
    assert!(futures_util::poll!(&mut first).is_pending());
    assert!(futures_util::poll!(&mut second).is_pending());
    assert_eq!((open(&group), group.queued()), (vec![2], 2));
    drop(one);
    // A newcomer does not get ahead of those who wait.
    let newcomer = group.acquire(&[], later(0)).await;
    assert_eq!(newcomer.unwrap_err(), Refused::TimedOut);
    assert!(futures_util::poll!(&mut second).is_pending());
    let had = first.await.unwrap();
    assert_eq!(open(&group), [2]);
    drop(had);
    second.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_queue_ends_at_its_limit_and_its_time() {
    let group = group("max_queued = 2", &[", max_connections = 1"]);
    let _one = take(&group).await;
    let begun = Instant::now();
    let waiting: Vec<_> = (0..2)
        .map(|_| {
            let group = Arc::clone(&group);
            tokio::spawn(async move { group.acquire(&[], later(5)).await.map(drop) })
        })
        .collect();
    while group.queued() < 2 {
        tokio::task::yield_now().await;
    }
    let over = group.acquire(&[], later(5)).await;
    assert_eq!(over.unwrap_err(), Refused::QueueFull);
    for one in waiting {
        assert_eq!(one.await.unwrap(), Err(Refused::TimedOut));
    }
    assert_eq!(begun.elapsed(), Duration::from_secs(5));
    assert_eq!(group.queued(), 0);
}

#[tokio::test(start_paused = true)]
async fn one_that_does_not_wait_any_more_takes_nothing() {
    let group = group("", &[", max_connections = 1"]);
    let one = take(&group).await;
    let mut gone = Box::pin(group.acquire(&[], later(10)));
    let mut next = Box::pin(group.acquire(&[], later(10)));
    assert!(futures_util::poll!(&mut gone).is_pending());
    assert!(futures_util::poll!(&mut next).is_pending());
    // Given, and dropped before it was looked at.
    drop(one);
    drop(gone);
    let next = next.await.unwrap();
    assert_eq!(open(&group), [1]);
    drop(next);
    assert_eq!((open(&group), group.queued()), (vec![0], 0));
}

#[tokio::test(start_paused = true)]
async fn who_waits_gets_the_backend_that_comes_back() {
    let group = group("check = { rise = 1 }", &[""]);
    group.refused(0, "gone");
    assert_eq!(group.info()[0].down.as_deref(), Some("gone"));
    let mut waiting = Box::pin(group.acquire(&[], later(10)));
    assert!(futures_util::poll!(&mut waiting).is_pending());
    group.passed(0);
    waiting.await.unwrap();
    assert_eq!(group.info()[0].statistics.falls, 1);
}

#[tokio::test(start_paused = true)]
async fn the_operator_decides() {
    let group = group("", &["", ""]);
    group.set_mode(0, Mode::Draining);
    let one = take(&group).await;
    let other = take(&group).await;
    assert_eq!((one.index(), other.index()), (1, 1));
    let mut cut = Box::pin(one.cut());
    assert!(futures_util::poll!(&mut cut).is_pending());
    group.set_mode(1, Mode::Disabled);
    cut.await;
    let mut waiting = Box::pin(group.acquire(&[], later(10)));
    assert!(futures_util::poll!(&mut waiting).is_pending());
    group.set_mode(1, Mode::Enabled);
    let lease = waiting.await.unwrap();
    // A connection that came afterwards is not meant.
    assert!(futures_util::poll!(Box::pin(lease.cut())).is_pending());
}

#[tokio::test(start_paused = true)]
async fn those_that_were_tried_are_left_out() {
    let group = group("", &["", ""]);
    let lease = group.acquire(&[0], later(10)).await.unwrap();
    assert_eq!(lease.index(), 1);
    let none = group.acquire(&[0, 1], later(10)).await;
    assert_eq!(none.unwrap_err(), Refused::AllTried);
    // A weight of nothing is nobody.
    let group = self::group("", &["", ", weight = 0"]);
    let none = group.acquire(&[0], later(10)).await;
    assert_eq!(none.unwrap_err(), Refused::AllTried);
}

/// Between the choice of a backend and the connection to it there are seconds, in which it can be taken away.
#[tokio::test(start_paused = true)]
async fn one_that_is_not_connected_yet_is_cut_too() {
    let group = group("", &[", max_connections = 1"]);
    let one = take(&group).await;
    let waiting = tokio::spawn({
        let group = Arc::clone(&group);
        async move { group.acquire(&[], later(10)).await }
    });
    while group.queued() == 0 {
        tokio::task::yield_now().await;
    }
    // Given to the one who waits, which has not looked yet.
    drop(one);
    group.set_mode(0, Mode::Disabled);
    let lease = waiting.await.unwrap().unwrap();
    assert!(lease.is_cut());
    lease.cut().await;
    group.set_mode(0, Mode::Enabled);
    drop(lease);
    assert!(!take(&group).await.is_cut());
}
