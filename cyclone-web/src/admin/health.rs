//! `/live` and `/ready`: what balancers and process managers ask.

use cyclone_core::Readiness;
use http::StatusCode;

use super::{Shared, status};
use crate::context::RequestContext;
use crate::error::Result;

/// Whether the details are wanted.
pub(super) fn is_verbose(cx: &RequestContext) -> bool {
    let arguments = cx.query_arguments();
    // What cannot be read is not a question for details.
    arguments.is_ok_and(|arguments| arguments.get("verbose").is_some_and(|value| value != "0"))
}

/// The process runs and its event loop turns, or nobody would answer.
pub(super) fn live(cx: &mut RequestContext) -> Result {
    cx.text("live\n")
}

/// One word, or with `verbose` the reasons.
pub(super) fn ready(shared: &Shared, cx: &mut RequestContext) -> Result {
    let readiness = shared.server(cx)?.readiness();
    if !matches!(readiness, Readiness::Ready) {
        cx.set_status(StatusCode::SERVICE_UNAVAILABLE);
    }
    if is_verbose(cx) {
        return cx.json(&status::ReadinessJson::from(&readiness));
    }
    cx.text(format!("{}\n", readiness.as_str()))
}
