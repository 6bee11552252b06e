//! Faults that last: few attempts while they do, and back soon after.
//!
//! All of it is in memory and in paused time, so what is measured is exact. A *period* is the time from one attempt
//! to the next: as long as the attempt takes to fail, and the delay after it. Back means an acknowledged operation.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use cyclone_core::{DEFAULT_CONNECT_TIMEOUT, DEFAULT_OPERATION_TIMEOUT, testing::Accepting};
use futures_util::future::join_all;
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};

use super::*;

/// What is wrong with the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// It refuses connections and those that were open are reset.
    Refuses,
    /// It does not answer to SYN, and open connections are half open.
    Unreachable,
    /// It accepts connections, which swallow everything.
    BlackHole,
    /// It accepts connections and resets them.
    Resets,
    /// It greets and then does and answers nothing.
    Mute,
}

const FAULTS: [Fault; 5] = [
    Fault::Refuses,
    Fault::Unreachable,
    Fault::BlackHole,
    Fault::Resets,
    Fault::Mute,
];

impl Fault {
    async fn begin(self, proxy: &FaultProxy, journal: &Journal) {
        match self {
            Self::Refuses => {
                proxy.accept(Accepting::Refuse).await.unwrap();
                proxy.cut(Cut::Reset);
            }
            Self::Unreachable => {
                proxy.accept(Accepting::Ignore).await.unwrap();
                proxy.set(Toxics::black_hole());
            }
            Self::BlackHole => proxy.set(Toxics::black_hole()),
            Self::Resets => proxy.set(Toxics::both(Flow::open().cut_after(0, Cut::Reset))),
            Self::Mute => journal.mute(true),
        }
    }

    async fn end(self, proxy: &FaultProxy, journal: &Journal) {
        match self {
            Self::Mute => journal.mute(false),
            Self::Refuses | Self::Unreachable | Self::BlackHole | Self::Resets => {
                proxy.set(Toxics::none());
                proxy.accept(Accepting::Forward).await.unwrap();
            }
        }
    }

    /// How long it lasts in the tests. Of some of them nobody knows before the first operation has waited in vain
    /// for its answer, 10 s.
    fn durations(self) -> &'static [u64] {
        match self {
            Self::Refuses | Self::Resets => &[60, 120, 300, 700, 2_500, 7_000, 30_000],
            Self::Unreachable | Self::BlackHole => &[10_500, 15_500, 21_000, 47_000],
            Self::Mute => &[10_500, 21_000, 47_000, 70_000],
        }
    }

    /// How long an attempt takes to fail.
    fn fails_after(self) -> Duration {
        match self {
            Self::Refuses | Self::Resets => Duration::ZERO,
            Self::Unreachable | Self::BlackHole => DEFAULT_CONNECT_TIMEOUT,
            // What fails is an operation.
            Self::Mute => DEFAULT_OPERATION_TIMEOUT,
        }
    }

    /// From one attempt to the next, after so many attempts that failed or are about to.
    fn period(self, kind: Kind, client: &Client, attempts: usize) -> Duration {
        let failures = match (self, kind) {
            // The breaker's, whose probe may be under way.
            (Self::Mute, _) => client.breaker().openings() + 1,
            (_, Kind::Pool) => attempts as u64,
            // That the link was lost is a failure as well.
            (_, Kind::Link | Kind::Pipeline) => attempts as u64 + 1,
        };
        let delay = policy().delay(u32::try_from(failures).unwrap(), 1.0);
        self.fails_after() + delay
    }
}

/// 50 ms, doubled up to 5 s.
fn policy() -> BackoffPolicy {
    Options::default().backoff
}

/// Callers that hardly rest, until they are told to.
struct Siege {
    books: Arc<Books>,
    over: Arc<AtomicBool>,
    callers: Vec<JoinHandle<()>>,
}

impl Siege {
    const CALLERS: usize = 8;

    fn begin(client: &Client, journal: &Journal) -> Self {
        let (books, over) = (Arc::<Books>::default(), Arc::<AtomicBool>::default());
        let callers = (0..Self::CALLERS)
            .map(|caller| {
                let (client, journal) = (client.clone(), journal.clone());
                let (books, over) = (Arc::clone(&books), Arc::clone(&over));
                tokio::spawn(async move {
                    let mut numbers = (caller as u64..).step_by(Self::CALLERS);
                    while !over.load(SeqCst) {
                        let number = numbers.next().unwrap();
                        client.append_and_enter(number, &journal, &books).await;
                        sleep(RETRY).await;
                    }
                })
            })
            .collect();
        Self {
            books,
            over,
            callers,
        }
    }

