//! A server that keeps a journal, its protocol, and the books of its clients.
//!
//! A connection begins with `hello`, answered by `hi`. Then a number is appended by sending it in a line of its own:
//! `ok NUMBER` says that it is in the journal. `ping` is answered by `pong`.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use cyclone_core::{Connector, MAX_ATTEMPTS_PER_SECOND, Outcome, testing::FaultProxy};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader, split},
    net::{TcpListener, TcpStream},
    sync::watch,
    time::{Duration, Instant},
};

/// The server's journal.
#[derive(Clone, Debug, Default)]
pub(super) struct Journal(Arc<Server>);

#[derive(Debug, Default)]
struct Server {
    /// How often each number was appended.
    applied: Mutex<BTreeMap<u64, usize>>,
    /// A mute server takes requests, and does and answers nothing.
    mute: watch::Sender<bool>,
}

impl Journal {
    pub(super) fn has(&self, number: u64) -> bool {
        self.0.applied.lock().unwrap().contains_key(&number)
    }

    pub(super) fn mute(&self, mute: bool) {
        self.0.mute.send_replace(mute);
    }

    pub(super) async fn serve(self, stream: impl AsyncRead + AsyncWrite + Send) {
        // A connection that is cut is no concern of the server's.
        let _ = self.answer(stream).await;
    }

    async fn answer(&self, stream: impl AsyncRead + AsyncWrite + Send) -> io::Result<()> {
        let (read, mut write) = split(stream);
        let mut lines = BufReader::new(read).lines();
        while let Some(line) = lines.next_line().await? {
            let answer = match line.as_str() {
                "hello" => "hi\n".to_owned(),
                "ping" => "pong\n".to_owned(),
                _ if *self.0.mute.borrow() => continue,
                number => {
                    // What was cut in the middle ends without its newline, or is shorter than it should be.
                    let number = parse(number)?;
                    *self.0.applied.lock().unwrap().entry(number).or_default() += 1;
                    format!("ok {number:06}\n")
                }
            };
            write.write_all(answer.as_bytes()).await?;
        }
        Ok(())
    }

    /// Serves over TCP; returns where.
    pub(super) async fn listen(&self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let journal = self.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(journal.clone().serve(stream));
            }
        });
        address
    }
}

