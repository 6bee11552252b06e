//! The PROXY header at the beginning of a connection.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::AsyncReadExt;

use super::{Step, StepFuture};
use crate::endpoint::{ProxyProtocol, Untrusted, Versions};
use crate::peer::{Address, Peer};
use crate::proxy_protocol::{
    MAX_V2_BYTES, ProxyAddresses, ProxyError, ProxyHeader, parse, parse_v1, parse_v2,
};
use crate::transport::Transport;

/// How many bytes are asked for at once; most headers have fewer.
const CHUNK_BYTES: usize = 256;

/// Reads the header, and takes the peer from it.
#[derive(Debug)]
pub(super) struct ReadHeader {
    proxy: ProxyProtocol,
    /// Whether somebody was refused already, which is worth one warning: the proxy may be missing in the list.
    has_refused: AtomicBool,
}

impl ReadHeader {
    pub(super) fn new(proxy: ProxyProtocol) -> Self {
        Self {
            proxy,
            has_refused: AtomicBool::new(false),
        }
    }

    async fn read(&self, mut transport: Transport, peer: Peer) -> io::Result<(Transport, Peer)> {
        if !self.proxy.trusts(peer.remote()) {
            return match self.proxy.untrusted {
                Untrusted::Direct => Ok((transport, peer)),
                Untrusted::Refuse => Err(self.refusal(&peer)),
            };
        }
        let mut bytes = Vec::new();
        loop {
            // What is looked at stays in the socket until it is known to belong to the header.
            let have = bytes.len();
            bytes.resize((have + CHUNK_BYTES).min(MAX_V2_BYTES), 0);
            let seen = transport.peek(&mut bytes[have..]).await?;
            if seen == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let parsed = self.parse(&bytes[..have + seen]);
            let parsed =
                parsed.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            let end = parsed.as_ref().map_or(have + seen, |(_, length)| *length);
            transport.read_exact(&mut bytes[have..end]).await?;
            bytes.truncate(end);
            if let Some((header, _)) = parsed {
                return Ok((transport, refined(peer, header)));
            }
        }
    }

    fn parse(&self, bytes: &[u8]) -> Result<Option<(ProxyHeader, usize)>, ProxyError> {
        match self.proxy.versions {
            Versions::V1 => parse_v1(bytes),
            Versions::V2 => parse_v2(bytes),
            Versions::Any => parse(bytes),
        }
    }

    fn refusal(&self, peer: &Peer) -> io::Error {
        let proxy = peer.remote();
        if !self.has_refused.swap(true, Ordering::Relaxed) {
            tracing::warn!(%proxy, expected = %self.proxy, "peer is no trusted proxy, refused; others are not logged");
        }
        let reason = format!("{proxy} is no trusted proxy");
        io::Error::new(io::ErrorKind::PermissionDenied, reason)
    }
}

impl Step for ReadHeader {
    fn take(&self, transport: Transport, peer: Peer) -> StepFuture<'_> {
        Box::pin(self.read(transport, peer))
    }
}

/// The peer as the header has it: without addresses in it, the transport's stay.
fn refined(peer: Peer, header: ProxyHeader) -> Peer {
    let (remote, local) = match header.addresses() {
        ProxyAddresses::Ip {
            source,
            destination,
        } => (
            crate::peer::canonical(*source).into(),
            crate::peer::canonical(*destination).into(),
        ),
        ProxyAddresses::Unix {
            source,
            destination,
        } => (unix(source), unix(destination)),
        ProxyAddresses::Local | ProxyAddresses::Unknown => {
            return peer.with_proxy_header(header);
        }
    };
    peer.through(remote, local).with_proxy_header(header)
}

fn unix(name: &[u8]) -> Address {
    match name {
        [] => Address::Unix(None),
        [0, name @ ..] => Address::Abstract(name.to_vec()),
        path => Address::Unix(Some(Path::new(OsStr::from_bytes(path)).into())),
    }
}
