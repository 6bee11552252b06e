//! The load: many connections, one thread, every answer checked.
//!
//! `load --address IP:PORT --path PATH --pid PID [--connections 64] [--pipeline 1] [--seconds 2]
//! [--warmup 0.5]` prints one line: requests, seconds, and the CPU nanoseconds the server's threads ran
//! in that time. `--probe` prints the head of one answer and ends.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use cyclone_bench_http::{Outcome, expected};
use memchr::memmem;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

/// Room for the answers to one write of requests.
const BUFFER: usize = 64 * 1024;

/// An answer that takes longer is a hang.
const STALL: Duration = Duration::from_secs(5);

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> Outcome {
    let options = Options::parse()?;
    let body = expected(&options.path).ok_or("nobody serves this path")?;
    let request = format!(
        "GET {} HTTP/1.1\r\nhost: {}\r\naccept: */*\r\n\r\n",
        options.path, options.address
    );
    let head = probe(options.address, &request)?;
    if options.probe {
        print!("{head}");
        return Ok(());
    }
    let batch = request.repeat(options.pipeline);
    let mut load = Load {
        poll: Poll::new()?,
        connections: Vec::new(),
        answer: Answer {
            head: head.len(),
            body,
        },
        batch: batch.into_bytes(),
        pipeline: options.pipeline,
        answered: 0,
    };
    load.connect(options.address, options.connections)?;
    load.run(options.warmup)?;
    let (answered, ran, start) = (load.answered, cpu(options.pid)?, Instant::now());
    load.run(options.seconds)?;
    let seconds = start.elapsed().as_secs_f64();
    let ran = cpu(options.pid)? - ran;
    let answered = load.answered - answered;
    println!("requests={answered} seconds={seconds:.4} cpu_ns={ran}");
    Ok(())
}

struct Load {
    poll: Poll,
    connections: Vec<Connection>,
    answer: Answer,
    /// The requests of one write.
    batch: Vec<u8>,
    /// How many they are.
    pipeline: usize,
    answered: u64,
}

struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    filled: usize,
    /// Answers still to come.
    waiting: usize,
    unsent: usize,
}

impl Load {
    fn connect(&mut self, address: SocketAddr, count: usize) -> Result<()> {
        for token in 0..count {
            let stream = std::net::TcpStream::connect(address)?;
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            let mut stream = TcpStream::from_std(stream);
            let interest = Interest::READABLE | Interest::WRITABLE;
            self.poll
                .registry()
                .register(&mut stream, Token(token), interest)?;
            self.connections.push(Connection {
                stream,
                buffer: vec![0; BUFFER],
                filled: 0,
                waiting: 0,
                unsent: 0,
            });
        }
        Ok(())
    }

    /// Keeps every connection busy for so long. Answers that are out at the end are left to the next run.
    fn run(&mut self, time: Duration) -> Result<()> {
        let end = Instant::now() + time;
        let mut events = Events::with_capacity(1024);
        for connection in &mut self.connections {
            if connection.waiting == 0 {
                connection.ask(&self.batch, self.pipeline)?;
            }
        }
        while Instant::now() < end {
            self.poll.poll(&mut events, Some(STALL))?;
            if events.is_empty() {
                return Err("the server stalled".into());
            }
            for event in &events {
                let connection = &mut self.connections[event.token().0];
                if event.is_writable() && connection.unsent > 0 {
                    connection.send(&self.batch)?;
                }
                if event.is_readable() {
                    let answered = connection.receive(&self.answer, &self.batch, self.pipeline)?;
                    self.answered += answered;
                }
            }
        }
        Ok(())
    }
}

impl Connection {
    fn ask(&mut self, batch: &[u8], pipeline: usize) -> Result<()> {
        self.waiting = pipeline;
        self.unsent = batch.len();
        self.send(batch)
    }

