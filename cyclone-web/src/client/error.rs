//! Why a request of ours failed.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;

use http::StatusCode;
use url::Url;

use crate::body::{BodyError, BodyErrorKind, BoxError};

/// Why a request of a [`Client`](crate::client::Client) failed.
///
/// [`outcome`](Self::outcome) says whether the server may have acted, [`kind`](Self::kind) what went wrong. In a
/// handler it becomes a 504 when the time was up, a 503 when the pool was full, and a 502 otherwise; its text is logged
/// and never shown to the client. Secrets are not in it: of the URL it has the origin and the path.
pub struct ClientError {
    inner: Box<Inner>,
}

struct Inner {
    kind: ClientErrorKind,
    outcome: Outcome,
    target: Option<String>,
    text: Option<Cow<'static, str>>,
    source: Option<BoxError>,
}

/// The kinds of [`ClientError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ClientErrorKind {
    /// The request is wrong: its URL, a header, its body. A mistake on our side.
    Request,
    /// No connection: the name has no address, or nobody answers there.
    Connect,
    /// The TLS handshake failed: the server did not prove who it is, for instance.
    Tls,
    /// The proxy refused, or did not speak as one.
    Proxy,
    /// The pool is full, and too many wait already.
    Busy,
    /// The time was up.
    Timeout(ClientPhase),
    /// The connection ended too soon.
    Closed,
    /// The server does not speak HTTP properly.
    Malformed,
    /// The head of the response, or its body, is larger than the limit in bytes.
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// The content coding of the response is broken.
    Coding,
    /// A redirect that is not followed: too many, to nowhere, from `https` to `http`, or with a body that cannot be
    /// sent twice.
    Redirect,
    /// What feeds the body of the request failed.
    Upload,
    /// The server answered with a status of 400 or more, and
    /// [`error_for_status`](crate::client::ClientResponse::error_for_status) was asked.
    Status(StatusCode),
    /// The body of the response is not what was expected of it, JSON of a type for instance.
    Decode,
}

/// What a request was doing when its time was up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ClientPhase {
    /// Waiting for a connection of the pool.
    Wait,
    /// Finding the address and connecting, through a proxy where there is one.
    Connect,
    /// The TLS handshake.
    Tls,
    /// Sending: the server took nothing.
    Send,
    /// Waiting for the head of the response, the request being sent.
    FirstByte,
    /// Waiting for more of the body.
    BetweenBytes,
    /// All of it together.
    Total,
}

/// What the server may have done with a request that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// The server has not seen the request: to send it again is safe.
    NotSent,
    /// The server may have acted or not: to send it again is safe only if twice is like once.
    Unknown,
    /// The server answered; what failed came after.
    Answered,
}

impl ClientError {
    pub(crate) fn new(kind: ClientErrorKind, outcome: Outcome) -> Self {
        let inner = Inner {
            kind,
            outcome,
            target: None,
            text: None,
            source: None,
        };
        Self {
            inner: Box::new(inner),
        }
    }

