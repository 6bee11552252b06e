//! The `tracing` span of a request.

use http::{Method, StatusCode, Version};
use tracing::level_filters::LevelFilter;
use tracing::span::Entered;
use tracing::{Level, Span, field};

use crate::head::Head;
use crate::running::Running;

/// The span of a request, if a subscriber is interested in it: while nobody is, it costs a look at a number.
///
/// Its name is `request`, its target `cyclone::request`, its level DEBUG; it is inside that of its connection. Its
/// fields have the names of OpenTelemetry's conventions and stay as they are: `http.request.method`, `url.path` (without
/// the query, which may have secrets), `http.route` (the pattern), `network.protocol.version`,
/// `http.response.status_code`, and for exporters `otel.kind`, `otel.name`, `otel.status_code`.
#[derive(Debug, Default)]
pub(crate) struct RequestSpan(Option<Box<Span>>);

impl RequestSpan {
    /// The span of a request to a route, if it has one.
    #[inline]
    pub(crate) fn open(head: &Head, route: Option<&str>) -> Self {
        if LevelFilter::current() < Level::DEBUG {
            return Self(None);
        }
        Self::open_for(head, route)
    }

    #[cold]
    fn open_for(head: &Head, route: Option<&str>) -> Self {
        let method = known(head.method());
        let span = tracing::debug_span!(
            target: "cyclone::request",
            "request",
            http.request.method = method,
            url.path = head.path(),
            http.route = route,
            network.protocol.version = version(head.version()),
            http.response.status_code = field::Empty,
            otel.kind = "server",
            otel.name = field::Empty,
            otel.status_code = field::Empty,
        );
        if span.is_disabled() {
            return Self(None);
        }
        match route {
            Some(route) => span.record(
                "otel.name",
                field::display(format_args!("{method} {route}")),
            ),
            None => span.record("otel.name", method),
        };
        Self(Some(Box::new(span)))
    }

    /// Makes the handler inside the span, and has it run there.
    #[inline]
    pub(crate) fn run(self, make: impl FnOnce() -> Running) -> Running {
        if self.0.is_none() {
            return make();
        }
        self.run_inside(make)
    }

    #[cold]
    fn run_inside(self, make: impl FnOnce() -> Running) -> Running {
        let mut running = {
            let _entered = self.enter();
            make()
        };
        running.set_span(self);
        running
    }

    #[inline]
    pub(crate) fn enter(&self) -> Option<Entered<'_>> {
        self.0.as_deref().map(Span::enter)
    }

    /// Takes note of the status of the response.
    #[inline]
    pub(crate) fn record(&self, status: impl FnOnce() -> StatusCode) {
        if let Some(span) = &self.0 {
            let status = status();
            span.record("http.response.status_code", status.as_u16());
            if status.is_server_error() {
                span.record("otel.status_code", "ERROR");
            }
        }
    }
}

/// The method, or `_OTHER` as the conventions have it for what clients invent.
pub(crate) fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::PATCH => "PATCH",
        Method::OPTIONS => "OPTIONS",
        Method::QUERY => "QUERY",
        Method::CONNECT => "CONNECT",
        Method::TRACE => "TRACE",
        _ => "_OTHER",
    }
}

fn version(version: Version) -> &'static str {
    match version {
        Version::HTTP_09 => "0.9",
        Version::HTTP_10 => "1.0",
        Version::HTTP_2 => "2",
        Version::HTTP_3 => "3",
        _ => "1.1",
    }
}
