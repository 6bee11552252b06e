//! The load: many connections, one thread, every answer checked.
//!
//! `load --address IP:PORT --path PATH --files FOLDER --pid PID [--connections 64] [--pipeline 1]
//! [--seconds 2] [--warmup 0.5]` prints one line: requests, seconds, and the CPU nanoseconds the server's
//! threads ran in that time. `--requests N` instead of the time ends after so many, and `--probe` after
//! one, whose head is printed.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use cyclone_bench_http::Outcome;
use cyclone_bench_http::client::{Answer, Flags, Result, STALL, request};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

/// Room for the answers to one write of requests.
const BUFFER: usize = 64 * 1024;

fn main() -> Outcome {
    let options = Options::parse()?;
    let request = request(options.address, &options.path);
    let (answer, head) = Answer::probe(options.address, &request, options.body)?;
    if options.probe {
        print!("{head}");
        return Ok(());
    }
    let batch = request.repeat(options.pipeline);
    let mut load = Load {
        poll: Poll::new()?,
        connections: Vec::new(),
        answer,
        batch: batch.into_bytes(),
        pipeline: options.pipeline,
        answered: 0,
    };
    load.connect(options.address, options.connections)?;
    if let Some(requests) = options.requests {
        load.run(|answered| answered >= requests)?;
        println!("requests={}", load.answered);
        return Ok(());
    }
    load.run_for(options.warmup)?;
    let (answered, before, start) = (load.answered, cpu(options.pid)?, Instant::now());
    load.run_for(options.seconds)?;
    let seconds = start.elapsed().as_secs_f64();
    let ran = ran(&before, &cpu(options.pid)?);
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
            // Twice an answer leaves room to read into.
            let room = BUFFER.max(2 * self.answer.length());
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
                buffer: vec![0; room],
                filled: 0,
                waiting: 0,
                unsent: 0,
            });
        }
        Ok(())
    }

    /// Keeps every connection busy for so long.
    fn run_for(&mut self, time: Duration) -> Result<()> {
        let end = Instant::now() + time;
        self.run(|_| Instant::now() >= end)
    }

    /// Keeps every connection busy until `done`, which is given how many were answered. Answers that are
    /// out at the end are left to the next run.
    fn run(&mut self, done: impl Fn(u64) -> bool) -> Result<()> {
        let mut events = Events::with_capacity(1024);
        for connection in &mut self.connections {
            if connection.waiting == 0 {
                connection.ask(&self.batch, self.pipeline)?;
            }
        }
        while !done(self.answered) {
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
            if used > 0 {
                self.buffer.copy_within(used..self.filled, 0);
                self.filled -= used;
            }
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

/// Nanoseconds each thread of a process has run, by the kernel's account.
fn cpu(pid: u32) -> Result<BTreeMap<OsString, u64>> {
    let mut threads = BTreeMap::new();
    for entry in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        let entry = entry?;
        // A thread may end between the listing and this.
        let Ok(text) = std::fs::read_to_string(entry.path().join("schedstat")) else {
            continue;
        };
        let ran = text.split(' ').next().unwrap_or_default().parse::<u64>()?;
        threads.insert(entry.file_name(), ran);
    }
    Ok(threads)
}

/// What the threads ran between two looks. One that has ended had nothing to do before, so it is left out.
fn ran(before: &BTreeMap<OsString, u64>, after: &BTreeMap<OsString, u64>) -> u64 {
    let threads = after.iter().map(|(thread, ran)| {
        let before = before.get(thread).copied().unwrap_or_default();
        ran.saturating_sub(before)
    });
    threads.sum()
}

struct Options {
    address: SocketAddr,
    path: String,
    body: Vec<u8>,
    pid: u32,
    connections: usize,
    pipeline: usize,
    requests: Option<u64>,
    seconds: Duration,
    warmup: Duration,
    probe: bool,
}

impl Options {
    fn parse() -> Result<Self> {
        let flags = Flags::parse(std::env::args().skip(1), &["--probe"])?;
        let path: String = flags.need("--path")?;
        let requests = match flags.has("--requests") {
            true => Some(flags.need("--requests")?),
            false => None,
        };
        Ok(Self {
            address: flags.need("--address")?,
            body: flags.expected(&path)?,
            path,
            pid: flags.need("--pid")?,
            connections: flags.get("--connections", 64)?,
            pipeline: flags.get("--pipeline", 1)?,
            requests,
            seconds: Duration::try_from_secs_f64(flags.get("--seconds", 2.0)?)?,
            warmup: Duration::try_from_secs_f64(flags.get("--warmup", 0.5)?)?,
            probe: flags.has("--probe"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_that_come_and_go() {
        let look = |threads: &[(&str, u64)]| {
            let threads = threads
                .iter()
                .map(|(name, ran)| (OsString::from(name), *ran));
            threads.collect::<BTreeMap<_, _>>()
        };
        let before = look(&[("stays", 10), ("ends", 7)]);
        let after = look(&[("stays", 15), ("new", 3)]);
        assert_eq!(ran(&before, &after), 8);
    }

    #[test]
    fn a_process_has_run() {
        assert!(cpu(std::process::id()).unwrap().values().sum::<u64>() > 0);
    }
}
