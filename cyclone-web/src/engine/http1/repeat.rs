//! Requests with the header fields of the request before.
//!
//! Most programs that send many requests send the same fields with each of them, byte for byte; only the target
//! differs. A thread keeps the last field section that it has read and checked, and a request with the same one is
//! not read and checked anew: its request line is all that is new. Whatever is unusual in it is left to the
//! [parser](super::parse).
//!
//! Sections with a cookie or credentials are not kept: they are no other client's business, not even by the time
//! that a comparison takes.

use std::cell::RefCell;
use std::time::Instant;

use http::{Method, Version};

use super::parse::{Framing, Request};
use super::target;
use crate::head::{Head, Raw, Section, Target, narrow};
use crate::limits::Limits;

/// The longest section that is kept, in bytes.
const KEPT_BYTES: usize = 2 * 1024;

/// A section that has been checked: of a `GET` of HTTP/1.1 without a body, an expectation or an upgrade, on a
/// connection that is kept.
struct Known {
    section: Vec<u8>,
    fields: u32,
    trailers: bool,
    /// The limits that it was checked against.
    header_line: usize,
    header_count: usize,
}

thread_local! {
    static KNOWN: RefCell<Known> = const {
        RefCell::new(Known {
            section: Vec::new(),
            fields: 0,
            trailers: false,
            header_line: 0,
            header_count: 0,
        })
    };
}

/// Keeps the section of a request that has been parsed.
pub(crate) fn keep(request: &Request, section: &[u8], fields: u32, limits: &Limits) {
    let is_usual = *request.head.method() == Method::GET
        && request.head.version() == Version::HTTP_11
        && request.framing == Framing::None
        && request.keep_alive
        && !request.expecting
        && !request.upgrade;
    if !is_usual || fields == 0 || section.len() > KEPT_BYTES {
        return;
    }
    KNOWN.with_borrow_mut(|known| {
        known.section.clear();
        known.section.extend_from_slice(section);
        known.fields = fields;
        known.trailers = request.trailers;
        known.header_line = limits.header_line;
        known.header_count = limits.header_count;
    });
}

/// A request whose section is known. It has no body, and its connection is kept.
pub(crate) struct Repeated {
    pub(crate) head: Head,
    /// The length of the head in bytes.
    pub(crate) used: usize,
    /// The client wants to see trailers.
    pub(crate) trailers: bool,
}

