use std::future::pending;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::Session;
use crate::peer::{Address, Peer};
use crate::registry::Registry;
use crate::resources::Resources;

fn registered(registry: &Registry, cut: &CancellationToken) -> (Session, super::SessionGuard) {
    Session::register(
        registry,
        Peer::new(Address::Memory, Address::Memory),
        "test",
        Resources::default(),
        CancellationToken::new(),
        cut,
        Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap(),
    )
}

#[tokio::test]
async fn a_clone_alone_does_not_keep_the_entry() {
    let registry = Registry::new();
    let (session, guard) = registered(&registry, &CancellationToken::new());
    let second = session.hold();
    drop(guard);
    assert_eq!(registry.len(), 1);
    drop(second);
    assert_eq!(registry.len(), 0);
    assert_eq!(session.protocol(), "test");
}

#[tokio::test]
async fn spawned_work_is_tracked_and_dropped_when_cut() {
    let registry = Registry::new();
    let cut = CancellationToken::new();
    let (session, guard) = registered(&registry, &cut);
    let work = session.spawn(pending());
    drop(guard);
    assert_eq!(registry.len(), 1);
    cut.cancel();
    work.await.unwrap();
    registry.wait_empty().await;
}

#[tokio::test]
async fn closing_one_connection_leaves_the_others() {
    let registry = Registry::new();
    let cut = CancellationToken::new();
    let (one, _one) = registered(&registry, &cut);
    let (other, _other) = registered(&registry, &cut);
    assert!(registry.close(one.id()));
    assert!(one.is_cut());
    assert!(!other.is_cut());
}

#[tokio::test]
async fn a_panic_in_spawned_work_frees_the_entry() {
    let registry = Registry::new();
    let (session, guard) = registered(&registry, &CancellationToken::new());
    let work = session.spawn(async { panic!("on purpose") });
    drop(guard);
    assert!(work.await.unwrap_err().is_panic());
    registry.wait_empty().await;
}
