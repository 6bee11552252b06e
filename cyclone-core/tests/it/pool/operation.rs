use cyclone_core::{
    BackoffPolicy, BreakerPolicy, ConnectionErrorKind, Connector, Jitter, NotSent, OperationError,
};
use futures_util::future::join_all;

use super::*;

type Answered = Result<usize, OperationError<io::Error>>;

async fn ask(pool: &Pool<Fake>, does: Does) -> Answered {
    pool.run(async |connection| connection.ask(does).await)
        .await
}

/// Pauses of 100 ms, doubled up to 400 ms, after three failures.
fn breaker() -> BreakerPolicy {
    let pause = BackoffPolicy::default()
        .base(ms(100))
        .max(ms(400))
        .jitter(Jitter::None);
    BreakerPolicy::default().failures(3).pause(pause)
}

#[tokio::test(start_paused = true)]
async fn what_is_answered_leaves_the_connection_in_the_pool() {
    let fake = Fake::new();
    let pool = lazy(&fake).build();
    for _ in 0..3 {
        assert_eq!(ask(&pool, Does::Answer).await.unwrap(), 1);
        let refused = ask(&pool, Does::Fail(io::ErrorKind::AlreadyExists)).await;
        let error = refused.unwrap_err();
        assert!(!error.is_not_sent() && !error.is_outcome_unknown());
        let kind = error.failure().map(io::Error::kind);
        assert_eq!(kind, Some(io::ErrorKind::AlreadyExists));
    }
    let statistics = pool.statistics();
    assert_eq!((fake.attempts(), statistics.discarded), (1, 0));
    assert_eq!((statistics.answered, statistics.unanswered), (6, 0));
}

