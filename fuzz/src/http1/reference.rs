//! HTTP/1 requests, read slowly: by the grammar of RFC 9112, from whole bytes, one after the other.
//!
//! It knows nothing of the engine. It accepts more heads than the engine does, and reads each of these in one way.

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) target: Vec<u8>,
    /// Names in lower case, values without the white space around them.
    pub(crate) fields: Vec<Field>,
    pub(crate) body: Body,
}

pub(crate) type Field = (String, Vec<u8>);

/// What there is of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    Whole(Vec<u8>, Vec<Field>),
    /// The stream ends before it does.
    Cut,
    Malformed,
}

/// Every request of a stream, up to one that is not whole or not right.
pub(crate) fn requests(mut stream: &[u8]) -> Vec<Request> {
    let mut requests = Vec::new();
    while let Some((request, behind)) = request(stream) {
        let is_last = !matches!(request.body, Body::Whole(..));
        requests.push(request);
        stream = behind;
        if is_last {
            break;
        }
    }
    requests
}

/// Cuts at the first `mark`.
fn cut<'a>(bytes: &'a [u8], mark: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = bytes
        .windows(mark.len())
        .position(|window| window == mark)?;
    Some((&bytes[..at], &bytes[at + mark.len()..]))
}

fn request(mut stream: &[u8]) -> Option<(Request, &[u8])> {
    while let Some(rest) = stream.strip_prefix(b"\r\n") {
        stream = rest;
    }
    let (line, mut rest) = cut(stream, b"\r\n")?;
    let parts: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
    let [method, target, b"HTTP/1.1" | b"HTTP/1.0"] = parts[..] else {
        return None;
    };
    let mut fields = Vec::new();
    loop {
        let (line, behind) = cut(rest, b"\r\n")?;
        rest = behind;
        if line.is_empty() {
            break;
        }
        fields.push(field(line)?);
    }
    let find = |name: &str| fields.iter().find(|field| field.0 == name);
    let (body, behind) = if find("transfer-encoding").is_some() {
        chunked(rest)
    } else if let Some((_, length)) = find("content-length") {
        let length: usize = std::str::from_utf8(length).ok()?.parse().ok()?;
        match rest.get(..length) {
            Some(data) => (Body::Whole(data.to_vec(), Vec::new()), &rest[length..]),
            None => (Body::Cut, &[][..]),
        }
    } else {
        (Body::Whole(Vec::new(), Vec::new()), rest)
    };
    let request = Request {
        method: String::from_utf8(method.to_vec()).ok()?,
        target: target.to_vec(),
        fields,
        body,
    };
    Some((request, behind))
}

/// `field-line = field-name ":" OWS field-value OWS`
fn field(line: &[u8]) -> Option<Field> {
    let (name, value) = cut(line, b":")?;
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    let is_text = |byte: &u8| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f);
    if name.is_empty() || !name.iter().all(is_token) || !value.iter().all(is_text) {
        return None;
    }
    let is_space = |byte: &&u8| b" \t".contains(byte);
    let before = value.iter().take_while(is_space).count();
    let value = &value[before..];
    let after = value.iter().rev().take_while(is_space).count();
    let value = value[..value.len() - after].to_vec();
    Some((String::from_utf8(name.to_ascii_lowercase()).ok()?, value))
}

/// A chunked body, and what is behind it.
pub(crate) fn chunked(bytes: &[u8]) -> (Body, &[u8]) {
    let mut reader = Reader(bytes);
    match reader.body() {
        Ok((data, trailers)) => (Body::Whole(data, trailers), reader.0),
        Err(Fault::End) => (Body::Cut, &[]),
        Err(Fault::Wrong) => (Body::Malformed, &[]),
    }
}

enum Fault {
    /// There are no more bytes.
    End,
    Wrong,
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn peek(&self) -> Result<u8, Fault> {
        self.0.first().copied().ok_or(Fault::End)
    }

    fn skip(&mut self) {
        self.0 = &self.0[1..];
    }

    fn expect(&mut self, text: &[u8]) -> Result<(), Fault> {
        for byte in text {
            if self.peek()? != *byte {
                return Err(Fault::Wrong);
            }
            self.skip();
        }
        Ok(())
    }

    fn many(&mut self, of: impl Fn(u8) -> bool) -> Result<Vec<u8>, Fault> {
        let mut found = Vec::new();
        while of(self.peek()?) {
            found.push(self.peek()?);
            self.skip();
        }
        Ok(found)
    }

    fn body(&mut self) -> Result<(Vec<u8>, Vec<Field>), Fault> {
        let mut data = Vec::new();
        loop {
            let size = self.size()?;
            if size == 0 {
                return Ok((data, self.trailers()?));
            }
            for _ in 0..size {
                data.push(self.peek()?);
                self.skip();
            }
            self.expect(b"\r\n")?;
        }
    }

    /// The line of a chunk size, with its extensions.
    fn size(&mut self) -> Result<u64, Fault> {
        let mut digits = 0;
        let mut size = 0_u64;
        while let Some(digit) = char::from(self.peek()?).to_digit(16) {
            digits += 1;
            if digits > 16 {
                return Err(Fault::Wrong);
            }
            size = size * 16 + u64::from(digit);
            self.skip();
        }
        if digits == 0 {
            return Err(Fault::Wrong);
        }
        let space = self.many(|byte| byte == b' ' || byte == b'\t')?;
        if self.peek()? == b';' {
            self.many(is_text)?;
        } else if !space.is_empty() {
            return Err(Fault::Wrong);
        }
        self.expect(b"\r\n")?;
        Ok(size)
    }

    fn trailers(&mut self) -> Result<Vec<Field>, Fault> {
        let mut lines = Vec::new();
        while self.peek()? != b'\r' {
            if !self.peek()?.is_ascii_graphic() {
                return Err(Fault::Wrong);
            }
            lines.push(self.many(is_text)?);
            self.expect(b"\r\n")?;
        }
        self.expect(b"\r\n")?;
        let fields = lines.iter().map(|line| field(line).ok_or(Fault::Wrong));
        fields.collect()
    }
}

/// `HTAB / SP / VCHAR / obs-text`
fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}
