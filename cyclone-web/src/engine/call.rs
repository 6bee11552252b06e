//! The service that hyper calls: ours, behind the framing rules.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode, Version, header};
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use pin_project_lite::pin_project;
use tokio::time::Instant;

use super::framing::{self, Framing, Refusal};
use super::wire::{Answer, Upload, Wire};
use super::{ConnectionInfo, HttpService};
use crate::body::{Body, BodyError, Inbound};
use crate::head::Head;
use crate::limits::Limits;
use crate::reply::Reply;

/// An [`HttpService`] as hyper wants it, for one connection.
pub(crate) struct Calls<S> {
    service: S,
    connection: Arc<ConnectionInfo>,
    http2: bool,
}

impl<S: HttpService> Calls<S> {
    pub(crate) fn new(service: S, connection: Arc<ConnectionInfo>, http2: bool) -> Self {
        Self {
            service,
            connection,
            http2,
        }
    }

    fn check(&self, head: &Parts, limits: &Limits) -> Result<Framing, Refusal> {
        let framing = framing::check(head, limits)?;
        let fragments = &self.connection.wire().fragments;
        if !self.http2 && fragments.has(&head.method, &head.uri) {
            return Err(Refusal::bad("the request target has a fragment\n"));
        }
        Ok(framing)
    }

    fn body(&self, incoming: Incoming, framing: Framing, limits: &Limits) -> Body {
        if incoming.is_end_stream() {
            return Body::empty();
        }
        let connection = Arc::clone(&self.connection);
        let inbound = if self.http2 {
            Inbound::http2(incoming, connection)
        } else {
            Inbound::http1(incoming, connection, framing.expecting)
        };
        Body::inbound(inbound, limits.body)
    }
}

impl<S: HttpService> hyper::service::Service<Request<Incoming>> for Calls<S> {
    type Response = Response<Outbound>;
    type Error = Infallible;
    type Future = Call<S::Future>;

    fn call(&self, request: Request<Incoming>) -> Call<S::Future> {
        let (head, incoming) = request.into_parts();
        let ticket = Ticket::new(Arc::clone(&self.connection), self.http2);
        let headless = head.method == Method::HEAD;
        let wire = self.connection.wire();
        if head.version == Version::HTTP_10 {
            wire.close_delimited.set();
        }
        if head.extensions.get::<OnUpgrade>().is_some() {
            wire.may_leave.set();
        }
        let limits = self.connection.limits();
        let state = match self.check(&head, limits) {
            Ok(framing) => {
                let body = self.body(incoming, framing, limits);
                State::Running {
                    future: self.service.call(
                        Head::from_parts(head, Instant::now().into_std()),
                        body,
                        &self.connection,
                    ),
                }
            }
            Err(refusal) => {
                self.connection.meter.refuses(refusal.status);
                if !self.http2 && !incoming.is_end_stream() {
                    wire.set_upload(Upload::Abandoned);
                }
                State::Refused { refusal }
            }
        };
        Call {
            state,
            ticket: Some(ticket),
            headless,
        }
    }
}

/// A request in progress; the connection is told when it is over.
struct Ticket {
    connection: Arc<ConnectionInfo>,
    http2: bool,
}

impl Ticket {
    fn new(connection: Arc<ConnectionInfo>, http2: bool) -> Self {
        let wire = connection.wire();
        if http2 {
            wire.requests.add();
            wire.streams.fetch_add(1, Ordering::AcqRel);
        } else {
            wire.begin();
        }
        Self { connection, http2 }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let wire = self.connection.wire();
        if self.http2 {
            wire.streams.fetch_sub(1, Ordering::AcqRel);
            self.connection.driver.wake();
        } else {
            wire.set_answer(Answer::Handed);
        }
    }
}

