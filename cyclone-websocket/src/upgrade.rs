//! From a request to a session: the function and the tower service.

use std::convert::Infallible;
use std::fmt;
use std::future::{Ready, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use cyclone_core::{Session, Transport, UpgradeError};
use http::Extensions;
use http::request::Parts;
use http::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::runtime::Handle;
use tower_service::Service;

use crate::handler::WebSocketHandler;
use crate::handshake::{self, HandshakeError, HandshakeErrorKind};
use crate::queue::Queue;
use crate::sender::WebSocketSender;
use crate::session::{Prepared, Start, upgraded};
use crate::socket::WebSocket;

/// Answers an upgrade request and starts a session with `handler`.
///
/// Send the response that is returned; the session begins when the server has written it and hands over the
/// connection: by the [`OnUpgrade`](cyclone_core::OnUpgrade) of `cyclone-core` in the request's extensions, or
/// else by hyper's. The session runs
/// in a task of the [`Session`] in the request's extensions, which cyclone's servers put there: the
/// connection then stays registered, is told of a shutdown by 1001, and is cut at the deadline. In other
/// servers it runs in a task of its own; a [`Session::controlled`] in the extensions gives it the signals.
///
/// ```
/// use cyclone_websocket::{Message, Result, WebSocket, WebSocketHandler, upgrade};
///
/// struct Echo;
///
/// impl WebSocketHandler for Echo {
///     async fn message(&mut self, socket: &WebSocket, message: Message) -> Result {
///         Ok(socket.send(message).await?)
///     }
/// }
///
/// fn answer<B>(mut request: http::Request<B>) -> http::Response<String> {
///     match upgrade(&mut request, Echo) {
///         Ok(response) => response.map(|()| String::new()),
///         Err(error) => error.into_response(),
///     }
/// }
/// # assert_eq!(answer(http::Request::new(())).status(), 400);
/// ```
///
/// # Errors
/// The handshake was refused, see [`HandshakeErrorKind`]; nothing was spawned. Outside a tokio runtime
/// every handshake is refused as [`HandshakeErrorKind::NotUpgradable`].
pub fn upgrade<B, H>(request: &mut Request<B>, handler: H) -> Result<Response<()>, HandshakeError>
where
    H: WebSocketHandler,
{
    upgrade_with(request, |_| handler)
}

/// Like [`upgrade`], with a handler that is made from the request once the protocol part of the handshake
/// is known to be valid.
///
/// # Errors
/// As for [`upgrade`].
pub fn upgrade_with<B, H, F>(
    request: &mut Request<B>,
    factory: F,
) -> Result<Response<()>, HandshakeError>
where
    H: WebSocketHandler,
    F: FnOnce(&Parts) -> H,
{
    let on_upgrade = OnUpgrade::take(request.extensions_mut());
    let (mut parts, ()) = Request::new(()).into_parts();
    parts.method = request.method().clone();
    parts.uri = request.uri().clone();
    parts.version = request.version();
    parts.headers = request.headers().clone();
    parts.extensions = request.extensions().clone();
    start(parts, on_upgrade, factory)
}

/// The connection to come, of either kind of server.
enum OnUpgrade {
    Core(cyclone_core::OnUpgrade),
    Hyper(hyper::upgrade::OnUpgrade),
}

impl OnUpgrade {
    fn take(extensions: &mut Extensions) -> Option<Self> {
        let core = extensions.remove().map(Self::Core);
        core.or_else(|| extensions.remove().map(Self::Hyper))
    }
}

/// The connection of a server of cyclone; nothing but the socket is kept.
struct FromCore(cyclone_core::OnUpgrade);

impl Future for FromCore {
    type Output = Result<(Transport, Bytes), UpgradeError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let upgraded = std::task::ready!(Pin::new(&mut self.0).poll(cx))?;
        let (connection, ahead) = upgraded.into_parts();
        let (transport, ..) = connection.into_parts();
        Poll::Ready(Ok((transport, ahead)))
    }
}

/// The connection of a hyper server, which has the bytes read ahead in itself.
struct FromHyper(hyper::upgrade::OnUpgrade);

