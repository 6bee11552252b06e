//! A connector whose other side does as it is told, and that counts.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use std::{
    fmt, io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use cyclone_core::{Connector, MAX_ATTEMPTS_PER_SECOND, Outcome};
use tokio::time::{Instant, sleep};

/// What the other side does when it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Does {
    /// Answers at once.
    Answer,
    /// Answers after a while.
    AnswerAfter(Duration),
    Refuse,
    /// Answers with an error of this kind: see [`Fake::outcome`].
    Fail(io::ErrorKind),
    Hang,
    Panic,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Fake(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    connect: Mutex<Does>,
    check: Mutex<Does>,
    close: Mutex<Does>,
    reset: Mutex<Does>,
    attempts: Mutex<Vec<Instant>>,
    checks: AtomicUsize,
    goodbyes: AtomicUsize,
    open: AtomicUsize,
    most_open: AtomicUsize,
    born_broken: AtomicBool,
}

impl Default for Inner {
    fn default() -> Self {
        Self {
            connect: Mutex::new(Does::Answer),
            check: Mutex::new(Does::Answer),
            close: Mutex::new(Does::Answer),
            reset: Mutex::new(Does::Answer),
            attempts: Mutex::default(),
            checks: AtomicUsize::default(),
            goodbyes: AtomicUsize::default(),
            open: AtomicUsize::default(),
            most_open: AtomicUsize::default(),
            born_broken: AtomicBool::default(),
        }
    }
}

/// A connection; the fake counts those that live.
pub(crate) struct FakeConnection {
    /// 1 for the first attempt.
    pub(crate) id: usize,
    pub(crate) broken: bool,
    /// Its user left something behind.
    pub(crate) soiled: bool,
    fake: Fake,
}

impl fmt::Debug for FakeConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FakeConnection({})", self.id)
    }
}

impl FakeConnection {
    /// One request; returns the number of the connection that answered.
    pub(crate) async fn ask(&mut self, does: Does) -> io::Result<usize> {
        act(does).await?;
        Ok(self.id)
    }
}

impl Drop for FakeConnection {
    fn drop(&mut self) {
        self.fake.0.open.fetch_sub(1, SeqCst);
    }
}

impl Fake {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn down() -> Self {
        let fake = Self::new();
        fake.on_connect(Does::Refuse);
        fake
    }

    pub(crate) fn on_connect(&self, does: Does) {
        *self.0.connect.lock().unwrap() = does;
    }

    pub(crate) fn on_check(&self, does: Does) {
        *self.0.check.lock().unwrap() = does;
    }

    pub(crate) fn on_close(&self, does: Does) {
        *self.0.close.lock().unwrap() = does;
    }

    pub(crate) fn on_reset(&self, does: Does) {
        *self.0.reset.lock().unwrap() = does;
    }

    /// New connections are broken from birth: a server that accepts and hangs up.
    pub(crate) fn break_new_connections(&self) {
        self.0.born_broken.store(true, SeqCst);
    }

    pub(crate) fn attempts(&self) -> usize {
        self.0.attempts.lock().unwrap().len()
    }

    /// When attempts were started, counted from the first.
    pub(crate) fn attempt_times(&self) -> Vec<Duration> {
        let attempts = self.0.attempts.lock().unwrap();
        attempts.iter().map(|at| *at - attempts[0]).collect()
    }

    pub(crate) fn checks(&self) -> usize {
        self.0.checks.load(SeqCst)
    }

    pub(crate) fn goodbyes(&self) -> usize {
        self.0.goodbyes.load(SeqCst)
    }

    pub(crate) fn open(&self) -> usize {
        self.0.open.load(SeqCst)
    }

    pub(crate) fn most_open(&self) -> usize {
        self.0.most_open.load(SeqCst)
    }

    /// No second, wherever it begins, may hold more attempts than the limit.
    pub(crate) fn assert_attempts_limited(&self) {
        let times = self.attempt_times();
        for (first, after) in times.iter().zip(times.iter().skip(MAX_ATTEMPTS_PER_SECOND)) {
            assert!(
                *after - *first >= Duration::from_secs(1),
                "more than {MAX_ATTEMPTS_PER_SECOND} attempts between {first:?} and {after:?}"
            );
        }
    }
}

async fn act(does: Does) -> io::Result<()> {
    match does {
        Does::Answer => Ok(()),
        Does::AnswerAfter(delay) => {
            sleep(delay).await;
            Ok(())
        }
        Does::Refuse => Err(io::Error::new(io::ErrorKind::ConnectionRefused, "refused")),
        Does::Fail(kind) => Err(kind.into()),
        Does::Hang => std::future::pending().await,
        Does::Panic => panic!("the fake panics"),
    }
}

impl Connector for Fake {
    type Connection = FakeConnection;
    type Error = io::Error;

    async fn connect(&self) -> io::Result<FakeConnection> {
        let id = {
            let mut attempts = self.0.attempts.lock().unwrap();
            attempts.push(Instant::now());
            attempts.len()
        };
        let does = *self.0.connect.lock().unwrap();
        act(does).await?;
        let open = self.0.open.fetch_add(1, SeqCst) + 1;
        self.0.most_open.fetch_max(open, SeqCst);
        Ok(FakeConnection {
            id,
            broken: self.0.born_broken.load(SeqCst),
            soiled: false,
            fake: self.clone(),
        })
    }

    async fn check(&self, _: &mut FakeConnection) -> io::Result<()> {
        self.0.checks.fetch_add(1, SeqCst);
        let does = *self.0.check.lock().unwrap();
        act(does).await
    }

    fn name(&self) -> &'static str {
        "fake"
    }

    fn is_broken(&self, connection: &FakeConnection) -> bool {
        connection.broken
    }

    fn needs_reset(&self, connection: &FakeConnection) -> bool {
        connection.soiled
    }

    async fn reset(&self, connection: &mut FakeConnection) -> io::Result<()> {
        let does = *self.0.reset.lock().unwrap();
        act(does).await?;
        // With an answer that is late it is not clean all the same.
        connection.soiled = does != Does::Answer;
        Ok(())
    }

    fn outcome(&self, error: &io::Error) -> Outcome {
        match error.kind() {
            io::ErrorKind::AlreadyExists => Outcome::Known,
            io::ErrorKind::NotConnected => Outcome::NotSent,
            io::ErrorKind::Other => panic!("the fake panics"),
            _ => Outcome::Unknown,
        }
    }

    async fn close(&self, connection: FakeConnection) {
        let does = *self.0.close.lock().unwrap();
        if act(does).await.is_ok() {
            self.0.goodbyes.fetch_add(1, SeqCst);
        }
        drop(connection);
    }
}
