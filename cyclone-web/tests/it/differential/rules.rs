//! Every way in which the two engines differ, and why.

use cyclone_web::BodyErrorKind;
use http::Version;

use super::compare::{Difference, split_head};
use super::talk::{Event, SeenBody};

/// A known difference.
pub(crate) struct Rule {
    /// What it is about.
    pub(crate) name: &'static str,
    /// Who lets less pass.
    pub(crate) stricter: Side,
    /// Where the standard speaks of it.
    pub(crate) section: &'static str,
    /// What our engine does, and why.
    pub(crate) why: &'static str,
    /// Whether a difference is this one.
    pub(crate) explains: fn(&Difference<'_>) -> bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Ours,
    Hyper,
    Neither,
}

pub(crate) const RULES: &[Rule] = &[
    Rule {
        name: "two faults in one head",
        stricter: Side::Neither,
        section: "RFC 9112 2.2",
        why: "Both refuse; which fault the status is about may differ.",
        explains: |found| found.ours_refusal().is_some() && found.theirs_refusal().is_some(),
    },
    Rule {
        name: "line ends that are no CRLF",
        stricter: Side::Ours,
        section: "RFC 9112 2.2",
        why: "A server may take a bare LF for a line end; a proxy before it that does not sees another request. 400.",
        explains: |found| {
            // Answers to HEAD do not say why.
            matches!(
                found.ours_reason(),
                Some("a line of the request head does not end with CRLF" | "")
            ) && has_odd_line_end(found.rest)
        },
    },
    Rule {
        name: "more than 8 empty lines before a request",
        stricter: Side::Ours,
        section: "RFC 9112 2.2",
        why: "One has to be ignored. Each makes the server look at all of them again. 400.",
        explains: |found| {
            let empty = found.rest.iter().take_while(|byte| b"\r\n".contains(byte));
            found.ours_refusal() == Some(400) && empty.count() > 16
        },
    },
    Rule {
        name: "fragments in request targets",
        stricter: Side::Ours,
        section: "RFC 9112 3.2",
        why: "The parser sees every `#` and answers 400. Before hyper they are searched for in the bytes, which misses some.",
        explains: |found| {
            found.ours_refusal().is_some()
                && found.theirs.is_some_and(|event| event.seen().is_some())
                && found.request_line().contains(&b'#')
        },
    },
    Rule {
        name: "requests beside one with a fragment",
        stricter: Side::Hyper,
        section: "RFC 9112 3.2",
        why: "For the same reason a request that differs from its neighbour only by the fragment was refused as well. It is served.",
        explains: |found| {
            // An answer to `HEAD` has no reason.
            matches!(
                found.theirs_reason(),
                Some("the request target has a fragment" | "")
            ) && found.ours.is_some_and(|event| event.seen().is_some())
                && has_text(found.from_last, b"#")
        },
    },
    Rule {
        name: "heads that never end",
        stricter: Side::Neither,
        section: "RFC 9112 2.2",
        why: "Whether the fault of an unfinished head is found before its end depends on the pieces that it comes in.",
        explains: |found| {
            let refused = found.ours_refusal().or(found.theirs_refusal());
            let silent = found.ours.is_none() || found.theirs.is_none();
            refused.is_some() && silent && !has_blank_line(found.rest)
        },
    },
    Rule {
        name: "a wrong `content-length` beside `transfer-encoding`",
        stricter: Side::Ours,
        section: "RFC 9112 6.3",
        why: "hyper does not look at a length that stands behind the coding. One that is no number, or longer than a field may be, is a fault either way. 400, 431.",
        explains: |found| {
            let about = found.ours_reason().is_some_and(|reason| {
                let is_head = reason.is_empty();
                is_head || reason.contains("content-length") || reason.contains("too long")
            });
            about && found.theirs_seen_has("transfer-encoding")
        },
    },
    Rule {
        name: "a `content-length` of 2^64 - 3 and more",
        stricter: Side::Neither,
        section: "RFC 9110 8.6",
        why: "hyper answers 431; for us it is a body that is too large, 413, until the number does not fit 64 bits, 400.",
        explains: |found| {
            found.theirs_refusal() == Some(431) && found.head_has("1844674407370955161")
        },
    },
    Rule {
        name: "`connection` with bytes beyond ASCII",
        stricter: Side::Neither,
        section: "RFC 9110 7.6.1",
        why: "hyper ignores the whole field; we see the `close` or the `keep-alive` in it.",
        explains: |found| {
            let lines = found.parts().0.split(|byte| *byte == b'\n');
            let mut lines =
                lines.filter(|line| line.to_ascii_lowercase().starts_with(b"connection:"));
            lines.any(|line| !line.is_ascii()) && closes(found.ours) != closes(found.theirs)
        },
    },
    Rule {
        name: "white space between a chunk size and CRLF",
        stricter: Side::Ours,
        section: "RFC 9112 7.1",
        why: "The grammar has none there, only before and behind `;`. The body is malformed, 400.",
        explains: |found| chunk_fault(found) == Some(Fault::Space),
    },
    Rule {
        name: "control characters in chunk extensions",
        stricter: Side::Ours,
        section: "RFC 9112 7.1.1",
        why: "They are no part of an extension, and what is ignored is looked at by nobody. The body is malformed, 400.",
        explains: |found| chunk_fault(found) == Some(Fault::Control),
    },
    Rule {
        name: "chunk extensions of 16 KiB and more in one body",
        stricter: Side::Ours,
        section: "RFC 9112 7.1.1",
        why: "The limit is the same, but every `;` and all white space counts. The body is malformed, 400.",
        explains: |found| chunk_fault(found) == Some(Fault::Extensions),
    },
    Rule {
        name: "chunk sizes of more than 16 digits",
        stricter: Side::Ours,
        section: "RFC 9112 7.1",
        why: "Nobody needs a leading zero that makes it longer than a 64-bit number. The body is malformed, 400.",
        explains: |found| chunk_fault(found) == Some(Fault::Digits),
    },
    Rule {
        name: "line ends and control characters in trailers",
        stricter: Side::Ours,
        section: "RFC 9112 7.1.2",
        why: "Lines of the trailer section end with CRLF like those of a head. The body is malformed, 400.",
        explains: |found| chunk_fault(found) == Some(Fault::Trailer),
    },
    Rule {
        name: "an HTTP/1.0 answer that ends with the connection",
        stricter: Side::Neither,
        section: "RFC 9112 9.3",
        why: "To a client that asked to keep the connection hyper says `keep-alive`, and closes. We say `close`.",
        explains: |found| {
            let Some(Event::Served {
                seen, close: true, ..
            }) = found.ours
            else {
                return false;
            };
            // hyper may still wait for a body that nobody reads.
            seen.version == Version::HTTP_10
                && found.ours_closed
                && (found.theirs_closed || is_unread(found.ours))
                && !closes(found.theirs)
                && seen.headers.iter().any(|(name, _)| name == "connection")
        },
    },
    Rule {
        name: "two faults in one body",
        stricter: Side::Neither,
        section: "RFC 9112 7.1.2",
        why: "A trailer section of too many lines that is cut short: hyper counts lines as they come, we when all have. Both fail.",
        explains: |found| {
            let fails = |event: Option<&Event>| {
                matches!(event.and_then(Event::body), Some(SeenBody::Failed(_)))
            };
            fails(found.ours) && fails(found.theirs) && fault(found.rest) == Some(Fault::Trailer)
        },
    },
    Rule {
        name: "an unread chunked body that is malformed or too long",
        stricter: Side::Neither,
        section: "RFC 9112 9.3",
        why: "What has come is looked at before the answer, which so says `connection: close`. Before, the connection closed without.",
        explains: |found| {
            is_unread(found.ours)
                && (found.ours_closed && found.theirs_closed)
                && (closes(found.ours) && !closes(found.theirs))
                && has_text(&found.parts().0.to_ascii_lowercase(), b"transfer-encoding:")
        },
    },
    Rule {
        name: "an unread body before the end of the connection",
        stricter: Side::Neither,
        section: "RFC 9112 9.6",
        why: "When the answer is the last one, nothing is drained: the write side closes at once, and the connection lingers.",
        explains: |found| {
            is_unread(found.last) && closes(found.last) && found.ours_closed && !found.theirs_closed
        },
    },
    Rule {
        name: "an unread body that came with its head",
        stricter: Side::Hyper,
        section: "RFC 9112 9.3",
        why: "A body of at most 64 KiB that is here already is taken whole, so the connection is kept whatever `Limits::drain_bytes` is.",
        explains: |found| {
            is_unread(found.ours)
                && !closes(found.ours)
                && closes(found.theirs)
                && has_text(&found.parts().0.to_ascii_lowercase(), b"content-length:")
        },
    },
];

/// The rules as rows of a table.
pub(crate) fn rows() -> Vec<String> {
    let row = |rule: &Rule| {
        let stricter = match rule.stricter {
            Side::Ours => "ours",
            Side::Hyper => "hyper",
            Side::Neither => "neither",
        };
        format!(
            "| {} | {stricter} | {} | {} |",
            rule.name, rule.section, rule.why
        )
    };
    RULES.iter().map(row).collect()
}

impl Difference<'_> {
    fn ours_refusal(&self) -> Option<u16> {
        self.ours?.refusal()
    }

