use super::*;

#[tokio::test(start_paused = true)]
async fn without_toxics_bytes_pass_both_ways_and_so_do_ends() {
    let proxy = echoing();
    let mut stream = proxy.connect().await.unwrap();
    let began = Instant::now();
    let all: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    let (mut read, mut write) = split(&mut stream);
    let sent = async {
        write.write_all(&all).await.unwrap();
        write.shutdown().await.unwrap();
    };
    let ((), (received, end)) = tokio::join!(sent, rest(&mut read));
    assert!(end.is_ok() && received == all);
    assert_eq!(began.elapsed(), Duration::ZERO);
    proxy.wait_for(|statistics| statistics.open == 0).await;
    let statistics = proxy.statistics();
    assert_eq!((statistics.accepted, statistics.swallowed), (1, 0));
    for direction in [Direction::ToServer, Direction::ToClient] {
        assert_eq!(statistics.bytes(direction), 300_000);
        assert_eq!(proxy.connection(1).unwrap().bytes(direction), 300_000);
    }
}

#[tokio::test(start_paused = true)]
async fn latency_delays_and_keeps_order_and_what_is_under_way_travels_together() {
    let proxy = echoing();
    proxy.set(Toxics::both(Flow::open().latency(ms(100))));
    let mut stream = proxy.connect().await.unwrap();
    let began = Instant::now();
    for piece in 0..10 {
        stream.write_all(&[piece]).await.unwrap();
        tokio::time::sleep(ms(1)).await;
    }
    let mut answer = [0; 10];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(began.elapsed(), ms(209), "and not ten times 200");
}

#[tokio::test(start_paused = true)]
async fn jitter_is_bounded_and_can_be_repeated() {
    let mut runs = Vec::new();
    for seed in [1, 1, 2] {
        let proxy = echoing();
        proxy.seed(seed);
        let flow = Flow::open().latency(ms(100)).jitter(ms(50));
        proxy.set(Toxics::none().to_client(flow));
        let mut stream = proxy.connect().await.unwrap();
        let mut times = Vec::new();
        for _ in 0..20 {
            let began = Instant::now();
            round(&mut stream, b"x").await.unwrap();
            times.push(began.elapsed());
        }
        // Timers have a resolution of 1 ms.
        assert!(times.iter().all(|time| (ms(100)..=ms(151)).contains(time)));
        assert!(times.iter().any(|time| *time != times[0]), "{times:?}");
        runs.push(times);
    }
    assert_eq!(runs[0], runs[1]);
    assert_ne!(runs[1], runs[2]);
}

#[tokio::test(start_paused = true)]
async fn a_latency_without_end_has_none() {
    let proxy = echoing();
    let flow = Flow::open().latency(Duration::MAX).jitter(ms(50));
    proxy.set(Toxics::none().to_server(flow));
    let mut stream = proxy.connect().await.unwrap();
    stream.write_all(b"late").await.unwrap();
    let read = timeout(Duration::from_secs(3600), stream.read_u8()).await;
    assert!(read.is_err(), "{read:?}");
}

