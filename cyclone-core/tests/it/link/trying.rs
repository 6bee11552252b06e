//! A link that stops connecting, by itself or because it is told to.

use super::*;

#[tokio::test(start_paused = true)]
async fn it_gives_up_after_so_many_attempts() {
    for attempts in [1, 2, 5] {
        let fake = Fake::down();
        let link = Link::builder(fake.clone())
            .backoff(exact())
            .max_attempts(attempts)
            .spawn(|_, _| async { Ok(()) });
        let error = link.wait_up(LONG).await.unwrap_err();
        assert_eq!(error.to_string(), "the link stopped connecting: refused");
        assert_eq!(fake.attempts(), attempts as usize);
        sleep(LONG).await;
        assert_eq!(fake.attempts(), attempts as usize, "it stays so");
        assert!(matches!(
            link.state(),
            LinkState::Stopped { error: Some(_) }
        ));
        assert_eq!(
            link.health().current(),
            Health::Down("stopped: refused".into())
        );
    }
}

#[tokio::test(start_paused = true)]
async fn being_up_gives_all_attempts_back() {
    let fake = Fake::new();
    let (ends, told) = mpsc::unbounded_channel::<()>();
    let told = Arc::new(tokio::sync::Mutex::new(told));
    let link = Link::builder(fake.clone())
        .backoff(exact())
        .max_attempts(2)
        .spawn(move |_, _| {
            let told = Arc::clone(&told);
            async move {
                told.lock().await.recv().await;
                Ok(())
            }
        });
    for generation in 1..5 {
        assert_eq!(link.wait_up(LONG).await.unwrap(), generation);
        // It is lost, one attempt fails, and the next is a success.
        fake.on_connect(Does::Refuse);
        ends.send(()).unwrap();
        while link.statistics().failed < generation {
            sleep(ms(1)).await;
        }
        fake.on_connect(Does::Answer);
    }
}

#[tokio::test(start_paused = true)]
async fn continuing_starts_over_at_once() {
    let fake = Fake::down();
    let link = Link::builder(fake.clone())
        .backoff(exact())
        .max_attempts(4)
        .spawn(|_, context| async move {
            context.closing().await;
            Ok(())
        });
    for round in 0..3 {
        sleep(LONG).await;
        assert_eq!(fake.attempts(), 4 * (round + 1));
        link.continue_trying();
        settle().await;
        assert_eq!(fake.attempts(), 4 * (round + 1) + 1, "at once");
        sleep(ms(50)).await;
        settle().await;
        assert_eq!(fake.attempts(), 4 * (round + 1) + 2, "with the first delay");
    }
    sleep(LONG).await;
    fake.on_connect(Does::Answer);
    link.continue_trying();
    assert_eq!(link.wait_up(LONG).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn continuing_cuts_a_delay_short_and_nothing_else() {
    let fake = Fake::new();
    let (link, sessions) = link(&fake, exact().base(LONG).max(LONG));
    link.wait_up(LONG).await.unwrap();
    // While it is up there is nothing to cut short, also not later.
    link.continue_trying();
    settle().await;
    sessions.end(Ends::Well);
    sleep(ms(1000)).await;
    assert_eq!(fake.attempts(), 1);
    link.continue_trying();
    settle().await;
    assert_eq!((fake.attempts(), link.state().is_up()), (2, true));
}

#[tokio::test(start_paused = true)]
async fn told_to_stop_while_up_it_keeps_its_session() {
    let fake = Fake::new();
    let (link, sessions) = link(&fake, exact());
    link.wait_up(LONG).await.unwrap();
    link.stop_trying();
    sleep(ms(1000)).await;
    assert!(link.state().is_up());
    sessions.end(Ends::WithError);
    sleep(LONG).await;
    assert_eq!(fake.attempts(), 1);
    assert!(matches!(
        link.state(),
        LinkState::Stopped { error: Some(_) }
    ));
    assert!(matches!(
        link.wait_up(LONG).await,
        Err(LinkError::Stopped(Some(_)))
    ));
    link.continue_trying();
    assert_eq!(link.wait_up(LONG).await.unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn told_to_stop_it_ends_an_attempt_and_a_delay() {
    let hung = Fake::new();
    hung.on_connect(Does::Hang);
    let down = Fake::down();
    for (fake, error) in [(hung, false), (down, true)] {
        let (link, _sessions) = link(&fake, exact().base(LONG).max(LONG));
        settle().await;
        let began = Instant::now();
        link.stop_trying();
        settle().await;
        let LinkState::Stopped { error: why } = link.state() else {
            panic!("{link:?}");
        };
        assert_eq!(why.is_some(), error);
        fake.on_connect(Does::Answer);
        link.continue_trying();
        assert_eq!(link.wait_up(LONG).await.unwrap(), 1);
        assert_eq!(began.elapsed(), Duration::ZERO);
    }
}

#[tokio::test(start_paused = true)]
async fn stopping_and_continuing_in_one_breath_is_continuing() {
    let fake = Fake::new();
    fake.on_connect(Does::Hang);
    let (link, _sessions) = link(&fake, exact());
    settle().await;
    for _ in 0..3 {
        link.stop_trying();
        link.continue_trying();
        settle().await;
    }
    fake.on_connect(Does::Answer);
    link.stop_trying();
    settle().await;
    link.continue_trying();
    assert_eq!(link.wait_up(LONG).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_stopped_link_closes() {
    let fake = Fake::down();
    let link = Link::builder(fake.clone())
        .max_attempts(1)
        .spawn(|_, _| async { Ok(()) });
    link.wait_up(LONG).await.unwrap_err();
    let mut states = link.on_state();
    let other = link.clone();
    link.close().await;
    assert!(link.state().is_closed());
    drop((link, other));
    assert!(
        states
            .changed()
            .await
            .is_some_and(|state| state.is_closed())
    );
    assert!(states.changed().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_watch_keeps_no_link_open() {
    let fake = Fake::new();
    let (link, _sessions) = link(&fake, exact());
    link.wait_up(LONG).await.unwrap();
    let mut states = link.on_state();
    drop(link);
    assert!(states.wait_for(LinkState::is_closed).await.is_some());
    assert_eq!(fake.open(), 0);
}
