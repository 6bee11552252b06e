//! Requests and answers over a link.

use cyclone_core::{
    Answer, BreakerPolicy, CallLink, CallQueue, ConnectionError, LateAnswers, LinkBuilder, NotSent,
    OperationError,
};
use futures_util::{FutureExt, future::join_all};

use super::*;

pub(super) type Calls = CallLink<Fake, Does, usize>;

/// A link whose session does what the request says, one after the other, and answers with its generation.
pub(super) fn calls(builder: LinkBuilder<Fake>) -> Calls {
    builder.spawn_with_calls(
        |mut connection: FakeConnection, context: LinkContext, mut queue: CallQueue<Does, usize, io::Error>| async move {
            loop {
                tokio::select! {
                    Some((does, answer)) = queue.next() => match connection.ask(does).await {
                        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Err(error),
                        Err(error) if error.kind() == io::ErrorKind::NotConnected => {
                            answer.not_sent(ConnectionError::new(error));
                        }
                        result => answer.send(result),
                    },
                    () = context.closing() => return Ok(()),
                }
            }
        },
    )
}

pub(super) fn builder(fake: &Fake) -> LinkBuilder<Fake> {
    Link::builder(fake.clone()).backoff(exact())
}

#[tokio::test(start_paused = true)]
async fn each_caller_gets_its_answer() {
    let fake = Fake::new();
    let link = calls(builder(&fake));
    // Before the link is up, too.
    let answers = join_all((0..10).map(|_| link.call(Does::AnswerAfter(ms(10))))).await;
    assert!(answers.into_iter().all(|answer| answer.unwrap() == 1));
    let refused = link.call(Does::Fail(io::ErrorKind::AlreadyExists)).await;
    assert!(matches!(refused, Err(OperationError::Failed(_))));
    let statistics = link.link().statistics();
    assert_eq!((statistics.answered, statistics.unanswered), (11, 0));
    assert_eq!((statistics.pending, fake.attempts()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn what_was_taken_is_unknown_and_what_was_not_was_not_sent() {
    let fake = Fake::new();
    let link = calls(builder(&fake));
    link.link().wait_up(LONG).await.unwrap();
    let mut lost = Box::pin(link.call(Does::Fail(io::ErrorKind::ConnectionReset)));
    assert!((&mut lost).now_or_never().is_none());
    let behind = link.call(Does::Answer).await;
    let error = lost.await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "outcome unknown: the connection was lost"
    );
    let error = behind.unwrap_err();
    assert_eq!(
        error.to_string(),
        "not sent: the link is down: the connection was lost"
    );

    // While it is down, at once.
    let began = Instant::now();
    let error = link.call(Does::Answer).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "not sent: the link is down: connection reset"
    );
    assert_eq!(began.elapsed(), Duration::ZERO);
    link.link().wait_up(LONG).await.unwrap();
    assert_eq!(link.call(Does::Answer).await.unwrap(), 2);

    let error = link
        .call(Does::Fail(io::ErrorKind::NotConnected))
        .await
        .unwrap_err();
    assert!(matches!(error, OperationError::NotSent(NotSent::Driver(_))));
    assert_eq!(
        link.call(Does::Answer).await.unwrap(),
        2,
        "the session goes on"
    );
}

#[tokio::test(start_paused = true)]
async fn a_call_that_takes_too_long_closes_the_connection() {
    for (takes, answered) in [(9_999, true), (10_001, false)] {
        let fake = Fake::new();
        let link = calls(builder(&fake));
        let result = link.call(Does::AnswerAfter(ms(takes))).await;
        assert_eq!(result.is_ok(), answered, "{takes} ms");
        settle().await;
        assert_eq!(fake.open(), usize::from(answered));
        if let Err(error) = result {
            assert_eq!(error.to_string(), "outcome unknown: no answer within 10s");
            let error = link.link().statistics().last_error.unwrap();
            assert_eq!(error.kind(), ConnectionErrorKind::GivenUp);
            link.link().wait_up(LONG).await.unwrap();
            assert_eq!(link.call(Does::Answer).await.unwrap(), 2);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_turn_does_not_come_was_not_sent() {
    let fake = Fake::new();
    let link = calls(builder(&fake).operation_timeout(ms(100)));
    let first = tokio::spawn({
        let link = link.clone();
        async move { link.call_within(LONG, Does::AnswerAfter(ms(500))).await }
    });
    settle().await;
    let error = link.call(Does::Answer).await.unwrap_err();
    assert_eq!(first.await.unwrap().unwrap(), 1, "it is not disturbed");
    assert_eq!(
        error.to_string(),
        "not sent: its turn did not come within 100ms"
    );
    assert_eq!(fake.attempts(), 1);
}

/// Drops a call after so many polls: before the session took it, nothing is sent; later, the connection is closed.
#[tokio::test(start_paused = true)]
async fn a_call_may_be_given_up_at_any_point() {
    let mut outcomes = Vec::new();
    for polls in 0..12 {
        let fake = Fake::new();
        fake.on_connect(Does::AnswerAfter(ms(2)));
        let link = calls(builder(&fake));
        let mut call = Box::pin(link.call(Does::AnswerAfter(ms(3))));
        let mut answered = false;
        for _ in 0..polls {
            answered = (&mut call).now_or_never().is_some();
            if answered {
                break;
            }
            settle().await;
            sleep(ms(1)).await;
        }
        drop(call);
        settle().await;
        let statistics = link.link().statistics();
        assert_eq!(statistics.pending, 0, "after {polls} polls");
        let taken = statistics.losses == 1;
        outcomes.push((taken, answered));
        assert_eq!(
            statistics.cancelled,
            u64::from(taken),
            "after {polls} polls"
        );
        link.link().wait_up(LONG).await.unwrap();
        assert_eq!(
            link.call(Does::Answer).await.unwrap(),
            1 + usize::from(taken)
        );
    }
    for expected in [(false, false), (true, false), (false, true)] {
        assert!(outcomes.contains(&expected), "{outcomes:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_given_up_in_the_queue_is_never_taken() {
    let fake = Fake::new();
    let link = calls(builder(&fake));
    let slow = tokio::spawn({
        let link = link.clone();
        async move { link.call(Does::AnswerAfter(ms(100))).await }
    });
    settle().await;
    let mut panics = Box::pin(link.call(Does::Panic));
    assert!((&mut panics).now_or_never().is_none());
    settle().await;
    drop(panics);
    assert_eq!(slow.await.unwrap().unwrap(), 1);
    assert_eq!(link.call(Does::Answer).await.unwrap(), 1);
    assert_eq!(link.link().statistics().cancelled, 1);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_knows_its_answers_goes_on() {
    let fake = Fake::new();
    let link = calls(builder(&fake).late_answers(LateAnswers::Discard));
    let error = link.call_within(ms(100), Does::AnswerAfter(ms(200))).await;
    assert!(error.unwrap_err().is_outcome_unknown());
    assert_eq!(link.call(Does::Answer).await.unwrap(), 1);
    assert_eq!(fake.attempts(), 1);
}

#[tokio::test(start_paused = true)]
async fn so_many_calls_wait_and_no_more() {
    let fake = Fake::new();
    let link = calls(builder(&fake).max_pending(3));
    let waiting: Vec<_> = (0..3)
        .map(|_| {
            let link = link.clone();
            tokio::spawn(async move { link.call(Does::AnswerAfter(ms(100))).await })
        })
        .collect();
    settle().await;
    assert_eq!(link.link().statistics().pending, 3);
    let error = link.call(Does::Answer).await.unwrap_err();
    assert!(matches!(
        error,
        OperationError::NotSent(NotSent::Full { limit: 3 })
    ));
    let statistics = link.link().statistics();
    assert_eq!((statistics.max_pending, statistics.refused), (3, 1));
    for waiting in waiting {
        waiting.await.unwrap().unwrap();
    }
    link.call(Does::Answer).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn so_many_calls_are_in_flight_and_no_more() {
    for limit in [1, 2, 3] {
        let fake = Fake::new();
        let owed = Arc::new(Mutex::new(Vec::<Answer<usize, io::Error>>::new()));
        let taken = Arc::clone(&owed);
        let link: Calls = builder(&fake).max_in_flight(limit).spawn_with_calls(
            move |_connection, context: LinkContext, mut queue: CallQueue<_, _, _>| {
                let owed = Arc::clone(&taken);
                async move {
                    loop {
                        tokio::select! {
                            Some((_, answer)) = queue.next() => owed.lock().unwrap().push(answer),
                            () = context.closing() => return Ok(()),
                        }
                    }
                }
            },
        );
        link.link().wait_up(LONG).await.unwrap();
        let calls = (0..5).map(|_| link.call(Does::Answer));
        let mut calls = Box::pin(join_all(calls));
        assert!((&mut calls).now_or_never().is_none());
        settle().await;
        for answered in 0..5_usize {
            let in_flight = owed.lock().unwrap().len();
            assert_eq!(in_flight, limit.min(5 - answered), "of {limit}");
            let answer = owed.lock().unwrap().remove(0);
            assert!(!answer.is_given_up());
            answer.send(Ok(answered));
            settle().await;
        }
        let answers: Vec<_> = calls.await.into_iter().map(Result::unwrap).collect();
        assert_eq!(answers, [0, 1, 2, 3, 4]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_link_that_is_not_there_sends_nothing() {
    let fake = Fake::down();
    let link = calls(builder(&fake).max_attempts(2));
    let error = link.call(Does::Answer).await.unwrap_err();
    assert_eq!(error.to_string(), "not sent: the link is down: refused");
    sleep(LONG).await;
    let error = link.call(Does::Answer).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "not sent: the link stopped connecting: refused"
    );
    link.link().close().await;
    let error = link.call(Does::Answer).await.unwrap_err();
    assert_eq!(error.to_string(), "not sent: the link is closed");
    let statistics = link.link().statistics();
    assert_eq!((statistics.answered, statistics.unanswered), (0, 3));

    let hung = Fake::new();
    hung.on_connect(Does::Hang);
    let link = calls(builder(&hung).connect_timeout(LONG));
    let began = Instant::now();
    let error = link.call(Does::Answer).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "not sent: the link did not come up within 10s"
    );
    assert_eq!(began.elapsed(), ms(10_000));
}

#[tokio::test(start_paused = true)]
async fn closing_refuses_calls_and_ends_those_that_wait() {
    let fake = Fake::new();
    let link = calls(builder(&fake));
    let taken = tokio::spawn({
        let link = link.clone();
        async move { link.call_within(LONG, Does::Hang).await }
    });
    settle().await;
    let queued = tokio::spawn({
        let link = link.clone();
        async move { link.call_within(LONG, Does::Answer).await }
    });
    settle().await;
    let closing = link.link().close();
    let error = link.call(Does::Answer).await.unwrap_err();
    assert_eq!(error.to_string(), "not sent: the link is closed");
    closing.await;
    assert!(taken.await.unwrap().unwrap_err().is_outcome_unknown());
    assert!(queued.await.unwrap().unwrap_err().is_not_sent());
}

#[tokio::test(start_paused = true)]
async fn the_breaker_opens_shows_and_closes() {
    let pause = exact().base(ms(1000));
    for (failures, open) in [(2, false), (3, true)] {
        let fake = Fake::new();
        let policy = BreakerPolicy::default().failures(3).pause(pause);
        let link = calls(builder(&fake).breaker(policy));
        for _ in 0..failures {
            link.link().wait_up(LONG).await.unwrap();
            let error = link.call(Does::Fail(io::ErrorKind::ConnectionReset)).await;
            assert!(error.unwrap_err().is_outcome_unknown());
            settle().await;
        }
        link.link().wait_up(LONG).await.unwrap();
        settle().await;
        assert_eq!(link.link().health().current().is_down(), open);
        let result = link.call(Does::Answer).await;
        assert_eq!(result.is_err(), open, "{failures} failures");
        let Err(error) = result else { continue };
        assert!(matches!(
            error,
            OperationError::NotSent(NotSent::Breaker(_))
        ));
        assert_eq!(link.link().statistics().barred, 1);

        let mut health = link.link().health();
        let began = Instant::now();
        while !matches!(health.changed().await, Some(Health::Degraded(_))) {}
        assert!(began.elapsed() <= ms(1000), "{:?}", began.elapsed());
        link.call(Does::Answer).await.unwrap();
        assert!(health.wait_up().await);
        assert!(link.link().breaker().state().is_closed());
    }
}
