use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::{Home, Session};
use crate::lock::lock;
use crate::peer::{Address, Peer};
use crate::registry::Registry;
use crate::resources::Resources;

fn registered(registry: &Registry) -> (Session, super::SessionGuard) {
    registered_with(registry, &CancellationToken::new())
}

fn registered_with(
    registry: &Registry,
    draining: &CancellationToken,
) -> (Session, super::SessionGuard) {
    let permits = Arc::new(Semaphore::new(1));
    let home = Home::new(
        registry.clone(),
        Resources::default(),
        draining.clone(),
        CancellationToken::new(),
        Arc::clone(&permits),
    );
    let peer = Peer::new(Address::Memory, Address::Memory);
    let permit = permits.try_acquire_owned().unwrap();
    Session::register(&home, registry, peer, "test", permit)
}

#[tokio::test]
async fn a_clone_alone_does_not_keep_the_entry() {
    let registry = Registry::new();
    let (session, guard) = registered(&registry);
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
    let (session, guard) = registered(&registry);
    let work = session.spawn(pending());
    drop(guard);
    assert_eq!(registry.len(), 1);
    registry.begin_cutting();
    work.await.unwrap();
    registry.wait_empty().await;
}

#[tokio::test]
async fn closing_one_connection_leaves_the_others() {
    let registry = Registry::new();
    let (one, _one) = registered(&registry);
    let (other, _other) = registered(&registry);
    assert!(registry.close(one.id()));
    assert!(one.is_cut());
    assert!(!other.is_cut());
}

#[tokio::test]
async fn a_panic_in_spawned_work_frees_the_entry() {
    let registry = Registry::new();
    let (session, guard) = registered(&registry);
    let work = session.spawn(async { panic!("on purpose") });
    drop(guard);
    assert!(work.await.unwrap_err().is_panic());
    registry.wait_empty().await;
}

#[tokio::test]
async fn a_session_that_is_held_is_told_by_the_registry_alone() {
    let registry = Registry::new();
    let (session, _guard) = registered(&registry);
    let mut draining = task(session.draining());
    let mut cut = task(session.cut());
    assert!(draining.poll().is_pending() && cut.poll().is_pending());
    registry.begin_draining();
    assert!(draining.is_woken());
    assert!(draining.poll().is_ready() && cut.poll().is_pending());
    registry.begin_cutting();
    assert!(cut.is_woken() && cut.poll().is_ready());
}

/// It is in no registry, but its server may still say something.
#[tokio::test]
async fn a_session_that_was_left_is_told_too() {
    let registry = Registry::new();
    let token = CancellationToken::new();
    let (session, guard) = registered_with(&registry, &token);
    let mut before = task(session.draining());
    assert!(before.poll().is_pending());
    drop(guard);
    assert!(before.is_woken(), "the registry will not tell it");
    assert!(before.poll().is_pending());
    let mut after = task(session.draining());
    assert!(after.poll().is_pending());
    registry.begin_draining();
    token.cancel();
    assert!(before.is_woken() && before.poll().is_ready());
    assert!(after.is_woken() && after.poll().is_ready());
}

#[tokio::test]
async fn one_that_comes_after_the_signal_has_it() {
    let registry = Registry::new();
    registry.begin_draining();
    let (session, _guard) = registered(&registry);
    assert!(session.is_draining() && !session.is_cut());
    session.draining().await;
}

#[test]
fn a_wait_that_is_dropped_leaves_no_waker() {
    let session = Session::detached();
    for _ in 0..3 {
        let mut wait = task(session.cut());
        assert!(wait.poll().is_pending());
        assert_eq!(lock(&session.inner.state).waiters.wakers().len(), 1);
    }
    assert!(lock(&session.inner.state).waiters.wakers().is_empty());
}

/// There is one of these for every connection.
#[test]
fn a_session_stays_small() {
    // With the two counters of the `Arc`: what the allocator of glibc gives out as 224 bytes with its own word.
    let bytes = size_of::<super::Inner>() + 2 * size_of::<usize>();
    assert!(bytes <= 216, "{bytes} bytes");
    assert!(size_of_val(&Session::detached().draining()) <= 48);
}

/// A future polled by hand.
struct Task<F> {
    future: F,
    woken: Arc<Flag>,
}

#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

fn task<F: Future + Unpin>(future: F) -> Task<F> {
    let woken = Arc::new(Flag::default());
    Task { future, woken }
}

impl<F: Future + Unpin> Task<F> {
    fn poll(&mut self) -> Poll<F::Output> {
        let waker = Waker::from(Arc::clone(&self.woken));
        Pin::new(&mut self.future).poll(&mut Context::from_waker(&waker))
    }

    /// Whether it was woken since the last call.
    fn is_woken(&self) -> bool {
        self.woken.0.swap(false, Ordering::SeqCst)
    }
}

/// A connection whose opening found nothing out pays little for those where it did.
#[test]
fn what_an_opening_found_out_costs_others_little() {
    let plain = 2 * size_of::<Address>();
    assert!(size_of::<Peer>() <= plain + size_of::<usize>());
    assert!(size_of::<std::sync::OnceLock<Box<Peer>>>() <= 2 * size_of::<usize>());
}