    /// A mistake of ours, of which nothing was sent.
    pub(crate) fn request(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ClientErrorKind::Request, Outcome::NotSent).text(text)
    }

    pub(crate) fn timeout(phase: ClientPhase, outcome: Outcome) -> Self {
        Self::new(ClientErrorKind::Timeout(phase), outcome)
    }

    pub(crate) fn text(mut self, text: impl Into<Cow<'static, str>>) -> Self {
        self.inner.text = Some(text.into());
        self
    }

    pub(crate) fn because(mut self, source: impl Into<BoxError>) -> Self {
        self.inner.source = Some(source.into());
        self
    }

    /// Says what the request was for, unless it is said already.
    pub(crate) fn target(mut self, url: &Url) -> Self {
        if self.inner.target.is_none() {
            self.inner.target = Some(shown(url));
        }
        self
    }

    pub(crate) fn outcome_is(mut self, outcome: Outcome) -> Self {
        self.inner.outcome = outcome;
        self
    }

    /// The error of a response's body.
    pub(crate) fn from_body(error: BodyError) -> Self {
        let kind = match error.kind() {
            BodyErrorKind::TooLarge { limit } => ClientErrorKind::TooLarge { limit },
            BodyErrorKind::Coding => ClientErrorKind::Coding,
            _ => ClientErrorKind::Closed,
        };
        match error
            .into_source()
            .map(<dyn StdError + Send + Sync>::downcast::<Self>)
        {
            Some(Ok(error)) => *error,
            Some(Err(source)) => Self::new(kind, Outcome::Answered).because(source),
            None => Self::new(kind, Outcome::Answered),
        }
    }

    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> ClientErrorKind {
        self.inner.kind
    }

    /// What the server may have done with the request.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.inner.outcome
    }

    /// Whether the time was up, whichever.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        matches!(self.inner.kind, ClientErrorKind::Timeout(_))
    }

    /// The status to answer with, when a request of our own client depends on this one.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self.inner.kind {
            ClientErrorKind::Timeout(ClientPhase::Wait) | ClientErrorKind::Busy => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            ClientErrorKind::Timeout(_) => StatusCode::GATEWAY_TIMEOUT,
            ClientErrorKind::Request | ClientErrorKind::Upload => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_GATEWAY,
        }
    }
}

/// A URL without its secrets: origin and path, shortened.
pub(crate) fn shown(url: &Url) -> String {
    let mut text = url.origin().ascii_serialization();
    text.push_str(url.path());
    if text.len() > 200 {
        let end = (0..=200).rev().find(|&at| text.is_char_boundary(at));
        text.truncate(end.unwrap_or_default());
        text.push('…');
    }
    text
}

impl fmt::Display for ClientPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Wait => "waiting for a connection",
            Self::Connect => "connecting",
            Self::Tls => "the TLS handshake",
            Self::Send => "sending",
            Self::FirstByte => "waiting for the response",
            Self::BetweenBytes => "waiting for more of the body",
            Self::Total => "the whole request",
        })
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotSent => "not sent",
            Self::Unknown => "outcome unknown",
            Self::Answered => "after the answer",
        })
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner {
            kind,
            outcome,
            target,
            text,
            ..
        } = &*self.inner;
        if let Some(target) = target {
            write!(f, "{target}: ")?;
        }
        match kind {
            ClientErrorKind::Request => f.write_str("the request is wrong")?,
            ClientErrorKind::Connect => f.write_str("no connection")?,
            ClientErrorKind::Tls => f.write_str("no TLS")?,
            ClientErrorKind::Proxy => f.write_str("the proxy did not help")?,
            ClientErrorKind::Busy => f.write_str("too many requests wait for this server")?,
            ClientErrorKind::Timeout(phase) => write!(f, "{phase} took too long")?,
            ClientErrorKind::Closed => f.write_str("the connection ended too soon")?,
            ClientErrorKind::Malformed => f.write_str("the server does not speak HTTP properly")?,
            ClientErrorKind::TooLarge { limit } => {
                write!(f, "the response is larger than {limit} bytes")?;
            }
            ClientErrorKind::Coding => f.write_str("the coding of the response is broken")?,
            ClientErrorKind::Redirect => f.write_str("the redirect is not followed")?,
            ClientErrorKind::Upload => f.write_str("the source of the request's body failed")?,
            ClientErrorKind::Status(status) => write!(f, "the server answered {status}")?,
            ClientErrorKind::Decode => f.write_str("the body is not what was expected")?,
        }
        if let Some(text) = text {
            write!(f, ": {text}")?;
        }
        write!(f, " ({outcome})")
    }
}

impl fmt::Debug for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientError")
            .field("kind", &self.inner.kind)
            .field("outcome", &self.inner.outcome)
            .field("target", &self.inner.target)
            .field("text", &self.inner.text)
            .field("source", &self.inner.source)
            .finish()
    }
}

impl StdError for ClientError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.inner.source.as_ref().map(|source| &**source as _)
    }
}