    fn theirs_refusal(&self) -> Option<u16> {
        self.theirs?.refusal()
    }

    fn ours_reason(&self) -> Option<&str> {
        self.ours?.reason()
    }

    fn theirs_seen_has(&self, field: &str) -> bool {
        let seen = self.theirs.and_then(Event::seen);
        seen.is_some_and(|seen| seen.headers.iter().any(|(name, _)| name == field))
    }

    fn theirs_reason(&self) -> Option<&str> {
        self.theirs?.reason()
    }

    /// The head of the request that the difference is about, as far as it has come, and what is behind it.
    fn parts(&self) -> (&[u8], &[u8]) {
        split_head(self.rest).unwrap_or((self.rest, &[]))
    }

    fn request_line(&self) -> &[u8] {
        let lines = self.rest.split(|byte| *byte == b'\n');
        let mut lines = lines.filter(|line| !matches!(line, [] | [b'\r']));
        lines.next().unwrap_or_default()
    }

    fn head_has(&self, text: &str) -> bool {
        has_text(self.parts().0, text.as_bytes())
    }
}

fn has_text(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|window| window == text)
}

fn is_unread(event: Option<&Event>) -> bool {
    event.and_then(Event::body) == Some(&SeenBody::Unread)
}

/// Whether the answer says that it is the last one.
fn closes(event: Option<&Event>) -> bool {
    matches!(
        event,
        Some(Event::Served { close: true, .. } | Event::Refused { .. })
    )
}

