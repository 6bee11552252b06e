//! `/live` and `/ready`: what balancers and process managers ask.

use cyclone_core::{Readiness, ServerHandle};
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

/// All have to be ready, as nobody knows to which a connection comes.
pub(super) fn worst(all: impl Iterator<Item = Readiness>) -> Readiness {
    all.max_by_key(|readiness| match readiness {
        Readiness::Ready => 0,
        Readiness::Down(_) => 1,
        Readiness::Starting(_) => 2,
        _ => 3,
    })
    .unwrap_or(Readiness::Ready)
}

/// The process runs and its event loop turns, or nobody would answer.
pub(super) fn live(cx: &mut RequestContext) -> Result {
    cx.text("live\n")
}

/// One word, or with `verbose` the reasons.
pub(super) fn ready(shared: &Shared, cx: &mut RequestContext) -> Result {
    let servers = shared.servers(cx)?;
    let all = servers.iter().map(ServerHandle::readiness);
    let readiness = worst(all);
    if !matches!(readiness, Readiness::Ready) {
        cx.set_status(StatusCode::SERVICE_UNAVAILABLE);
    }
    if is_verbose(cx) {
        return cx.json(&status::ReadinessJson::from(&readiness));
    }
    cx.text(format!("{}\n", readiness.as_str()))
}
