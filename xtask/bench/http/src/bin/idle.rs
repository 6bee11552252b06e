//! Many connections that do nothing, and what the server holds for each.
//!
//! `idle --address IP:PORT --kind http|websocket|sse --files FOLDER --pid PID [--connections 10000]` prints
//! one line: how many connections there were, and the resident memory of the server in bytes before them,
//! when they were open, and after each had three answers. Then every one is used once more, so one that the
//! server had closed is an error.

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use cyclone_bench_http::client::{Answer, Flags, Result, STALL, read_head, read_more, request};
use cyclone_bench_http::{Outcome, PLAINTEXT};
use memchr::memmem;
use socket2::{Domain, Socket, Type};

/// Connections that are opened, or ask, at the same time; as many as the load has.
const BATCH: usize = 64;

/// Answers each connection gets before it is left alone.
const ANSWERS: usize = 3;

/// Connections from one address, well below the ports it has.
const PER_ADDRESS: usize = 5000;

/// The key of RFC 6455 section 1.3, and the answer to it.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

fn main() -> Outcome {
    let flags = Flags::parse(std::env::args().skip(1), &[])?;
    let address: SocketAddr = flags.need("--address")?;
    let pid: u32 = flags.need("--pid")?;
    let count: usize = flags.get("--connections", 10_000)?;
    let ask = request(address, "/plaintext");
    let (answer, _) = Answer::probe(address, &ask, flags.expected("/plaintext")?)?;
    let control = Control {
        address,
        answer,
        ask,
    };
    let kind = Kind::parse(&flags.need::<String>("--kind")?)?;

    // One connection first: what the server needs only once is not the price of a connection.
    let mut first = vec![control.open(kind, 0)?];
    for _ in 0..ANSWERS {
        control.use_all(kind, &mut first)?;
    }
    drop(first);
    control.barrier()?;

    let before = resident(pid)?;
    let mut connections = Vec::with_capacity(count);
    while connections.len() < count {
        let end = count.min(connections.len() + BATCH);
        for number in connections.len()..end {
            connections.push(control.open(kind, number)?);
        }
        // Connections are accepted in order: an answer to a later one says that these are.
        control.barrier()?;
    }
    let open = resident(pid)?;
    for _ in 0..ANSWERS {
        control.use_all(kind, &mut connections)?;
    }
    control.barrier()?;
    let used = resident(pid)?;
    control.use_all(kind, &mut connections)?;
    println!("connections={count} before={before} open={open} used={used}");
    Ok(())
}

#[derive(Clone, Copy)]
enum Kind {
    /// Kept alive after a request.
    Http,
    /// An echo.
    WebSocket,
    /// A subscriber.
    Sse,
}

impl Kind {
    fn parse(name: &str) -> Result<Self> {
        Ok(match name {
            "http" => Self::Http,
            "websocket" => Self::WebSocket,
            "sse" => Self::Sse,
            _ => return Err(format!("no kind `{name}`").into()),
        })
    }
}

/// The way to the server, and how its plain answer looks.
struct Control {
    address: SocketAddr,
    answer: Answer,
    ask: String,
}

impl Control {
    /// Asks on a new connection and waits for the answer.
    fn barrier(&self) -> Result<()> {
        let mut stream = self.connect(0)?;
        self.plaintext(std::slice::from_mut(&mut stream))
    }

    /// A connection of the kind, ready to be used.
    fn open(&self, kind: Kind, number: usize) -> Result<TcpStream> {
        let mut stream = self.connect(number)?;
        let (request, status, must) = match kind {
            Kind::Http => return Ok(stream),
            Kind::WebSocket => {
                let upgrade = format!(
                    "upgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\n\
                     sec-websocket-key: {KEY}\r\n\r\n"
                );
                let request = request(self.address, "/echo").replace("\r\n\r\n", "\r\n");
                (request + &upgrade, "HTTP/1.1 101 ", ACCEPT)
            }
            Kind::Sse => (
                request(self.address, "/events"),
                "HTTP/1.1 200 ",
                "text/event-stream",
            ),
        };
        stream.write_all(request.as_bytes())?;
        let head = read_head(&mut stream, &mut Vec::new())?;
        if !head.starts_with(status) || !head.contains(must) {
            return Err(format!("not the expected head:\n{head}").into());
        }
        Ok(stream)
    }

