//! `Pool` and `Link` against a server behind the fault proxy: nothing doubled, nothing acknowledged lost, no answer
//! for another, no storm of attempts, and back as soon as the server is.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use std::{sync::Arc, time::Duration};

use cyclone_core::{
    BackoffPolicy, Breaker, CallLink, CallQueue, Jitter, LateAnswers, Link, LinkContext,
    OperationError, Pool,
    testing::{Cut, Direction, FaultProxy, Flow, Toxics},
};

use journal::{Books, Journal, JournalClient};

mod cuts;
mod journal;
mod late;
mod link_session;
mod recovery;

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// What a caller waits before it tries again what was not sent.
const RETRY: Duration = ms(20);

/// What is tested: each of them appends numbers to the journal of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Pool,
    /// One call at a time.
    Link,
    /// Up to four calls at a time, whose answers say to whom they belong.
    Pipeline,
}

const KINDS: [Kind; 3] = [Kind::Pool, Kind::Link, Kind::Pipeline];

type Appended = Result<(), OperationError<std::io::Error>>;

/// The settings that tests differ in.
#[derive(Clone, Copy, Debug)]
struct Options {
    backoff: BackoffPolicy,
    connections: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            backoff: BackoffPolicy::reconnect().jitter(Jitter::None),
            connections: 1,
        }
    }
}

#[derive(Clone)]
enum Client {
    Pool(Pool<JournalClient>),
    Link(CallLink<JournalClient, u64, ()>),
}

impl Client {
    fn new(kind: Kind, connector: &JournalClient, options: Options) -> Self {
        let connector = connector.clone();
        let link = || Link::builder(connector.clone()).backoff(options.backoff);
        match kind {
            Kind::Pool => Self::Pool(
                Pool::builder(connector)
                    .max_size(options.connections)
                    .backoff(options.backoff)
                    .build(),
            ),
            Kind::Link => Self::Link(link().spawn_with_calls(link_session::in_turn)),
            Kind::Pipeline => Self::Link(
                link()
                    .max_in_flight(4)
                    .late_answers(LateAnswers::Discard)
                    .spawn_with_calls(link_session::by_number),
            ),
        }
    }

    async fn append(&self, number: u64) -> Appended {
        match self {
            Self::Pool(pool) => {
                pool.run(async |connection| connection.append(number).await)
                    .await
            }
            Self::Link(link) => link.call(number).await,
        }
    }

    /// Appends a number, again and again as long as it was not sent, and enters into the books what became of it.
    async fn append_and_enter(&self, number: u64, journal: &Journal, books: &Books) {
        loop {
            match self.append(number).await {
                Ok(()) => return books.acknowledged(number),
                Err(OperationError::OutcomeUnknown(_)) => return books.unknown(number),
                Err(OperationError::Failed(error)) => panic!("{number}: {error}"),
                Err(error) => {
                    assert!(error.is_not_sent(), "{error}");
                    assert!(!journal.has(number), "{number} was sent: {error}");
                    books.not_sent(number);
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }

    fn breaker(&self) -> &Breaker {
        match self {
            Self::Pool(pool) => pool.breaker(),
            Self::Link(link) => link.link().breaker(),
        }
    }

    async fn close(self) {
        match self {
            Self::Pool(pool) => assert_eq!(pool.close().await, 0),
            Self::Link(link) => link.link().close().await,
        }
    }
}

/// Clears an in-memory path to a new server.
fn in_memory() -> (Journal, Arc<FaultProxy>, JournalClient) {
    let journal = Journal::default();
    let serving = journal.clone();
    let proxy = Arc::new(FaultProxy::in_memory(move |stream| {
        serving.clone().serve(stream)
    }));
    let connector = JournalClient::in_memory(&proxy);
    (journal, proxy, connector)
}
