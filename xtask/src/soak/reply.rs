//! HTTP/1.1 answers, read as strictly as a client may.

use std::io::{Read, Write};

use super::wire::{Failure, Wire, wrong};

/// An answer.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    head: String,
    pub(super) body: Vec<u8>,
}

impl Reply {
    /// The value of a header field.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// Reads the status and the header fields.
    pub(super) fn head<S: Read + Write>(wire: &mut Wire<S>) -> Result<Self, Failure> {
        let head = wire.take_until(b"\r\n\r\n")?;
        let Ok(head) = String::from_utf8(head) else {
            return wrong("the head of an answer is no UTF-8");
        };
        let status = head.strip_prefix("HTTP/1.1 ").and_then(|rest| {
            let digits = rest.get(..3)?;
            digits.parse().ok()
        });
        let Some(status) = status else {
            return wrong(format!("no status line: {head:?}"));
        };
        Ok(Self {
            status,
            head,
            body: Vec::new(),
        })
    }

    /// Reads a whole answer to anything but HEAD.
    pub(super) fn read<S: Read + Write>(wire: &mut Wire<S>) -> Result<Self, Failure> {
        let mut reply = Self::head(wire)?;
        if reply.status < 200 || matches!(reply.status, 204 | 304) {
            return Ok(reply);
        }
        if reply.header("transfer-encoding").is_some() {
            while reply.chunk(wire)? {}
            return Ok(reply);
        }
        let Some(length) = reply.header("content-length") else {
            return wrong(format!("an answer without length: {}", reply.head));
        };
        match length.parse() {
            Ok(length) => reply.body = wire.take(length)?,
            Err(_) => return wrong(format!("content-length is {length:?}")),
        }
        Ok(reply)
    }

    /// Reads one chunk of a chunked body; false at the last.
    pub(super) fn chunk<S: Read + Write>(&mut self, wire: &mut Wire<S>) -> Result<bool, Failure> {
        let size = wire.line()?;
        let Ok(count) = usize::from_str_radix(&size, 16) else {
            return wrong(format!("a chunk of size {size:?}"));
        };
        self.body.extend(wire.take(count)?);
        if wire.take(2)? != b"\r\n" {
            return wrong("no line end after a chunk");
        }
        Ok(count > 0)
    }

    pub(super) fn expect(&self, status: u16) -> Result<(), Failure> {
        if self.status == status {
            return Ok(());
        }
        wrong(format!("expected {status}, got {}", self.head))
    }
}

#[cfg(test)]
mod tests {
    use super::super::wire::tests::wire;
    use super::*;

    #[test]
    fn bodies_of_known_length_and_in_chunks_are_read() {
        let mut wire = wire(&[
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab",
            "cHTTP/1.1 304 Not Modified\r\n\r\nHTTP/1.1 404 Not Found\r\n",
            "transfer-encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
        ]);
        let reply = Reply::read(&mut wire).unwrap();
        assert_eq!((reply.status, reply.body.as_slice()), (200, &b"abc"[..]));
        assert_eq!(Reply::read(&mut wire).unwrap().status, 304);
        let reply = Reply::read(&mut wire).unwrap();
        assert_eq!((reply.status, reply.body.as_slice()), (404, &b"hello"[..]));
        assert!(reply.expect(404).is_ok());
        assert!(reply.expect(200).is_err());
        assert!(matches!(Reply::read(&mut wire), Err(Failure::Closed)));
    }

    #[test]
    fn what_is_no_answer_is_wrong() {
        for text in [
            "HTTP/1.0 200 OK\r\n\r\n",
            "HTTP/1.1 2 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nx\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nabc",
        ] {
            let outcome = Reply::read(&mut wire(&[text]));
            assert!(matches!(outcome, Err(Failure::Wrong(_))), "{text}");
        }
    }
}