/// Reads a number of exactly six digits, so that none is part of another.
fn parse(text: &str) -> io::Result<u64> {
    if text.len() != 6 {
        return Err(io::ErrorKind::InvalidData.into());
    }
    text.parse().map_err(|_| io::ErrorKind::InvalidData.into())
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// One connection to the server.
pub(super) struct JournalConnection {
    stream: BufReader<Box<dyn Stream>>,
    /// Answers that were for somebody else.
    crossed: Arc<AtomicUsize>,
}

impl JournalConnection {
    /// Appends a number and waits until the server says that it did.
    pub(super) async fn append(&mut self, number: u64) -> io::Result<()> {
        self.send(number).await?;
        match self.answer().await? {
            answer if answer == number => Ok(()),
            _ => Err(self.crossed()),
        }
    }

    pub(super) async fn send(&mut self, number: u64) -> io::Result<()> {
        let request = format!("{number:06}\n");
        self.stream.write_all(request.as_bytes()).await
    }

    /// The number that the server says it appended.
    async fn answer(&mut self) -> io::Result<u64> {
        let mut line = String::new();
        self.stream.read_line(&mut line).await?;
        answered(
            line.strip_suffix('\n')
                .ok_or(io::ErrorKind::UnexpectedEof)?,
        )
    }

    /// Notes an answer that nobody had asked for.
    pub(super) fn crossed(&self) -> io::Error {
        self.crossed.fetch_add(1, SeqCst);
        io::ErrorKind::InvalidData.into()
    }

    async fn ask(&mut self, question: &[u8], expected: &str) -> io::Result<()> {
        self.stream.write_all(question).await?;
        let mut line = String::new();
        self.stream.read_line(&mut line).await?;
        match line {
            line if line == expected => Ok(()),
            line if line.is_empty() || !line.ends_with('\n') => {
                Err(io::ErrorKind::UnexpectedEof.into())
            }
            _ => Err(self.crossed()),
        }
    }

    pub(super) fn split(
        self,
    ) -> (
        impl AsyncBufReadExt + Send + Unpin,
        impl AsyncWrite + Send + Unpin,
    ) {
        let (read, write) = split(self.stream);
        (BufReader::new(read), write)
    }
}

/// The number in the line of an answer.
pub(super) fn answered(line: &str) -> io::Result<u64> {
    parse(line.strip_prefix("ok ").ok_or(io::ErrorKind::InvalidData)?)
}

/// The driver: connects to the server, through the proxy.
#[derive(Clone, Debug)]
pub(super) struct JournalClient(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    place: Place,
    attempts: Mutex<Vec<Instant>>,
    crossed: Arc<AtomicUsize>,
}

#[derive(Debug)]
enum Place {
    Memory(Arc<FaultProxy>),
    Tcp(SocketAddr),
}

impl JournalClient {
    pub(super) fn in_memory(proxy: &Arc<FaultProxy>) -> Self {
        Self::new(Place::Memory(Arc::clone(proxy)))
    }

    pub(super) fn tcp(address: SocketAddr) -> Self {
        Self::new(Place::Tcp(address))
    }

    fn new(place: Place) -> Self {
        Self(Arc::new(Inner {
            place,
            attempts: Mutex::default(),
            crossed: Arc::default(),
        }))
    }

    /// When attempts to connect were started.
    pub(super) fn attempts(&self) -> Vec<Instant> {
        self.0.attempts.lock().unwrap().clone()
    }

    /// No second, wherever it begins, may hold more attempts than the limit.
    pub(super) fn assert_no_storm(&self) {
        let attempts = self.attempts();
        for window in attempts.windows(MAX_ATTEMPTS_PER_SECOND + 1) {
            let took = window[MAX_ATTEMPTS_PER_SECOND] - window[0];
            assert!(took >= Duration::from_secs(1), "21 attempts in {took:?}");
        }
    }
}

impl Connector for JournalClient {
    type Connection = JournalConnection;
    type Error = io::Error;

    async fn connect(&self) -> io::Result<JournalConnection> {
        self.0.attempts.lock().unwrap().push(Instant::now());
        let stream: Box<dyn Stream> = match &self.0.place {
            Place::Memory(proxy) => Box::new(proxy.connect().await?),
            Place::Tcp(address) => Box::new(TcpStream::connect(address).await?),
        };
        let mut connection = JournalConnection {
            stream: BufReader::new(stream),
            crossed: Arc::clone(&self.0.crossed),
        };
        connection.ask(b"hello\n", "hi\n").await?;
        Ok(connection)
    }

    async fn check(&self, connection: &mut JournalConnection) -> io::Result<()> {
        connection.ask(b"ping\n", "pong\n").await
    }

    fn outcome(&self, _: &io::Error) -> Outcome {
        Outcome::Unknown
    }
}

/// What became of each number, as its client was told.
#[derive(Debug, Default)]
pub(super) struct Books(Mutex<Entries>);

#[derive(Debug, Default)]
struct Entries {
    acknowledged: BTreeSet<u64>,
    unknown: BTreeSet<u64>,
    not_sent: usize,
}

impl Books {
    pub(super) fn acknowledged(&self, number: u64) {
        self.0.lock().unwrap().acknowledged.insert(number);
    }

    pub(super) fn unknown(&self, number: u64) {
        self.0.lock().unwrap().unknown.insert(number);
    }

    pub(super) fn not_sent(&self, _: u64) {
        self.0.lock().unwrap().not_sent += 1;
    }

    pub(super) fn count_unknown(&self) -> usize {
        self.0.lock().unwrap().unknown.len()
    }

    pub(super) fn count_acknowledged(&self) -> usize {
        self.0.lock().unwrap().acknowledged.len()
    }

    /// Compares with the journal: nothing doubled, nothing acknowledged lost, no answer for somebody else.
    pub(super) fn reconcile(&self, journal: &Journal, client: &JournalClient, what: &str) {
        let counts = journal.0.applied.lock().unwrap();
        let entries = self.0.lock().unwrap();
        for (number, count) in counts.iter() {
            assert_eq!(*count, 1, "{number} was appended more than once: {what}");
            let known = entries.acknowledged.contains(number) || entries.unknown.contains(number);
            assert!(known, "{number} was appended, and nobody was told: {what}");
        }
        for number in &entries.acknowledged {
            assert!(
                counts.contains_key(number),
                "{number} was acknowledged and is lost: {what}"
            );
        }
        assert_eq!(
            client.0.crossed.load(SeqCst),
            0,
            "answers for others: {what}"
        );
    }
}
