//! The answer to a request of ours.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf as _, Bytes, BytesMut};
use http::{HeaderMap, StatusCode, Version, header};
use http_body::Body as _;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncBufRead, AsyncRead, ReadBuf};
use url::Url;

use super::error::{ClientError, ClientErrorKind, Outcome};
use crate::body::Body;

/// The answer to a request: the head at once, the body as it is asked for.
///
/// The connection waits while the body is not read, so a slow reader slows the server. Read to its end, the body gives
/// the connection back; an answer that is dropped before closes it (a stream of HTTP/2 only ends).
pub struct ClientResponse {
    pub(crate) head: http::response::Parts,
    pub(crate) url: Url,
    pub(crate) redirects: Vec<Url>,
    pub(crate) body: Body,
}

impl ClientResponse {
    /// The status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.head.status
    }

    /// The version of HTTP that was spoken.
    #[must_use]
    pub fn version(&self) -> Version {
        self.head.version
    }

    /// The headers. Those of a body that was expanded (`Content-Encoding`, `Content-Length`) are gone,
    /// `X-Consumed-Content-Encoding` has the coding then, as in Tornado.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.head.headers
    }

    /// The value of a header, if it is there and visible ASCII.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.headers.get(name)?.to_str().ok()
    }

    /// Where the answer came from, after redirects, without user and password.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The URLs that redirected, in their order.
    #[must_use]
    pub fn redirects(&self) -> &[Url] {
        &self.redirects
    }

    /// The answer if its status is below 400, as `raise_error` of Tornado has it.
    ///
    /// # Errors
    /// [`ClientErrorKind::Status`]; the body is not read.
    pub fn error_for_status(self) -> Result<Self, ClientError> {
        let status = self.head.status;
        if status.is_client_error() || status.is_server_error() {
            return Err(self.failed(ClientErrorKind::Status(status)));
        }
        Ok(self)
    }

    /// The whole body.
    ///
    /// # Errors
    /// When it does not come to its end within its times and limits.
    ///
    /// # Cancel safety
    /// What was read is lost with the future.
    pub async fn bytes(mut self) -> Result<Bytes, ClientError> {
        let Some(first) = self.chunk().await? else {
            return Ok(Bytes::new());
        };
        let Some(second) = self.chunk().await? else {
            return Ok(first);
        };
        let mut all = BytesMut::from(first);
        all.extend_from_slice(&second);
        while let Some(next) = self.chunk().await? {
            all.extend_from_slice(&next);
        }
        Ok(all.freeze())
    }

    /// The whole body as text: UTF-8, whatever is none replaced by U+FFFD, without a byte order mark.
    ///
    /// # Errors
    /// As [`bytes`](Self::bytes).
    pub async fn text(self) -> Result<String, ClientError> {
        let bytes = self.bytes().await?;
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
        Ok(String::from_utf8_lossy(bytes).into_owned())
    }

    /// The whole body as JSON of a type, whatever its `Content-Type`.
    ///
    /// # Errors
    /// As [`bytes`](Self::bytes), and [`ClientErrorKind::Decode`].
    pub async fn json<T: DeserializeOwned>(self) -> Result<T, ClientError> {
        let url = self.url.clone();
        let bytes = self.bytes().await?;
        serde_json::from_slice(&bytes).map_err(|error| {
            let failed = ClientError::new(ClientErrorKind::Decode, Outcome::Answered);
            failed.because(error).target(&url)
        })
    }

    /// The next piece of the body, `None` at its end. Trailers are passed over.
    ///
    /// # Errors
    /// When the body does not go on within its times and limits; it has ended then.
    ///
    /// # Cancel safety
    /// Nothing is lost with the future.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, ClientError> {
        let Self { body, url, .. } = self;
        let next = std::future::poll_fn(|cx| poll_data(body, cx)).await;
        next.transpose().map_err(|error| error.target(url))
    }

    /// The body alone, to be passed on: as the body of a response of ours it comes no faster than our client reads.
    #[must_use]
    pub fn into_body(self) -> Body {
        self.body
    }

    /// The body to be read as a file, by parsers that do so.
    #[must_use]
    pub fn into_reader(self) -> ClientReader {
        ClientReader {
            body: self.body,
            piece: Bytes::new(),
        }
    }

    fn failed(&self, kind: ClientErrorKind) -> ClientError {
        ClientError::new(kind, Outcome::Answered).target(&self.url)
    }
}

fn poll_data(body: &mut Body, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, ClientError>>> {
    loop {
        let frame = std::task::ready!(Pin::new(&mut *body).poll_frame(cx));
        return Poll::Ready(match frame {
            None => None,
            Some(Err(error)) => Some(Err(ClientError::from_body(error))),
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) if data.is_empty() => continue,
                Ok(data) => Some(Ok(data)),
                Err(_trailers) => continue,
            },
        });
    }
}

impl fmt::Debug for ClientResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientResponse")
            .field("status", &self.head.status)
            .field("url", &super::error::shown(&self.url))
            .field("length", &self.head.headers.get(header::CONTENT_LENGTH))
            .finish_non_exhaustive()
    }
}

/// The body of a response, to be read. Its errors are [`ClientError`]s inside of [`std::io::Error`].
#[derive(Debug)]
pub struct ClientReader {
    body: Body,
    piece: Bytes,
}

impl AsyncBufRead for ClientReader {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<&[u8]>> {
        let this = self.get_mut();
        if this.piece.is_empty() {
            match std::task::ready!(poll_data(&mut this.body, cx)) {
                None => {}
                Some(Ok(piece)) => this.piece = piece,
                Some(Err(error)) => return Poll::Ready(Err(std::io::Error::other(error))),
            }
        }
        Poll::Ready(Ok(&this.piece))
    }

    fn consume(self: Pin<&mut Self>, amount: usize) {
        let piece = &mut self.get_mut().piece;
        piece.advance(amount.min(piece.len()));
    }
}

impl AsyncRead for ClientReader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let piece = std::task::ready!(self.as_mut().poll_fill_buf(cx))?;
        let length = piece.len().min(room.remaining());
        room.put_slice(&piece[..length]);
        self.consume(length);
        Poll::Ready(Ok(()))
    }
}
