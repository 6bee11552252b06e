//! How sessions take calls, and what becomes of those that are given up.

use cyclone_core::{CallQueue, LateAnswers};
use futures_util::{FutureExt, future::join_all};

use super::{
    calls::{Calls, builder, calls},
    *,
};

/// The caller does something else when the answer comes, and leaves.
#[tokio::test(start_paused = true)]
async fn a_call_given_up_after_its_answer_disturbs_nobody() {
    let fake = Fake::new();
    let link = calls(builder(&fake));
    link.link().wait_up(LONG).await.unwrap();
    let mut call = Box::pin(link.call(Does::AnswerAfter(ms(10))));
    assert!((&mut call).now_or_never().is_none());
    sleep(ms(20)).await;
    drop(call);
    settle().await;
    assert_eq!(link.call(Does::Answer).await.unwrap(), 1);
    let statistics = link.link().statistics();
    assert_eq!((statistics.losses, fake.attempts()), (0, 1));
    assert_eq!((statistics.answered, statistics.cancelled), (2, 0));
}

/// A session that sends ahead, on a connection that has died without a word.
#[tokio::test(start_paused = true)]
async fn calls_that_are_not_answered_in_time_may_close_the_connection_and_those_given_up_not() {
    for (late_answers, closes) in [
        (LateAnswers::Close, (true, true)),
        (LateAnswers::CloseWhenTimedOut, (false, true)),
        (LateAnswers::Discard, (false, false)),
    ] {
        let fake = Fake::new();
        let link: Calls = builder(&fake)
            .max_in_flight(9)
            .late_answers(late_answers)
            .spawn_with_calls(
                |_connection, context: LinkContext, mut queue: CallQueue<_, _, _>| async move {
                    let mut owed = Vec::new();
                    loop {
                        tokio::select! {
                            Some((_, answer)) = queue.next() => owed.push(answer),
                            () = context.closing() => return Ok(()),
                        }
                    }
                },
            );
        let losses = || link.link().statistics().losses;
        link.link().wait_up(LONG).await.unwrap();
        let mut given_up = Box::pin(link.call(Does::Answer));
        assert!((&mut given_up).now_or_never().is_none());
        settle().await;
        drop(given_up);
        settle().await;
        assert_eq!(losses(), u64::from(closes.0), "{late_answers:?}");

        link.link().wait_up(LONG).await.unwrap();
        let before = losses();
        let late = link.call_within(ms(100), Does::Answer).await;
        assert!(late.unwrap_err().is_outcome_unknown());
        settle().await;
        assert_eq!(losses() - before, u64::from(closes.1), "{late_answers:?}");
    }
}

/// A session that sends what waits at once.
#[tokio::test(start_paused = true)]
async fn calls_that_wait_can_be_taken_together() {
    for (limit, batches) in [(1, vec![1, 1, 1, 1]), (3, vec![3, 1]), (9, vec![4])] {
        let fake = Fake::new();
        let taken = Arc::<Mutex<Vec<usize>>>::default();
        let sizes = Arc::clone(&taken);
        let link: Calls = builder(&fake).max_in_flight(limit).spawn_with_calls(
            move |_connection, _, mut queue: CallQueue<_, _, _>| {
                let sizes = Arc::clone(&sizes);
                async move {
                    while let Some(first) = queue.next().await {
                        let mut batch = vec![first];
                        batch.extend(std::iter::from_fn(|| queue.try_next()));
                        sizes.lock().unwrap().push(batch.len());
                        for (_, answer) in batch {
                            answer.send(Ok(0));
                        }
                    }
                    Ok(())
                }
            },
        );
        link.link().wait_up(LONG).await.unwrap();
        let calls = (0..5).map(|_| Box::pin(link.call(Does::Answer)));
        let mut calls: Vec<_> = calls.collect();
        assert!(calls.iter_mut().all(|call| call.now_or_never().is_none()));
        drop(calls.remove(1));
        for answered in join_all(calls).await {
            answered.unwrap();
        }
        assert_eq!(*taken.lock().unwrap(), batches, "{limit} at a time");
    }
}

/// The simplest session there is.
async fn answer_all(
    mut connection: FakeConnection,
    mut queue: CallQueue<Does, usize, io::Error>,
) -> io::Result<()> {
    while let Some((does, answer)) = queue.next().await {
        answer.send(connection.ask(does).await);
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_session_that_takes_calls_until_there_are_none_ends_with_the_link() {
    let fake = Fake::new();
    let link: Calls =
        builder(&fake).spawn_with_calls(|connection, _, queue| answer_all(connection, queue));
    let calls = (0..3).map(|_| link.call(Does::AnswerAfter(ms(100))));
    let mut calls = Box::pin(join_all(calls));
    assert!((&mut calls).now_or_never().is_none());
    settle().await;
    assert!((&mut calls).now_or_never().is_none());
    settle().await;
    let began = Instant::now();
    let closing = link.link().close();
    let (answers, ()) = tokio::join!(calls, closing);
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(began.elapsed(), ms(300), "as soon as all are answered");

    // Without a call, and when the last handle goes.
    let link: Calls =
        builder(&fake).spawn_with_calls(|connection, _, queue| answer_all(connection, queue));
    let mut states = link.link().on_state();
    link.link().wait_up(LONG).await.unwrap();
    let began = Instant::now();
    drop(link);
    assert!(states.wait_for(LinkState::is_closed).await.is_some());
    assert_eq!(began.elapsed(), Duration::ZERO);
}
