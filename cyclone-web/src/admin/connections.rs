//! `/connections`: those that are open, and the end of one.

use cyclone_core::{ConnectionId, ConnectionInfo};
use http::StatusCode;
use serde::Serialize;

use super::{Shared, access};
use crate::context::RequestContext;
use crate::error::{Error, Result};

/// The most connections that `/connections` lists at once.
pub const MAX_LISTED_CONNECTIONS: usize = 1_000;

/// How many it lists unless it is asked for more or fewer.
const LISTED_CONNECTIONS: usize = 100;

/// One open connection.
#[derive(Debug, Serialize)]
pub(super) struct ConnectionJson {
    id: u64,
    protocol: &'static str,
    peer: String,
    local: String,
    age_s: f64,
}

impl From<&ConnectionInfo> for ConnectionJson {
    fn from(info: &ConnectionInfo) -> Self {
        Self {
            id: info.id().get(),
            protocol: info.protocol(),
            peer: info.peer().remote().to_string(),
            local: info.peer().local().to_string(),
            age_s: (info.age().as_secs_f64() * 10.0).round() / 10.0,
        }
    }
}

#[derive(Serialize)]
struct List {
    open: usize,
    connections: Vec<ConnectionJson>,
}

pub(super) fn list(shared: &Shared, cx: &mut RequestContext) -> Result {
    let limit = match cx.optional_argument("limit")? {
        None => LISTED_CONNECTIONS,
        Some(limit) => limit
            .parse()
            .map_err(|_| Error::bad_request("`limit` is no number"))?,
    };
    let limit = limit.min(MAX_LISTED_CONNECTIONS);
    let protocol = cx.optional_argument("protocol")?;
    let registry = shared.server(cx)?.registry();
    let open = registry.len();
    let connections = match protocol {
        None => registry.newest(limit),
        Some(protocol) => {
            let all = registry.newest(usize::MAX);
            let wanted = all.into_iter().filter(|info| info.protocol() == protocol);
            wanted.take(limit).collect()
        }
    };
    let connections = connections.iter().map(ConnectionJson::from).collect();
    cx.json(&List { open, connections })
}

pub(super) fn close(shared: &Shared, cx: &mut RequestContext) -> Result {
    access::check_action(cx)?;
    if shared.is_read_only {
        return Err(Error::new(StatusCode::FORBIDDEN).message("these pages change nothing"));
    }
    let id = cx.path_argument("id")?;
    let id: u64 = id.parse().map_err(|_| Error::not_found())?;
    let registry = shared.server(cx)?.registry();
    if !registry.close(ConnectionId::from(id)) {
        return Err(Error::not_found().message("there is no such connection"));
    }
    tracing::info!(id, by = %cx.peer().remote(), "connection closed by an operator");
    cx.set_status(StatusCode::NO_CONTENT);
    cx.finish()
}
