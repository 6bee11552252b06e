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
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Version, header};

use super::clock::{Clock, Due, Facts, Situation};
use super::encode::{self, Disposition, Length, Shape};
use super::inbox::Inbox;
use super::outbox::Outbox;
use super::parse::{self, Framing, Parsed, Request};
use super::receiving::{Outcome, Phase, Receiving};
use super::upload::Download;
use crate::body::{Body, WHOLE_BYTES};
use crate::context::RequestContext;
use crate::engine::framing::Refusal;
use crate::engine::{ConnectionInfo, refusal};
use crate::finish::Ending as Ended;
use crate::head::Head;
use crate::limits::Limits;

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
    /// The length of the inbox when there was no whole head in it.
    tried: usize,
    requests: u32,
    written: u64,
    /// The socket takes nothing.
    pub(crate) blocked: bool,
    /// The client has closed its side.
    eof: bool,
    /// The next response is the last one.
    closing: bool,
    ending: Option<Ending>,
    clock: Clock,
}

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
            requests: 0,
            written: 0,
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

    /// Looks for the next request. What is no request is refused, and the connection ends.
    #[inline]
    pub(crate) fn next_request(&mut self, limits: &Limits, now: Instant) -> Next {
        let bytes = self.inbox.bytes();
        if bytes.is_empty() {
            return Next::Nothing;
        }
        if self.requests == 0 {
            let known = bytes.len().min(PREFACE.len());
            if bytes[..known] == PREFACE[..known] {
                return match known == PREFACE.len() {
                    true => Next::Http2,
                    false => Next::Nothing,
                };
            }
        }
        if self.tried > 0 && !self.is_worth_another_try(limits) {
            return Next::Nothing;
        }
        match parse::parse(bytes, limits, now) {
            Parsed::Partial => {
                self.tried = bytes.len();
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
    fn is_worth_another_try(&self, limits: &Limits) -> bool {
        let bytes = self.inbox.bytes();
        if bytes.len() >= limits.header_section || bytes.len() >= 2 * self.tried {
            return true;
        }
        let news = &bytes[self.tried.saturating_sub(3)..];
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
        let bytes = refusal::bytes(refusal);
        self.outbox.buffer().extend_from_slice(&bytes);
        self.end(linger);
    }

    /// Answers the current request with what a handler wrote.
    /// A large body is given back, to be sent in pieces.
    pub(crate) fn respond_written(
        &mut self,
        mut context: Box<RequestContext>,
        now: Instant,
    ) -> Option<Body> {
        let body = context.take_written_body();
        let (status, headers, media) = context.written_head();
        let length = body.len();
        let known = Some(length as u64);
        let sends = self.begin_response(status, headers, media, known, now)?;
        if !sends {
            self.complete();
            context.finished(Ended::Complete, 0);
            return None;
        }
        if length > WHOLE_BYTES {
            return Some(Body::from(body).with_guard(context));
        }
        self.outbox.push(body);
        self.complete();
        context.finished(Ended::Complete, length as u64);
        None
    }

    /// Begins any other response, and gives its body back if it has to be sent.
    pub(crate) fn respond(&mut self, response: Response<Body>, now: Instant) -> Option<Body> {
        let (head, mut body) = response.into_parts();
        let known = http_body::Body::size_hint(&body).exact();
        let sends = self.begin_response(head.status, &head.headers, None, known, now)?;
        if !sends {
            body.set_unsent();
            drop(body);
            self.complete();
            return None;
        }
        let Some(whole) = body.take_whole() else {
            return Some(body);
        };
        self.outbox.push(whole);
        self.complete();
        body.tell_taken();
        None
    }

    /// Writes the head of a response whose body has `known` bytes, and says whether the body is to be sent.
    /// Nothing when the response is none.
    fn begin_response(
        &mut self,
        status: StatusCode,
        headers: &HeaderMap,
        media: Option<&HeaderValue>,
        known: Option<u64>,
        now: Instant,
    ) -> Option<bool> {
        if status.is_informational() {
            self.switch(status, headers, now);
            return None;
        }
        let current = self.current.as_mut()?;
        let bodiless = matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        let sends = !current.headless && !bodiless;
        let length = if sends {
            match known.or_else(|| declared_length(headers)) {
                Some(length) => Length::Known(length),
                None if current.version == Version::HTTP_11 => Length::Chunked,
                None => Length::UntilClose,
            }
        } else {
            length_of_unsent(status, known, headers)
        };
        let is_abandoned = |body: &Receiving| body.phase() == Phase::Abandoned;
        let close = !current.keep_alive
            || self.closing
            || self.receiving.as_deref().is_some_and(is_abandoned)
            || (self.eof && self.inbox.is_empty())
            || length == Length::UntilClose
            || (!headers.is_empty() && encode::asks_to_close(headers));
        current.keep_alive = !close;
        current.length = length;
        let shape = Shape {
            version: current.version,
            length,
            connection: match (close, current.version) {
                (true, _) => Disposition::Close,
                (false, Version::HTTP_10) => Disposition::Keep,
                (false, _) => Disposition::Implied,
            },
        };
        encode::head(self.outbox.buffer(), status, headers, media, shape, now);
        Some(sends)
    }

    /// Answers 101, when the client asked for it and somebody waits for the connection.
    #[cold]
    fn switch(&mut self, status: StatusCode, headers: &HeaderMap, now: Instant) {
        let sender = self
            .current
            .as_mut()
            .and_then(|current| current.upgrade.take())
            .filter(UpgradeSender::is_awaited);
        let (StatusCode::SWITCHING_PROTOCOLS, Some(sender)) = (status, sender) else {
            tracing::error!(%status, "response is not final");
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            return self.refuse(Refusal::new(status, "internal server error\n"), true);
        };
        let shape = Shape {
            version: Version::HTTP_11,
            length: Length::None,
            connection: Disposition::Upgrade,
        };
        encode::head(self.outbox.buffer(), status, headers, None, shape, now);
        self.current = None;
        self.ending = Some(Ending {
            upgrade: Some(sender),
            ..Ending::default()
        });
    }

    /// Adds data to the response. The outbox must not be full.
    pub(crate) fn send(&mut self, mut data: Bytes) {
        let Some(current) = &mut self.current else {
            return;
        };
        match &mut current.length {
            Length::None => {}
            Length::Known(left) => {
                if data.len() as u64 > *left {
                    tracing::error!("response body is longer than its content-length");
                    data.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
                }
                *left -= data.len() as u64;
                self.outbox.push(data);
            }
            Length::Chunked if data.is_empty() => {}
            Length::Chunked => {
                encode::chunk_size(self.outbox.buffer(), data.len());
                self.outbox.push(data);
                self.outbox.buffer().extend_from_slice(b"\r\n");
            }
            Length::UntilClose => self.outbox.push(data),
        }
    }

    /// Whether the client has all that it was promised.
    pub(crate) fn has_sent_all(&self) -> bool {
        let current = self.current.as_ref();
        current.is_some_and(|current| current.length == Length::Known(0))
    }

    /// Ends the response.
    pub(crate) fn finish(&mut self, trailers: Option<&HeaderMap>) {
        let Some(current) = &self.current else {
            return;
        };
        match current.length {
            Length::Known(1..) => {
                return self.abort(io::Error::other(
                    "the response body is shorter than its content-length",
                ));
            }
            Length::Chunked => {
                let trailers = trailers.filter(|_| current.trailers);
                encode::last_chunk(self.outbox.buffer(), trailers);
            }
            Length::None | Length::Known(0) | Length::UntilClose => {}
        }
        self.complete();
    }

    fn complete(&mut self) {
        let Some(current) = self.current.take() else {
            return;
        };
        if !current.keep_alive || self.closing {
            self.end(self.receiving.is_some());
        }
    }

    /// Breaks the response off, so that the client can tell.
    pub(crate) fn abort(&mut self, error: io::Error) {
        let current = self.current.take();
        let reset = current.is_some_and(|current| current.length == Length::UntilClose);
        self.ending = Some(Ending {
            error: Some(error),
            reset,
            ..Ending::default()
        });
    }

    /// Takes note of bytes that were written.
    pub(crate) fn wrote(&mut self, count: usize) {
        self.outbox.consume(count);
        self.written = self.written.wrapping_add(count as u64);
        self.blocked = false;
    }

    fn situation(&self) -> Situation {
        if let Some(body) = &self.receiving {
            if body.is_wanted() {
                return Situation::Body;
            }
            if body.is_late() {
                return Situation::Late;
            }
        }
        if self.current.is_some() || !self.outbox.is_empty() {
            return Situation::Work;
        }
        match self.receiving.as_deref().map(Receiving::phase) {
            Some(Phase::Open) => Situation::Held,
            Some(Phase::Draining) => Situation::Drain,
            Some(Phase::Abandoned) => Situation::Work,
            None if !self.inbox.is_empty() => Situation::Head,
            None if self.requests == 0 => Situation::New,
            None => Situation::Idle,
        }
    }

    fn facts(&self) -> Facts {
        Facts {
            situation: self.situation(),
            requests: self.requests,
            body_bytes: self.receiving.as_ref().map_or(0, |body| body.received()),
            written: self.written,
            blocked: self.blocked,
            eof: self.eof,
            closing: self.closing,
        }
    }

    /// Takes note of what has happened, at `read` if the clock has been read or else `now`, and says what is due
    /// next, if that may be earlier than before.
    pub(crate) fn tick(
        &mut self,
        is_asked: bool,
        read: Option<Instant>,
        limits: &Limits,
        now: impl FnOnce() -> Instant,
    ) -> Option<(Instant, Due, Instant)> {
        let facts = self.facts();
        if !is_asked {
            let is_noted = match read {
                Some(now) => self.clock.note_served(&facts, now),
                None => !self.clock.is_news(&facts),
            };
            if is_noted {
                return None;
            }
        }
        let now = read.unwrap_or_else(now);
        self.clock.note(facts, now);
        let (at, due) = self.clock.due(limits);
        Some((at, due, now))
    }

    /// Does what is due.
    ///
    /// # Errors
    /// The connection is dead.
    pub(crate) fn expire(&mut self, due: Due, cx: &Context<'_>) -> io::Result<()> {
        match due {
            Due::Age => self.close_soon(),
            Due::Close => self.end(self.receiving.is_some()),
            Due::Head => self.refuse(refusal::LATE_HEAD, false),
            Due::Drop => return Err(io::ErrorKind::TimedOut.into()),
            Due::Body => {
                if let Some(body) = &mut self.receiving {
                    body.give_up_on_client(cx);
                }
            }
            Due::Drain => {
                if let Some(body) = &mut self.receiving {
                    body.give_up_draining();
                }
            }
        }
        Ok(())
    }
}

/// The length of a body that is not sent.
fn length_of_unsent(status: StatusCode, known: Option<u64>, headers: &HeaderMap) -> Length {
    if status == StatusCode::NO_CONTENT {
        // RFC 9110 section 8.6
        return Length::None;
    }
    match (declared_length(headers), known) {
        (Some(length), _) | (None, Some(length @ 1..)) => Length::Known(length),
        _ => Length::None,
    }
}

fn declared_length(headers: &HeaderMap) -> Option<u64> {
    if headers.is_empty() {
        return None;
    }
    let length = headers.get(header::CONTENT_LENGTH)?;
    length.to_str().ok()?.parse().ok()
}
