//! The `tracing` span of a connection.

use tracing::Span;
use tracing::span::Entered;

use crate::peer::Peer;
use crate::registry::ConnectionId;

/// The span of a connection, if a subscriber is interested in it: otherwise it is a null pointer, and so all that
/// those pay who do not look.
///
/// Its name is `connection`, its target `cyclone::connection`, its level DEBUG. Its fields stay as they are:
/// `id` is the number in the registry, `protocol` what is spoken now, `peer` and `local` are the two addresses.
pub(super) struct ConnectionSpan(Option<Box<Span>>);

impl ConnectionSpan {
    pub(super) fn none() -> Self {
        Self(None)
    }

    pub(super) fn open(id: ConnectionId, protocol: &'static str, peer: &Peer) -> Self {
        let span = tracing::debug_span!(
            target: "cyclone::connection",
            "connection",
            id = id.get(),
            protocol,
            peer = %peer.remote(),
            local = %peer.local(),
        );
        Self((!span.is_disabled()).then(|| Box::new(span)))
    }

    pub(super) fn enter(&self) -> Option<Entered<'_>> {
        self.0.as_deref().map(Span::enter)
    }

    pub(super) fn record_protocol(&self, protocol: &'static str) {
        if let Some(span) = &self.0 {
            span.record("protocol", protocol);
        }
    }

    pub(super) fn record_peer(&self, peer: &Peer) {
        if let Some(span) = &self.0 {
            span.record("peer", tracing::field::display(peer.remote()));
            span.record("local", tracing::field::display(peer.local()));
        }
    }
}
