//! One request and its response: what handlers work with.

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use cyclone_core::{Context, Peer, Resources, Session};
use http::{Extensions, HeaderMap, Method, Uri, Version, header};
use tokio::time::Instant;

use crate::application::Shared;
use crate::arguments::Arguments;
use crate::body::{Body, BodyErrorKind};
use crate::engine::ConnectionInfo;
use crate::error::{Error, Result};
use crate::finish::{Ending, Finish, client_closed_request};
use crate::handler::{DynHandler, guarded};
use crate::head::Head;
use crate::router::PathParameters;
use crate::stream::Pipe;
pub use output::MAX_REASON;
use output::Output;
pub(crate) use output::Written;
pub(crate) use standing::Standing;

mod answers;
mod arguments;
#[cfg(feature = "client")]
mod client;
#[cfg(feature = "multipart")]
mod forms;
mod forwarded;
mod input;
#[cfg(feature = "locale")]
mod locale;
mod output;
#[cfg(feature = "templates")]
mod page;
mod path;
#[cfg(feature = "private-cookies")]
mod private;
#[cfg(any(feature = "sse", feature = "websocket"))]
mod protocols;
mod routing;
#[cfg(feature = "security")]
mod security_headers;
#[cfg(feature = "sessions")]
mod sessions;
#[cfg(feature = "security")]
mod signed;
mod standing;
mod stream;
mod user;
#[cfg(feature = "security")]
mod xsrf;

/// One request and the response to it: what Tornado's handler has as methods of its own.
///
/// Reading: [`argument`](Self::argument), [`path_argument`](Self::path_argument), [`query`](Self::query),
/// [`form`](Self::form), [`json_body`](Self::json_body), [`body`](Self::body), [`headers`](Self::headers),
/// [`cookie`](Self::cookie).
///
/// Answering: [`text`](Self::text), [`html`](Self::html), [`json`](Self::json), [`redirect`](Self::redirect)
/// and [`finish`](Self::finish) give the [`Response`](crate::Response) that the handler returns;
/// [`write`](Self::write) collects; [`flush`](Self::flush) sends what was written and makes the response a
/// stream.
///
/// It is a [`Context`], so drivers add their methods to it: `cx.sqlite()`.
pub struct RequestContext {
    head: Head,
    /// Bodies are not `Sync`, and a handler that lends its context across an await needs it to be. Never
    /// locked: whoever reads the body has the context to himself.
    body: Mutex<Body>,
    /// The whole body once it was read.
    body_bytes: Option<Bytes>,
    /// Somebody began to read the whole body, and gave it up unless he still does.
    body_begun: bool,
    body_failed: Option<BodyErrorKind>,
    parameters: PathParameters,
    query_arguments: OnceLock<Box<Arguments>>,
    form_arguments: Option<Box<Arguments>>,
    output: Output,
    /// Made by the first flush.
    pipe: Option<Arc<Pipe>>,
    started: Instant,
    connection: Arc<ConnectionInfo>,
    app: Arc<Shared>,
    /// Who wants to be told of the end beside the log.
    handler: Option<Arc<dyn DynHandler>>,
    /// The end of the request has been told.
    is_told: bool,
}

impl RequestContext {
    pub(crate) fn new(
        head: Head,
        body: Body,
        parameters: PathParameters,
        connection: Arc<ConnectionInfo>,
        app: Arc<Shared>,
        handler: Option<Arc<dyn DynHandler>>,
    ) -> Box<Self> {
        // Allocated before it is put together, so that less of it is copied.
        let place = Box::new_uninit();
        connection.meter.begins();
        let context = Self {
            started: Instant::from_std(head.arrived()),
            head,
            body: Mutex::new(body),
            body_bytes: None,
            body_begun: false,
            body_failed: None,
            parameters,
            query_arguments: OnceLock::new(),
            form_arguments: None,
            output: Output::default(),
            pipe: None,
            connection,
            app,
            handler,
            is_told: false,
        };
        Box::write(place, context)
    }

    /// The request method.
    #[must_use]
    pub fn method(&self) -> &Method {
        self.head.method()
    }

    /// The request target.
    #[must_use]
    pub fn uri(&self) -> &Uri {
        self.head.uri()
    }

    /// The path of the request target, percent-encoded as it came.
    #[must_use]
    pub fn request_path(&self) -> &str {
        self.head.path()
    }

    /// The HTTP version of the request.
    #[must_use]
    pub fn version(&self) -> Version {
        self.head.version()
    }

