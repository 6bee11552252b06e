//! The ways from a client to an application: in memory through the engine, as a service, by a socket.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use cyclone_core::{
    Address, Connection, IN_MEMORY_BUFFER_BYTES, Peer, Protocol as _, ProtocolFactory, Resources,
    Session,
};
use http::{Request, Response};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tower_service::Service;

use super::{TestError, TestErrorKind};
use crate::body::{Body, BoxError};
use crate::mount::MountedService;

pub(super) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

pub(super) type Stream = Box<dyn Io>;
type Called = Pin<Box<dyn Future<Output = Result<Response<Body>, TestError>> + Send>>;

/// Who answers.
#[derive(Clone)]
pub(super) enum Backend {
    /// Serves a connection in a task.
    Engine(Arc<dyn Fn(Connection) + Send + Sync>),
    Service(Arc<dyn Fn(Request<Body>) -> Called + Send + Sync>),
    Socket(SocketAddr),
}

/// What a connection in memory has of its server.
pub(super) struct Place {
    pub(super) resources: Resources,
    pub(super) remote: Address,
    pub(super) draining: CancellationToken,
    pub(super) cut: CancellationToken,
}

impl Place {
    fn session(&self) -> Session {
        let (draining, cut) = (self.draining.clone(), self.cut.clone());
        Session::controlled(self.resources.clone(), draining, cut)
    }

    fn peer(&self) -> Peer {
        Peer::new(self.remote.clone(), Address::Memory)
    }
}

impl Backend {
    pub(super) fn engine(factory: Arc<impl ProtocolFactory>) -> Self {
        Self::Engine(Arc::new(move |connection| {
            let session = connection.session().clone();
            // A factory may turn a peer away: the client sees the end of the connection.
            if let Some(protocol) = factory.build(connection.peer()) {
                tokio::spawn(async move {
                    tokio::select! {
                        biased;
                        () = session.cut() => {}
                        ended = protocol.run(connection) => {
                            if let Err(error) = ended {
                                tracing::debug!(%error, "connection of a test ended");
                            }
                        }
                    }
                });
            }
        }))
    }

    pub(super) fn service<S, B>(service: S) -> Self
    where
        S: Service<Request<Body>, Response = Response<B>> + Clone + Send + Sync + 'static,
        S::Future: Send,
        S::Error: Into<BoxError>,
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        Self::Service(Arc::new(move |request| {
            let service = service.clone();
            Box::pin(async move {
                let answered = service.oneshot(request).await;
                answered
                    .map(|response| response.map(Body::new))
                    .map_err(TestError::connection)
            })
        }))
    }

    /// Sends a request and waits for the head of the answer.
    pub(super) async fn call(
        &self,
        place: &Place,
        mut request: Request<Body>,
    ) -> Result<Response<Body>, TestError> {
        if let Self::Service(call) = self {
            let extensions = request.extensions_mut();
            extensions.insert(place.session());
            extensions.insert(place.peer());
            return call(request).await;
        }
        let stream = self.connect(place).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(TestError::connection)?;
        // It ends with the body of the answer, or when the test drops that.
        tokio::spawn(connection);
        let response = sender.send_request(request).await;
        Ok(response.map_err(TestError::connection)?.map(Body::new))
    }

    /// Opens a connection.
    pub(super) async fn connect(&self, place: &Place) -> Result<Stream, TestError> {
        match self {
            Self::Engine(serve) => {
                let (ours, theirs) = tokio::io::duplex(IN_MEMORY_BUFFER_BYTES);
                serve(Connection::new(ours, place.peer(), place.session()));
                Ok(Box::new(theirs))
            }
            Self::Socket(address) => {
                let stream = TcpStream::connect(address).await;
                Ok(Box::new(stream.map_err(TestError::connection)?))
            }
            Self::Service(_) => Err(TestError::new(
                TestErrorKind::Request,
                "a service has no connections: use `TestClient::new` or a `TestServer`",
            )),
        }
    }
}
