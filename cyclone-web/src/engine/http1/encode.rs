//! From a response head to bytes.

use std::time::Instant;

use http::{HeaderMap, HeaderValue, StatusCode, Version, header};

use super::date;

/// How the end of a response body is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Length {
    /// There is no body, and nothing is said about its length.
    #[default]
    None,
    /// As many bytes as this.
    Known(u64),
    /// In chunks.
    Chunked,
    /// By the end of the connection.
    UntilClose,
}

/// What the connection decides about a head.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) version: Version,
    pub(crate) length: Length,
    pub(crate) connection: Disposition,
}

/// What happens to the connection after the response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Disposition {
    /// What the version says: nothing has to be said.
    Implied,
    Close,
    /// It is kept, and the client speaks HTTP/1.0.
    Keep,
    /// It leaves HTTP; the headers say where to.
    Upgrade,
}

/// Appends a head. The headers may say nothing about framing: what they say is left out.
pub(crate) fn head(
    out: &mut Vec<u8>,
    status: StatusCode,
    headers: &HeaderMap,
    media: Option<&HeaderValue>,
    shape: Shape,
    now: Instant,
) {
    // Whatever is usual is appended in few large pieces.
    let is_plain = status == StatusCode::OK && shape.version == Version::HTTP_11;
    match media {
        Some(media) if is_plain => {
            out.extend_from_slice(b"HTTP/1.1 200 OK\r\ncontent-type: ");
            out.extend_from_slice(media.as_bytes());
        }
        None if is_plain => out.extend_from_slice(b"HTTP/1.1 200 OK"),
        media => status_line(out, status, shape.version, media),
    }
    let mut dated = false;
    if !headers.is_empty() {
        dated = fields(out, headers, shape.connection);
    }
    match shape.length {
        Length::None | Length::UntilClose => {}
        Length::Known(length) => {
            out.extend_from_slice(b"\r\ncontent-length: ");
            decimal(out, length);
        }
        Length::Chunked => out.extend_from_slice(b"\r\ntransfer-encoding: chunked"),
    }
    match shape.connection {
        Disposition::Implied | Disposition::Upgrade => {}
        Disposition::Close => out.extend_from_slice(b"\r\nconnection: close"),
        Disposition::Keep => out.extend_from_slice(b"\r\nconnection: keep-alive"),
    }
    if dated {
        out.extend_from_slice(b"\r\n\r\n");
    } else {
        date::append_last(out, now);
    }
}

/// Appends the status line and the type, without the end of the last line.
fn status_line(
    out: &mut Vec<u8>,
    status: StatusCode,
    version: Version,
    media: Option<&HeaderValue>,
) {
    out.extend_from_slice(match version {
        Version::HTTP_10 => b"HTTP/1.0 ",
        _ => b"HTTP/1.1 ",
    });
    out.extend_from_slice(status.as_str().as_bytes());
    out.push(b' ');
    let reason = status.canonical_reason().unwrap_or_default();
    out.extend_from_slice(reason.as_bytes());
    if let Some(media) = media {
        out.extend_from_slice(b"\r\ncontent-type: ");
        out.extend_from_slice(media.as_bytes());
    }
}

/// Changes the reason phrase of the head that begins at `start`. The phrase has no end of a line.
#[cold]
pub(crate) fn set_reason(out: &mut Vec<u8>, start: usize, reason: &[u8]) {
    let head = out.get(start..).unwrap_or_default();
    let end = memchr::memchr(b'\r', head).unwrap_or(head.len());
    let from = PHRASE_AT.min(end);
    out.splice(start + from..start + end, reason.iter().copied());
}

/// The place of the reason phrase in a status line.
const PHRASE_AT: usize = "HTTP/1.1 200 ".len();

/// Appends the fields that are not the connection's business, each behind the end of a line, and says whether there
/// was a `date`.
fn fields(out: &mut Vec<u8>, headers: &HeaderMap, connection: Disposition) -> bool {
    let mut dated = false;
    for (name, value) in headers {
        match *name {
            header::CONTENT_LENGTH | header::TRANSFER_ENCODING => continue,
            header::CONNECTION
                if matches!(connection, Disposition::Close | Disposition::Keep)
                    || is_about_keeping(value) =>
            {
                continue;
            }
            header::DATE => dated = true,
            _ => {}
        }
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(name.as_str().as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value.as_bytes());
    }
    dated
}

