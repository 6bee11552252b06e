//! Answers that come after their callers have gone, and peers that vanish.

use futures_util::{FutureExt, future::join_all};

use super::*;

fn held() -> Toxics {
    Toxics::none().to_client(Flow::open().hold())
}

/// Appends numbers one after the other, all of which must be acknowledged.
async fn append_all(client: &Client, numbers: std::ops::Range<u64>, books: &Books) {
    for number in numbers {
        client.append(number).await.unwrap();
        books.acknowledged(number);
    }
}

/// Begins to append a number and gives up when the server has it.
async fn append_and_give_up(client: &Client, number: u64, journal: &Journal) {
    let mut append = Box::pin(client.append(number));
    while !journal.has(number) {
        assert!((&mut append).now_or_never().is_none());
        tokio::task::yield_now().await;
    }
}

/// Has the answer to one operation come after its caller has gone, and then others ask.
async fn one_late_answer(
    kind: Kind,
    given_up: bool,
    journal: &Journal,
    proxy: &FaultProxy,
    connector: &JournalClient,
) {
    let what = format!("{kind:?}, given up: {given_up}");
    let client = Client::new(kind, connector, Options::default());
    let books = Books::default();
    append_all(&client, 0..3, &books).await;

    proxy.set(held());
    if given_up {
        append_and_give_up(&client, 10, journal).await;
    } else {
        let error = client.append(10).await.unwrap_err();
        assert!(error.is_outcome_unknown(), "{what}: {error}");
    }
    books.unknown(10);
    // Others who ask at the same moment as the late answer arrives, and after it.
    proxy.set(Toxics::none());
    join_all((20..30).map(|number| client.append_and_enter(number, journal, &books))).await;
    append_all(&client, 30..33, &books).await;
    assert_eq!(books.count_unknown(), 1, "{what}");
    let expected = if kind == Kind::Pipeline { 1 } else { 2 };
    assert_eq!(connector.attempts().len(), expected, "{what}");
    client.close().await;
    books.reconcile(journal, connector, &what);
}

#[tokio::test(start_paused = true)]
async fn a_late_answer_is_for_nobody_else() {
    for kind in KINDS {
        for given_up in [false, true] {
            let (journal, proxy, connector) = in_memory();
            one_late_answer(kind, given_up, &journal, &proxy, &connector).await;
        }
    }
}

/// In real time, so nobody waits for a time limit.
#[tokio::test]
async fn a_late_answer_over_tcp_is_for_nobody_else() {
    for kind in KINDS {
        let journal = Journal::default();
        let proxy = FaultProxy::tcp(journal.listen().await).await.unwrap();
        let connector = JournalClient::tcp(proxy.socket_addr().unwrap());
        let late = one_late_answer(kind, true, &journal, &proxy, &connector);
        crate::support::within(late).await;
    }
}

#[tokio::test(start_paused = true)]
async fn late_answers_to_many_are_for_nobody_else() {
    for kind in KINDS {
        let (journal, proxy, connector) = in_memory();
        let options = Options {
            connections: 4,
            ..Options::default()
        };
        let client = Client::new(kind, &connector, options);
        let books = Books::default();
        let mut numbers = 0..;
        for round in 0..50_u64 {
            // Held for longer than anybody waits, or for almost as long.
            let held_for = ms(9_000 + (round * 331) % 2_500);
            proxy.set(held());
            let release = async {
                tokio::time::sleep(held_for).await;
                proxy.set(Toxics::none());
            };
            let appends = numbers
                .by_ref()
                .take(6)
                .map(|number| client.append_and_enter(number, &journal, &books));
            tokio::join!(join_all(appends), release);
        }
        connector.assert_no_storm();
        client.close().await;
        assert!(books.count_unknown() > 10 && books.count_acknowledged() > 100);
        books.reconcile(&journal, &connector, &format!("{kind:?}"));
    }
}

/// A peer that vanishes in one direction or in both, without a word.
#[tokio::test(start_paused = true)]
async fn a_half_open_connection_is_noticed_and_replaced() {
    let vanished = || Flow::open().vanish();
    for toxics in [
        Toxics::none().to_server(vanished()),
        Toxics::none().to_client(vanished()),
        Toxics::black_hole(),
    ] {
        // A pipeline has to notice by itself, which the toy does not.
        for kind in [Kind::Pool, Kind::Link] {
            let what = format!("{kind:?}, {toxics:?}");
            let (journal, proxy, connector) = in_memory();
            let client = Client::new(kind, &connector, Options::default());
            let books = Books::default();
            append_all(&client, 0..3, &books).await;
            proxy.set_for(1, toxics.clone());
            let began = tokio::time::Instant::now();
            client.append_and_enter(10, &journal, &books).await;
            assert_eq!(books.count_unknown(), 1, "{what}");
            assert_eq!(began.elapsed(), Duration::from_secs(10), "{what}");
            // At once, or after one delay.
            client.append_and_enter(11, &journal, &books).await;
            assert!(
                began.elapsed() < ms(10_100),
                "{what}: {:?}",
                began.elapsed()
            );
            append_all(&client, 20..23, &books).await;
            assert_eq!(connector.attempts().len(), 2, "{what}");
            client.close().await;
            books.reconcile(&journal, &connector, &what);
        }
    }
}

/// A pool asks an idle connection for a sign of life before it is used, so a peer that vanished costs no operation.
#[tokio::test(start_paused = true)]
async fn an_idle_connection_whose_peer_vanished_costs_no_operation() {
    let (journal, proxy, connector) = in_memory();
    let client = Client::new(Kind::Pool, &connector, Options::default());
    let books = Books::default();
    append_all(&client, 0..3, &books).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    proxy.set_for(1, Toxics::black_hole());
    client.append_and_enter(10, &journal, &books).await;
    assert_eq!(books.count_acknowledged(), 4);
    client.close().await;
    books.reconcile(&journal, &connector, "idle");
}
