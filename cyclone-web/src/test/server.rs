//! A real server for a test.

use std::fmt;
use std::net::SocketAddr;

use cyclone_core::{Endpoint, ProtocolFactory, RunningServer, Server, ServerError, ShutdownReport};

use super::{TestClient, TestClientBuilder};
use crate::application::Application;

/// A server on a free port of the loopback interface: Tornado's `AsyncHTTPTestCase`. For browsers and other foreign
/// clients, and for what only sockets have; [`TestClient::new`] is quicker.
///
/// Dropping it cuts its connections.
///
/// ```
/// use cyclone_web::test::TestServer;
/// use cyclone_web::{Application, RequestContext, Result};
///
/// async fn hello(cx: &mut RequestContext) -> Result {
///     cx.text("hello")
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
/// let server = TestServer::start(Application::new().get("/", hello)).await?;
/// assert_eq!(server.client().get("/").await?.text(), "hello");
/// assert!(server.url("/").starts_with("http://127.0.0.1:"));
/// assert!(server.stop().await.is_clean());
/// # Ok(())
/// # }
/// ```
pub struct TestServer {
    running: RunningServer,
    address: SocketAddr,
    client: TestClient,
}

impl TestServer {
    /// Serves an application.
    ///
    /// # Errors
    /// When the application needs a resource: see [`start_on`](Self::start_on).
    pub async fn start(app: Application) -> Result<Self, ServerError> {
        Self::start_on(Server::new(), app).await
    }

    /// Serves an application on a server with resources and services, which may listen elsewhere too. Resources that are
    /// given to it last replace those of the same type: a fake for each that costs something.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub async fn start_on(server: Server, app: Application) -> Result<Self, ServerError> {
        let client = TestClient::builder(app.clone());
        Self::serve(server, app, |address| client.at(address)).await
    }

    /// Serves any protocol that speaks HTTP.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub async fn start_protocol(
        server: Server,
        factory: impl ProtocolFactory,
    ) -> Result<Self, ServerError> {
        Self::serve(server, factory, TestClientBuilder::for_address).await
    }

    async fn serve(
        server: Server,
        factory: impl ProtocolFactory,
        client: impl FnOnce(SocketAddr) -> TestClientBuilder,
    ) -> Result<Self, ServerError> {
        let running = server
            .listen(Endpoint::loopback(0), factory)
            .start()
            .await?;
        // Ours was added last.
        let address = running.local_addresses().last();
        let address = address.and_then(cyclone_core::Address::socket_addr);
        let address = address.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0)));
        Ok(Self {
            running,
            address,
            client: client(address).build(),
        })
    }

    /// The address, with the port that was free.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A whole URL: Tornado's `get_url`.
    #[must_use]
    pub fn url(&self, target: &str) -> String {
        format!("http://{}{target}", self.address)
    }

    /// The client of the server. Clones share the cookies; for another user there is
    /// [`TestClientBuilder::for_address`].
    pub fn client(&self) -> &TestClient {
        &self.client
    }

    /// The server: its registry, its resources, its handle.
    pub fn running(&self) -> &RunningServer {
        &self.running
    }

    /// Ends the server in good order, and tells how that went.
    ///
    /// # Cancel safety
    /// Dropping the future cuts the connections.
    pub async fn stop(self) -> ShutdownReport {
        self.running.shutdown();
        self.running.wait().await
    }
}

impl fmt::Debug for TestServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestServer")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}
