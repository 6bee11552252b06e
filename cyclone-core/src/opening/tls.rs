//! The handshake of TLS.

use super::{Step, StepFuture};
use crate::peer::Peer;
use crate::tls::ServerTls;
use crate::transport::Transport;

/// Does the handshake; what follows sees the stream inside, and what was agreed upon.
#[derive(Debug)]
pub(super) struct Handshake {
    pub(super) tls: ServerTls,
}

impl Step for Handshake {
    fn take(&self, transport: Transport, peer: Peer) -> StepFuture<'_> {
        Box::pin(async move {
            let stream = self.tls.accept(transport).await?;
            let peer = peer.with_tls(stream.info());
            Ok((stream.into(), peer))
        })
    }
}
