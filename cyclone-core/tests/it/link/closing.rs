use super::*;

#[tokio::test(start_paused = true)]
async fn closing_lets_the_session_say_goodbye() {
    let fake = Fake::new();
    let (mut link, sessions) = link(&fake, exact());
    link.wait_up(LONG).await.unwrap();
    settle().await;
    link.close().await;
    assert_eq!((sessions.goodbyes.load(SeqCst), fake.open()), (1, 0));
    assert!(link.state().is_closed());
    assert!(link.changed().await.is_closed());
    assert!(link.changed().await.is_closed(), "for ever");
    assert!(matches!(link.wait_up(LONG).await, Err(LinkError::Closed)));
    assert_eq!(link.health().current(), Health::Down("closed".into()));

    link.close().await;
    sleep(ms(10_000)).await;
    assert_eq!(fake.attempts(), 1, "it stays closed");
}

#[tokio::test(start_paused = true)]
async fn a_session_that_does_not_end_is_dropped_at_the_limit() {
    for (needs, took) in [(999, 999), (1001, 1000)] {
        let fake = Fake::new();
        let link = Link::builder(fake.clone()).close_timeout(ms(1000)).spawn(
            move |connection, context| async move {
                context.closing().await;
                assert!(context.is_closing());
                sleep(ms(needs)).await;
                drop(connection);
                Ok(())
            },
        );
        link.wait_up(LONG).await.unwrap();
        let began = Instant::now();
        link.close().await;
        assert_eq!(began.elapsed(), ms(took), "a session that needs {needs} ms");
        assert_eq!(fake.open(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_that_panics_while_closing_closes() {
    let fake = Fake::new();
    let link = Link::spawn(fake.clone(), exact(), |_connection, context| async move {
        context.closing().await;
        panic!("too late");
    });
    link.wait_up(LONG).await.unwrap();
    link.close().await;
    assert!(link.state().is_closed());
    assert_eq!(fake.open(), 0);
}

#[tokio::test(start_paused = true)]
async fn closing_interrupts_an_attempt_and_a_delay() {
    let fake = Fake::new();
    fake.on_connect(Does::Hang);
    let (connecting, _sessions) = link(&fake, exact());
    settle().await;
    let down = Fake::down();
    let (waiting, _more) = link(&down, exact().base(LONG).max(LONG));
    settle().await;

    let began = Instant::now();
    connecting.close().await;
    waiting.close().await;
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert_eq!((fake.attempts(), down.attempts()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn the_last_handle_closes_the_link() {
    let fake = Fake::new();
    let (link, sessions) = link(&fake, exact());
    link.wait_up(LONG).await.unwrap();
    let other = link.clone();
    let mut health = link.health();
    settle().await;
    drop(link);
    settle().await;
    assert_eq!(fake.open(), 1, "there is another handle");
    drop(other);
    while health.changed().await.is_some() {}
    assert_eq!(health.current(), Health::Down("closed".into()));
    assert_eq!((sessions.goodbyes.load(SeqCst), fake.open()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn dropping_the_close_future_still_closes() {
    let fake = Fake::new();
    let (link, _sessions) = link(&fake, exact());
    link.wait_up(LONG).await.unwrap();
    drop(link.close());
    settle().await;
    assert!(link.state().is_closed());
}

#[tokio::test(start_paused = true)]
async fn closing_ends_those_who_wait() {
    let (link, _sessions) = link(&Fake::down(), exact());
    let waiting = tokio::spawn({
        let link = link.clone();
        async move { link.wait_up(LONG).await }
    });
    settle().await;
    link.close().await;
    assert!(matches!(waiting.await.unwrap(), Err(LinkError::Closed)));
}

#[test]
fn a_link_whose_runtime_ended_is_closed() {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let fake = Fake::new();
    let first = runtime();
    let (link, _sessions) = first.block_on(async { link(&fake, exact()) });
    first.block_on(link.wait_up(LONG)).unwrap();
    drop(first);
    assert_eq!(fake.open(), 0);
    runtime().block_on(async {
        assert!(link.state().is_closed());
        assert!(matches!(link.wait_up(LONG).await, Err(LinkError::Closed)));
        link.close().await;
    });
}
