//! What the programs that put load on a server share: asking, checking, and their flags.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use memchr::memmem;

use crate::{ORDER, UPLOAD, UPLOAD_LENGTH, expected, order};

/// An answer that takes longer is a hang.
pub const STALL: Duration = Duration::from_secs(5);

/// What can go wrong, said to the person who runs the benchmark.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// A request for a path, with the body that is sent there.
pub fn request(address: SocketAddr, path: &str) -> String {
    let head = format!("{path} HTTP/1.1\r\nhost: {address}\r\naccept: */*\r\n");
    let (media, body) = match path {
        ORDER => {
            let body = serde_json::to_string(&order()).unwrap_or_default();
            ("application/json", body)
        }
        UPLOAD => ("application/octet-stream", "x".repeat(UPLOAD_LENGTH)),
        _ => return format!("GET {head}\r\n"),
    };
    let length = body.len();
    format!("POST {head}content-type: {media}\r\ncontent-length: {length}\r\n\r\n{body}")
}

/// What every answer must look like. Only the time in its head may change, not the length.
#[derive(Debug)]
pub struct Answer {
    /// Length of the head in bytes.
    head: usize,
    body: Vec<u8>,
}

impl Answer {
    /// Asks once on a connection of its own, and returns what every answer must look like from now on, with
    /// the head of the first one. An answer with another body than `body` is an error.
    pub fn probe(address: SocketAddr, request: &str, body: Vec<u8>) -> Result<(Self, String)> {
        let mut stream = std::net::TcpStream::connect(address)?;
        stream.set_read_timeout(Some(STALL))?;
        stream.write_all(request.as_bytes())?;
        let mut bytes = Vec::new();
        let head = read_head(&mut stream, &mut bytes)?;
        let length = content_length(&head)?;
        if length != body.len() {
            return Err(format!("a body of {length} bytes, not of {}:\n{head}", body.len()).into());
        }
        let answer = Self {
            head: head.len(),
            body,
        };
        while bytes.len() < answer.length() {
            read_more(&mut stream, &mut bytes)?;
        }
        if bytes.len() > answer.length() {
            return Err("more than the answer".into());
        }
        answer.check(&bytes)?;
        Ok((answer, head))
    }

    /// Length of a whole answer in bytes.
    pub fn length(&self) -> usize {
        self.head + self.body.len()
    }

    /// How many whole answers there are, and how many bytes they take.
    pub fn check(&self, bytes: &[u8]) -> Result<(usize, usize)> {
        let length = self.length();
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

/// Reads up to the end of a head and returns it; `bytes` has all that was read.
pub fn read_head(stream: &mut impl Read, bytes: &mut Vec<u8>) -> Result<String> {
    loop {
        if let Some(end) = memmem::find(bytes, b"\r\n\r\n") {
            return Ok(String::from_utf8(bytes[..end + 4].to_vec())?);
        }
        read_more(stream, bytes)?;
    }
}

/// Appends what comes next; the end of the stream is an error.
pub fn read_more(stream: &mut impl Read, bytes: &mut Vec<u8>) -> Result<()> {
    let mut buffer = [0; 16 * 1024];
    match stream.read(&mut buffer)? {
        0 => {
            let last = String::from_utf8_lossy(bytes);
            Err(format!("the server closed the connection after `{last}`").into())
        }
        read => {
            bytes.extend_from_slice(&buffer[..read]);
            Ok(())
        }
    }
}

fn content_length(head: &str) -> Result<usize> {
    let mut fields = head.lines().filter_map(|line| line.split_once(':'));
    let found = fields.find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let (_, length) = found.ok_or_else(|| format!("no content-length:\n{head}"))?;
    Ok(length.trim().parse()?)
}

/// The flags of a program: `--name value`, and what every one of them needs.
#[derive(Debug)]
pub struct Flags {
    values: BTreeMap<String, String>,
}

impl Flags {
    /// Reads the arguments; `switches` are the flags without a value.
    pub fn parse(
        arguments: impl IntoIterator<Item = String>,
        switches: &[&str],
    ) -> std::result::Result<Self, String> {
        let mut values = BTreeMap::new();
        let mut arguments = arguments.into_iter();
        while let Some(flag) = arguments.next() {
            let value = match switches.contains(&flag.as_str()) {
                true => String::new(),
                false => arguments.next().ok_or(format!("{flag} needs a value"))?,
            };
            values.insert(flag, value);
        }
        Ok(Self { values })
    }

    /// Whether the flag is there.
    pub fn has(&self, flag: &str) -> bool {
        self.values.contains_key(flag)
    }

    /// The value of a flag; an error when it is missing.
    pub fn need<T>(&self, flag: &str) -> Result<T>
    where
        T: FromStr<Err: Into<Box<dyn std::error::Error + Send + Sync>>>,
    {
        let value = self.values.get(flag).ok_or(format!("{flag} is missing"))?;
        value.parse().map_err(Into::into)
    }

    /// The value of a flag, or the default.
    pub fn get<T>(&self, flag: &str, default: T) -> Result<T>
    where
        T: FromStr<Err: Into<Box<dyn std::error::Error + Send + Sync>>>,
    {
        match self.has(flag) {
            true => self.need(flag),
            false => Ok(default),
        }
    }

    /// The body `path` must answer with, given the folder of the flag `--files`.
    pub fn expected(&self, path: &str) -> Result<Vec<u8>> {
        let folder: PathBuf = self.need("--files")?;
        Ok(expected(path, &folder)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_compared_byte_by_byte() {
        let answer = Answer {
            head: 19,
            body: b"Hello".to_vec(),
        };
        let good = b"HTTP/1.1 200 OK\r\n\r\nHello";
        assert_eq!(answer.check(good).unwrap(), (1, 24));
        assert_eq!(answer.check(&good[..23]).unwrap(), (0, 0));
        assert_eq!(answer.check(&good.repeat(2)).unwrap(), (2, 48));
        assert!(answer.check(b"HTTP/1.1 200 OK\r\n\r\nHelfo").is_err());
        assert!(answer.check(b"HTTP/1.1 500 OK\r\n\r\nHello").is_err());
        assert!(answer.check(b"HTTP/1.1 200 OKHello\r\n\r\n").is_err());
    }

    #[test]
    fn flags() {
        let words = ["--seconds", "2.5", "--probe"].map(str::to_owned);
        let flags = Flags::parse(words, &["--probe"]).unwrap();
        assert!(flags.has("--probe") && !flags.has("--pid"));
        assert_eq!(flags.need::<f64>("--seconds").unwrap(), 2.5);
        assert_eq!(flags.get("--connections", 64).unwrap(), 64);
        assert!(flags.need::<u32>("--pid").is_err());
        assert!(flags.need::<u32>("--seconds").is_err());
        assert!(Flags::parse(["--pid".to_owned()], &[]).is_err());
    }

    #[test]
    fn the_length_is_found_in_any_case() {
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n";
        assert_eq!(content_length(head).unwrap(), 12);
        assert!(content_length("HTTP/1.1 200 OK\r\n\r\n").is_err());
    }
}
