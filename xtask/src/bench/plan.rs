//! Who is compared, what they are asked for, and what we must reach. Everything else reads it from here.

/// The name of our own program.
pub(super) const OURS: &str = "cyclone";

/// The floor that every ratio is taken to.
pub(super) const BASE: &str = "hyper";

/// A server: a program in `xtask/bench/http/src/bin`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Peer {
    pub(super) name: &'static str,
    /// The kinds of idle connections it has, names of [`IDLE`].
    pub(super) idle: &'static [&'static str],
}

/// In the order of the tables.
pub(super) const PEERS: &[Peer] = &[
    Peer {
        name: BASE,
        idle: &["http"],
    },
    Peer {
        name: "axum",
        idle: &["http", "websocket", "sse"],
    },
    Peer {
        name: "actix",
        idle: &["http"],
    },
    Peer {
        name: "ntex",
        idle: &["http"],
    },
    Peer {
        name: "xitca",
        idle: &["http"],
    },
    Peer {
        name: OURS,
        idle: &["http", "websocket", "sse"],
    },
];

/// What we may cost.
#[derive(Clone, Copy, Debug)]
pub(super) enum Bound {
    /// At most this part of the cost of [`BASE`].
    OfBase(f64),
    /// At most this part of the cost of the cheapest peer.
    OfBestPeer(f64),
    /// Less than each of the peers.
    BelowEveryPeer,
    /// Less than each of these.
    Below(&'static [&'static str]),
}

/// What a server is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Endpoint {
    pub(super) name: &'static str,
    pub(super) path: &'static str,
    /// How many requests go in one write.
    pub(super) pipeline: usize,
    /// Headers of every answer; a server that sends more or fewer does other work, and is named. None where
    /// the frameworks may differ.
    pub(super) headers: Option<&'static [&'static str]>,
    pub(super) bounds: &'static [Bound],
}

const HEADERS: Option<&[&str]> = Some(&["content-length", "content-type", "date"]);

/// Where the harness puts the static file, below the folder the servers are given.
pub(super) const FILE: &str = "/static/bundle.js";

/// Its length in bytes.
pub(super) const FILE_LENGTH: usize = 100 * 1024;

pub(super) const PLAINTEXT: &str = "/plaintext";

pub(super) const ENDPOINTS: &[Endpoint] = &[
    Endpoint {
        name: "plaintext",
        path: PLAINTEXT,
        pipeline: 1,
        headers: HEADERS,
        bounds: &[Bound::OfBase(0.95), Bound::BelowEveryPeer],
    },
    Endpoint {
        name: "json",
        path: "/json",
        pipeline: 1,
        headers: HEADERS,
        bounds: &[Bound::OfBase(0.95), Bound::BelowEveryPeer],
    },
    Endpoint {
        name: "user",
        path: "/user/4217?name=J%C3%BCrgen+M",
        pipeline: 1,
        headers: HEADERS,
        bounds: &[Bound::OfBase(1.0)],
    },
    Endpoint {
        name: "page",
        path: "/page",
        pipeline: 1,
        headers: HEADERS,
        bounds: &[Bound::OfBase(1.0)],
    },
    Endpoint {
        name: "pipelined",
        path: PLAINTEXT,
        pipeline: 16,
        headers: HEADERS,
        bounds: &[Bound::OfBase(0.75)],
    },
    Endpoint {
        name: "static",
        path: FILE,
        pipeline: 1,
        // A validator or two, ranges, a disposition: each framework has its own.
        headers: None,
        bounds: &[Bound::OfBestPeer(0.5)],
    },
    Endpoint {
        name: "order",
        path: "/order",
        pipeline: 1,
        headers: HEADERS,
        bounds: &[Bound::Below(&[BASE, "axum", "actix"])],
    },
    Endpoint {
        name: "upload",
        path: "/upload",
        pipeline: 1,
        headers: HEADERS,
        bounds: &[Bound::Below(&[BASE, "axum", "actix"])],
    },
];

/// A kind of connection that does nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Idle {
    pub(super) kind: &'static str,
    /// The most bytes of ours that one may keep resident.
    pub(super) most: f64,
}

pub(super) const IDLE: &[Idle] = &[
    Idle {
        kind: "http",
        most: 2.0 * 1024.0,
    },
    Idle {
        kind: "websocket",
        most: 2.5 * 1024.0,
    },
    Idle {
        kind: "sse",
        most: 3.0 * 1024.0,
    },
];

/// The most user instructions a plaintext request of ours may take.
pub(super) const INSTRUCTIONS: f64 = 4500.0;

/// How many bytes the file has that goes up and down, and the most bytes that the server may grow by meanwhile.
pub(super) const LARGE: u64 = 2 << 30;
pub(super) const LARGE_GROWTH: f64 = 32.0 * 1024.0 * 1024.0;

/// What a request may cost with two workers, at most, by what it costs with one.
pub(super) const WORKERS: f64 = 1.1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_known() {
        let mut names: Vec<&str> = PEERS.iter().map(|peer| peer.name).collect();
        names.extend(ENDPOINTS.iter().map(|endpoint| endpoint.name));
        names.extend(IDLE.iter().map(|idle| idle.kind));
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        for kind in PEERS.iter().flat_map(|peer| peer.idle) {
            assert!(IDLE.iter().any(|idle| idle.kind == *kind), "{kind}");
        }
    }

    #[test]
    fn bounds_name_peers() {
        let bounds = ENDPOINTS.iter().flat_map(|endpoint| endpoint.bounds);
        for bound in bounds {
            if let Bound::Below(names) = bound {
                for name in *names {
                    assert!(PEERS.iter().any(|peer| peer.name == *name), "{name}");
                }
            }
        }
    }

    #[test]
    fn every_endpoint_and_kind_is_ours_too() {
        assert!(ENDPOINTS.iter().all(|endpoint| !endpoint.bounds.is_empty()));
        let ours = PEERS.iter().find(|peer| peer.name == OURS).unwrap();
        assert_eq!(ours.idle.len(), IDLE.len());
    }
}
