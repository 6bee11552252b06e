#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cyclone_core::{
    Context, EventLoopDelay, LoopingCall, Resources, SHORTEST_INTERVAL, Server, Service,
    ServiceContext, ServiceError,
};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

const SECOND: Duration = Duration::from_secs(1);

/// Runs `service` for a time of the paused clock.
async fn run_for(service: &impl Service, time: Duration) -> Result<(), ServiceError> {
    let stopping = CancellationToken::new();
    let cx = ServiceContext::new(Resources::default(), stopping.clone());
    let (ended, ()) = tokio::join!(service.run(&cx), async {
        sleep(time).await;
        stopping.cancel();
    });
    ended
}

/// The seconds at which calls began and the ticks that each was told to have been skipped; the call with
/// number `n` takes `takes[n]` milliseconds, further calls none.
async fn calls(now: bool, takes: &'static [u64], seconds: u64) -> Vec<(f64, u64)> {
    let begun = Instant::now();
    let (sender, mut calls) = mpsc::unbounded_channel();
    let count = Arc::new(AtomicU64::new(0));
    let mut looping = LoopingCall::new("test", SECOND, move |tick| {
        sender
            .send((begun.elapsed().as_secs_f64(), tick.skipped))
            .unwrap();
        let number = usize::try_from(count.fetch_add(1, Ordering::SeqCst)).unwrap();
        async move {
            if let Some(&millis) = takes.get(number) {
                sleep(Duration::from_millis(millis)).await;
            }
            Ok(())
        }
    });
    if now {
        looping = looping.now();
    }
    let end = Duration::from_millis(seconds * 1000 + 500);
    run_for(&looping, end).await.unwrap();
    drop(looping);
    let mut all = Vec::new();
    while let Some(call) = calls.recv().await {
        all.push(call);
    }
    all
}

#[tokio::test(start_paused = true)]
async fn calls_stay_on_the_grid() {
    assert_eq!(calls(false, &[], 3).await, [(1.0, 0), (2.0, 0), (3.0, 0)]);
    assert_eq!(
        calls(true, &[], 3).await,
        [(0.0, 0), (1.0, 0), (2.0, 0), (3.0, 0)]
    );
    // A call that takes less than the interval moves nothing.
    assert_eq!(
        calls(true, &[999, 700, 1], 3).await,
        [(0.0, 0), (1.0, 0), (2.0, 0), (3.0, 0)]
    );
}

#[tokio::test(start_paused = true)]
async fn ticks_that_passed_are_skipped_never_made_up_for() {
    // From 1 to 3.5: the ticks at 2 and 3 are gone.
    assert_eq!(
        calls(false, &[2500], 6).await,
        [(1.0, 0), (4.0, 2), (5.0, 0), (6.0, 0)]
    );
    // As in Twisted, a tick that falls on the very end of a call is gone as well.
    assert_eq!(
        calls(false, &[1000], 4).await,
        [(1.0, 0), (3.0, 1), (4.0, 0)]
    );
    assert_eq!(
        calls(false, &[1001], 4).await,
        [(1.0, 0), (3.0, 1), (4.0, 0)]
    );
    assert_eq!(
        calls(false, &[999], 3).await,
        [(1.0, 0), (2.0, 0), (3.0, 0)]
    );
    // A day in the debugger.
    assert_eq!(
        calls(true, &[86_400_250], 86_402).await,
        [(0.0, 0), (86_401.0, 86_400), (86_402.0, 0)]
    );
}

#[tokio::test(start_paused = true)]
async fn extreme_intervals_are_brought_to_reason() {
    let count = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&count);
    let often = LoopingCall::new("often", Duration::ZERO, move |_tick| {
        counter.fetch_add(1, Ordering::SeqCst);
        async { Ok(()) }
    });
    run_for(&often, SHORTEST_INTERVAL * 100).await.unwrap();
    assert!((98..=101).contains(&count.load(Ordering::SeqCst)));
    let never = LoopingCall::new("never", Duration::MAX, |_tick| async {
        Err("called".into())
    });
    run_for(&never, SECOND * 86_400).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_error_or_a_panic_starts_the_calls_anew_after_a_pause() {
    for panics in [false, true] {
        let (sender, mut calls) = mpsc::unbounded_channel();
        let looping = LoopingCall::new("failing", SECOND, move |tick| {
            assert!(tick.context.resources().get::<u32>().is_ok());
            sender.send((Instant::now(), tick.skipped)).unwrap();
            async move {
                assert!(!panics, "on purpose");
                Err("no luck".into())
            }
        });
        let server = Server::new()
            .resource(7_u32)
            .service(looping)
            .start()
            .await
            .unwrap();
        let (mut last, _) = calls.recv().await.unwrap();
        for ceiling in [50, 100, 200] {
            let (next, skipped) = calls.recv().await.unwrap();
            assert_eq!(skipped, 0);
            let pause = next - last;
            assert!(pause >= SECOND + Duration::from_millis(ceiling / 2));
            assert!(pause <= SECOND + Duration::from_millis(ceiling + 1));
            last = next;
        }
        server.shutdown();
        assert!(server.wait().await.is_clean());
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_under_way_is_finished_at_the_stop() {
    let finished = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&finished);
    let looping = LoopingCall::new("slow", SECOND, move |tick| {
        let counter = Arc::clone(&counter);
        async move {
            tick.context.stopping().await;
            sleep(SECOND).await;
            counter.fetch_add(1, Ordering::SeqCst);
            Ok(())
        }
    });
    let server = Server::new().service(looping.now()).start().await.unwrap();
    sleep(SECOND / 2).await;
    server.shutdown();
    let report = server.wait().await;
    assert!(report.is_clean());
    assert_eq!(report.elapsed, SECOND);
    assert_eq!(finished.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn the_delay_of_the_event_loop_is_measured() {
    let delay = EventLoopDelay::new(Duration::from_millis(100));
    assert_eq!(
        (delay.worst(), delay.mean()),
        (Duration::ZERO, Duration::ZERO)
    );
    let work = async {
        sleep(Duration::from_millis(250)).await;
        // What a handler that blocks does to the clock: it goes on while nothing runs.
        tokio::time::advance(Duration::from_millis(750)).await;
        sleep(Duration::from_millis(50)).await;
    };
    let (ended, ()) = tokio::join!(run_for(&delay, Duration::from_millis(1050)), work);
    ended.unwrap();
    // Measurements at 100, 200 and, instead of 300, at 1000 milliseconds.
    assert_eq!(delay.worst(), Duration::from_millis(700));
    assert_eq!(
        delay.mean(),
        Duration::from_micros(233_333) + Duration::from_nanos(333)
    );

    // Only the last hundred count.
    run_for(&delay, Duration::from_millis(98 * 100 + 50))
        .await
        .unwrap();
    assert_eq!(delay.worst(), Duration::from_millis(700));
    run_for(&delay, Duration::from_millis(150)).await.unwrap();
    assert_eq!(delay.worst(), Duration::from_millis(700));
    run_for(&delay, Duration::from_millis(150)).await.unwrap();
    assert_eq!(delay.worst(), Duration::ZERO);
    assert_eq!(delay.mean(), Duration::ZERO);
}

#[tokio::test]
async fn the_delay_is_a_service_and_a_resource() {
    let delay = EventLoopDelay::new(Duration::ZERO);
    let server = Server::new()
        .service(delay.clone())
        .resource(delay)
        .start()
        .await
        .unwrap();
    assert!(server.resources().get::<EventLoopDelay>().is_ok());
    assert_eq!(server.handle().services()[0].name, "event-loop-delay");
    drop(server);
}
