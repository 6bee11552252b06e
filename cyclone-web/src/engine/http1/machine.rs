//! The state of an HTTP/1 connection between its bytes and its services: no sockets, no timers, no tasks.
//!
//! Bytes that came are put into the [inbox](Machine::inbox); requests, and the bodies of these, are taken out of it.
//! Responses go into the [outbox](Machine::outbox). One request is in progress at a time; its successors wait in
//! the inbox.

use std::io;
use std::sync::Arc;
use std::task::Context;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use cyclone_core::upgrade::{self, UpgradeSender};
use http::{Method, StatusCode, Version};

use super::clock::{Clock, Facts, Situation};
use super::encode::Length;
use super::inbox::Inbox;
use super::outbox::Outbox;
use super::parse::{self, Framing, Parsed, Request};
use super::receiving::{Outcome, Phase, Receiving};
use super::repeat::{self, Repeated};
use super::upload::Download;
use crate::body::Body;
use crate::engine::framing::Refusal;
use crate::engine::{ConnectionInfo, refusal};
use crate::head::Head;
use crate::limits::Limits;

mod response;
#[cfg(test)]
mod tests;
mod time;

/// What an HTTP/2 client with prior knowledge sends first (RFC 9113 section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The largest request body that is handed over whole when all of it came with the head, in bytes.
const WHOLE_BODY_BYTES: u64 = 64 * 1024;

/// The state of a connection.
pub(crate) struct Machine {
    pub(crate) inbox: Inbox,
    pub(crate) outbox: Outbox,
    /// The request whose response is not complete.
    current: Option<Current>,
    /// The body of the last request, if not all of it has been used.
    receiving: Option<Box<Receiving>>,
    /// The length of the inbox when there was no whole head in it, and up to where its end was looked for since.
    tried: usize,
    searched: usize,
    requests: u32,
    written: u64,
    /// What the first bytes may be.
    pub(crate) expected: Expected,
    /// The socket takes nothing.
    pub(crate) blocked: bool,
    /// The client has closed its side.
    eof: bool,
    /// The next response is the last one.
    closing: bool,
    ending: Option<Ending>,
    clock: Clock,
}

/// Which version of HTTP the client may speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// What its first bytes say.
    Either,
    Http1,
    Http2,
}

/// What a client reads that agreed on HTTP/2 and speaks something else.
const NOT_HTTP2: Refusal = Refusal::bad("the client agreed on HTTP/2 (ALPN)\n");

/// What has to be remembered of a request until its response is complete.
struct Current {
    /// A response has no body on the wire.
    headless: bool,
    version: Version,
    keep_alive: bool,
    /// The client wants to see trailers.
    trailers: bool,
    /// Whoever wants the connection for another protocol.
    upgrade: Option<UpgradeSender>,
    /// How the body of the response is told; what is left of it.
    length: Length,
}

/// How a connection ends, when everything is written.
#[derive(Debug, Default)]
pub(crate) struct Ending {
    /// The client may still be sending.
    pub(crate) linger: bool,
    /// What broke the connection.
    pub(crate) error: Option<io::Error>,
    /// Only a reset tells the client that the response is not whole.
    pub(crate) reset: bool,
    /// The connection leaves HTTP.
    pub(crate) upgrade: Option<UpgradeSender>,
    /// What came last was refused.
    pub(crate) refused: Option<StatusCode>,
}

/// What is at the front of the inbox.
pub(crate) enum Next {
    /// Nothing whole.
    Nothing,
    /// A request, and the length of its head.
    Request(Request, usize),
    /// The beginning of an HTTP/2 connection.
    Http2,
}

impl Machine {
    /// The machine of a connection that was opened at `opened`.
    pub(crate) fn new(opened: Instant, old_at: Instant) -> Self {
        let facts = Facts {
            situation: Situation::New,
            requests: 0,
            body_bytes: 0,
            written: 0,
            blocked: false,
            eof: false,
            closing: false,
        };
        Self {
            inbox: Inbox::default(),
            outbox: Outbox::default(),
            current: None,
            receiving: None,
            tried: 0,
            searched: 0,
            requests: 0,
            written: 0,
            expected: Expected::Either,
            blocked: false,
            eof: false,
            closing: false,
            ending: None,
            clock: Clock::new(facts, opened, old_at),
        }
    }

    /// Goes on with a connection that has served a request elsewhere and waits for the next.
    pub(crate) fn resume(&mut self, bytes: &[u8], now: Instant) {
        self.requests += 1;
        self.put(bytes);
        self.clock.note(self.facts(), now);
    }

