//! From bytes to a request head, with everything refused that two servers could read differently (RFC 9112).
//!
//! `httparse` finds the pieces. What it lets pass and must not reach a handler is refused here: line ends that
//! are no CRLF, targets with a fragment, fields that appear twice, lengths that are no number.

use std::mem::MaybeUninit;
use std::time::Instant;

use http::{Method, StatusCode, Version};
use httparse::{Header, Status};

use super::{repeat, target};
use crate::engine::framing::Refusal;
use crate::engine::{host, refusal};
use crate::head::{Head, Raw, Section, Target, narrow};
use crate::limits::Limits;

/// What was found at the beginning of some bytes.
pub(crate) enum Parsed {
    /// No whole head.
    Partial,
    /// A request, and how many bytes its head takes.
    Request(Request, usize),
    /// Something that is no request.
    Refused(Refusal),
}

/// A request whose body has not been looked at.
pub(crate) struct Request {
    pub(crate) head: Head,
    pub(crate) framing: Framing,
    /// The client waits for `100 Continue` before it sends the body.
    pub(crate) expecting: bool,
    /// The client means to use the connection again.
    pub(crate) keep_alive: bool,
    /// The client offers to switch to another protocol.
    pub(crate) upgrade: bool,
    /// The client wants to see trailers.
    pub(crate) trailers: bool,
}

/// How long the body of a request is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Framing {
    /// As many bytes as this.
    Length(u64),
    /// As many as its chunks have.
    Chunked,
    /// There is no body.
    #[default]
    None,
}

/// The most bytes of empty lines before a request. Some clients send one after a body; whoever sends many has us
/// look at them again and again.
const EMPTY_BYTES: usize = 2 * 8;

/// The longest field name that the `http` crate takes, in bytes.
const NAME_BYTES: usize = u16::MAX as usize;

/// Header fields that are looked at without an allocation for their places. It is the default limit.
const INLINE_FIELDS: usize = 100;

/// Reads a head at the beginning of `input`, which came at `now`.
#[inline(never)]
pub(crate) fn parse(input: &[u8], limits: &Limits, now: Instant) -> Parsed {
    if limits.header_count <= INLINE_FIELDS {
        let mut fields = [const { MaybeUninit::uninit() }; INLINE_FIELDS];
        return parse_with(input, &mut fields[..limits.header_count], limits, now);
    }
    // One line end per field at least: a client that sends few is not given memory for many.
    let lines = memchr::memchr_iter(b'\n', input).take(limits.fields());
    let mut fields = vec![MaybeUninit::uninit(); lines.count()];
    parse_with(input, &mut fields, limits, now)
}

fn parse_with<'b>(
    input: &'b [u8],
    fields: &mut [MaybeUninit<Header<'b>>],
    limits: &Limits,
    now: Instant,
) -> Parsed {
    let mut request = httparse::Request::new(&mut []);
    let refused = match request.parse_with_uninit_headers(input, fields) {
        Ok(Status::Complete(used)) => {
            return match check(input, &request, used, limits, now) {
                Ok(request) => Parsed::Request(request, used),
                Err(refusal) => Parsed::Refused(refusal),
            };
        }
        Ok(Status::Partial) => match check_partial(input, limits) {
            Ok(()) => return Parsed::Partial,
            Err(refusal) => refusal,
        },
        Err(httparse::Error::TooManyHeaders) => {
            let too_long = check_line(input, limits).err();
            too_long.unwrap_or(refusal::of_head(
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                input,
            ))
        }
        Err(_) => refusal::of_head(StatusCode::BAD_REQUEST, input),
    };
    Parsed::Refused(refused)
}

/// Whether a head that is not whole may still become one.
#[cold]
fn check_partial(input: &[u8], limits: &Limits) -> Result<(), Refusal> {
    check_line(input, limits)?;
    // At least one more byte would have to come.
    if input.len() >= limits.header_section {
        return Err(too_large());
    }
    Ok(())
}

/// Whether the request line is not too long so far.
fn check_line(input: &[u8], limits: &Limits) -> Result<(), Refusal> {
    let empty = input
        .iter()
        .take_while(|byte| b"\r\n".contains(byte))
        .count();
    if empty > EMPTY_BYTES {
        return Err(MALFORMED);
    }
    let line = &input[empty..];
    let most = limits.request_line.saturating_add("\r\n".len());
    if line.len() > most && memchr::memchr(b'\n', &line[..most]).is_none() {
        return Err(line_too_long());
    }
    Ok(())
}

fn too_large() -> Refusal {
    refusal::of_head(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, &[])
}

