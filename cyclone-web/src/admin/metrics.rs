//! `/metrics`: the text that Prometheus reads.

use cyclone_core::{ServerHandle, Snapshot};
use http::header::{self, HeaderValue};

use super::Shared;
use crate::context::RequestContext;
use crate::error::Result;

/// The media type of the text format, version 0.0.4.
const PROMETHEUS: HeaderValue =
    HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

pub(super) fn answer(shared: &Shared, cx: &mut RequestContext) -> Result {
    let servers = shared.servers(cx)?;
    let text = match &shared.recorded {
        Some(render) => {
            for server in &servers {
                server.publish_metrics();
            }
            render()
        }
        None => {
            let snapshots: Vec<_> = servers.iter().map(ServerHandle::snapshot).collect();
            Snapshot::all_to_prometheus(&snapshots)
        }
    };
    let headers = cx.response_headers_mut();
    headers.insert(header::CONTENT_TYPE, PROMETHEUS);
    cx.text(text)
}