    fn send(&mut self, batch: &[u8]) -> Result<()> {
        while self.unsent > 0 {
            match self.stream.write(&batch[batch.len() - self.unsent..]) {
                Ok(sent) => self.unsent -= sent,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Reads, checks, and asks again when all answers are there.
    fn receive(&mut self, answer: &Answer, batch: &[u8], pipeline: usize) -> Result<u64> {
        let mut answered = 0;
        loop {
            let read = match self.stream.read(&mut self.buffer[self.filled..]) {
                Ok(0) => return Err("the server closed the connection".into()),
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(answered),
                Err(error) => return Err(error.into()),
            };
            self.filled += read;
            let (count, used) = answer.check(&self.buffer[..self.filled])?;
            self.buffer.copy_within(used..self.filled, 0);
            self.filled -= used;
            answered += count as u64;
            self.waiting = self
                .waiting
                .checked_sub(count)
                .ok_or("more answers than requests")?;
            if self.waiting == 0 {
                // Nothing more can come before the next request: no second read.
                self.ask(batch, pipeline)?;
                return Ok(answered);
            }
        }
    }
}

/// What every answer must look like. Only the time in its head may change, not the length.
struct Answer {
    head: usize,
    body: Vec<u8>,
}

impl Answer {
    /// How many whole answers there are, and how many bytes they take.
    fn check(&self, bytes: &[u8]) -> Result<(usize, usize)> {
        let length = self.head + self.body.len();
        let mut count = 0;
        for answer in bytes.chunks_exact(length) {
            let (head, body) = answer.split_at(self.head);
            if !head.starts_with(b"HTTP/1.1 200 ") || !head.ends_with(b"\r\n\r\n") {
                let head = String::from_utf8_lossy(head);
                return Err(format!("not the expected head: {head}").into());
            }
            if body != self.body {
                let body = String::from_utf8_lossy(body);
                return Err(format!("not the expected body: {body}").into());
            }
            count += 1;
        }
        Ok((count, count * length))
    }
}

/// Asks once, and returns the head of the answer when its body is the expected one.
fn probe(address: SocketAddr, request: &str) -> Result<String> {
    let mut stream = std::net::TcpStream::connect(address)?;
    stream.set_read_timeout(Some(STALL))?;
    stream.write_all(request.as_bytes())?;
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let read = stream.read(&mut buffer)?;
        if read == 0 {
            return Err("the server closed the connection".into());
        }
        bytes.extend_from_slice(&buffer[..read]);
        let Some(end) = memmem::find(&bytes, b"\r\n\r\n") else {
            continue;
        };
        let head = String::from_utf8(bytes[..end + 4].to_vec())?;
        let length = head
            .lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            .ok_or("no content-length")?
            .1
            .trim()
            .parse::<usize>()?;
        if bytes.len() >= head.len() + length {
            return Ok(head);
        }
    }
}

/// Nanoseconds the threads of a process have run, by the kernel's account.
fn cpu(pid: u32) -> Result<u64> {
    let mut threads = BTreeMap::new();
    for entry in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        let entry = entry?;
        let text = std::fs::read_to_string(entry.path().join("schedstat"))?;
        let ran = text.split(' ').next().unwrap_or_default().parse::<u64>()?;
        threads.insert(entry.file_name(), ran);
    }
    Ok(threads.values().sum())
}

struct Options {
    address: SocketAddr,
    path: String,
    pid: u32,
    connections: usize,
    pipeline: usize,
    seconds: Duration,
    warmup: Duration,
    probe: bool,
}

impl Options {
    fn parse() -> Result<Self> {
        let mut values = BTreeMap::new();
        let mut arguments = std::env::args().skip(1);
        while let Some(flag) = arguments.next() {
            let value = match flag.as_str() {
                "--probe" => String::new(),
                _ => arguments.next().ok_or(format!("{flag} needs a value"))?,
            };
            values.insert(flag, value);
        }
        let value = |flag: &str| values.get(flag).map(String::as_str);
        let need = |flag: &str| value(flag).ok_or(format!("{flag} is missing"));
        let seconds = |flag: &str, default: &str| -> Result<Duration> {
            let seconds = value(flag).unwrap_or(default).parse()?;
            Ok(Duration::try_from_secs_f64(seconds)?)
        };
        Ok(Self {
            address: need("--address")?.parse()?,
            path: need("--path")?.to_owned(),
            pid: need("--pid")?.parse()?,
            connections: value("--connections").unwrap_or("64").parse()?,
            pipeline: value("--pipeline").unwrap_or("1").parse()?,
            seconds: seconds("--seconds", "2")?,
            warmup: seconds("--warmup", "0.5")?,
            probe: value("--probe").is_some(),
        })
    }
}