fn line_too_long() -> Refusal {
    refusal::of_head(StatusCode::URI_TOO_LONG, &[])
}

const MALFORMED: Refusal = Refusal::bad("the request is malformed\n");

/// Checks a head that `httparse` has taken apart.
fn check(
    input: &[u8],
    parsed: &httparse::Request<'_, '_>,
    used: usize,
    limits: &Limits,
    now: Instant,
) -> Result<Request, Refusal> {
    let (Some(method), Some(target), Some(version)) = (parsed.method, parsed.path, parsed.version)
    else {
        return Err(MALFORMED);
    };
    let origin = input.as_ptr().addr();
    let place = |text: &[u8]| text.as_ptr().addr().wrapping_sub(origin);
    let start = place(method.as_bytes());
    if method.len() + target.len() + "  HTTP/1.1".len() > limits.request_line {
        return Err(line_too_long());
    }
    if used > limits.header_section {
        return Err(too_large());
    }
    let method = match method {
        "GET" => Method::GET,
        other => other_method(other)?,
    };
    let version = match version {
        0 => Version::HTTP_10,
        _ => Version::HTTP_11,
    };
    let ends = |at: usize| at >= 2 && input[at - 2..at] == *b"\r\n";
    let mut are_lines = (start == 0 || are_empty_lines(&input[..start]))
        && used >= 4
        && input[used - 4..used] == *b"\r\n\r\n";
    let mut seen = Seen::new(version);
    for field in parsed.headers.iter() {
        are_lines &= ends(place(field.name.as_bytes()));
        seen.note(field, limits)?;
    }
    if !are_lines {
        // RFC 9112 section 2.2 lets servers take a bare LF for a line end. A proxy that does not would read
        // another request, so we do not either.
        return Err(Refusal::bad(
            "a line of the request head does not end with CRLF\n",
        ));
    }
    if seen.host.is_none() && version == Version::HTTP_11 {
        return Err(Refusal::bad("the host header is missing\n"));
    }
    let (path, uri) = match target::check(&method, target, seen.host)? {
        target::Form::Origin { path } => (path, None),
        target::Form::Other(uri) => (0, Some(uri)),
    };
    let section = parsed
        .headers
        .first()
        .map_or(used - "\r\n".len(), |field| place(field.name.as_bytes()));
    let raw = Raw {
        target: match uri {
            Some(_) => Target::default(),
            None => Target::copy(target.as_bytes()),
        },
        path: narrow(path),
        section: Section::copy(&input[section..used]),
        fields: narrow(parsed.headers.len()),
    };
    let request = Request {
        head: Head::raw(method, version, raw, uri, now),
        framing: seen.framing(),
        expecting: seen.expecting && version == Version::HTTP_11,
        keep_alive: seen.keep_alive(),
        upgrade: seen.upgrade
            && seen.upgrade_token
            && version == Version::HTTP_11
            && seen.framing() == Framing::None,
        trailers: seen.trailers,
    };
    if !seen.secret {
        let fields = narrow(parsed.headers.len());
        repeat::keep(&request, &input[section..used], fields, limits);
    }
    Ok(request)
}

fn other_method(name: &str) -> Result<Method, Refusal> {
    let method = Method::from_bytes(name.as_bytes()).map_err(|_| MALFORMED)?;
    if method == Method::CONNECT || method == Method::TRACE {
        // RFC 9110 sections 9.3.6 and 9.3.8: we are no proxy, and to echo a request discloses its cookies.
        return Err(Refusal::new(
            StatusCode::NOT_IMPLEMENTED,
            "this method is not implemented\n",
        ));
    }
    Ok(method)
}

/// Whether there are nothing but line ends, which some clients send after a body.
#[cold]
fn are_empty_lines(bytes: &[u8]) -> bool {
    bytes.len() <= EMPTY_BYTES && bytes.chunks(2).all(|end| end == b"\r\n")
}

/// The header fields that matter here, found in one pass.
struct Seen<'a> {
    version: Version,
    host: Option<&'a [u8]>,
    length: Option<u64>,
    chunked: bool,
    expecting: bool,
    /// `connection` asks for an end, or for none.
    close: bool,
    keep: bool,
    /// There is an `upgrade` field, and `connection` names it.
    upgrade: bool,
    upgrade_token: bool,
    trailers: bool,
    /// There is something that only this client knows.
    secret: bool,
}

impl<'a> Seen<'a> {
    fn new(version: Version) -> Self {
        Self {
            version,
            host: None,
            length: None,
            chunked: false,
            expecting: false,
            close: false,
            keep: false,
            upgrade: false,
            upgrade_token: false,
            trailers: false,
            secret: false,
        }
    }

