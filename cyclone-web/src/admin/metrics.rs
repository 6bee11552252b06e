//! `/metrics`: the text that Prometheus reads.

use http::header::{self, HeaderValue};

use super::Shared;
use crate::context::RequestContext;
use crate::error::Result;

/// The media type of the text format, version 0.0.4.
const PROMETHEUS: HeaderValue =
    HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

pub(super) fn answer(shared: &Shared, cx: &mut RequestContext) -> Result {
    let server = shared.server(cx)?;
    let text = match &shared.recorded {
        Some(render) => {
            server.publish_metrics();
            render()
        }
        None => server.snapshot().to_prometheus(),
    };
    let headers = cx.response_headers_mut();
    headers.insert(header::CONTENT_TYPE, PROMETHEUS);
    cx.text(text)
}