    async fn end(self) -> Arc<Books> {
        self.over.store(true, SeqCst);
        join_all(self.callers).await;
        self.books
    }
}

/// Waits for one more acknowledged operation; returns how long that took.
async fn back(books: &Books) -> Duration {
    let (before, began) = (books.count_acknowledged(), Instant::now());
    while books.count_acknowledged() == before {
        sleep(ms(1)).await;
    }
    began.elapsed()
}

async fn no_storm_and_back_soon(kind: Kind, fault: Fault, lasts: u64) {
    let what = format!("{kind:?}, {fault:?} for {lasts} ms");
    let (journal, proxy, connector) = in_memory();
    let options = Options {
        connections: 4,
        ..Options::default()
    };
    let client = Client::new(kind, &connector, options);
    let siege = Siege::begin(&client, &journal);
    sleep(ms(1000)).await;
    assert!(siege.books.count_acknowledged() > 50, "{what}");

    let at_first = connector.attempts().len();
    fault.begin(&proxy, &journal).await;
    sleep(ms(lasts)).await;
    let attempts = connector.attempts().len() - at_first;
    let period = fault.period(kind, &client, attempts);
    fault.end(&proxy, &journal).await;
    let took = back(&siege.books).await;
    let at_most = period * 3 / 2 + RETRY;
    assert!(
        took <= at_most,
        "{what}: back after {took:?}, a period is {period:?}"
    );

    connector.assert_no_storm();
    // Seven attempts until the delay is at its longest, and all connections anew; or those of the probes.
    let expected = 7 + 2 * options.connections + usize::try_from(lasts / 2000).unwrap();
    assert!(attempts <= expected, "{what}: {attempts} attempts");
    let books = siege.end().await;
    client.close().await;
    books.reconcile(&journal, &connector, &what);
}

#[tokio::test(start_paused = true)]
async fn there_is_no_storm_and_it_is_back_within_one_and_a_half_periods() {
    for kind in [Kind::Pool, Kind::Link] {
        for fault in FAULTS {
            for lasts in fault.durations() {
                no_storm_and_back_soon(kind, fault, *lasts).await;
            }
        }
    }
}

/// The network stands still and then delivers everything: nothing is lost, and nothing has to be made anew.
#[tokio::test(start_paused = true)]
async fn a_pause_of_the_network_costs_nothing() {
    for kind in KINDS {
        let (journal, proxy, connector) = in_memory();
        let client = Client::new(kind, &connector, Options::default());
        let siege = Siege::begin(&client, &journal);
        sleep(ms(1000)).await;
        proxy.set(Toxics::both(Flow::open().hold()));
        sleep(ms(900)).await;
        proxy.set(Toxics::none());
        assert!(back(&siege.books).await <= RETRY, "{kind:?}");
        let books = siege.end().await;
        assert_eq!((books.count_unknown(), connector.attempts().len()), (0, 1));
        client.close().await;
        books.reconcile(&journal, &connector, &format!("{kind:?}"));
    }
}

/// A network that is slow, and loses a connection now and then.
#[tokio::test(start_paused = true)]
async fn a_bad_network_doubles_and_loses_nothing() {
    for kind in KINDS {
        for seed in 0..5 {
            let (journal, proxy, connector) = in_memory();
            proxy.seed(seed);
            let flow = Flow::open().latency(ms(5)).jitter(ms(40)).slices(3, ms(1));
            proxy.set(Toxics::both(flow.clone()));
            let mut random = fastrand::Rng::with_seed(seed);
            for number in 1..200 {
                let cut = if random.bool() { Cut::Fin } else { Cut::Reset };
                let worse = flow.clone().cut_after(random.u64(5..200), cut);
                proxy.set_for(
                    number,
                    if random.bool() {
                        Toxics::both(flow.clone()).to_server(worse)
                    } else {
                        Toxics::both(flow.clone()).to_client(worse)
                    },
                );
            }
            let options = Options {
                connections: 4,
                ..Options::default()
            };
            let client = Client::new(kind, &connector, options);
            let siege = Siege::begin(&client, &journal);
            sleep(Duration::from_secs(30)).await;
            let books = siege.end().await;
            let what = format!("{kind:?}, seed {seed}");
            assert!(
                books.count_unknown() > 3 && books.count_acknowledged() > 30,
                "{what}"
            );
            connector.assert_no_storm();
            client.close().await;
            books.reconcile(&journal, &connector, &what);
        }
    }
}