/// Whether there is a blank line behind the empty ones at the beginning.
fn has_blank_line(head: &[u8]) -> bool {
    let empty = head
        .iter()
        .take_while(|byte| b"\r\n".contains(byte))
        .count();
    has_text(&head[empty..], b"\n\r\n") || has_text(&head[empty..], b"\n\n")
}

/// Whether a line of a head, or an empty one before it, does not end with CRLF.
fn has_odd_line_end(request: &[u8]) -> bool {
    let mut has_begun = false;
    for line in request.split_inclusive(|byte| *byte == b'\n') {
        let Some(text) = line.strip_suffix(b"\r\n") else {
            return true;
        };
        if text.is_empty() && has_begun {
            return false;
        }
        if !has_begun && text.first() == Some(&b'\r') {
            return true;
        }
        has_begun |= !text.is_empty();
    }
    true
}

/// What is wrong with a chunked body first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Digits,
    Space,
    Control,
    Extensions,
    Trailer,
    Other,
}

/// What is wrong with the chunked body that the difference is about.
fn chunk_fault(found: &Difference<'_>) -> Option<Fault> {
    match found.ours.and_then(Event::body) {
        Some(SeenBody::Unread | SeenBody::Failed(BodyErrorKind::Malformed)) => fault(found.rest),
        None if is_unread(found.last) && found.ours_closed => fault(found.from_last),
        _ => None,
    }
}

/// The most bytes of chunk extensions in one body.
const EXTENSION_BYTES: usize = 16 * 1024;

fn fault(request: &[u8]) -> Option<Fault> {
    let (head, mut bytes) = split_head(request)?;
    if !has_text(&head.to_ascii_lowercase(), b"transfer-encoding:") {
        return None;
    }
    let mut extensions = 0;
    loop {
        let digits = bytes
            .iter()
            .take_while(|byte| byte.is_ascii_hexdigit())
            .count();
        if digits > 16 {
            return Some(Fault::Digits);
        }
        let size = std::str::from_utf8(&bytes[..digits]).ok()?;
        let Ok(size) = usize::from_str_radix(size, 16) else {
            return Some(Fault::Other);
        };
        let rest = &bytes[digits..];
        let spaces = rest.iter().take_while(|byte| b" \t".contains(byte)).count();
        let rest = &rest[spaces..];
        match rest.first()? {
            b'\r' if spaces == 0 => {}
            b'\r' => return Some(Fault::Space),
            b';' => {}
            _ => return Some(Fault::Other),
        }
        let end = rest
            .iter()
            .position(|byte| *byte == b'\r')
            .unwrap_or(rest.len());
        extensions += spaces + end;
        if extensions > EXTENSION_BYTES {
            return Some(Fault::Extensions);
        }
        if rest[..end]
            .iter()
            .any(|byte| byte.is_ascii_control() && *byte != b'\t')
        {
            return Some(Fault::Control);
        }
        let Some(rest) = rest[end..].strip_prefix(b"\r\n") else {
            return Some(Fault::Other);
        };
        bytes = rest;
        if size == 0 {
            return Some(Fault::Trailer);
        }
        let Some(rest) = bytes.get(size..)?.strip_prefix(b"\r\n") else {
            return Some(Fault::Other);
        };
        bytes = rest;
    }
}