/// Reads a request whose section is known; nothing when there is anything to look at more closely.
#[inline]
pub(crate) fn parse(input: &[u8], limits: &Limits, now: Instant) -> Option<Repeated> {
    let line = input.strip_prefix(b"GET ")?;
    let (path, length) = target::measure(line)?;
    let section = line[length..].strip_prefix(b" HTTP/1.1\r\n")?;
    KNOWN.with_borrow(|known| {
        if !section.starts_with(&known.section)
            || known.section.is_empty()
            || known.header_line != limits.header_line
            || known.header_count != limits.header_count
        {
            return None;
        }
        let used = input.len() - section.len() + known.section.len();
        let line_length = "GET  HTTP/1.1".len() + length;
        if used > limits.header_section || line_length > limits.request_line {
            return None;
        }
        let target = &line[..length];
        if !target.is_ascii() && std::str::from_utf8(target).is_err() {
            return None;
        }
        let raw = Raw {
            target: Target::copy(target),
            path: narrow(path),
            section: Section::copy(&known.section),
            fields: known.fields,
        };
        Some(Repeated {
            head: Head::raw(Method::GET, Version::HTTP_11, raw, None, now),
            used,
            trailers: known.trailers,
        })
    })
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use crate::engine::http1::parse::{Framing, Parsed, Request, parse};
    use crate::limits::Limits;

    /// What there is to know of a request.
    fn all_of(request: &Request, used: usize) -> String {
        let head = &request.head;
        format!(
            "{} {} {:?} {:?} {} {:?} {:?} {} {} {} {} {used}",
            head.method(),
            head.path(),
            head.query_bytes(),
            head.version(),
            head.uri(),
            head.headers(),
            request.framing,
            request.expecting,
            request.keep_alive,
            request.upgrade,
            request.trailers,
        )
    }

    fn anew(input: &[u8], limits: &Limits) -> Option<String> {
        match parse(input, limits, Instant::now()) {
            Parsed::Request(request, used) => Some(all_of(&request, used)),
            _ => None,
        }
    }

    fn repeated(input: &[u8], limits: &Limits) -> Option<String> {
        let repeated = super::parse(input, limits, Instant::now())?;
        let request = Request {
            head: repeated.head,
            framing: Framing::None,
            expecting: false,
            keep_alive: true,
            upgrade: false,
            trailers: repeated.trailers,
        };
        Some(all_of(&request, repeated.used))
    }

    const SECTIONS: [&str; 12] = [
        "host: a\r\n\r\n",
        "host: a\r\naccept: */*\r\n\r\n",
        "Host: a\r\nte: trailers\r\n\r\n",
        "host: a\r\nconnection: close\r\n\r\n",
        "host: a\r\nconnection: keep-alive\r\n\r\n",
        "host: a\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n",
        "host: a\r\nexpect: 100-continue\r\n\r\n",
        "host: a\r\ncontent-length: 3\r\n\r\nabc",
        "host: a\r\ncontent-length: 0\r\n\r\n",
        "host: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "host: b\r\n\r\n",
        "\r\n",
    ];

    const LINES: [&str; 10] = [
        "GET / HTTP/1.1\r\n",
        "GET /a/b?c=d&e HTTP/1.1\r\n",
        "GET /\u{e4} HTTP/1.1\r\n",
        "GET http://a/x HTTP/1.1\r\n",
        "GET /a#b HTTP/1.1\r\n",
        "GET  / HTTP/1.1\r\n",
        "GET / HTTP/1.0\r\n",
        "HEAD / HTTP/1.1\r\n",
        "POST / HTTP/1.1\r\n",
        "\r\nGET / HTTP/1.1\r\n",
    ];

    /// Whatever was read before, a request is the one that it would be alone.
    #[test]
    fn a_repeated_request_is_what_it_is_alone() {
        let limits = Limits::default();
        let mut hits = 0;
        for before in SECTIONS {
            for line_before in LINES {
                for section in SECTIONS {
                    for line in LINES {
                        let first = format!("{line_before}{before}");
                        let second = format!("{line}{section}GET");
                        let _ = anew(first.as_bytes(), &limits);
                        // Compared before the second is kept too.
                        if let Some(repeated) = repeated(second.as_bytes(), &limits) {
                            hits += 1;
                            let anew = anew(second.as_bytes(), &limits);
                            assert_eq!(Some(repeated), anew, "{first:?} {second:?}");
                        }
                    }
                }
            }
        }
        assert!(hits > 300, "{hits}");
    }

    /// A part of a request, or a section that goes on, is not the one before.
    #[test]
    fn nothing_but_the_whole_section_is_a_repetition() {
        let limits = Limits::default();
        let request = b"GET /x HTTP/1.1\r\nhost: a\r\nx: y\r\n\r\n";
        assert!(anew(request, &limits).is_some());
        for length in 0..request.len() {
            assert_eq!(repeated(&request[..length], &limits), None);
        }
        assert!(repeated(request, &limits).is_some());
        let more = b"GET /x HTTP/1.1\r\nhost: a\r\nx: y\r\nz: z\r\n\r\n";
        assert_eq!(repeated(more, &limits), None);
    }

    /// Applications of one process may have different limits.
    #[test]
    fn a_section_is_checked_anew_when_limits_differ() {
        let request = b"GET /abc HTTP/1.1\r\nhost: a\r\nx: y\r\n\r\n";
        assert!(anew(request, &Limits::default()).is_some());
        assert!(repeated(request, &Limits::default()).is_some());
        let length = request.len();
        for (limits, is_known) in [
            (Limits::new().header_count(1), false),
            (Limits::new().header_line(4), false),
            (Limits::new().header_section(length - 1), false),
            (Limits::new().header_section(length), true),
            (Limits::new().request_line(16), false),
            (Limits::new().request_line(17), true),
        ] {
            assert_eq!(repeated(request, &limits).is_some(), is_known, "{limits}");
        }
    }

    #[test]
    fn secrets_are_not_kept() {
        let limits = Limits::default();
        for field in [
            "cookie: a=b",
            "Cookie: a=b",
            "authorization: Basic YQ==",
            "AUTHORIZATION: x",
            "proxy-authorization: x",
        ] {
            let request = format!("GET / HTTP/1.1\r\nhost: a\r\n{field}\r\n\r\n");
            assert!(anew(request.as_bytes(), &limits).is_some());
            assert_eq!(repeated(request.as_bytes(), &limits), None, "{field}");
        }
    }

    #[test]
    fn long_sections_are_not_kept() {
        let sized = |size: usize| {
            let section = format!("host: a\r\nx: {}\r\n\r\n", "y".repeat(size - 16));
            assert_eq!(section.len(), size);
            format!("GET / HTTP/1.1\r\n{section}")
        };
        for (size, is_kept) in [
            (super::KEPT_BYTES - 1, true),
            (super::KEPT_BYTES, true),
            (super::KEPT_BYTES + 1, false),
        ] {
            let request = sized(size);
            assert!(anew(request.as_bytes(), &Limits::default()).is_some());
            let repeated = repeated(request.as_bytes(), &Limits::default());
            assert_eq!(repeated.is_some(), is_kept);
        }
    }
}
