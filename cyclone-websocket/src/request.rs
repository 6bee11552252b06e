//! The request that opened a session, in few bytes.

use std::sync::OnceLock;

use cyclone_core::{Peer, Session};
use http::header::{HeaderName, HeaderValue};
use http::request::Parts;
use http::{Extensions, HeaderMap, Uri};

#[cfg(test)]
mod tests;

/// The request as one piece of text until somebody wants to see it: a `HeaderMap` takes some hundred bytes and
/// an allocation for each value, and what a server gives points into its read buffer, which would stay
/// allocated as long as the session.
#[derive(Debug)]
pub(crate) struct OpeningRequest {
    /// Flags, subprotocol, target and headers: but for the flags numbers of four bytes, each with so many bytes
    /// behind it.
    packed: Box<[u8]>,
    /// Those that the session does not have anyway.
    extensions: Extensions,
    parts: OnceLock<Box<Parts>>,
}

/// Marks the length of a value that is sensitive; lengths of headers are far below it.
const SENSITIVE: u32 = 1 << 31;

/// The flags: what was among the extensions, and whether there is a subprotocol.
const HAD_SESSION: u8 = 1;
const HAD_PEER: u8 = 2;
const HAS_SUBPROTOCOL: u8 = 4;

impl OpeningRequest {
    /// Packs `parts`, whose method and version the handshake has checked.
    pub(crate) fn new(mut parts: Parts, session: &Session, subprotocol: Option<&str>) -> Self {
        let mut extensions = std::mem::take(&mut parts.extensions);
        let mut flags = 0;
        if extensions.remove::<Session>().is_some() {
            flags |= HAD_SESSION;
        }
        if extensions.get::<Peer>() == Some(session.peer()) {
            flags |= HAD_PEER;
            extensions.remove::<Peer>();
        }
        if subprotocol.is_some() {
            flags |= HAS_SUBPROTOCOL;
        }
        if extensions.is_empty() {
            // Frees the map.
            extensions = Extensions::new();
        }
        let target = parts.uri.to_string();
        let subprotocol = subprotocol.unwrap_or_default();
        let bytes = 5 + subprotocol.len() + packed_bytes(&target, &parts.headers);
        let mut packed = Vec::with_capacity(bytes);
        packed.push(flags);
        pack(&mut packed, subprotocol.as_bytes(), 0);
        pack(&mut packed, target.as_bytes(), 0);
        for (name, value) in &parts.headers {
            let mark = if value.is_sensitive() { SENSITIVE } else { 0 };
            pack(&mut packed, name.as_str().as_bytes(), 0);
            pack(&mut packed, value.as_bytes(), mark);
        }
        Self {
            packed: packed.into_boxed_slice(),
            extensions,
            parts: OnceLock::new(),
        }
    }

    /// The request; `session` as in [`new`](Self::new).
    pub(crate) fn parts(&self, session: &Session) -> &Parts {
        self.parts.get_or_init(|| Box::new(self.unpack(session)))
    }

    /// The subprotocol that was agreed on.
    pub(crate) fn subprotocol(&self) -> Option<&str> {
        let (flags, mut rest) = self.packed.split_first()?;
        let (subprotocol, _) = unpack(&mut rest)?;
        let subprotocol = std::str::from_utf8(subprotocol).ok()?;
        (flags & HAS_SUBPROTOCOL != 0).then_some(subprotocol)
    }

    fn unpack(&self, session: &Session) -> Parts {
        let (mut parts, ()) = http::Request::new(()).into_parts();
        let (flags, mut rest) = self.packed.split_first().unwrap_or((&0, &[]));
        let _subprotocol = unpack(&mut rest);
        if let Some((target, _)) = unpack(&mut rest) {
            parts.uri = Uri::try_from(target).unwrap_or_default();
        }
        parts.headers = HeaderMap::with_capacity(rest.len() / 32);
        while let (Some((name, _)), Some((value, is_sensitive))) =
            (unpack(&mut rest), unpack(&mut rest))
        {
            if let (Ok(name), Ok(mut value)) =
                (HeaderName::from_bytes(name), HeaderValue::from_bytes(value))
            {
                value.set_sensitive(is_sensitive);
                parts.headers.append(name, value);
            }
        }
        parts.extensions = self.extensions.clone();
        if flags & HAD_SESSION != 0 {
            parts.extensions.insert(session.clone());
        }
        if flags & HAD_PEER != 0 {
            parts.extensions.insert(session.peer().clone());
        }
        parts
    }
}

fn packed_bytes(target: &str, headers: &HeaderMap) -> usize {
    let headers = headers.iter();
    headers.fold(4 + target.len(), |bytes, (name, value)| {
        bytes + 8 + name.as_str().len() + value.len()
    })
}

fn pack(packed: &mut Vec<u8>, bytes: &[u8], mark: u32) {
    let length = u32::try_from(bytes.len()).unwrap_or_default() & !SENSITIVE;
    packed.extend_from_slice(&(length | mark).to_be_bytes());
    packed.extend_from_slice(&bytes[..length as usize]);
}

fn unpack<'a>(rest: &mut &'a [u8]) -> Option<(&'a [u8], bool)> {
    let (length, bytes) = rest.split_first_chunk()?;
    let length = u32::from_be_bytes(*length);
    let (bytes, others) = bytes.split_at_checked((length & !SENSITIVE) as usize)?;
    *rest = others;
    Some((bytes, length & SENSITIVE != 0))
}
