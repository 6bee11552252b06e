//! The policy: who is started again, when, and with which sockets. The workers are played by the tests.

use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use super::{Launch, News, RESTART_TIMEOUT, Workers};
use crate::backoff::{BackoffPolicy, Jitter};
use crate::lock::lock;
use crate::runner::exit::Exit;
use crate::runner::process::Ask;
use crate::runner::report::Report;
use crate::runner::sets;
use crate::runner::sets::tests::{same, spread_listener};
use crate::runner::worker::{Event, ORDER_QUEUE, Order, Set, Teller};

/// Workers that were started, with the number of sockets they got and their orders.
type Started = Arc<Mutex<Vec<(Teller, usize, mpsc::Receiver<Order>)>>>;

fn workers(count: usize, restart: bool) -> (Workers, Started) {
    let started = Started::default();
    let notes = Arc::clone(&started);
    let launch: Launch = Box::new(move |set: Set, teller| {
        let (orders, received) = mpsc::channel(ORDER_QUEUE);
        lock(&notes).push((teller, set.len(), received));
        Ok(orders)
    });
    let policy = BackoffPolicy::default().jitter(Jitter::None);
    (Workers::new(count, restart, policy, launch), started)
}

fn one_socket() -> Set {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    vec![("tcp:0".to_owned(), listener.into())]
}

/// Plays all workers until they serve.
async fn serving(count: usize, restart: bool) -> (Workers, Started) {
    let (mut workers, started) = workers(count, restart);
    let playing = Arc::clone(&started);
    let played = tokio::spawn(async move {
        for number in 0..count {
            let teller = launched(&playing, number).await;
            teller.tell(Event::Bound(one_socket())).await;
        }
        for number in 0..count {
            order_to(&playing, number, Order::Go).await;
            launched(&playing, number).await.tell(Event::Ready).await;
        }
    });
    workers.bind(Vec::new()).await.unwrap();
    workers.accept().await.unwrap();
    played.await.unwrap();
    assert_eq!(workers.serving(), (count, count));
    (workers, started)
}

/// The teller of the worker that was started as number `at`, once it was.
async fn launched(started: &Started, at: usize) -> Teller {
    loop {
        if let Some((teller, _, _)) = lock(started).get(at) {
            return teller.clone();
        }
        tokio::task::yield_now().await;
    }
}

/// Waits until a worker was told so.
async fn order_to(started: &Started, at: usize, order: Order) {
    loop {
        if let Some((_, _, orders)) = lock(started).get_mut(at)
            && orders.try_recv() == Ok(order)
        {
            return;
        }
        tokio::task::yield_now().await;
    }
}

fn broken() -> Event {
    Event::Ended(Err(Exit::new(70, "it broke")))
}

#[tokio::test]
async fn the_first_worker_binds_and_the_others_get_sockets_like_its_own() {
    let (_workers, started) = serving(3, true).await;
    let sockets: Vec<usize> = lock(&started)
        .iter()
        .map(|(_, sockets, _)| *sockets)
        .collect();
    assert_eq!(sockets, [0, 1, 1]);
}

#[tokio::test]
async fn who_had_no_sockets_gets_none_in_which_connections_could_be_lost() {
    let given = Arc::<Mutex<Vec<Set>>>::default();
    let notes = Arc::clone(&given);
    let launch: Launch = Box::new(move |set: Set, teller: Teller| {
        let bound = sets::duplicate(&set).unwrap();
        lock(&notes).push(set);
        tokio::spawn(async move { teller.tell(Event::Bound(bound)).await });
        Ok(mpsc::channel(ORDER_QUEUE).0)
    });
    let mut workers = Workers::new(3, true, BackoffPolicy::default(), launch);
    let inherited = vec![("tcp:0".to_owned(), spread_listener().into())];
    workers.bind(vec![inherited, Set::new()]).await.unwrap();
    let given = lock(&given);
    let of = |worker: usize| &given[worker][0].1;
    assert!(same(of(0), of(1)), "the predecessor's worker had none");
    assert!(!same(of(0), of(2)), "the predecessor had no such worker");
}

#[tokio::test]
async fn what_is_asked_before_all_serve_is_heard_after() {
    let (mut workers, started) = workers(1, true);
    let playing = Arc::clone(&started);
    tokio::spawn(async move {
        let teller = launched(&playing, 0).await;
        teller.tell(Event::Asked(Ask::Reload)).await;
        teller.tell(Event::Bound(one_socket())).await;
        teller.tell(Event::Asked(Ask::Shutdown)).await;
        teller.tell(Event::Ready).await;
    });
    workers.bind(Vec::new()).await.unwrap();
    workers.accept().await.unwrap();
    for asked in [Ask::Reload, Ask::Shutdown] {
        let news = timeout(Duration::from_secs(10), workers.next()).await;
        assert!(
            matches!(news, Ok(News::Asked(ask)) if ask == asked),
            "{news:?}"
        );
    }
}

