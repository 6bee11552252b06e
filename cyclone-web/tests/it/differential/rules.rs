//! Every way in which the two engines differ, and why.

use cyclone_web::BodyErrorKind;

use super::compare::{Difference, split_head};
use super::talk::{Event, SeenBody};

/// A known difference.
pub(crate) struct Rule {
    /// What it is called, here and in `docs/http1-differences.md`.
    pub(crate) name: &'static str,
    /// Whether a difference is this one.
    pub(crate) explains: fn(&Difference<'_>) -> bool,
}

const fn rule(name: &'static str, explains: fn(&Difference<'_>) -> bool) -> Rule {
    Rule { name, explains }
}

pub(crate) const RULES: &[Rule] = &[
    rule("two faults", |found| {
        found.ours_refusal().is_some() && found.theirs_refusal().is_some()
    }),
    rule("line ends", |found| {
        found.ours_reason() == Some("a line of the request head does not end with CRLF")
            && has_odd_line_end(found.rest)
    }),
    rule("fragments", |found| {
        found.ours_reason() == Some("the request target has a fragment") && found.head_has("#")
    }),
    rule("heads that never end", |found| {
        let refused = found.ours_refusal().or(found.theirs_refusal());
        let silent = found.ours.is_none() || found.theirs.is_none();
        refused.is_some() && silent && !has_blank_line(found.rest)
    }),
    rule("lengths beside a transfer coding", |found| {
        let about_length = found
            .ours_reason()
            .is_some_and(|reason| reason.contains("content-length"));
        about_length && found.theirs_seen_has("transfer-encoding")
    }),
    rule("lengths beyond 2^64 - 3", |found| {
        found.theirs_refusal() == Some(431) && found.head_has("1844674407370955161")
    }),
    rule("a `connection` that is not ASCII", |found| {
        let lines = found.parts().0.split(|byte| *byte == b'\n');
        let mut lines = lines.filter(|line| line.to_ascii_lowercase().starts_with(b"connection:"));
        lines.any(|line| !line.is_ascii()) && found.ours_closed && !closes(found.theirs)
    }),
    rule("white space behind a chunk size", |found| {
        chunk_fault(found) == Some(Fault::Space)
    }),
    rule("control characters in chunk extensions", |found| {
        chunk_fault(found) == Some(Fault::Control)
    }),
    rule("chunk sizes of more than 16 digits", |found| {
        chunk_fault(found) == Some(Fault::Digits)
    }),
    rule("lines of the trailer section", |found| {
        chunk_fault(found) == Some(Fault::Trailer)
    }),
    rule("unread bodies that are known to be bad", |found| {
        is_unread(found.ours)
            && (found.ours_closed && found.theirs_closed)
            && (closes(found.ours) && !closes(found.theirs))
            && has_text(&found.parts().0.to_ascii_lowercase(), b"transfer-encoding:")
    }),
    rule("unread bodies before the end of the connection", |found| {
        is_unread(found.last) && closes(found.last) && found.ours_closed && !found.theirs_closed
    }),
    rule("unread bodies that have come already", |found| {
        is_unread(found.ours)
            && !closes(found.ours)
            && closes(found.theirs)
            && found.head_has("ontent-")
    }),
    rule("unread bodies beside an offer to upgrade", |found| {
        is_unread(found.last)
            && found.theirs.is_none()
            && found.theirs_closed
            && has_text(
                &found.from_last[..found.from_last.len() - found.rest.len()],
                b"pgrade:",
            )
    }),
];

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

    /// The head of the request that the difference is about, as far as it has come, and what is behind it.
    fn parts(&self) -> (&[u8], &[u8]) {
        split_head(self.rest).unwrap_or((self.rest, &[]))
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

fn fault(request: &[u8]) -> Option<Fault> {
    let (head, mut bytes) = split_head(request)?;
    if !has_text(&head.to_ascii_lowercase(), b"transfer-encoding:") {
        return None;
    }
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