/// Whether a `connection` field says what the connection says by itself.
fn is_about_keeping(value: &HeaderValue) -> bool {
    let value = value.as_bytes();
    value.eq_ignore_ascii_case(b"close") || value.eq_ignore_ascii_case(b"keep-alive")
}

/// Whether the headers ask for an end of the connection.
pub(crate) fn asks_to_close(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|&byte| byte == b','))
        .any(|token| token.trim_ascii().eq_ignore_ascii_case(b"close"))
}

/// Appends a number in decimal digits.
fn decimal(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Appends the size of a chunk and the end of its line.
pub(crate) fn chunk_size(out: &mut Vec<u8>, size: usize) {
    let mut digits = [0; 16];
    let mut at = digits.len();
    let mut rest = size;
    loop {
        at -= 1;
        digits[at] = b"0123456789abcdef"[rest % 16];
        rest /= 16;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
    out.extend_from_slice(b"\r\n");
}

/// Fields that a trailer section must not have (RFC 9110 section 6.5.1).
const NO_TRAILERS: [header::HeaderName; 10] = [
    header::AUTHORIZATION,
    header::CACHE_CONTROL,
    header::CONTENT_ENCODING,
    header::CONTENT_LENGTH,
    header::CONTENT_RANGE,
    header::CONTENT_TYPE,
    header::HOST,
    header::SET_COOKIE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
];

/// Appends the last chunk, with the trailers that may be there.
pub(crate) fn last_chunk(out: &mut Vec<u8>, trailers: Option<&HeaderMap>) {
    out.extend_from_slice(b"0\r\n");
    for (name, value) in trailers.into_iter().flatten() {
        if !NO_TRAILERS.contains(name) {
            out.extend_from_slice(name.as_str().as_bytes());
            out.extend_from_slice(b": ");
            out.extend_from_slice(value.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
    }
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, StatusCode, Version, header};

    use super::{Disposition, Length, Shape, chunk_size, decimal};

    /// What headers say of the framing is left out: the connection says it, once.
    #[test]
    fn headers_have_no_say_in_the_framing() {
        let headers: HeaderMap = [
            (header::CONTENT_LENGTH, "7"),
            (header::TRANSFER_ENCODING, "gzip"),
            (header::CONNECTION, "keep-alive"),
            (header::VARY, "a"),
        ]
        .map(|(name, value)| (name, HeaderValue::from_static(value)))
        .into_iter()
        .collect();
        for (length, expected) in [
            (Length::Known(5), "content-length: 5\r\n"),
            (Length::Chunked, "transfer-encoding: chunked\r\n"),
            (Length::None, ""),
        ] {
            for media in [None, Some(&HeaderValue::from_static("text/plain"))] {
                let shape = Shape {
                    version: Version::HTTP_11,
                    length,
                    connection: Disposition::Close,
                };
                let mut out = Vec::new();
                let now = std::time::Instant::now();
                super::head(&mut out, StatusCode::OK, &headers, media, shape, now);
                let told = String::from_utf8(out).unwrap();
                let framing = ["content-length", "transfer-encoding"];
                let lines = told.split_inclusive('\n');
                let lines = lines.filter(|line| framing.iter().any(|name| line.starts_with(name)));
                assert_eq!(lines.collect::<String>(), expected, "{told}");
                assert_eq!(told.matches("connection: ").count(), 1, "{told}");
                assert!(told.contains("vary: a\r\n"), "{told}");
            }
        }
    }

    /// RFC 9110 section 6.5.1.
    #[test]
    fn trailers_have_no_say_in_framing_and_routing() {
        let names = super::NO_TRAILERS.into_iter().chain([header::ETAG]);
        let trailers = names
            .map(|name| (name, HeaderValue::from_static("a")))
            .collect();
        let mut out = Vec::new();
        super::last_chunk(&mut out, Some(&trailers));
        assert_eq!(out, b"0\r\netag: a\r\n\r\n");
    }

    #[test]
    fn numbers_are_those_of_the_standard_library() {
        for number in [
            0,
            1,
            9,
            10,
            15,
            16,
            99,
            255,
            256,
            65_535,
            1_000_000,
            u64::MAX,
        ] {
            let mut out = Vec::new();
            decimal(&mut out, number);
            assert_eq!(out, number.to_string().into_bytes());
            let size = number as usize;
            out.clear();
            chunk_size(&mut out, size);
            assert_eq!(out, format!("{size:x}\r\n").into_bytes());
        }
    }
}
