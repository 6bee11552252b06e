//! Responses: what goes from a service into the outbox.

use std::io;
use std::time::Instant;

use bytes::Bytes;
use cyclone_core::upgrade::UpgradeSender;
use http::{HeaderMap, HeaderValue, Response, StatusCode, Version, header};
use hyper::ext::ReasonPhrase;

use super::{Ending, Machine};
use crate::body::{Body, WHOLE_BYTES};
use crate::context::{RequestContext, Written};
use crate::engine::framing::Refusal;
use crate::engine::http1::encode::{self, Disposition, Length, Shape};
use crate::engine::http1::outbox::COPIED_BYTES;
use crate::engine::http1::receiving::{Phase, Receiving};
use crate::finish::Ending as Ended;

impl Machine {
    /// Answers the current request with what a handler wrote.
    /// A large body is given back, to be sent in pieces.
    pub(crate) fn respond_written(
        &mut self,
        mut context: Box<RequestContext>,
        now: Instant,
    ) -> Option<Body> {
        let body = context.take_written_body();
        let (status, headers, media) = context.written_head();
        let length = body.as_slice().len();
        let known = Some(length as u64);
        let Some(sends) = self.begin_response(status, headers, media, known, now) else {
            let ending = match &self.ending {
                Some(Ending {
                    error: None,
                    upgrade: Some(_),
                    ..
                }) => Ended::Complete,
                _ => Ended::Aborted,
            };
            context.finished(ending, 0);
            return None;
        };
        if !sends {
            self.complete();
            context.finished(Ended::Complete, 0);
            return None;
        }
        if length > WHOLE_BYTES {
            return Some(Body::from(body.into_bytes()).with_guard(context));
        }
        match body {
            Written::One(bytes) => self.outbox.push(bytes),
            body if length <= COPIED_BYTES => self.outbox.copy(body.as_slice()),
            body => self.outbox.push(body.into_bytes()),
        }
        self.complete();
        context.finished(Ended::Complete, length as u64);
        None
    }

    /// Begins any other response, and gives its body back if it has to be sent.
    pub(crate) fn respond(&mut self, response: Response<Body>, now: Instant) -> Option<Body> {
        let (head, mut body) = response.into_parts();
        let known = http_body::Body::size_hint(&body).exact();
        let start = self.outbox.buffer().len();
        let sends = self.begin_response(head.status, &head.headers, None, known, now)?;
        if let Some(reason) = head.extensions.get::<ReasonPhrase>() {
            encode::set_reason(self.outbox.buffer(), start, reason.as_bytes());
        }
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

    /// Whether nothing but the end of the connection tells the client where the response ends.
    pub(crate) fn ends_response_by_closing(&self) -> bool {
        let current = self.current.as_ref();
        current.is_some_and(|current| current.length == Length::UntilClose)
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
        let reset = self.ends_response_by_closing();
        self.current = None;
        self.ending = Some(Ending {
            error: Some(error),
            reset,
            ..Ending::default()
        });
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
