//! Finds the first difference between two outcomes of a stream, and the bytes that it is about.

use super::talk::{Event, Outcome, Seen, SeenBody};

/// The first difference.
#[derive(Debug)]
pub(crate) struct Difference<'a> {
    /// What the engines saw behind the last request that they agree on.
    pub(crate) rest: &'a [u8],
    /// That request, and the same bytes from there.
    pub(crate) last: Option<&'a Event>,
    pub(crate) from_last: &'a [u8],
    pub(crate) ours: Option<&'a Event>,
    pub(crate) theirs: Option<&'a Event>,
    /// Whether the connection was closed in the end.
    pub(crate) ours_closed: bool,
    pub(crate) theirs_closed: bool,
}

/// The first difference in what came of `stream`.
pub(crate) fn difference<'a>(
    stream: &'a [u8],
    ours: &'a Outcome,
    theirs: &'a Outcome,
) -> Option<Difference<'a>> {
    if ours == theirs {
        return None;
    }
    let same = ours.events.iter().zip(&theirs.events);
    let same = same
        .take_while(|(ours, theirs)| are_same(ours, theirs))
        .count();
    let (ours_event, theirs_event) = (ours.events.get(same), theirs.events.get(same));
    if ours_event.is_none() && theirs_event.is_none() && ours.closed == theirs.closed {
        return None;
    }
    Some(Difference {
        rest: behind(stream, same),
        last: same.checked_sub(1).and_then(|last| ours.events.get(last)),
        from_last: behind(stream, same.saturating_sub(1)),
        ours: ours_event,
        theirs: theirs_event,
        ours_closed: ours.closed,
        theirs_closed: theirs.closed,
    })
}

/// Whether two events are the same, but for the wording of a refusal.
fn are_same(ours: &Event, theirs: &Event) -> bool {
    match (ours, theirs) {
        (Event::Refused { status, .. }, Event::Refused { status: other, .. }) => status == other,
        (
            Event::Served {
                seen,
                status,
                body,
                close,
            },
            Event::Served {
                seen: other_seen,
                status: other_status,
                body: other_body,
                close: other_close,
            },
        ) => (status, body, close) == (other_status, other_body, other_close) && seen == other_seen,
        (Event::Unanswered { seen }, Event::Unanswered { seen: other }) => seen == other,
        _ => false,
    }
}

impl Event {
    pub(crate) fn seen(&self) -> Option<&Seen> {
        match self {
            Self::Served { seen, .. } | Self::Unanswered { seen } => Some(seen),
            Self::Refused { .. } => None,
        }
    }

    pub(crate) fn body(&self) -> Option<&SeenBody> {
        self.seen().map(|seen| &seen.body)
    }

    pub(crate) fn refusal(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }

    pub(crate) fn reason(&self) -> Option<&str> {
        match self {
            Self::Refused { reason, .. } => Some(reason),
            _ => None,
        }
    }
}

/// What of `stream` is behind its first `count` requests, all of which are well formed.
pub(crate) fn behind(stream: &[u8], count: usize) -> &[u8] {
    let mut rest = stream;
    for _ in 0..count {
        let Some((head, behind)) = split_head(rest) else {
            return &[];
        };
        rest = match framing(head) {
            Framing::Length(length) => behind.get(length..).unwrap_or_default(),
            Framing::Chunked => behind_chunks(behind).unwrap_or_default(),
        };
    }
    rest
}

/// A head with its blank line, and what is behind it.
pub(crate) fn split_head(stream: &[u8]) -> Option<(&[u8], &[u8])> {
    let empty = stream
        .iter()
        .take_while(|byte| b"\r\n".contains(byte))
        .count();
    let end = stream[empty..]
        .windows(4)
        .position(|end| end == b"\r\n\r\n")?;
    Some(stream.split_at(empty + end + 4))
}

enum Framing {
    Length(usize),
    Chunked,
}

fn framing(head: &[u8]) -> Framing {
    let mut length = 0;
    for line in head.split(|byte| *byte == b'\n') {
        let line = line.to_ascii_lowercase();
        if line.starts_with(b"transfer-encoding:") {
            return Framing::Chunked;
        }
        if let Some(value) = line.strip_prefix(b"content-length:") {
            let value = String::from_utf8_lossy(value);
            length = value.trim().parse().unwrap_or(usize::MAX);
        }
    }
    Framing::Length(length)
}

fn behind_chunks(mut bytes: &[u8]) -> Option<&[u8]> {
    loop {
        let end = bytes.windows(2).position(|end| end == b"\r\n")?;
        let digits = bytes[..end]
            .iter()
            .take_while(|byte| byte.is_ascii_hexdigit())
            .count();
        let digits = std::str::from_utf8(&bytes[..digits]).ok()?;
        let size = usize::from_str_radix(digits, 16).ok()?;
        bytes = &bytes[end + 2..];
        if size == 0 {
            break;
        }
        bytes = bytes.get(size.checked_add(2)?..)?;
    }
    loop {
        let end = bytes.windows(2).position(|end| end == b"\r\n")?;
        bytes = &bytes[end + 2..];
        if end == 0 {
            return Some(bytes);
        }
    }
}