pin_project! {
    /// The answer to come.
    pub(crate) struct Call<F> {
        #[pin]
        state: State<F>,
        ticket: Option<Ticket>,
        headless: bool,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<F> {
        Running { #[pin] future: F },
        Refused { refusal: Refusal },
    }
}

impl<F: Future<Output = Reply>> Future for Call<F> {
    type Output = Result<Response<Outbound>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = match this.state.project() {
            StateProjection::Running { future } => ready!(future.poll(cx)).into_response(),
            StateProjection::Refused { refusal } => refusal.response(),
        };
        if *this.headless
            || matches!(
                response.status(),
                StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED
            )
        {
            response.body_mut().set_unsent();
            if this.ticket.as_ref().is_some_and(|ticket| ticket.http2) {
                withhold_body(&mut response, *this.headless);
            }
        }
        let ticket = this.ticket.take();
        if let Some(ticket) = &ticket
            && !ticket.http2
        {
            finish_head(&mut response, &ticket.connection);
        }
        Poll::Ready(Ok(response.map(|body| Outbound {
            body,
            rest: None,
            held_back: false,
            ticket,
        })))
    }
}

/// Drops a body that has no place on the wire: hyper leaves it out of HTTP/1 by itself, but not out of HTTP/2,
/// where clients take it for a broken stream (RFC 9113 section 8.1.1).
fn withhold_body(response: &mut Response<Body>, headless: bool) {
    let body = std::mem::take(response.body_mut());
    if headless && let Some(length @ 1..) = body.size_hint().exact() {
        let headers = response.headers_mut();
        headers
            .entry(header::CONTENT_LENGTH)
            .or_insert_with(|| length.into());
    }
}

/// Says `connection: close` when the connection will not serve another request, and takes note of an upgrade.
fn finish_head(response: &mut Response<Body>, connection: &ConnectionInfo) {
    let wire = connection.wire();
    // hyper panics at versions that it cannot write.
    *response.version_mut() = Version::HTTP_11;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        wire.upgraded.set();
        return;
    }
    if wire.closing.is_set() || wire.upload() == Upload::Abandoned || wire.eof.is_set() {
        response
            .headers_mut()
            .insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
}

/// The largest piece of a body that hyper's HTTP/1 is given at once, in bytes: it copies it behind the head.
const PIECE_BYTES: usize = 64 * 1024;

/// A response body on its way out; the connection is told when it is over.
pub(crate) struct Outbound {
    body: Body,
    /// What is left of a frame that was too large for one piece, never empty.
    rest: Option<Box<Bytes>>,
    /// hyper has data of this body that the client's HTTP/2 windows have no room for. It polls the body again
    /// when they have.
    held_back: bool,
    ticket: Option<Ticket>,
}

impl Outbound {
    fn is_http2(&self) -> bool {
        self.ticket.as_ref().is_some_and(|ticket| ticket.http2)
    }

    fn http2_wire(&self) -> Option<&Wire> {
        let ticket = self.ticket.as_ref().filter(|ticket| ticket.http2)?;
        Some(ticket.connection.wire())
    }

    fn hold_back(&mut self) {
        if let Some(wire) = self.http2_wire() {
            wire.held_back.fetch_add(1, Ordering::AcqRel);
            self.held_back = true;
        }
    }

    fn let_go(&mut self) {
        if std::mem::take(&mut self.held_back)
            && let Some(wire) = self.http2_wire()
        {
            wire.held_back.fetch_sub(1, Ordering::AcqRel);
            wire.let_go.fetch_add(1, Ordering::AcqRel);
        }
    }
}

impl http_body::Body for Outbound {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        this.let_go();
        if let Some(rest) = &mut this.rest {
            let piece = rest.split_to(rest.len().min(PIECE_BYTES));
            if rest.is_empty() {
                this.rest = None;
            }
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        let mut polled = Pin::new(&mut this.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &mut polled
            && let Some(data) = frame.data_mut()
        {
            if this.is_http2() {
                this.hold_back();
            } else if data.len() > PIECE_BYTES {
                this.rest = Some(Box::new(data.split_off(PIECE_BYTES)));
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = self.body.size_hint();
        let Some(rest) = &self.rest else {
            return hint;
        };
        let rest = rest.len() as u64;
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper + rest);
        }
        hint.set_lower(hint.lower() + rest);
        hint
    }
}

impl Drop for Outbound {
    fn drop(&mut self) {
        self.let_go();
    }
}
