//! A backend: what does not change of it, what is counted, and how it is reached.

use cyclone_core::proxy_protocol::ProxyHeader;
use cyclone_core::{Address, Peer};
use tokio::sync::watch;

use super::config::{BackendConfig, ProxyHeaders};
use super::statistics::Counts;

/// A backend, but for what its group knows of it.
#[derive(Debug)]
pub(super) struct Backend {
    pub(super) config: BackendConfig,
    pub(super) counts: Counts,
    /// Changed when its connections are to be cut.
    pub(super) cuts: watch::Sender<u64>,
}

impl Backend {
    pub(super) fn new(config: BackendConfig) -> Self {
        Self {
            config,
            counts: Counts::default(),
            cuts: watch::Sender::new(0),
        }
    }

    /// How many connections it may have.
    pub(super) fn max_connections(&self) -> usize {
        self.config.max_connections.unwrap_or(usize::MAX)
    }
}

impl ProxyHeaders {
    /// What a backend is told of a client, before its first byte.
    pub(super) fn of(self, peer: &Peer) -> Vec<u8> {
        self.encode(|| header(peer))
    }

    /// What a backend is told when the connection is nobody's but ours.
    pub(super) fn of_check(self) -> Vec<u8> {
        self.encode(ProxyHeader::local)
    }

    fn encode(self, header: impl Fn() -> ProxyHeader) -> Vec<u8> {
        match self {
            Self::Off => Vec::new(),
            Self::V1 => header().encode_v1(),
            Self::V2 => header().encode_v2(),
        }
    }
}

fn header(peer: &Peer) -> ProxyHeader {
    match (peer.remote(), peer.local()) {
        (Address::Tcp(source), Address::Tcp(destination)) => {
            ProxyHeader::forwarding(*source, *destination)
        }
        (Address::Unix(source), Address::Unix(destination)) => {
            let name = |path: &Option<std::path::PathBuf>| {
                let path = path
                    .as_ref()
                    .map(|path| path.as_os_str().as_encoded_bytes());
                path.unwrap_or_default().to_vec()
            };
            // A path that does not fit is not named.
            ProxyHeader::forwarding_unix(&name(source), &name(destination))
                .unwrap_or_else(|_| ProxyHeader::unknown())
        }
        _ => ProxyHeader::unknown(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_name_the_client_where_it_has_a_name() {
        let tcp = |text: &str| Address::Tcp(text.parse().unwrap());
        let peer = Peer::new(tcp("192.0.2.7:51000"), tcp("198.51.100.1:443"));
        assert_eq!(ProxyHeaders::Off.of(&peer), b"");
        let v1 = ProxyHeaders::V1.of(&peer);
        assert_eq!(v1, b"PROXY TCP4 192.0.2.7 198.51.100.1 51000 443\r\n");
        let v2 = ProxyHeaders::V2.of(&peer);
        assert_eq!(v2.len(), 16 + 12);
        let unix = Peer::new(Address::Unix(None), Address::Unix(Some("/run/a".into())));
        assert_eq!(ProxyHeaders::V1.of(&unix), b"PROXY UNKNOWN\r\n");
        assert_eq!(ProxyHeaders::V2.of(&unix).len(), 16 + 216);
        let memory = Peer::new(Address::Memory, Address::Memory);
        assert_eq!(ProxyHeaders::V1.of(&memory), b"PROXY UNKNOWN\r\n");
        assert_eq!(ProxyHeaders::V1.of_check(), b"PROXY UNKNOWN\r\n");
        // LOCAL, version 2.
        assert_eq!(ProxyHeaders::V2.of_check()[12], 0x20);
    }
}