    fn note(&mut self, field: &Header<'a>, limits: &Limits) -> Result<(), Refusal> {
        let (name, value) = (field.name, field.value);
        if name.len() + value.len() > limits.header_line || name.len() > NAME_BYTES {
            return Err(Refusal::new(
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                "a header field is too long\n",
            ));
        }
        // The length tells nearly all fields apart.
        match name.len() {
            2 if name.eq_ignore_ascii_case("te") => {
                let mut codings = value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
                self.trailers |= codings.any(|coding| coding.eq_ignore_ascii_case(b"trailers"));
                Ok(())
            }
            4 if name.eq_ignore_ascii_case("host") => self.note_host(value),
            6 if name.eq_ignore_ascii_case("expect") => self.note_expectation(value),
            6 if name.eq_ignore_ascii_case("cookie") => {
                self.secret = true;
                Ok(())
            }
            13 | 19 if name.to_ascii_lowercase().ends_with("authorization") => {
                self.secret = true;
                Ok(())
            }
            7 if name.eq_ignore_ascii_case("upgrade") => {
                self.upgrade = true;
                Ok(())
            }
            10 if name.eq_ignore_ascii_case("connection") => {
                self.note_connection(value);
                Ok(())
            }
            14 if name.eq_ignore_ascii_case("content-length") => self.note_length(value),
            17 if name.eq_ignore_ascii_case("transfer-encoding") => self.note_coding(value),
            _ => Ok(()),
        }
    }

    fn note_host(&mut self, value: &'a [u8]) -> Result<(), Refusal> {
        if self.host.is_some() {
            return Err(Refusal::bad("there is more than one host header\n"));
        }
        if !host::is_valid(value) {
            return Err(Refusal::bad("the host header is invalid\n"));
        }
        self.host = Some(value);
        Ok(())
    }

    fn note_expectation(&mut self, value: &[u8]) -> Result<(), Refusal> {
        if !value.eq_ignore_ascii_case(b"100-continue") {
            return Err(Refusal::new(
                StatusCode::EXPECTATION_FAILED,
                "the expectation is unknown\n",
            ));
        }
        self.expecting = true;
        Ok(())
    }

    /// RFC 9112 section 9.3: `close` wins over everything.
    fn note_connection(&mut self, value: &[u8]) {
        for token in value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
            if token.eq_ignore_ascii_case(b"close") {
                self.close = true;
            } else if token.eq_ignore_ascii_case(b"keep-alive") {
                self.keep = true;
            } else if token.eq_ignore_ascii_case(b"upgrade") {
                self.upgrade_token = true;
            }
        }
    }

    /// RFC 9110 section 8.6: digits; a field that is repeated says the same.
    fn note_length(&mut self, value: &[u8]) -> Result<(), Refusal> {
        const WRONG: Refusal = Refusal::bad("the content-length is invalid\n");
        if value.is_empty() {
            return Err(WRONG);
        }
        let mut length = 0_u64;
        for byte in value {
            if !byte.is_ascii_digit() {
                return Err(WRONG);
            }
            length = length
                .checked_mul(10)
                .and_then(|length| length.checked_add(u64::from(byte - b'0')))
                .ok_or(WRONG)?;
        }
        if self.length.is_some_and(|other| other != length) {
            return Err(Refusal::bad("there are two different content-lengths\n"));
        }
        self.length = Some(length);
        Ok(())
    }

    /// RFC 9112 section 6.1: `chunked`, once, is all that is understood here.
    fn note_coding(&mut self, value: &[u8]) -> Result<(), Refusal> {
        if self.chunked || !value.eq_ignore_ascii_case(b"chunked") {
            return Err(Refusal::bad("the transfer-encoding is not just chunked\n"));
        }
        if self.version == Version::HTTP_10 {
            return Err(Refusal::bad("HTTP/1.0 has no transfer-encoding\n"));
        }
        self.chunked = true;
        Ok(())
    }

    fn framing(&self) -> Framing {
        match (self.chunked, self.length) {
            (true, _) => Framing::Chunked,
            (false, Some(0) | None) => Framing::None,
            (false, Some(length)) => Framing::Length(length),
        }
    }

    /// A length beside a coding is either an attack or a mistake: the connection is not used again (RFC 9112
    /// section 6.3).
    fn keep_alive(&self) -> bool {
        let wanted = self.keep || self.version == Version::HTTP_11;
        wanted && !self.close && !(self.chunked && self.length.is_some())
    }
}

#[cfg(test)]
mod tests;