    /// The request headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        self.head.headers()
    }

    /// The first value of a request header, when it is visible ASCII.
    #[must_use]
    pub fn header(&self, name: impl header::AsHeaderName) -> Option<&str> {
        self.head.headers().get(name)?.to_str().ok()
    }

    /// What middleware attached to the request.
    #[must_use]
    pub fn extensions(&self) -> &Extensions {
        self.head.extensions()
    }

    /// What middleware attached to the request, to add to.
    pub fn extensions_mut(&mut self) -> &mut Extensions {
        self.head.extensions_mut()
    }

    /// The two addresses of the connection.
    #[must_use]
    pub fn peer(&self) -> &Peer {
        self.connection.peer()
    }

    /// The connection's place in the server: shutdown signals and registry entry.
    #[must_use]
    pub fn session(&self) -> &Session {
        self.connection.session()
    }

    /// Whether the application runs in [debug mode](crate::Application::debug).
    #[must_use]
    pub fn is_debug(&self) -> bool {
        self.app.debug
    }

    /// The URL of a static file with its version, which lets browsers keep it for a year; `path` is below the
    /// directory of [`Application::static_files`](crate::Application::static_files).
    ///
    /// The file is read when it is first asked for, which blocks the thread shortly.
    ///
    /// # Errors
    /// A 500 when the application has no static files.
    pub fn static_url(&self, path: &str) -> Result<String> {
        match &self.app.static_files {
            Some(files) => Ok(self.below_mount(files.static_url(path))),
            None => Err(Error::internal("the application has no static files")),
        }
    }

    /// The request with its parts and its body taken out, for libraries that want one. The context keeps
    /// method, target, version and headers, not the extensions.
    ///
    /// The [`Session`] and the [`Peer`] of the connection are among the extensions.
    pub fn take_request(&mut self) -> http::Request<Body> {
        let mut request = http::Request::new(self.take_body());
        *request.method_mut() = self.head.method().clone();
        *request.uri_mut() = self.head.uri().clone();
        *request.version_mut() = self.head.version();
        *request.headers_mut() = self.head.headers().clone();
        *request.extensions_mut() = std::mem::take(self.head.extensions_mut());
        if let Some(standing) = request.extensions().get::<Standing>() {
            let standing = standing.clone();
            self.head.extensions_mut().insert(standing);
        }
        request.extensions_mut().insert(self.session().clone());
        request.extensions_mut().insert(self.peer().clone());
        request
    }

    fn body_mut(&mut self) -> &mut Body {
        self.body.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(feature = "templates")]
    pub(crate) fn app(&self) -> &Shared {
        &self.app
    }

    /// Logs why a request failed: in full for faults of ours, at debug level for faults of the client.
    pub(crate) fn log_error(&self, error: &Error, panicked: bool) {
        let (method, uri) = (self.method(), self.uri());
        if error.status().is_server_error() {
            tracing::error!(%method, %uri, %error, panicked, "request failed");
        } else {
            tracing::debug!(%method, %uri, %error, "request refused");
        }
    }

    /// Tells the handler and the log, once, how the request ended.
    pub(crate) fn finished(mut self: Box<Self>, ending: Ending, body_bytes: u64) {
        self.tell(ending, body_bytes);
    }

    fn tell(&mut self, ending: Ending, body_bytes: u64) {
        if std::mem::replace(&mut self.is_told, true) {
            return;
        }
        let status = match ending {
            Ending::Disconnected if !self.output.is_answered() => client_closed_request(),
            _ => self.output.status(),
        };
        let finish = Finish {
            status,
            ending,
            body_bytes,
            started: self.started,
        };
        self.connection.meter.ends(self.head.method(), &finish);
        // They may run inside a drop during unwinding, where a second panic would end the process.
        if let Some(handler) = self.handler.take() {
            handler.on_end(self, &finish);
        }
        guarded("log_request", || (self.app.log_request)(self, &finish));
    }
}

impl Context for RequestContext {
    fn resources(&self) -> &Resources {
        self.connection.session().resources()
    }
}

impl Drop for RequestContext {
    fn drop(&mut self) {
        if self.is_told {
            return;
        }
        // Dropped with the handler's future: the client is gone, unless its connection had all it needs.
        let (bytes, satisfied) = match &self.pipe {
            Some(pipe) => (pipe.taken(), pipe.is_satisfied()),
            None => (0, false),
        };
        let ending = if satisfied {
            Ending::Complete
        } else {
            Ending::Disconnected
        };
        self.tell(ending, bytes);
    }
}

impl fmt::Debug for RequestContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestContext")
            .field("method", self.method())
            .field("uri", self.uri())
            .field("peer", self.peer())
            .field("status", &self.output.status())
            .finish_non_exhaustive()
    }
}
