use super::*;

#[tokio::test(start_paused = true)]
async fn it_comes_up_and_runs_the_session() {
    let fake = Fake::new();
    let (link, sessions) = link(&fake, exact());
    assert!(matches!(link.state(), LinkState::Connecting { attempt: 1 }));
    assert_eq!(link.health().current(), Health::Starting);

    assert_eq!(link.wait_up(LONG).await.unwrap(), 1);
    settle().await;
    assert_eq!(sessions.started(), [1]);
    assert_eq!(link.health().current(), Health::Up);
    assert_eq!((link.name(), link.connector().open()), ("fake", 1));
    let LinkState::Up { since, generation } = link.state() else {
        panic!("{link:?}");
    };
    assert_eq!((since, generation), (Instant::now(), 1));
}

#[tokio::test(start_paused = true)]
async fn however_a_session_ends_there_is_a_new_one() {
    for (ends, kind, text) in [
        (Ends::Well, ConnectionErrorKind::Ended, "the session ended"),
        (
            Ends::WithError,
            ConnectionErrorKind::Failed,
            "connection reset",
        ),
        (
            Ends::WithPanic,
            ConnectionErrorKind::Panicked,
            "the driver panicked: the session panics",
        ),
    ] {
        let fake = Fake::new();
        let (link, sessions) = link(&fake, exact());
        link.wait_up(LONG).await.unwrap();
        sessions.end(ends);
        settle().await;

        let LinkState::Down { error, retry_at } = link.state() else {
            panic!("{link:?}");
        };
        assert_eq!((error.kind(), error.to_string().as_str()), (kind, text));
        assert_eq!(retry_at, Instant::now() + ms(50));
        assert_eq!(link.health().current(), Health::Down(text.to_owned()));
        assert_eq!(fake.open(), 0, "its connection is gone");

        assert_eq!(link.wait_up(LONG).await.unwrap(), 2, "the gap can be seen");
        settle().await;
        assert_eq!(sessions.started(), [1, 2]);
        assert!(link.health().current().is_up());
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_that_panics_before_its_first_await_is_caught_too() {
    let fake = Fake::new();
    let calls = Arc::new(AtomicUsize::new(0));
    let link = Link::spawn(fake.clone(), exact(), {
        let calls = Arc::clone(&calls);
        move |_connection, context: LinkContext| {
            if calls.fetch_add(1, SeqCst) == 0 {
                panic!("in the function itself");
            }
            async move {
                context.closing().await;
                Ok(())
            }
        }
    });
    sleep(ms(100)).await;
    assert_eq!(link.wait_up(LONG).await.unwrap(), 2);
    assert_eq!(calls.load(SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn delays_grow_while_it_cannot_connect() {
    let fake = Fake::down();
    let (link, _sessions) = link(&fake, exact());
    sleep(ms(20_000)).await;
    let times: Vec<_> = fake
        .attempt_times()
        .iter()
        .map(Duration::as_millis)
        .collect();
    assert_eq!(
        times,
        [0, 50, 150, 350, 750, 1550, 3150, 6350, 11350, 16350]
    );
    assert_eq!(link.health().current(), Health::Down("refused".into()));

    fake.on_connect(Does::Answer);
    assert_eq!(link.wait_up(LONG).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_number_of_the_attempt_is_shown() {
    let fake = Fake::new();
    // Attempts that take their time: a state that ends at once is not shown.
    fake.on_connect(Does::Hang);
    let (mut link, _sessions) = link(&fake, exact());
    let mut seen = Vec::new();
    while seen.len() < 3 {
        if let LinkState::Connecting { attempt } = link.changed().await {
            seen.push(attempt);
        }
    }
    assert_eq!(seen, [1, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn being_up_for_a_moment_does_not_shorten_the_delay() {
    for (up_for, next_delay) in [(999, 200), (1000, 50), (1001, 50)] {
        let fake = Fake::new();
        let (link, sessions) = link(&fake, exact().reset_after(ms(1000)));
        for delay in [50, 100] {
            link.wait_up(LONG).await.unwrap();
            sessions.end(Ends::Well);
            settle().await;
            sleep(ms(delay)).await;
            settle().await;
        }
        link.wait_up(LONG).await.unwrap();
        sleep(ms(up_for)).await;
        sessions.end(Ends::Well);
        settle().await;
        let LinkState::Down { retry_at, .. } = link.state() else {
            panic!("{link:?}");
        };
        assert_eq!(
            retry_at - Instant::now(),
            ms(next_delay),
            "up for {up_for} ms"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn twenty_attempts_a_second_at_most() {
    for fake in [Fake::new(), Fake::down()] {
        let policy = BackoffPolicy::default().base(Duration::ZERO);
        let link = Link::spawn(fake.clone(), policy, |_, _| async { Ok(()) });
        sleep(ms(10_000)).await;
        fake.assert_attempts_limited();
        assert!(
            fake.attempts() >= 200,
            "the limit is used: {}",
            fake.attempts()
        );
        link.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_hanging_server_hits_the_connect_limit() {
    let fake = Fake::new();
    fake.on_connect(Does::Hang);
    let mut link = Link::builder(fake.clone())
        .connect_timeout(ms(300))
        .name("hung")
        .spawn(|_, _| async { Ok(()) });
    let began = Instant::now();
    loop {
        if let LinkState::Down { error, .. } = link.changed().await {
            assert_eq!(error.kind(), ConnectionErrorKind::TimedOut);
            break;
        }
    }
    assert_eq!(began.elapsed(), ms(300));
    assert_eq!(link.name(), "hung");
}

#[tokio::test(start_paused = true)]
async fn a_driver_that_panics_while_connecting_is_caught() {
    let fake = Fake::new();
    fake.on_connect(Does::Panic);
    let (link, _sessions) = link(&fake, exact());
    settle().await;
    let LinkState::Down { error, .. } = link.state() else {
        panic!("{link:?}");
    };
    assert_eq!(error.kind(), ConnectionErrorKind::Panicked);
    fake.on_connect(Does::Answer);
    assert_eq!(link.wait_up(LONG).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn waiting_for_up_has_a_limit_and_says_why() {
    let fake = Fake::down();
    let (link, _sessions) = link(&fake, exact());
    let began = Instant::now();
    let error = link.wait_up(ms(120)).await.unwrap_err();
    assert_eq!(began.elapsed(), ms(120));
    assert_eq!(
        error.to_string(),
        "the link did not come up within 120ms: refused"
    );
    assert!(matches!(error, LinkError::Timeout { .. }));

    // The attempts are at 0, 50 and 150 ms.
    fake.on_connect(Does::Answer);
    let error = link.wait_up(ms(29)).await.unwrap_err();
    assert!(matches!(error, LinkError::Timeout { .. }), "just under");
    assert_eq!(link.wait_up(ms(2)).await.unwrap(), 1, "just over");
}

#[tokio::test(start_paused = true)]
async fn each_handle_sees_every_change_once() {
    let fake = Fake::new();
    let (mut link, sessions) = link(&fake, exact());
    let mut other = link.clone();
    assert!(link.changed().await.is_up());
    sessions.end(Ends::Well);
    settle().await;
    assert!(matches!(link.changed().await, LinkState::Down { .. }));
    assert!(
        matches!(other.changed().await, LinkState::Down { .. }),
        "only the newest"
    );
    for handle in [&mut link, &mut other] {
        assert!(handle.changed().await.is_up());
    }
}