#[tokio::test]
async fn a_start_fails_with_the_reason_of_the_one_that_failed() {
    let (mut workers, started) = workers(2, true);
    let playing = Arc::clone(&started);
    tokio::spawn(async move { launched(&playing, 0).await.tell(broken()).await });
    let exit = workers.bind(Vec::new()).await.unwrap_err();
    assert_eq!((exit.code(), exit.reason()), (70, "it broke"));
    assert_eq!(lock(&started).len(), 1);
    workers.abandon().await;
}

#[tokio::test(start_paused = true)]
async fn who_fails_is_started_again_after_growing_pauses() {
    let (mut workers, started) = serving(2, true).await;
    let mut failing = launched(&started, 0).await;
    for (failures, pause_ms) in [50, 100, 200, 400].into_iter().enumerate() {
        failing.tell(broken()).await;
        assert!(matches!(workers.next().await, News::Changed));
        assert_eq!(workers.serving(), (1, 2));
        let begin = Instant::now();
        // Nothing is heard until the pause is over, and then only from the one that was started.
        let heard = timeout(Duration::from_millis(pause_ms + 1), workers.next()).await;
        assert!(heard.is_err());
        assert_eq!(begin.elapsed(), Duration::from_millis(pause_ms + 1));
        assert_eq!(lock(&started).len(), 3 + failures);
        failing = launched(&started, 2 + failures).await;
        // Its own sockets the first time. Later they are like those of the other: its own are closed, so that nobody
        // waits in them.
        assert_eq!(lock(&started)[2 + failures].1, 1);
    }
    // It serves again; after a while its failures are forgotten.
    failing.tell(Event::Bound(one_socket())).await;
    failing.tell(Event::Ready).await;
    assert!(matches!(workers.next().await, News::Changed));
    assert_eq!(workers.serving(), (2, 2));
    order_to(&started, 5, Order::Go).await;
    tokio::time::advance(Duration::from_secs(11)).await;
    failing.tell(broken()).await;
    assert!(matches!(workers.next().await, News::Changed));
    let heard = timeout(Duration::from_millis(51), workers.next()).await;
    assert!(heard.is_err());
    assert_eq!(lock(&started).len(), 7);
}

#[tokio::test(start_paused = true)]
async fn one_that_does_not_serve_in_time_is_given_up() {
    let (mut workers, started) = serving(2, true).await;
    launched(&started, 1).await.tell(broken()).await;
    workers.next().await;
    let heard = timeout(Duration::from_millis(51), workers.next()).await;
    assert!(heard.is_err());
    let is_led = || !lock(&started)[2].2.is_closed();
    let again = launched(&started, 2).await;
    again.tell(Event::Bound(one_socket())).await;
    let heard = timeout(RESTART_TIMEOUT - Duration::from_millis(2), workers.next()).await;
    assert!(heard.is_err() && is_led());
    let heard = timeout(Duration::from_millis(4), workers.next()).await;
    assert!(heard.is_err() && !is_led());
    // Then it ends, and is started once more.
    again.tell(broken()).await;
    assert!(matches!(workers.next().await, News::Changed));
    let heard = timeout(Duration::from_millis(101), workers.next()).await;
    assert!(heard.is_err());
    let again = launched(&started, 3).await;
    again.tell(Event::Bound(one_socket())).await;
    again.tell(Event::Ready).await;
    assert!(matches!(workers.next().await, News::Changed));
    // One that serves has no limit.
    assert!(timeout(2 * RESTART_TIMEOUT, workers.next()).await.is_err());
    assert!(!lock(&started)[3].2.is_closed());
}

#[tokio::test(start_paused = true)]
async fn who_is_just_being_started_reloads_as_soon_as_it_serves() {
    let (mut workers, started) = serving(1, true).await;
    launched(&started, 0).await.tell(broken()).await;
    workers.next().await;
    let heard = timeout(Duration::from_millis(51), workers.next()).await;
    assert!(heard.is_err());
    // It may have read the old configuration.
    assert!(workers.reload());
    let again = launched(&started, 1).await;
    again.tell(Event::Bound(one_socket())).await;
    assert!(matches!(workers.next().await, News::Reloaded(_)));
    again.tell(Event::Ready).await;
    assert!(matches!(workers.next().await, News::Changed));
    order_to(&started, 1, Order::Go).await;
    assert_eq!(lock(&started)[1].2.try_recv(), Ok(Order::Reload));
}

