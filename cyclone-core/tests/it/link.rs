//! `Link` against a fake other side, in paused time.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use std::{
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use cyclone_core::{
    BackoffPolicy, ConnectionErrorKind, Health, Jitter, Link, LinkContext, LinkError, LinkState,
};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep},
};

use crate::fake_connector::{Does, Fake, FakeConnection};

mod call_queue;
mod calls;
mod closing;
mod reconnect;
mod statistics;
mod trying;

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

const LONG: Duration = Duration::from_secs(3600);

/// Delays that can be foretold: 50 ms, doubled up to 5 s.
fn exact() -> BackoffPolicy {
    BackoffPolicy::reconnect().jitter(Jitter::None)
}

/// Lets every task that can run do so, without letting time pass.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

/// How the next session ends: sent by the test.
#[derive(Clone, Copy, Debug)]
enum Ends {
    Well,
    WithError,
    WithPanic,
}

/// Sessions that hold their connection until told how to end, or until the link closes.
struct Sessions {
    ends: mpsc::UnboundedSender<Ends>,
    started: Arc<Mutex<Vec<u64>>>,
    goodbyes: Arc<AtomicUsize>,
}

impl Sessions {
    /// The generations of all sessions so far.
    fn started(&self) -> Vec<u64> {
        self.started.lock().unwrap().clone()
    }

    fn end(&self, ends: Ends) {
        self.ends.send(ends).unwrap();
    }
}

fn link(fake: &Fake, policy: BackoffPolicy) -> (Link<Fake>, Sessions) {
    let (ends, told) = mpsc::unbounded_channel();
    let told = Arc::new(tokio::sync::Mutex::new(told));
    let sessions = Sessions {
        ends,
        started: Arc::default(),
        goodbyes: Arc::default(),
    };
    let (started, goodbyes) = (
        Arc::clone(&sessions.started),
        Arc::clone(&sessions.goodbyes),
    );
    let session = move |connection: FakeConnection, context: LinkContext| {
        started.lock().unwrap().push(context.generation());
        let (told, goodbyes) = (Arc::clone(&told), Arc::clone(&goodbyes));
        async move {
            let mut told = told.lock().await;
            tokio::select! {
                ends = told.recv() => match ends {
                    Some(Ends::WithPanic) => panic!("the session panics"),
                    Some(Ends::WithError) => Err(io::ErrorKind::ConnectionReset.into()),
                    _ => Ok(()),
                },
                () = context.closing() => {
                    goodbyes.fetch_add(1, SeqCst);
                    drop(connection);
                    Ok(())
                }
            }
        }
    };
    (Link::spawn(fake.clone(), policy, session), sessions)
}
