//! Requests with the header fields of the request before.
//!
//! Most programs that send many requests send the same fields with each of them, byte for byte; only the target
//! differs. A thread keeps the last field section that it has read and checked, and a request with the same one is
//! not read and checked anew: its request line is all that is new. Whatever is unusual in it is left to the
//! [parser](super::parse).

use std::cell::RefCell;
use std::time::Instant;

use http::{Method, Version};
use smol_str::SmolStr;

use super::parse::{Framing, Request};
use super::target;
use crate::head::{Head, Raw, Section, narrow};
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

/// Reads a request whose section is known; nothing when there is anything to look at more closely.
#[inline]
pub(crate) fn parse(input: &[u8], limits: &Limits, now: Instant) -> Option<(Request, usize)> {
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
        let raw = Raw {
            target: SmolStr::new(std::str::from_utf8(&line[..length]).ok()?),
            path: narrow(path),
            section: Section::copy(&known.section),
            fields: known.fields,
        };
        let request = Request {
            head: Head::raw(Method::GET, Version::HTTP_11, raw, None, now),
            framing: Framing::None,
            expecting: false,
            keep_alive: true,
            upgrade: false,
            trailers: known.trailers,
        };
        Some((request, used))
    })
}
