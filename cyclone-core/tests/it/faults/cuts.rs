//! Connections that are cut after N bytes, for every N of a session.

use futures_util::future::join_all;

use super::*;

/// Numbers appended over each client.
const NUMBERS: u64 = 4;

/// The bytes of a session without a fault, in both directions.
async fn session_bytes() -> [(Direction, u64); 2] {
    let (_journal, proxy, connector) = in_memory();
    let client = Client::new(Kind::Link, &connector, Options::default());
    for number in 0..NUMBERS {
        client.append(number).await.unwrap();
    }
    let bytes = proxy.statistics();
    [Direction::ToServer, Direction::ToClient].map(|direction| (direction, bytes.bytes(direction)))
}

/// Every way to cut a session: after each byte, in each direction, with and without a reset.
async fn cuts() -> Vec<(Cut, Direction, u64)> {
    let mut cuts = Vec::new();
    for (direction, total) in session_bytes().await {
        assert!((30..80).contains(&total), "{total}");
        for bytes in 0..=total {
            for cut in [Cut::Fin, Cut::Reset] {
                cuts.push((cut, direction, bytes));
            }
        }
    }
    cuts
}

fn toxics((cut, direction, bytes): (Cut, Direction, u64)) -> Toxics {
    let flow = Flow::open().cut_after(bytes, cut);
    match direction {
        Direction::ToServer => Toxics::none().to_server(flow),
        Direction::ToClient => Toxics::none().to_client(flow),
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_cut_anywhere_doubles_and_loses_nothing() {
    for kind in KINDS {
        let mut unknown = 0;
        for cut in cuts().await {
            let what = format!("{kind:?}, {cut:?}");
            let (journal, proxy, connector) = in_memory();
            proxy.set_for(1, toxics(cut));
            let client = Client::new(kind, &connector, Options::default());
            let books = Books::default();
            for number in 0..NUMBERS {
                client.append_and_enter(number, &journal, &books).await;
            }
            // The first connection and the one after it, at most, and one operation that was hit.
            assert!(connector.attempts().len() <= 2, "{what}");
            assert!(books.count_unknown() <= 1, "{what}");
            unknown += books.count_unknown();
            client.close().await;
            books.reconcile(&journal, &connector, &what);
        }
        assert!(
            unknown > 50,
            "{kind:?}: the cuts hit operations, {unknown} of them"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn connections_of_many_callers_cut_anywhere_double_and_lose_nothing() {
    for kind in KINDS {
        for cut in cuts().await {
            let what = format!("{kind:?}, {cut:?}");
            let (journal, proxy, connector) = in_memory();
            for number in 1..=3 {
                proxy.set_for(number, toxics(cut));
            }
            let options = Options {
                connections: 3,
                ..Options::default()
            };
            let client = Client::new(kind, &connector, options);
            let books = Books::default();
            let numbers = 0..4 * NUMBERS;
            join_all(numbers.map(|number| client.append_and_enter(number, &journal, &books))).await;
            connector.assert_no_storm();
            client.close().await;
            books.reconcile(&journal, &connector, &what);
            let known = books.count_acknowledged() + books.count_unknown();
            assert_eq!(known as u64, 4 * NUMBERS, "{what}");
        }
    }
}

/// Over real sockets, in real time: the delays are short and nothing is measured.
#[tokio::test]
async fn a_tcp_connection_cut_anywhere_doubles_and_loses_nothing() {
    let backoff = BackoffPolicy::default().base(ms(1)).max(ms(5));
    let options = Options {
        backoff,
        ..Options::default()
    };
    let mut runs = Vec::new();
    for kind in KINDS {
        for cut in cuts().await {
            runs.push(async move {
                let what = format!("{kind:?}, {cut:?}");
                let journal = Journal::default();
                let proxy = FaultProxy::tcp(journal.listen().await).await.unwrap();
                proxy.set_for(1, toxics(cut));
                let connector = JournalClient::tcp(proxy.socket_addr().unwrap());
                let client = Client::new(kind, &connector, options);
                let books = Books::default();
                for number in 0..NUMBERS {
                    client.append_and_enter(number, &journal, &books).await;
                }
                assert!(connector.attempts().len() <= 2, "{what}");
                assert!(books.count_unknown() <= 1, "{what}");
                client.close().await;
                books.reconcile(&journal, &connector, &what);
            });
        }
    }
    let mut runs = runs.into_iter();
    loop {
        // A few at a time: each has a few sockets.
        let batch: Vec<_> = runs.by_ref().take(20).collect();
        if batch.is_empty() {
            return;
        }
        crate::support::within(join_all(batch)).await;
    }
}
