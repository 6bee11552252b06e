//! The routes, and what all of them have in common: who may ask, and headers that keep answers to themselves.

use std::sync::Arc;

use http::header::{self, HeaderName, HeaderValue};
use http::{Method, StatusCode};

use super::{Shared, access, connections, health, live, metrics, page, status};
use crate::application::Application;
use crate::context::RequestContext;
use crate::error::{Error, Result};
use crate::handler::RequestHandler;
use crate::response::Response;

/// What an endpoint is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Page,
    Live,
    Ready,
    Metrics,
    Status,
    Connections,
    Close,
    Events,
}

pub(super) fn routes(mut app: Application, shared: &Arc<Shared>) -> Application {
    for (pattern, what) in [
        ("/", What::Page),
        ("/live", What::Live),
        ("/ready", What::Ready),
        ("/metrics", What::Metrics),
        ("/status.json", What::Status),
        ("/connections", What::Connections),
        ("/connections/{id}/close", What::Close),
        ("/events", What::Events),
    ] {
        let shared = Arc::clone(shared);
        app = app.route(pattern, Endpoint { shared, what });
    }
    app
}

struct Endpoint {
    shared: Arc<Shared>,
    what: What,
}

/// Headers of every answer. Nothing of it may run, be framed, be kept or be read elsewhere; the page says what it needs.
const HEADERS: [(HeaderName, HeaderValue); 7] = [
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    ),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    ),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    ),
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
    ),
];

impl Endpoint {
    /// Whether everybody may ask.
    fn is_open(&self, cx: &RequestContext) -> bool {
        let is_health = matches!(self.what, What::Live | What::Ready);
        is_health && self.shared.is_health_open && !health::is_verbose(cx)
    }
}

impl RequestHandler for Endpoint {
    const SUPPORTED_METHODS: &'static [Method] = &[Method::GET, Method::HEAD, Method::POST];

    fn set_default_headers(&self, cx: &mut RequestContext) {
        let headers = cx.response_headers_mut();
        for (name, value) in &HEADERS {
            headers.insert(name, value.clone());
        }
    }

    async fn prepare(&self, cx: &mut RequestContext) -> Result<Option<Response>> {
        if !self.is_open(cx) {
            access::check_origin(cx)?;
            self.shared.access.check(cx)?;
        }
        Ok(None)
    }

    async fn get(&self, cx: &mut RequestContext) -> Result {
        let shared = &self.shared;
        match self.what {
            What::Page => page::answer(shared, cx),
            What::Live => health::live(cx),
            What::Ready => health::ready(shared, cx),
            What::Metrics => metrics::answer(shared, cx),
            What::Status => status::answer(shared, cx),
            What::Connections => connections::list(shared, cx),
            What::Events => live::stream(shared, cx).await,
            What::Close => Err(Error::method_not_allowed(&[Method::POST])),
        }
    }

    async fn post(&self, cx: &mut RequestContext) -> Result {
        match self.what {
            What::Close => connections::close(&self.shared, cx),
            _ => Err(Error::method_not_allowed(&[Method::GET, Method::HEAD])),
        }
    }

    /// One line of text: who asks is a machine more often than not.
    async fn write_error(&self, cx: &mut RequestContext, error: &Error) -> Result {
        let status = error.status();
        let what = match error.client_message() {
            Some(message) => message,
            None => status.canonical_reason().unwrap_or("error"),
        };
        let line = format!("{what}\n");
        cx.text(line)
    }
}

/// `503 Service Unavailable` with a reason.
pub(super) fn unavailable(why: &'static str) -> Error {
    Error::new(StatusCode::SERVICE_UNAVAILABLE).message(why)
}
