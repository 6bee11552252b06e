//! `/connections`: those that are open, and the end of one.

use cyclone_core::{ConnectionId, ConnectionInfo, ServerHandle};
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
    /// The number of the server, where there are several: each has connections of its own numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    server: Option<usize>,
    protocol: &'static str,
    peer: String,
    local: String,
    age_s: f64,
}

impl ConnectionJson {
    fn new(info: &ConnectionInfo, server: Option<usize>) -> Self {
        Self {
            id: info.id().get(),
            server,
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
    let servers = shared.servers(cx)?;
    let open = servers.iter().map(|server| server.registry().len()).sum();
    let connections = newest(&servers, limit, protocol.as_deref());
    cx.json(&List { open, connections })
}

/// The newest connections of all servers that speak a protocol.
pub(super) fn newest(
    servers: &[ServerHandle],
    limit: usize,
    protocol: Option<&str>,
) -> Vec<ConnectionJson> {
    let mut all = Vec::new();
    for (at, server) in servers.iter().enumerate() {
        let number = (servers.len() > 1).then_some(at + 1);
        let most = if protocol.is_some() {
            usize::MAX
        } else {
            limit
        };
        let newest = server.registry().newest(most).into_iter();
        let wanted = newest.filter(|info| protocol.is_none_or(|name| info.protocol() == name));
        all.extend(wanted.take(limit).map(|info| (info.age(), number, info)));
    }
    if servers.len() > 1 {
        all.sort_by_key(|(age, ..)| *age);
    }
    let newest = all.into_iter().take(limit);
    newest
        .map(|(_, number, info)| ConnectionJson::new(&info, number))
        .collect()
}

pub(super) fn close(shared: &Shared, cx: &mut RequestContext) -> Result {
    access::check_action(cx)?;
    if shared.is_read_only {
        return Err(Error::new(StatusCode::FORBIDDEN).message("these pages change nothing"));
    }
    let id = cx.path_argument("id")?;
    let id: u64 = id.parse().map_err(|_| Error::not_found())?;
    let number = match cx.optional_argument("server")? {
        None => 1,
        Some(number) => number.parse().map_err(|_| Error::not_found())?,
    };
    let id = ConnectionId::from(id);
    let seen = cx.optional_argument("peer")?;
    let servers = shared.servers(cx)?;
    let server = usize::checked_sub(number, 1).and_then(|at| servers.get(at));
    let server = server.filter(|server| is_of(server, id, seen.as_deref()));
    if !server.is_some_and(|server| server.registry().close(id)) {
        return Err(Error::not_found().message("there is no such connection"));
    }
    tracing::info!(id = id.get(), by = %cx.peer().remote(), "connection closed by an operator");
    cx.set_status(StatusCode::NO_CONTENT);
    cx.finish()
}

/// Whether a connection is that of the peer that the operator saw: the server may be another one by now, which has the
/// same numbers.
fn is_of(server: &ServerHandle, id: ConnectionId, seen: Option<&str>) -> bool {
    let Some(seen) = seen else { return true };
    let mut open = server.registry().snapshot().into_iter();
    let it = open.find(|info| info.id() == id);
    it.is_some_and(|info| info.peer().remote().to_string() == seen)
}