#[tokio::test(start_paused = true)]
async fn the_sockets_of_one_that_fails_twice_are_closed_while_it_waits() {
    let (mut workers, started) = serving(2, true).await;
    let listens = |workers: &Workers| workers.hand_over().unwrap().len();
    assert_eq!(listens(&workers), 2);
    launched(&started, 1).await.tell(broken()).await;
    workers.next().await;
    // Once may be chance: who is in its queue waits a moment.
    assert_eq!(listens(&workers), 2);
    let heard = timeout(Duration::from_millis(51), workers.next()).await;
    assert!(heard.is_err());
    launched(&started, 2).await.tell(broken()).await;
    workers.next().await;
    assert_eq!(listens(&workers), 1);
    // When nobody else serves, they are kept whatever happens.
    launched(&started, 0).await.tell(broken()).await;
    workers.next().await;
    assert_eq!(listens(&workers), 1);
}

#[tokio::test]
async fn threads_are_not_started_again() {
    let (mut workers, started) = serving(2, false).await;
    launched(&started, 1).await.tell(broken()).await;
    let news = workers.next().await;
    assert!(matches!(news, News::Lost(Some(exit)) if exit.reason() == "it broke"));
    workers.drain();
    order_to(&started, 0, Order::Drain).await;
    let report = Report {
        drained: 7,
        ..Report::default()
    };
    launched(&started, 0)
        .await
        .tell(Event::Ended(Ok(report)))
        .await;
    assert!(matches!(workers.next().await, News::Ended));
    let report = workers.take_report();
    assert_eq!(
        (report.drained, report.failed.as_slice()),
        (7, ["it broke".to_owned()].as_slice())
    );
}

#[tokio::test(start_paused = true)]
async fn while_all_end_nobody_is_started_again() {
    let (mut workers, started) = serving(2, true).await;
    launched(&started, 1).await.tell(broken()).await;
    workers.next().await;
    workers.drain();
    assert!(
        workers.hand_over().unwrap().is_empty(),
        "their duplicates would keep them open"
    );
    let ended = Event::Ended(Ok(Report::default()));
    launched(&started, 0).await.tell(ended).await;
    assert!(matches!(workers.next().await, News::Ended));
    assert_eq!(lock(&started).len(), 2);
}

#[tokio::test]
async fn a_reload_is_over_when_all_have_said_so_or_are_gone() {
    let (mut workers, started) = serving(3, true).await;
    assert!(workers.reload());
    assert!(!workers.reload(), "one at a time");
    for number in 0..3 {
        order_to(&started, number, Order::Reload).await;
    }
    let teller = launched(&started, 0).await;
    teller
        .tell(Event::Reloaded(vec!["tls: no file".to_owned()]))
        .await;
    launched(&started, 1)
        .await
        .tell(Event::Reloaded(Vec::new()))
        .await;
    launched(&started, 2).await.tell(broken()).await;
    assert!(matches!(workers.next().await, News::Changed));
    let News::Reloaded(failed) = workers.next().await else {
        panic!("the reload is not over");
    };
    assert_eq!(failed, ["tls: no file"]);
    assert!(workers.reload());
}

#[tokio::test]
async fn a_reload_without_anybody_is_over_at_once() {
    let (mut workers, started) = serving(1, true).await;
    launched(&started, 0).await.tell(broken()).await;
    assert!(matches!(workers.next().await, News::Changed));
    assert!(workers.reload());
    assert!(matches!(workers.next().await, News::Reloaded(failed) if failed.is_empty()));
}

#[tokio::test]
async fn everybody_who_serves_has_to_answer() {
    let (mut workers, started) = serving(2, true).await;
    assert!(workers.are_alive(), "they were not asked before");
    assert!(!workers.are_alive());
    for number in 0..2 {
        order_to(&started, number, Order::Ping).await;
        launched(&started, number).await.tell(Event::Pong).await;
    }
    // One more event, to know that the answers were looked at.
    launched(&started, 1)
        .await
        .tell(Event::Asked(Ask::Reload))
        .await;
    assert!(matches!(workers.next().await, News::Asked(_)));
    assert!(workers.are_alive());
    // One that is gone does not have to.
    launched(&started, 0).await.tell(Event::Pong).await;
    launched(&started, 1).await.tell(broken()).await;
    assert!(matches!(workers.next().await, News::Changed));
    assert!(workers.are_alive());
}