#[tokio::test(start_paused = true)]
async fn bandwidth_is_limited() {
    let proxy = echoing();
    proxy.set(Toxics::none().to_client(Flow::open().bandwidth(1000)));
    let mut stream = proxy.connect().await.unwrap();
    let began = Instant::now();
    round(&mut stream, &[7; 2000]).await.unwrap();
    let took = began.elapsed();
    // The last portion of 50 ms is not waited for.
    assert!((ms(1940)..=ms(2060)).contains(&took), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn slices_arrive_one_at_a_time() {
    let proxy = echoing();
    proxy.set(Toxics::none().to_client(Flow::open().slices(3, ms(10))));
    let mut stream = proxy.connect().await.unwrap();
    stream.write_all(b"0123456789").await.unwrap();
    let mut lengths = Vec::new();
    let mut buffer = [0; 64];
    while lengths.iter().sum::<usize>() < 10 {
        lengths.push(stream.read(&mut buffer).await.unwrap());
    }
    assert_eq!(lengths, [3, 3, 3, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_cut_after_exactly_so_many_bytes() {
    for cut in [Cut::Fin, Cut::Reset] {
        for bytes in 0..=10_u64 {
            for direction in [Direction::ToServer, Direction::ToClient] {
                let what = format!("{cut:?} after {bytes} {direction:?}");
                let proxy = echoing();
                let flow = Flow::open().cut_after(bytes, cut);
                proxy.set(match direction {
                    Direction::ToServer => Toxics::none().to_server(flow),
                    Direction::ToClient => Toxics::none().to_client(flow),
                });
                let mut stream = proxy.connect().await.unwrap();
                // It may be cut already.
                let _ = stream.write_all(b"0123456789").await;
                let (received, end) = rest(&mut stream).await;
                match cut {
                    Cut::Fin => assert!(end.is_ok(), "{what}"),
                    Cut::Reset => {
                        let kind = end.unwrap_err().kind();
                        assert_eq!(kind, io::ErrorKind::ConnectionReset, "{what}");
                    }
                }
                let passed = proxy.connection(1).unwrap();
                assert_eq!(
                    (passed.bytes(direction), passed.open),
                    (bytes, false),
                    "{what}"
                );
                if direction == Direction::ToClient {
                    assert_eq!(received.len() as u64, bytes, "{what}");
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_cut_that_is_not_reached_is_none() {
    let proxy = echoing();
    let flow = Flow::open().cut_after(11, Cut::Reset);
    proxy.set(Toxics::both(flow));
    let mut stream = proxy.connect().await.unwrap();
    round(&mut stream, b"0123456789").await.unwrap();
    assert!(round(&mut stream, b"x").await.is_err());
}

#[tokio::test(start_paused = true)]
async fn what_is_held_arrives_when_it_is_released() {
    let proxy = echoing();
    let mut stream = proxy.connect().await.unwrap();
    round(&mut stream, b"before").await.unwrap();
    proxy.set(Toxics::none().to_client(Flow::open().hold()));
    let late = timeout(Duration::from_secs(60), round(&mut stream, b"late")).await;
    assert!(late.is_err());
    proxy.set(Toxics::none());
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"late");
    assert_eq!(proxy.statistics().swallowed, 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_held_is_bounded() {
    let proxy = echoing();
    proxy.set(Toxics::none().to_server(Flow::open().hold()));
    let mut stream = proxy.connect().await.unwrap();
    // The proxy's buffer, and that of the in-memory connection.
    let room = 2 * FAULT_PROXY_BUFFER_BYTES;
    for (bytes, fits) in [(room - 1, true), (1, true), (1, false)] {
        let sent = timeout(ms(100), stream.write_all(&vec![1; bytes])).await;
        assert_eq!(sent.is_ok(), fits, "{bytes} more of {room}");
    }
    proxy.set(Toxics::none());
    stream.shutdown().await.unwrap();
    assert_eq!(rest(&mut stream).await.0.len(), room);
}

#[tokio::test(start_paused = true)]
async fn one_direction_may_vanish_and_stays_so() {
    let proxy = echoing();
    let mut stream = proxy.connect().await.unwrap();
    round(&mut stream, b"before").await.unwrap();
    proxy.set(Toxics::none().to_client(Flow::open().vanish()));
    stream.write_all(b"swallowed").await.unwrap();
    proxy.wait_for(|statistics| statistics.swallowed == 9).await;
    assert_eq!(proxy.statistics().bytes(Direction::ToServer), 15);
    // TCP never leaves bytes out: what comes later does not arrive either.
    proxy.set(Toxics::none());
    stream.write_all(b"later").await.unwrap();
    stream.shutdown().await.unwrap();
    let end = timeout(Duration::from_secs(3600), rest(&mut stream)).await;
    assert!(end.is_err(), "neither bytes nor the end");
    // Others are not concerned.
    let mut other = proxy.connect().await.unwrap();
    round(&mut other, b"new").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_black_hole_swallows_what_is_on_the_way() {
    let proxy = echoing();
    proxy.set(Toxics::both(Flow::open().latency(ms(100))));
    let mut stream = proxy.connect().await.unwrap();
    stream.write_all(b"gone").await.unwrap();
    tokio::time::sleep(ms(50)).await;
    proxy.set(Toxics::black_hole());
    let silent = timeout(Duration::from_secs(3600), stream.read_u8()).await;
    assert!(silent.is_err());
    let statistics = proxy.statistics();
    assert_eq!((statistics.swallowed, statistics.open), (4, 1));
    assert_eq!(statistics.bytes(Direction::ToServer), 0);
}

#[tokio::test(start_paused = true)]
async fn an_end_may_be_slow() {
    let proxy = echoing();
    proxy.set(Toxics::none().to_client(Flow::open().slow_close(ms(700))));
    let mut stream = proxy.connect().await.unwrap();
    let began = Instant::now();
    round(&mut stream, b"quick").await.unwrap();
    stream.shutdown().await.unwrap();
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert!(rest(&mut stream).await.1.is_ok());
    assert_eq!(began.elapsed(), ms(700));
}

#[tokio::test(start_paused = true)]
async fn connections_have_numbers_and_plans() {
    let proxy = echoing();
    let cut = |bytes| Toxics::none().to_server(Flow::open().cut_after(bytes, Cut::Reset));
    proxy.set_for(2, cut(3));
    let mut streams = Vec::new();
    for _ in 0..3 {
        streams.push(proxy.connect().await.unwrap());
    }
    for (stream, fails) in streams.iter_mut().zip([false, true, false]) {
        assert_eq!(round(stream, b"four").await.is_err(), fails);
    }
    // A plan may come later, and stays when all others change.
    proxy.set_for(3, cut(6));
    proxy.set(Toxics::none());
    assert!(round(&mut streams[2], b"x").await.is_ok(), "just under");
    assert!(round(&mut streams[2], b"x").await.is_err());
    assert!(round(&mut streams[0], b"four").await.is_ok());

    proxy.cut_one(1, Cut::Reset);
    assert!(round(&mut streams[0], b"four").await.is_err());
    let mut last = proxy.connect().await.unwrap();
    proxy.cut(Cut::Fin);
    assert!(rest(&mut last).await.1.is_ok());
    proxy.wait_for(|statistics| statistics.open == 0).await;
    assert_eq!(proxy.statistics().accepted, 4);
    assert!(proxy.connection(5).is_none());
}

#[tokio::test(start_paused = true)]
async fn clients_may_be_refused_or_not_answered() {
    let proxy = echoing();
    let mut open = proxy.connect().await.unwrap();
    proxy.accept(Accepting::Refuse).await.unwrap();
    let refused = proxy.connect().await.unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    proxy.accept(Accepting::Ignore).await.unwrap();
    assert!(
        timeout(Duration::from_secs(3600), proxy.connect())
            .await
            .is_err()
    );
    round(&mut open, b"still open").await.unwrap();
    proxy.accept(Accepting::Forward).await.unwrap();
    round(&mut proxy.connect().await.unwrap(), b"again")
        .await
        .unwrap();
    assert_eq!(proxy.statistics().accepted, 2);
}

#[tokio::test(start_paused = true)]
async fn closing_ends_everything() {
    for dropped in [false, true] {
        let (alive, mut served) = tokio::sync::mpsc::channel::<()>(1);
        let proxy = FaultProxy::in_memory(move |connection: FaultStream| {
            let alive = alive.clone();
            async move {
                echo(connection).await;
                drop(alive);
            }
        });
        let mut stream = proxy.connect().await.unwrap();
        round(&mut stream, b"x").await.unwrap();
        if dropped {
            drop(proxy);
        } else {
            proxy.close().await;
        }
        assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
        assert!(served.recv().await.is_none(), "the server is gone too");
    }
}