#[tokio::test(start_paused = true)]
async fn what_is_not_answered_closes_the_connection() {
    for (does, not_sent, text) in [
        (
            Does::Fail(io::ErrorKind::ConnectionReset),
            false,
            "outcome unknown: connection reset",
        ),
        (
            Does::Fail(io::ErrorKind::NotConnected),
            true,
            "not sent: not connected",
        ),
        // A driver that panics when it is asked does not know.
        (
            Does::Fail(io::ErrorKind::Other),
            false,
            "outcome unknown: other error",
        ),
        (Does::Hang, false, "outcome unknown: no answer within 10s"),
    ] {
        let fake = Fake::new();
        let pool = lazy(&fake).build();
        let error = ask(&pool, does).await.unwrap_err();
        assert_eq!(error.is_not_sent(), not_sent, "{does:?}");
        assert_eq!(error.is_outcome_unknown(), !not_sent, "{does:?}");
        assert_eq!(error.to_string(), text);
        assert_eq!(fake.open(), 0, "{does:?}");
        assert_eq!(ask(&pool, Does::Answer).await.unwrap(), 2);
        let statistics = pool.statistics();
        assert_eq!((statistics.unanswered, statistics.discarded), (1, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn the_time_limit_is_on_unless_told_otherwise() {
    for (takes, limit, answered) in [
        (9_999, None, true),
        (10_001, None, false),
        (49, Some(ms(50)), true),
        (51, Some(ms(50)), false),
        (3_600_000, Some(Duration::MAX), true),
    ] {
        let fake = Fake::new();
        let pool = lazy(&fake).build();
        let operation = async |connection: &mut crate::fake_connector::FakeConnection| {
            connection.ask(Does::AnswerAfter(ms(takes))).await
        };
        let result = match limit {
            None => pool.run(operation).await,
            Some(limit) => pool.run_within(limit, operation).await,
        };
        assert_eq!(result.is_ok(), answered, "{takes} ms of {limit:?}");
        if let Err(OperationError::OutcomeUnknown(error)) = result {
            assert_eq!(error.kind(), ConnectionErrorKind::TimedOut);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_limit_of_the_pool_can_be_set() {
    let pool = lazy(&Fake::new()).operation_timeout(ms(200)).build();
    let began = Instant::now();
    assert!(
        ask(&pool, Does::Hang)
            .await
            .unwrap_err()
            .is_outcome_unknown()
    );
    assert_eq!(began.elapsed(), ms(200));
}

#[tokio::test(start_paused = true)]
async fn a_panic_closes_the_connection() {
    let fake = Fake::new();
    let pool = lazy(&fake).build();
    let panicked = tokio::spawn({
        let pool = pool.clone();
        async move { ask(&pool, Does::Panic).await }
    });
    assert!(panicked.await.unwrap_err().is_panic());
    assert_eq!(fake.open(), 0);
    assert_eq!(pool.statistics().cancelled, 1);
}

#[tokio::test(start_paused = true)]
async fn without_a_connection_nothing_is_sent() {
    let fake = Fake::down();
    let pool = lazy(&fake).build();
    let error = ask(&pool, Does::Answer).await.unwrap_err();
    let OperationError::NotSent(NotSent::Pool(PoolError::Connect(_))) = &error else {
        panic!("{error:?}");
    };
    assert_eq!(error.to_string(), "not sent: not connected: refused");
    pool.close().await;
    let error = ask(&pool, Does::Answer).await.unwrap_err();
    assert_eq!(error.to_string(), "not sent: the pool is closed");
}

/// Drops an operation after so many polls, at every point where it waits: for a slot, for the connection, for the
/// check, for the answer. A connection on which something was begun does not come back.
#[tokio::test(start_paused = true)]
async fn an_operation_may_be_given_up_at_any_point() {
    let slow = Does::AnswerAfter(ms(3));
    for (stage, connect, check) in [
        ("slot", Does::Answer, Does::Answer),
        ("connect", slow, Does::Answer),
        ("check", Does::Answer, slow),
    ] {
        let mut outcomes = Vec::new();
        for polls in 0..20 {
            let fake = Fake::new();
            let pool = lazy(&fake).max_size(2).check_after(Duration::ZERO).build();
            if stage != "connect" {
                drop(all(&pool).await);
            }
            fake.on_connect(connect);
            fake.on_check(check);
            let mut held = match stage {
                "slot" => all(&pool).await,
                _ => Vec::new(),
            };
            let mut begun = false;
            let mut operation = Box::pin(pool.run(async |connection| {
                begun = true;
                for _ in 0..3 {
                    connection.ask(slow).await?;
                }
                Ok(())
            }));
            let mut answered = false;
            for poll in 0..polls {
                answered = poll_once(&mut operation).await.is_ready();
                if answered {
                    break;
                }
                if poll == 2 {
                    held.pop();
                }
                settle().await;
                sleep(ms(1)).await;
            }
            drop(operation);
            let statistics = pool.statistics();
            let cancelled = u64::from(begun && !answered);
            assert_eq!(statistics.cancelled, cancelled, "{stage}, {polls} polls");
            assert_eq!(statistics.answered, u64::from(answered));
            assert!(statistics.discarded >= cancelled, "{stage}, {polls} polls");
            if cancelled == 1 {
                assert_eq!(statistics.discarded, 1, "{stage}, {polls} polls");
            }
            outcomes.push((begun, answered));

            drop(held);
            fake.on_connect(Does::Answer);
            fake.on_check(Does::Answer);
            sleep(ms(10)).await;
            drop(all(&pool).await);
            assert_eq!(fake.most_open(), 2, "{stage} given up after {polls} polls");
        }
        for expected in [(false, false), (true, false), (true, true)] {
            assert!(outcomes.contains(&expected), "{stage}: {outcomes:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn one_connection_for_several_operations_ends_with_the_first_that_is_not_answered() {
    let fake = Fake::new();
    let pool = lazy(&fake).build();
    let mut connection = pool.get().await.unwrap();
    for _ in 0..3 {
        let id = connection.run(async |connection| connection.ask(Does::Answer).await);
        assert_eq!(id.await.unwrap(), 1);
    }
    let hung = connection.run_within(ms(10), async |connection| connection.ask(Does::Hang).await);
    assert!(hung.await.unwrap_err().is_outcome_unknown());
    let error = connection
        .run(async |connection| connection.ask(Does::Answer).await)
        .await
        .unwrap_err();
    assert!(matches!(
        error,
        OperationError::NotSent(NotSent::Unfinished)
    ));
    drop(connection);
    assert_eq!(fake.open(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_operation_without_an_answer_makes_the_other_connections_suspect() {
    let fake = Fake::new();
    let pool = lazy(&fake).build();
    drop(all(&pool).await);
    let reset = Does::Fail(io::ErrorKind::ConnectionReset);
    assert!(ask(&pool, reset).await.is_err());
    settle().await;
    assert_eq!(fake.checks(), 9, "in the background");
    assert_eq!(fake.open(), 9);
}

#[tokio::test(start_paused = true)]
async fn the_breaker_opens_after_so_many_failures_and_refuses_at_once() {
    let reset = Does::Fail(io::ErrorKind::ConnectionReset);
    for (failures, refused) in [(2, false), (3, true)] {
        let fake = Fake::new();
        let pool = lazy(&fake).breaker(breaker()).build();
        for _ in 0..failures {
            ask(&pool, reset).await.unwrap_err();
        }
        settle().await;
        assert_eq!(
            pool.breaker().state().is_open(),
            refused,
            "{failures} failures"
        );
        assert_eq!(pool.health().current().is_down(), refused);
        let began = Instant::now();
        let result = ask(&pool, Does::Answer).await;
        assert_eq!(result.is_err(), refused);
        if let Err(error) = result {
            assert!(matches!(
                error,
                OperationError::NotSent(NotSent::Breaker(_))
            ));
            assert_eq!(
                error.to_string(),
                "not sent: the breaker is open: connection reset"
            );
            assert_eq!(began.elapsed(), Duration::ZERO);
            assert_eq!(pool.statistics().barred, 1);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_health_follows_the_breaker_without_callers() {
    let pool = lazy(&Fake::new()).breaker(breaker()).build();
    for _ in 0..3 {
        let reset = Does::Fail(io::ErrorKind::ConnectionReset);
        ask(&pool, reset).await.unwrap_err();
    }
    let mut health = pool.health();
    let began = Instant::now();
    assert_eq!(
        health.changed().await,
        Some(Health::Down("breaker open: connection reset".into()))
    );
    assert_eq!(
        health.changed().await,
        Some(Health::Degraded(
            "breaker half open: connection reset".into()
        ))
    );
    assert_eq!(began.elapsed(), ms(100));
    ask(&pool, Does::Answer).await.unwrap();
    assert!(health.wait_up().await);
    assert!(pool.breaker().state().is_closed());
}

#[tokio::test(start_paused = true)]
async fn answers_with_errors_and_lost_callers_do_not_open_the_breaker() {
    let pool = lazy(&Fake::new()).breaker(breaker()).build();
    for _ in 0..20 {
        let refused = Does::Fail(io::ErrorKind::AlreadyExists);
        assert!(ask(&pool, refused).await.unwrap_err().failure().is_some());
        let mut given_up = Box::pin(ask(&pool, Does::Hang));
        assert!(poll_once(&mut given_up).await.is_pending());
        settle().await;
        assert!(poll_once(&mut given_up).await.is_pending());
    }
    assert!(pool.breaker().state().is_closed());
}

/// A consumer that waits for work is the first to come when the server is back.
#[tokio::test(start_paused = true)]
async fn an_operation_that_waits_for_ever_does_not_keep_the_breaker_half_open() {
    let pool = lazy(&Fake::new()).breaker(breaker()).build();
    for _ in 0..3 {
        let reset = Does::Fail(io::ErrorKind::ConnectionReset);
        ask(&pool, reset).await.unwrap_err();
    }
    sleep(ms(100)).await;
    let mut waits = Box::pin(pool.run_within(Duration::MAX, async |connection| {
        connection.ask(Does::Hang).await
    }));
    assert!(poll_once(&mut waits).await.is_pending());
    settle().await;
    assert!(poll_once(&mut waits).await.is_pending());
    assert!(ask(&pool, Does::Answer).await.is_err(), "one at a time");
    sleep(ms(1000)).await;
    ask(&pool, Does::Answer).await.unwrap();
    assert!(pool.breaker().state().is_closed());
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_connection_when_the_breaker_opens_is_refused() {
    let fake = Fake::new();
    let pool = lazy(&fake).max_size(1).breaker(breaker()).build();
    let reset = Does::Fail(io::ErrorKind::ConnectionReset);
    let began = Instant::now();
    // The first three fail one after the other, the others stand behind them.
    let results = join_all((0..10).map(|_| ask(&pool, reset))).await;
    let unknown = |result: &&Answered| matches!(result, Err(error) if error.is_outcome_unknown());
    assert_eq!(results.iter().filter(unknown).count(), 3);
    let refused =
        |result: &&Answered| matches!(result, Err(OperationError::NotSent(NotSent::Breaker(_))));
    assert_eq!(results.iter().filter(refused).count(), 7);
    assert!(began.elapsed() < ms(100), "{:?}", began.elapsed());
}

fn assert_send<T: Send>(value: T) -> T {
    value
}

#[tokio::test(start_paused = true)]
async fn operations_may_borrow_and_cross_threads() {
    let pool = lazy(&Fake::new()).build();
    let waits = Does::AnswerAfter(ms(1));
    let mut seen = Vec::new();
    let operation = pool.run(async |connection| {
        seen.push(connection.ask(waits).await?);
        Ok(())
    });
    assert_send(operation).await.unwrap();
    assert_eq!(seen, [1]);
    let name = "owned".to_owned();
    let spawned = tokio::spawn(async move {
        pool.run(async |connection| connection.ask(waits).await.map(|id| format!("{name} {id}")))
            .await
    });
    assert_eq!(spawned.await.unwrap().unwrap(), "owned 1");
}

/// A driver of a port, over whatever connector.
trait Asks {
    fn asks(&self, name: &str) -> impl Future<Output = Result<String, String>> + Send;
}

struct Driver<C: Connector>(Pool<C>);

impl<C: Connector> Asks for Driver<C> {
    async fn asks(&self, name: &str) -> Result<String, String> {
        let mut connection = self.0.get().await.map_err(|error| error.to_string())?;
        let one = connection.run(async |_| {
            tokio::task::yield_now().await;
            Ok(name.len())
        });
        let one = one.await.map_err(|error| error.to_string())?;
        drop(connection);
        let asked = self.0.run(async |_| {
            tokio::task::yield_now().await;
            Ok(name.to_owned())
        });
        let asked = asked.await.map_err(|error| error.to_string())?;
        Ok(format!("{one} {asked}"))
    }
}

#[tokio::test(start_paused = true)]
async fn a_driver_may_be_generic_and_its_futures_cross_threads() {
    let driver = Driver(lazy(&Fake::new()).build());
    let asked = tokio::spawn(async move { driver.asks("name").await });
    assert_eq!(asked.await.unwrap().unwrap(), "4 name");
}