    fn connect(&self, number: usize) -> Result<TcpStream> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        let last = u8::try_from(1 + number / PER_ADDRESS)?;
        let from = IpAddr::V4(Ipv4Addr::new(127, 0, 0, last));
        socket.bind(&SocketAddr::new(from, 0).into())?;
        // A reset: no port waits for stray packets afterwards.
        socket.set_linger(Some(Duration::ZERO))?;
        socket.set_tcp_nodelay(true)?;
        socket.set_read_timeout(Some(STALL))?;
        socket.connect(&self.address.into())?;
        Ok(socket.into())
    }

    /// One answer on each connection.
    fn use_all(&self, kind: Kind, connections: &mut [TcpStream]) -> Result<()> {
        if matches!(kind, Kind::Sse) {
            let mut publisher = self.connect(0)?;
            publisher.write_all(request(self.address, "/publish").as_bytes())?;
            for stream in connections {
                event(stream)?;
            }
            // The answer may come at any time before or after the events.
            read_head(&mut publisher, &mut Vec::new())?;
            return Ok(());
        }
        for batch in connections.chunks_mut(BATCH) {
            match kind {
                Kind::WebSocket => echo(batch)?,
                _ => self.plaintext(batch)?,
            }
        }
        Ok(())
    }

    fn plaintext(&self, batch: &mut [TcpStream]) -> Result<()> {
        for stream in &mut *batch {
            stream.write_all(self.ask.as_bytes())?;
        }
        for stream in batch {
            let mut bytes = Vec::new();
            while bytes.len() < self.answer.length() {
                read_more(stream, &mut bytes)?;
            }
            if self.answer.check(&bytes)? != (1, bytes.len()) {
                return Err("more than the answer".into());
            }
        }
        Ok(())
    }
}

/// A text message each, and the same one back.
fn echo(batch: &mut [TcpStream]) -> Result<()> {
    let length = u8::try_from(PLAINTEXT.len())?;
    // The mask is zero, so the text is its own masked form.
    let sent = [&[0x81, 0x80 | length, 0, 0, 0, 0], PLAINTEXT.as_bytes()].concat();
    let back = [&[0x81, length], PLAINTEXT.as_bytes()].concat();
    for stream in &mut *batch {
        stream.write_all(&sent)?;
    }
    for stream in batch {
        let mut bytes = Vec::new();
        while bytes.len() < back.len() {
            read_more(stream, &mut bytes)?;
        }
        if bytes != back {
            return Err(format!("not the message that was sent: {bytes:?}").into());
        }
    }
    Ok(())
}

/// Waits for one event. Comments and the time to reconnect may come before it.
fn event(stream: &mut TcpStream) -> Result<()> {
    let line = format!("data: {PLAINTEXT}\n");
    let mut bytes = Vec::new();
    while memmem::find(&bytes, line.as_bytes()).is_none() {
        read_more(stream, &mut bytes)?;
    }
    Ok(())
}

/// Resident memory of a process in bytes.
fn resident(pid: u32) -> Result<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    Ok(rss(&text).ok_or("no Rss in smaps_rollup")? * 1024)
}

/// The sum in KiB.
fn rss(rollup: &str) -> Option<u64> {
    let line = rollup.lines().find_map(|line| line.strip_prefix("Rss:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read() {
        let text =
            "55d0-7ffc ---p 00000000 00:00 0 [rollup]\nRss:                1234 kB\nPss: 7 kB\n";
        assert_eq!(rss(text), Some(1234));
        assert_eq!(rss("Pss: 7 kB\n"), None);
        assert!(resident(std::process::id()).unwrap() > 100 * 1024);
    }

    #[test]
    fn kinds() {
        assert!(matches!(Kind::parse("sse"), Ok(Kind::Sse)));
        assert!(Kind::parse("ftp").is_err());
    }
}
