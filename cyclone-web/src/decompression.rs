//! Bodies that come compressed.

use std::io::{self, BufRead, ErrorKind, Read};
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes, BytesMut};
use flate2::bufread::{MultiGzDecoder, ZlibDecoder};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use http_body::{Body as _, Frame};
use tokio::task::coop;

use crate::body::{Body, BodyError, BodyErrorKind};
use crate::error::Error;

/// Bytes that come out at a time, at most.
const PIECE: usize = 32 * 1024;

/// What can be expanded, for a client that sent something else.
const ACCEPTED: HeaderValue = HeaderValue::from_static("gzip, deflate");

/// Where the coding of a body is told that was expanded, as in Tornado.
const CONSUMED: HeaderName = HeaderName::from_static("x-consumed-content-encoding");

/// A coding of bodies that we know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    Gzip,
    /// The zlib format (RFC 9110 8.4.1.2), not the bare stream that some take it for.
    Deflate,
}

impl Coding {
    /// The coding of a body; `None` when there is none.
    ///
    /// # Errors
    /// A 415 for any other one, and for more than one.
    pub(crate) fn of(headers: &HeaderMap) -> crate::Result<Option<Self>> {
        let mut values = headers.get_all(header::CONTENT_ENCODING).iter();
        let Some(value) = values.next() else {
            return Ok(None);
        };
        let value = value.as_bytes().trim_ascii();
        let is = |name: &str| value.eq_ignore_ascii_case(name.as_bytes());
        match values.next() {
            None if is("identity") => Ok(None),
            None if is("gzip") || is("x-gzip") => Ok(Some(Self::Gzip)),
            None if is("deflate") => Ok(Some(Self::Deflate)),
            _ => Err(Error::new(StatusCode::UNSUPPORTED_MEDIA_TYPE)
                .message("expected a body of the codings gzip or deflate")
                .header(header::ACCEPT_ENCODING, ACCEPTED)),
        }
    }
}

/// Makes the headers those of the expanded body.
pub(crate) fn tell_consumed(headers: &mut HeaderMap) {
    headers.remove(header::CONTENT_LENGTH);
    if let Some(coding) = headers.remove(header::CONTENT_ENCODING) {
        headers.insert(CONSUMED, coding);
    }
}

/// A body that comes compressed, expanded piece by piece: one piece in is looked at until it has nothing more to give.
pub(crate) struct Expanding {
    body: Body,
    decoder: Decoder,
    state: State,
    room: BytesMut,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Running,
    /// The stream of `deflate` has ended, and nothing may follow.
    Tail,
    Ended,
}

enum Decoder {
    Gzip(MultiGzDecoder<Inbox>),
    Deflate(ZlibDecoder<Inbox>),
}

/// What the decoder reads from.
#[derive(Default)]
struct Inbox {
    bytes: Bytes,
    ended: bool,
}

impl Expanding {
    pub(crate) fn new(body: Body, coding: Coding) -> Self {
        let inbox = Inbox::default();
        Self {
            body,
            decoder: match coding {
                Coding::Gzip => Decoder::Gzip(MultiGzDecoder::new(inbox)),
                Coding::Deflate => Decoder::Deflate(ZlibDecoder::new(inbox)),
            },
            state: State::Running,
            room: BytesMut::new(),
        }
    }

    /// The body as it comes.
    pub(crate) fn body(&self) -> &Body {
        &self.body
    }

    /// The same, to set its limit.
    pub(crate) fn body_mut(&mut self) -> &mut Body {
        &mut self.body
    }

    pub(crate) fn is_end_stream(&self) -> bool {
        self.state == State::Ended
    }

    pub(crate) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        loop {
            match self.state {
                State::Ended => return Poll::Ready(None),
                State::Tail if !self.decoder.inbox().bytes.is_empty() => {
                    return self.fail("bytes behind the end of the compressed body");
                }
                State::Tail if self.decoder.inbox().ended => self.state = State::Ended,
                State::Tail => ready!(self.poll_fill(cx))?,
                State::Running => {
                    // One compressed piece can give a thousand times its size: others have their turn between.
                    let turn = ready!(coop::poll_proceed(cx));
                    self.room.resize(PIECE, 0);
                    match self.decoder.read(&mut self.room) {
                        Ok(0) => self.state = State::Tail,
                        Ok(length) => {
                            turn.made_progress();
                            let piece = self.room.split_to(length).freeze();
                            return Poll::Ready(Some(Ok(Frame::data(piece))));
                        }
                        Err(error) if error.kind() == ErrorKind::WouldBlock => {
                            drop(turn);
                            ready!(self.poll_fill(cx))?;
                        }
                        Err(error) => return self.fail(error),
                    }
                }
            }
        }
    }

    /// Gives the decoder the next bytes of the body.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BodyError>> {
        let inbox = self.decoder.inbox_mut();
        match ready!(std::pin::Pin::new(&mut self.body).poll_frame(cx)) {
            Some(Ok(frame)) => {
                // Trailers are about what was sent.
                inbox.bytes = frame.into_data().unwrap_or_default();
            }
            Some(Err(error)) => {
                self.state = State::Ended;
                return Poll::Ready(Err(error));
            }
            None => inbox.ended = true,
        }
        Poll::Ready(Ok(()))
    }

    fn fail(
        &mut self,
        error: impl Into<crate::body::BoxError>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.state = State::Ended;
        self.body = Body::empty();
        let error = BodyError::with_source(BodyErrorKind::Coding, error);
        Poll::Ready(Some(Err(error)))
    }
}

impl Decoder {
    fn inbox(&self) -> &Inbox {
        match self {
            Self::Gzip(decoder) => decoder.get_ref(),
            Self::Deflate(decoder) => decoder.get_ref(),
        }
    }

    fn inbox_mut(&mut self) -> &mut Inbox {
        match self {
            Self::Gzip(decoder) => decoder.get_mut(),
            Self::Deflate(decoder) => decoder.get_mut(),
        }
    }

    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Gzip(decoder) => decoder.read(room),
            Self::Deflate(decoder) => decoder.read(room),
        }
    }
}

impl Read for Inbox {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let bytes = self.fill_buf()?;
        let length = bytes.len().min(room.len());
        room[..length].copy_from_slice(&bytes[..length]);
        self.consume(length);
        Ok(length)
    }
}

impl BufRead for Inbox {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.bytes.is_empty() && !self.ended {
            return Err(ErrorKind::WouldBlock.into());
        }
        Ok(&self.bytes)
    }

    fn consume(&mut self, length: usize) {
        self.bytes.advance(length.min(self.bytes.len()));
    }
}