    /// Puts bytes behind those that have come.
    pub(crate) fn put(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            let most = self.inbox.len() + bytes.len();
            self.inbox.room(most)[..bytes.len()].copy_from_slice(bytes);
            self.inbox.came(bytes.len());
        }
    }

    /// Says that no more bytes will come.
    pub(crate) fn put_end(&mut self) {
        self.eof = true;
    }

    pub(crate) fn is_at_end(&self) -> bool {
        self.eof
    }

    /// Has the next response be the last one.
    pub(crate) fn close_soon(&mut self) {
        self.closing = true;
    }

    /// Whether the last response is complete, or never will be.
    pub(crate) fn is_ending(&self) -> bool {
        self.ending.is_some()
    }

    pub(crate) fn take_ending(&mut self) -> Option<Ending> {
        self.ending.take()
    }

    /// Whether there is nothing to do before something comes.
    pub(crate) fn is_quiet(&self) -> bool {
        self.is_ready_for_next() && self.inbox.is_empty() && self.outbox.is_empty() && !self.eof
    }

    /// Whether there is a request body of which not all has been used.
    pub(crate) fn has_body(&self) -> bool {
        self.receiving.is_some()
    }

    /// Whether somebody waits for bytes of the request body.
    pub(crate) fn wants_body(&self) -> bool {
        let receiving = self.receiving.as_ref();
        receiving.is_some_and(|body| body.phase() == Phase::Draining || body.is_wanted())
    }

    /// Bytes of the body that will come now, if somebody waits for these and nothing else can come.
    pub(crate) fn wants_data(&self) -> u64 {
        match &self.receiving {
            Some(body) if self.inbox.is_empty() && body.is_wanted() => body.expects(),
            _ => 0,
        }
    }

    /// Where a large body is read to.
    pub(crate) fn pieces(&mut self) -> Option<&mut BytesMut> {
        self.receiving.as_mut().map(|body| &mut body.pieces)
    }

    /// Begins with the next request if it repeats the header fields of the one before, and gives its head.
    #[inline]
    pub(crate) fn begin_repeated(&mut self, limits: &Limits, now: Instant) -> Option<Head> {
        if self.tried > 0 {
            return None;
        }
        let Repeated {
            head,
            used,
            trailers,
        } = repeat::parse(self.inbox.bytes(), limits, now)?;
        self.inbox.consume(used);
        self.requests = self.requests.wrapping_add(1);
        self.current = Some(Current {
            headless: false,
            version: Version::HTTP_11,
            keep_alive: true,
            trailers,
            upgrade: None,
            length: Length::None,
        });
        Some(head)
    }

    /// Looks for the next request. What is no request is refused, and the connection ends.
    #[inline]
    pub(crate) fn next_request(&mut self, limits: &Limits, now: Instant) -> Next {
        let bytes = self.inbox.bytes();
        if bytes.is_empty() {
            return Next::Nothing;
        }
        if self.requests == 0 && self.expected != Expected::Http1 {
            let known = bytes.len().min(PREFACE.len());
            if bytes[..known] == PREFACE[..known] {
                return match known == PREFACE.len() {
                    true => Next::Http2,
                    false => Next::Nothing,
                };
            }
            if self.expected == Expected::Http2 {
                self.refuse(NOT_HTTP2, true);
                return Next::Nothing;
            }
        }
        if self.tried > 0 && !self.is_worth_another_try(limits) {
            return Next::Nothing;
        }
        let bytes = self.inbox.bytes();
        #[cfg(test)]
        tests::work::add(bytes.len());
        match parse::parse(bytes, limits, now) {
            Parsed::Partial => {
                self.tried = bytes.len();
                self.searched = bytes.len();
                Next::Nothing
            }
            Parsed::Request(request, used) => {
                self.tried = 0;
                Next::Request(request, used)
            }
            Parsed::Refused(refusal) => {
                self.refuse(refusal, true);
                Next::Nothing
            }
        }
    }

    /// A head that comes in small pieces is not read anew with each: that would take quadratic time.
    fn is_worth_another_try(&mut self, limits: &Limits) -> bool {
        let bytes = self.inbox.bytes();
        if bytes.len() >= limits.header_section || bytes.len() >= 2 * self.tried {
            return true;
        }
        let news = &bytes[self.searched.saturating_sub(2)..];
        self.searched = bytes.len();
        #[cfg(test)]
        tests::work::add(news.len());
        memchr::memmem::find(news, b"\n\r\n").is_some()
            || memchr::memmem::find(news, b"\n\n").is_some()
    }

    /// Begins with a request: gives its head and its body to a service.
    #[inline]
    pub(crate) fn begin(
        &mut self,
        request: Request,
        used: usize,
        connection: &Arc<ConnectionInfo>,
    ) -> (Head, Body) {
        let Request {
            mut head,
            framing,
            expecting,
            keep_alive,
            upgrade,
            trailers,
        } = request;
        self.inbox.consume(used);
        self.requests = self.requests.wrapping_add(1);
        let sender = upgrade.then(|| {
            let (sender, on_upgrade) = upgrade::channel();
            head.extensions_mut().insert(on_upgrade);
            sender
        });
        self.current = Some(Current {
            headless: *head.method() == Method::HEAD,
            version: head.version(),
            keep_alive,
            trailers,
            upgrade: sender,
            length: Length::None,
        });
        let body = match framing {
            Framing::None => Body::empty(),
            framing => self.begin_body(framing, expecting, connection),
        };
        (head, body)
    }

    #[inline(never)]
    fn begin_body(
        &mut self,
        framing: Framing,
        expecting: bool,
        connection: &Arc<ConnectionInfo>,
    ) -> Body {
        let limit = connection.limits().body;
        if let Framing::Length(length) = framing
            && length <= WHOLE_BODY_BYTES.min(limit)
            && let Ok(length) = usize::try_from(length)
            && let Some(whole) = self.inbox.bytes().get(..length)
        {
            let mut body = Body::from(Bytes::copy_from_slice(whole));
            self.inbox.consume(length);
            body.set_limit(limit);
            return body;
        }
        match Receiving::new(framing, expecting) {
            Some(receiving) => {
                let upload = Arc::clone(&receiving.upload);
                self.receiving = Some(Box::new(receiving));
                Body::download(Download::new(upload, Arc::clone(connection)), limit)
            }
            None => Body::empty(),
        }
    }

    /// Moves the body of the request on as far as that is possible, and says whether it did.
    pub(crate) fn pump(&mut self, limits: &Limits, cx: &Context<'_>) -> bool {
        let Some(receiving) = &mut self.receiving else {
            return false;
        };
        let outcome = receiving.pump(&mut self.inbox, self.eof, limits, cx);
        self.pumped(outcome)
    }

    /// The same with data that came past the inbox.
    pub(crate) fn put_data(&mut self, data: Bytes, limits: &Limits, cx: &Context<'_>) {
        if let Some(receiving) = &mut self.receiving {
            let outcome = receiving.take(data, limits, cx);
            self.pumped(outcome);
        }
    }

    fn pumped(&mut self, outcome: Outcome) -> bool {
        match outcome {
            Outcome::Stuck => return false,
            Outcome::Moved => {}
            Outcome::Continue => {
                // Once the response has begun, nothing may come between.
                if self.is_unanswered() && !self.outbox.is_full() {
                    let out = self.outbox.buffer();
                    out.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
                }
            }
            Outcome::Over => self.receiving = None,
        }
        true
    }

    fn is_unanswered(&self) -> bool {
        let current = self.current.as_ref();
        current.is_some_and(|current| current.length == Length::None)
    }

    /// Whether the next request may be looked for.
    pub(crate) fn is_ready_for_next(&self) -> bool {
        self.current.is_none() && self.receiving.is_none() && self.ending.is_none()
    }

    /// Looks after a body that is left over when its response is complete.
    pub(crate) fn settle(&mut self) {
        if self.current.is_some() || self.ending.is_some() {
            return;
        }
        let is_abandoned = |body: &Receiving| body.phase() == Phase::Abandoned;
        if self.receiving.as_deref().is_some_and(is_abandoned) {
            self.end(true);
        } else if self.inbox.is_empty() {
            self.settle_input();
        }
    }

    /// The same for what has come, when there is no request in it: if no more comes, that was all.
    pub(crate) fn settle_input(&mut self) {
        if self.eof && self.is_ready_for_next() {
            self.end(false);
        }
    }

    fn end(&mut self, linger: bool) {
        self.current = None;
        self.ending.get_or_insert_with(|| Ending {
            linger: linger && !self.eof,
            ..Ending::default()
        });
    }

    /// Refuses what came: the connection ends with this answer.
    pub(crate) fn refuse(&mut self, refusal: Refusal, linger: bool) {
        let mut bytes = refusal::bytes(refusal);
        let is_head = match &self.current {
            Some(current) => current.headless,
            None => self.inbox.bytes().starts_with(b"HEAD "),
        };
        if is_head {
            bytes.truncate(bytes.len() - refusal.reason.len());
        }
        self.outbox.buffer().extend_from_slice(&bytes);
        self.end(linger);
        if let Some(ending) = &mut self.ending {
            ending.refused = Some(refusal.status);
        }
    }

    /// Takes note of bytes that were written.
    pub(crate) fn wrote(&mut self, count: usize) {
        self.outbox.consume(count);
        self.written = self.written.wrapping_add(count as u64);
        self.blocked = false;
    }
}