impl Future for FromHyper {
    type Output = Result<(TokioIo<hyper::upgrade::Upgraded>, Bytes), hyper::Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let upgraded = std::task::ready!(Pin::new(&mut self.0).poll(cx))?;
        Poll::Ready(Ok((TokioIo::new(upgraded), Bytes::new())))
    }
}

fn start<H, F>(
    parts: Parts,
    on_upgrade: Option<OnUpgrade>,
    factory: F,
) -> Result<Response<()>, HandshakeError>
where
    H: WebSocketHandler,
    F: FnOnce(&Parts) -> H,
{
    let accept = handshake::check(&parts)?;
    let on_upgrade = on_upgrade
        .filter(|_| Handle::try_current().is_ok())
        .ok_or(HandshakeErrorKind::NotUpgradable)?;
    let mut handler = factory(&parts);
    let accepted = handshake::accept(&parts, accept, &mut handler)?;
    let config = handler.config().shared();

    let session = parts
        .extensions
        .get::<Session>()
        .cloned()
        .unwrap_or_else(Session::detached);
    let subprotocol = accepted
        .subprotocol
        .as_ref()
        .and_then(|value| value.to_str().ok());
    let queue = Arc::new(Queue::new(Arc::clone(&config)));
    let sender = WebSocketSender::new(Arc::clone(&queue));
    let socket = WebSocket::new(sender, parts, session.clone(), subprotocol);
    let prepared = Prepared {
        handler,
        socket,
        queue,
        config,
    };
    match on_upgrade {
        OnUpgrade::Core(upgrade) => {
            session.spawn(upgraded(Start::new(FromCore(upgrade), prepared)));
        }
        OnUpgrade::Hyper(upgrade) => {
            session.spawn(upgraded(Start::new(FromHyper(upgrade), prepared)));
        }
    }
    Ok(accepted.response())
}

/// A [`tower_service::Service`] that upgrades every request, to mount in axum by `route_service` or in any
/// tower stack. Refused handshakes are answered by their status and a line of text.
///
/// ```
/// use cyclone_websocket::{Message, Result, WebSocket, WebSocketHandler, WebSocketService};
///
/// struct Greeter {
///     name: String,
/// }
///
/// impl WebSocketHandler for Greeter {
///     async fn message(&mut self, socket: &WebSocket, message: Message) -> Result {
///         let text = message.as_text().unwrap_or("bytes");
///         socket.send(format!("{}: {text}", self.name)).await?;
///         Ok(())
///     }
/// }
///
/// let service = WebSocketService::new(|request: &http::request::Parts| Greeter {
///     name: request.uri.path().into(),
/// });
/// let app: axum::Router = axum::Router::new().route_service("/greet", service);
/// ```
pub struct WebSocketService<F> {
    factory: Arc<F>,
}

impl<F> WebSocketService<F> {
    /// A service that makes a handler for each request by `factory`, once the protocol part of the
    /// handshake is known to be valid.
    pub fn new<H>(factory: F) -> Self
    where
        F: Fn(&Parts) -> H,
        H: WebSocketHandler,
    {
        Self {
            factory: Arc::new(factory),
        }
    }
}

impl<F, H, B> Service<Request<B>> for WebSocketService<F>
where
    F: Fn(&Parts) -> H,
    H: WebSocketHandler,
{
    type Response = Response<String>;
    type Error = Infallible;
    type Future = Ready<Result<Response<String>, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (mut parts, _body) = request.into_parts();
        let on_upgrade = OnUpgrade::take(&mut parts.extensions);
        ready(Ok(match start(parts, on_upgrade, &*self.factory) {
            Ok(response) => response.map(|()| String::new()),
            Err(error) => {
                tracing::debug!(%error, "websocket refused");
                error.into_response()
            }
        }))
    }
}

impl<F> Clone for WebSocketService<F> {
    fn clone(&self) -> Self {
        Self {
            factory: Arc::clone(&self.factory),
        }
    }
}

impl<F> fmt::Debug for WebSocketService<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocketService").finish_non_exhaustive()
    }
}
