//! The client of a test.

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use cyclone_core::{Address, MissingResource, ProtocolFactory, Resources, ResourcesBuilder};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response};
use tokio_util::sync::CancellationToken;
use tower_service::Service;

use super::backend::{Backend, Place};
use super::jar::Jar;
use super::{TestError, TestErrorKind, TestRequest};
use crate::application::Application;
use crate::body::{Body, BoxError};
#[cfg(feature = "security")]
use crate::{signed::CookieSecrets, xsrf::Xsrf};

/// How long a request of a test may take by default: 30 s of real time, also where the clock of tokio is paused.
/// Tornado's `ASYNC_TEST_TIMEOUT` is 5 s.
pub const TEST_TIME_LIMIT: Duration = Duration::from_secs(30);

/// A client for tests: it keeps cookies, and talks to an application in memory, or to a [`TestServer`](super::TestServer)
/// by its socket.
///
/// Each request has a connection of its own. Clones share the cookies.
///
/// ```
/// use cyclone_web::test::TestClient;
/// use cyclone_web::{Application, RequestContext, Result};
///
/// async fn hello(cx: &mut RequestContext) -> Result {
///     let name = cx.argument("name")?;
///     cx.text(format!("hello, {name}"))
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::result::Result<(), cyclone_web::test::TestError> {
/// let client = TestClient::new(Application::new().get("/", hello));
/// let response = client.get("/").query(&[("name", "you")]).await?;
/// assert_eq!((response.status().as_u16(), &*response.text()), (200, "hello, you"));
/// assert_eq!(client.get("/").await?.status(), 400);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct TestClient {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) backend: Backend,
    pub(super) place: Place,
    pub(super) missing: Option<MissingResource>,
    pub(super) host: String,
    pub(super) headers: HeaderMap,
    pub(super) redirects: usize,
    pub(super) time_limit: Duration,
    jar: Mutex<Jar>,
    #[cfg(feature = "security")]
    pub(super) secrets: Option<CookieSecrets>,
    #[cfg(feature = "security")]
    pub(super) xsrf: Xsrf,
}

impl Shared {
    pub(super) fn jar(&self) -> MutexGuard<'_, Jar> {
        self.jar.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TestClient {
    /// A client of an application that is served in memory by the engine that serves sockets.
    pub fn new(app: Application) -> Self {
        Self::builder(app).build()
    }

    /// The same, with settings: resources, the address of the client, redirects that are followed, …
    pub fn builder(app: Application) -> TestClientBuilder {
        TestClientBuilder::of_application(app)
    }

    /// Begins a `GET`.
    pub fn get(&self, target: impl AsRef<str>) -> TestRequest {
        self.request(Method::GET, target)
    }

    /// Begins a `HEAD`.
    pub fn head(&self, target: impl AsRef<str>) -> TestRequest {
        self.request(Method::HEAD, target)
    }

    /// Begins a `POST`.
    pub fn post(&self, target: impl AsRef<str>) -> TestRequest {
        self.request(Method::POST, target)
    }

    /// Begins a `PUT`.
    pub fn put(&self, target: impl AsRef<str>) -> TestRequest {
        self.request(Method::PUT, target)
    }

    /// Begins a `PATCH`.
    pub fn patch(&self, target: impl AsRef<str>) -> TestRequest {
        self.request(Method::PATCH, target)
    }

    /// Begins a `DELETE`.
    pub fn delete(&self, target: impl AsRef<str>) -> TestRequest {
        self.request(Method::DELETE, target)
    }

    /// Begins a request of any method. The target is a path with its query, as in the first line of a request; a whole
    /// URL of the host of the client will do.
    pub fn request(&self, method: Method, target: impl AsRef<str>) -> TestRequest {
        TestRequest::new(self.clone(), method, target.as_ref())
    }

    /// The value of a cookie that the client has kept, as it was sent.
    #[must_use]
    pub fn cookie(&self, name: &str) -> Option<String> {
        self.shared.jar().value(name, &self.shared.host)
    }

    /// Gives the client a cookie, for all paths of its host.
    pub fn set_cookie(&self, name: &str, value: &str) {
        self.shared.jar().set(name, value, &self.shared.host);
    }

    /// Takes a cookie from the client.
    pub fn remove_cookie(&self, name: &str) {
        self.shared.jar().remove(name, &self.shared.host);
    }

    /// Takes all cookies from the client: another user comes.
    pub fn clear_cookies(&self) {
        self.shared.jar().clear();
    }

    /// Begins the shutdown as its handlers see it: connections in memory are told to go. HTTP says `connection: close`,
    /// event streams end, WebSockets get 1001. For one of a [`TestServer`](super::TestServer) use its own.
    pub fn drain(&self) {
        self.shared.place.draining.cancel();
    }

    /// Cuts all connections in memory at once, as a shutdown does when its deadline passes.
    pub fn cut(&self) {
        self.shared.place.draining.cancel();
        self.shared.place.cut.cancel();
    }

    /// Whether a server with this application would start.
    pub(super) fn check(&self) -> Result<(), TestError> {
        match &self.shared.missing {
            None => Ok(()),
            Some(missing) => Err(TestError::new(
                TestErrorKind::Resources,
                "a server with this application would not start",
            )
            .because(missing.clone())),
        }
    }
}

impl fmt::Debug for TestClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestClient")
            .field("host", &self.shared.host)
            .finish_non_exhaustive()
    }
}

type Check = Box<dyn FnOnce(&Resources) -> Result<(), MissingResource> + Send>;

