//! The way in for any `tower::Service`.

use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use cyclone_core::{Connection, Peer, Protocol, ProtocolFactory};
use http::{HeaderValue, Request, Response, StatusCode, header};
use pin_project_lite::pin_project;
use tower_service::Service;

#[cfg(feature = "hyper-http1")]
use super::Http1Engine;
use super::{ALPN, ConnectionInfo, HttpService};
use crate::body::{Body, BoxError};
use crate::head::Head;
use crate::limits::Limits;
use crate::meter::ForeignRequest;
use crate::reply::Reply;
use crate::request_span::RequestSpan;

/// Serves HTTP with any `tower::Service`: an axum `Router`, tonic, jsonrpsee, an
/// `Application` behind tower layers.
///
/// HTTP/1.1, HTTP/1.0 and HTTP/2 with prior knowledge are told apart by their first bytes; over TLS the client says
/// which it wants (ALPN). The
/// [`Session`](cyclone_core::Session) and the [`Peer`] of the connection are in the extensions of every request.
///
/// ```
/// use cyclone_core::{Endpoint, Server};
/// use cyclone_web::Http;
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let router: axum::Router = axum::Router::new().route("/", axum::routing::get(|| async { "hello" }));
/// let server = Server::new().listen(Endpoint::tcp(0), Http::new(router)).start().await?;
/// server.shutdown();
/// server.wait().await;
/// # Ok(())
/// # }
/// ```
pub struct Http<S> {
    service: S,
    limits: Arc<Limits>,
    #[cfg(feature = "hyper-http1")]
    http1: Http1Engine,
}

impl<S> Http<S> {
    /// Serves requests with clones of `service`.
    pub fn new<B>(service: S) -> Self
    where
        S: Service<Request<Body>, Response = Response<B>> + Clone + Send + Sync + 'static,
        S::Future: Send,
        S::Error: Into<BoxError>,
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        Self {
            service,
            limits: Arc::new(Limits::default()),
            #[cfg(feature = "hyper-http1")]
            http1: Http1Engine::default(),
        }
    }

    /// Sets the limits; [`Limits::default`] unless set.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = Arc::new(limits);
        self
    }

    /// Chooses what speaks HTTP/1; [`Http1Engine::Cyclone`] unless set.
    #[cfg(feature = "hyper-http1")]
    #[must_use]
    pub fn http1_engine(mut self, engine: Http1Engine) -> Self {
        self.http1 = engine;
        self
    }
}

impl<S> fmt::Debug for Http<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl<S, B> ProtocolFactory for Http<S>
where
    S: Service<Request<Body>, Response = Response<B>> + Clone + Send + Sync + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Protocol = HttpProtocol<S>;

    fn build(&self, _peer: &Peer) -> Option<HttpProtocol<S>> {
        Some(HttpProtocol {
            service: self.service.clone(),
            limits: Arc::clone(&self.limits),
            #[cfg(feature = "hyper-http1")]
            http1: self.http1,
        })
    }

    fn name(&self) -> &'static str {
        "http"
    }

    fn alpn(&self) -> &[&str] {
        ALPN
    }
}

/// What an [`Http`] builds for every connection.
pub struct HttpProtocol<S> {
    service: S,
    limits: Arc<Limits>,
    #[cfg(feature = "hyper-http1")]
    http1: Http1Engine,
}

impl<S> fmt::Debug for HttpProtocol<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpProtocol").finish_non_exhaustive()
    }
}

impl<S, B> Protocol for HttpProtocol<S>
where
    S: Service<Request<Body>, Response = Response<B>> + Clone + Send + Sync + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    fn run(self, connection: Connection) -> impl Future<Output = io::Result<()>> + Send {
        #[cfg(feature = "hyper-http1")]
        let served = super::serve_by(self.http1, connection, Tower(self.service), self.limits);
        #[cfg(not(feature = "hyper-http1"))]
        let served = super::serve(connection, Tower(self.service), self.limits);
        served
    }
}

/// A `tower::Service` as an [`HttpService`].
#[derive(Clone)]
struct Tower<S>(S);

impl<S, B> HttpService for Tower<S>
where
    S: Service<Request<Body>, Response = Response<B>> + Clone + Send + Sync + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Future = Pin<Box<TowerCall<S>>>;

    fn call(&self, head: Head, body: Body, connection: &Arc<ConnectionInfo>) -> Self::Future {
        let counted = ForeignRequest::begins(&connection.meter, head.method());
        let span = RequestSpan::open(&head, None);
        let mut request = head.into_request(body);
        let extensions = request.extensions_mut();
        extensions.insert(connection.session().clone());
        extensions.insert(connection.peer().clone());
        Box::pin(TowerCall {
            state: TowerState::Waiting {
                service: self.0.clone(),
                request: Some(request),
            },
            counted,
            span,
        })
    }

    fn wants_hyper(&self, _head: &Head, _connection: &ConnectionInfo) -> bool {
        true
    }
}

pin_project! {
    /// Waits until the service is ready, then for its answer.
    struct TowerCall<S>
    where
        S: Service<Request<Body>>,
    {
        #[pin]
        state: TowerState<S>,
        counted: ForeignRequest,
        span: RequestSpan,
    }
}

pin_project! {
    #[project = TowerStateProjection]
    enum TowerState<S>
    where
        S: Service<Request<Body>>,
    {
        Waiting { service: S, request: Option<Request<Body>> },
        Called { #[pin] future: S::Future },
    }
}

impl<S, B> Future for TowerCall<S>
where
    S: Service<Request<Body>, Response = Response<B>>,
    S::Error: Into<BoxError>,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Output = Reply;

    /// A panic is answered too: it must not take the answers to earlier requests along.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Reply> {
        let mut this = self.project();
        let _entered = this.span.enter();
        let state = this.state.as_mut();
        let polled = catch_unwind(AssertUnwindSafe(|| advance(state, cx)));
        let polled = polled.unwrap_or_else(|_| Poll::Ready(failed(&"the service panicked".into())));
        polled.map(|response| {
            this.counted.answered(response.status());
            this.span.record(|| response.status());
            response.into()
        })
    }
}

fn advance<S, B>(mut state: Pin<&mut TowerState<S>>, cx: &mut Context<'_>) -> Poll<Response<Body>>
where
    S: Service<Request<Body>, Response = Response<B>>,
    S::Error: Into<BoxError>,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    loop {
        let future = match state.as_mut().project() {
            TowerStateProjection::Waiting { service, request } => {
                if let Err(error) = ready!(service.poll_ready(cx)) {
                    return Poll::Ready(failed(&error.into()));
                }
                let Some(request) = request.take() else {
                    return Poll::Ready(failed(&"the call was polled after its end".into()));
                };
                service.call(request)
            }
            TowerStateProjection::Called { future } => {
                return Poll::Ready(match ready!(future.poll(cx)) {
                    Ok(response) => response.map(Body::new),
                    Err(error) => failed(&error.into()),
                });
            }
        };
        state.set(TowerState::Called { future });
    }
}

/// The answer when a service fails instead of answering.
fn failed(error: &BoxError) -> Response<Body> {
    tracing::error!(%error, "service failed");
    let mut response = Response::new(Body::from("internal server error\n"));
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    response
}
