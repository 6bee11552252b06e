//! Foreign services below a prefix.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::uri::{PathAndQuery, Uri};
use http::{Request, Response};
use tower_service::Service;

use crate::application::Application;
use crate::body::{Body, BoxError};
use crate::context::RequestContext;
use crate::error::{Error, Result};
use crate::guards;
use crate::handler::{DynHandler, conclude_plain};
use crate::nested::prefix_without_slash;
use crate::running::Running;

/// The request target before a mount took its prefix off, in the extensions of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginalUri(pub Uri);

/// A `tower::Service` that can be mounted; implemented for all that fit, by nobody by hand.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be mounted",
    note = "it has to be a `tower::Service<http::Request<cyclone_web::Body>>` that is `Clone + Send + Sync`"
)]
pub trait MountedService: Clone + Send + Sync + 'static {
    /// The response of the service.
    type Response;

    /// Waits until the service is ready and calls it.
    fn oneshot(
        self,
        request: Request<Body>,
    ) -> impl Future<Output = std::result::Result<Self::Response, BoxedError>> + Send;
}

/// The error of a mounted service.
pub type BoxedError = Box<dyn std::error::Error + Send + Sync>;

impl<S> MountedService for S
where
    S: Service<Request<Body>> + Clone + Send + Sync + 'static,
    S::Future: Send,
    S::Error: Into<BoxedError>,
{
    type Response = S::Response;

    async fn oneshot(
        mut self,
        request: Request<Body>,
    ) -> std::result::Result<Self::Response, BoxedError> {
        std::future::poll_fn(|cx| self.poll_ready(cx))
            .await
            .map_err(Into::into)?;
        self.call(request).await.map_err(Into::into)
    }
}

type Answer = Pin<Box<dyn Future<Output = std::result::Result<Response<Body>, BoxError>> + Send>>;

type Call = dyn Fn(Request<Body>) -> Answer + Send + Sync;

/// A service and where it is mounted.
pub(crate) struct Mounted {
    prefix: String,
    call: Arc<Call>,
    application: Option<Application>,
}

impl Mounted {
    pub(crate) fn new<S, B>(prefix: &str, service: S) -> Self
    where
        S: MountedService<Response = Response<B>>,
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let application = (&service as &dyn Any).downcast_ref::<Application>();
        Self {
            prefix: prefix_without_slash(prefix).to_owned(),
            application: application.cloned(),
            call: Arc::new(move |request| {
                let service = service.clone();
                Box::pin(async move {
                    let response = service.oneshot(request).await?;
                    Ok(response.map(Body::new))
                })
            }),
        }
    }

    pub(crate) fn below(mut self, prefix: &str) -> Self {
        self.prefix.insert_str(0, prefix);
        self
    }

    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The service, if it is an application and nothing around one.
    pub(crate) fn application(&self) -> Option<&Application> {
        self.application.as_ref()
    }

    pub(crate) fn handler(&self) -> Arc<dyn DynHandler> {
        Arc::new(self.mount())
    }

    pub(crate) fn mount(&self) -> Mount {
        Mount {
            prefix: self.prefix.as_str().into(),
            call: Arc::clone(&self.call),
        }
    }
}

/// What all mounts that a request has come through have taken off its path, in its extensions.
#[derive(Clone)]
pub(crate) struct MountPrefix(String);

impl MountPrefix {
    /// A path below it; what is a whole URL stays.
    pub(crate) fn below(&self, path: String) -> String {
        if path.starts_with('/') {
            format!("{}{path}", self.0)
        } else {
            path
        }
    }
}

/// A mounted service with its type erased.
pub(crate) struct Mount {
    prefix: Box<str>,
    call: Arc<Call>,
}

impl Mount {
    pub(crate) async fn answer(&self, cx: &mut RequestContext) -> Result {
        if cx.is_guarded() {
            guards::before_mount(cx).await?;
        }
        if cx.has_body() {
            cx.open_body()?;
        }
        let mut request = cx.take_request();
        let original = request.uri().clone();
        *request.uri_mut() = without_prefix(&original, &self.prefix)?;
        let extensions = request.extensions_mut();
        extensions.insert(OriginalUri(original));
        if !self.prefix.is_empty() {
            let outer = extensions.remove::<MountPrefix>();
            let mut prefix = outer.map_or_else(String::new, |outer| outer.0);
            prefix.push_str(&self.prefix);
            extensions.insert(MountPrefix(prefix));
        }
        let response = (self.call)(request)
            .await
            .map_err(|error| Error::internal("the mounted service failed").because(error))?;
        Ok(response.into())
    }
}

impl DynHandler for Mount {
    fn run(self: Arc<Self>, mut cx: Box<RequestContext>) -> Running {
        Running::new(async move {
            let answering = AssertUnwindSafe(self.answer(&mut cx)).catch_unwind();
            let answered = answering.await;
            conclude_plain(cx, answered).await
        })
    }

    fn is_foreign(&self) -> bool {
        true
    }
}

/// The target with `prefix` taken off its path.
fn without_prefix(uri: &Uri, prefix: &str) -> Result<Uri> {
    let rest = uri.path().strip_prefix(prefix).unwrap_or(uri.path());
    let mut target = String::with_capacity(rest.len() + 1);
    if !rest.starts_with('/') {
        target.push('/');
    }
    target.push_str(rest);
    if let Some(query) = uri.query() {
        target.push('?');
        target.push_str(query);
    }
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(target)?);
    Ok(Uri::from_parts(parts)?)
}