/// Sets up a [`TestClient`].
#[must_use = "it does nothing until it is built"]
pub struct TestClientBuilder {
    backend: Backend,
    check: Check,
    resources: ResourcesBuilder,
    remote: Address,
    host: String,
    headers: HeaderMap,
    redirects: usize,
    time_limit: Duration,
    #[cfg(feature = "security")]
    secrets: Option<CookieSecrets>,
    #[cfg(feature = "security")]
    xsrf: Xsrf,
}

impl TestClientBuilder {
    fn of_application(app: Application) -> Self {
        #[cfg(feature = "security")]
        {
            let (secrets, xsrf) = app.secrets_of_tests();
            Self {
                secrets,
                xsrf,
                ..Self::for_protocol(app)
            }
        }
        #[cfg(not(feature = "security"))]
        Self::for_protocol(app)
    }

    /// A client of any protocol that speaks HTTP: an [`Http`](crate::Http) with an axum router, one of your own.
    pub fn for_protocol(factory: impl ProtocolFactory) -> Self {
        let factory = Arc::new(factory);
        let checked = Arc::clone(&factory);
        let check = move |resources: &Resources| checked.check(resources);
        Self::of(Backend::engine(factory), Box::new(check))
    }

    /// A client that calls a `tower::Service` without any connection: an [`Application`] inside tower layers. Quicker
    /// still, but nobody checks the framing, and nothing can be upgraded.
    pub fn for_service<S, B>(service: S) -> Self
    where
        S: Service<Request<Body>, Response = Response<B>> + Clone + Send + Sync + 'static,
        S::Future: Send,
        S::Error: Into<BoxError>,
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        Self::of(Backend::service(service), Box::new(|_| Ok(())))
    }

    /// A client of a server that listens on a socket.
    pub fn for_address(address: SocketAddr) -> Self {
        let this = Self::of(Backend::Socket(address), Box::new(|_| Ok(())));
        this.host(address.to_string())
    }

    /// The same for a server that has the resources.
    pub(super) fn at(self, address: SocketAddr) -> Self {
        let this = Self {
            backend: Backend::Socket(address),
            check: Box::new(|_| Ok(())),
            ..self
        };
        this.host(address.to_string())
    }

    fn of(backend: Backend, check: Check) -> Self {
        Self {
            backend,
            check,
            resources: Resources::builder(),
            remote: Address::Memory,
            host: "localhost".to_owned(),
            headers: HeaderMap::new(),
            redirects: 0,
            time_limit: TEST_TIME_LIMIT,
            #[cfg(feature = "security")]
            secrets: None,
            #[cfg(feature = "security")]
            xsrf: Xsrf::new(),
        }
    }

    /// Gives the handlers a resource, as [`Server::resource`](cyclone_core::Server::resource) does: a fake of one that
    /// in earnest is a database. A later one of the same type replaces it. Without a server of its own only.
    pub fn resource<T: Send + Sync + 'static>(mut self, resource: T) -> Self {
        self.resources = self.resources.insert(resource);
        self
    }

    /// Gives the handlers a resource by its name.
    pub fn named_resource<T: Send + Sync + 'static>(
        mut self,
        name: impl Into<String>,
        resource: T,
    ) -> Self {
        self.resources = self.resources.insert_named(name, resource);
        self
    }

    /// Sets the address that handlers see the client at; it is in memory unless set.
    pub fn remote_address(mut self, address: SocketAddr) -> Self {
        self.remote = Address::Tcp(address);
        self
    }

    /// Sets the host that is asked for; `localhost` unless set, and that of the socket if there is one.
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.host = host.into();
        self
    }

    /// Sends a field with every request that has none of that name.
    ///
    /// # Panics
    /// When the name or the value is malformed.
    #[expect(clippy::panic, reason = "a mistake in the test")]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        match (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            (Ok(name), Ok(value)) => self.headers.append(name, value),
            _ => panic!("`{name}: {value}` is no header"),
        };
        self
    }

    /// Follows up to so many redirects within the host, as Tornado's `follow_redirects` and `max_redirects`. None unless
    /// set: then the test sees the redirect itself.
    pub fn follow_redirects(mut self, limit: usize) -> Self {
        self.redirects = limit;
        self
    }

    /// Sets how long a request may take, and each wait for more of a stream, in real time; [`TEST_TIME_LIMIT`] unless
    /// set.
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = limit;
        self
    }

    /// Sets the secrets for [`TestClient::set_signed_cookie`]; those of the application unless set.
    #[cfg(feature = "security")]
    pub fn cookie_secrets(mut self, secrets: CookieSecrets) -> Self {
        self.secrets = Some(secrets);
        self
    }

    /// Makes the client.
    pub fn build(self) -> TestClient {
        let resources = self.resources.build();
        let missing = (self.check)(&resources).err();
        TestClient {
            shared: Arc::new(Shared {
                backend: self.backend,
                place: Place {
                    resources,
                    remote: self.remote,
                    draining: CancellationToken::new(),
                    cut: CancellationToken::new(),
                },
                missing,
                host: self.host,
                headers: self.headers,
                redirects: self.redirects,
                time_limit: self.time_limit,
                jar: Mutex::default(),
                #[cfg(feature = "security")]
                secrets: self.secrets,
                #[cfg(feature = "security")]
                xsrf: self.xsrf,
            }),
        }
    }
}

impl fmt::Debug for TestClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestClientBuilder")
            .field("host", &self.host)
            .field("redirects", &self.redirects)
            .field("time_limit", &self.time_limit)
            .finish_non_exhaustive()
    }
}
