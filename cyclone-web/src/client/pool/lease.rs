//! A connection while an exchange has it.

use std::sync::Weak;
use std::sync::atomic::Ordering;

use hyper::client::conn::{http1, http2};
use tokio::time::Instant;

use super::{Held, Host, Pool, lock};
use crate::client::upload::Upload;

/// A connection, or a stream of one, for one exchange. Dropped, an HTTP/1 connection is closed.
pub(crate) struct Lease {
    pub(super) held: Option<Held>,
    pub(super) pool: Weak<Pool>,
    pub(super) host: Weak<Host>,
    pub(super) reused: bool,
}

/// What an exchange needs of a connection.
pub(crate) enum Line<'a> {
    Http1(&'a mut http1::SendRequest<Upload>),
    Http2(http2::SendRequest<Upload>),
}

impl Lease {
    /// Whether the connection was there before; the server may be about to close it then.
    pub(crate) fn is_reused(&self) -> bool {
        self.reused
    }

    pub(crate) fn is_http2(&self) -> bool {
        matches!(self.held, Some(Held::Stream(_)))
    }

    pub(crate) fn line(&mut self) -> Option<Line<'_>> {
        match self.held.as_mut()? {
            Held::Single(single) => Some(Line::Http1(&mut single.sender)),
            Held::Stream(shared) => Some(Line::Http2(shared.sender.clone())),
        }
    }

    /// Says that the connection takes no more requests.
    pub(crate) fn is_broken(&self) {
        if let Some(Held::Stream(shared)) = &self.held {
            shared.broken.store(true, Ordering::Release);
        }
    }

    /// Gives the connection back after a whole exchange.
    pub(crate) fn finish(mut self) {
        let (pool, host) = (self.pool.upgrade(), self.host.upgrade());
        if !matches!(self.held, Some(Held::Single(_))) {
            return;
        }
        if let (Some(Held::Single(single)), Some(pool), Some(host)) = (self.held.take(), pool, host)
            && !single.sender.is_closed()
        {
            pool.keep(&host, single);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(Held::Stream(shared)) = &self.held {
            *lock(&shared.free_since) = Instant::now();
            shared.streams.fetch_sub(1, Ordering::AcqRel);
            if let Some(host) = self.host.upgrade() {
                host.freed.notify_one();
            }
        }
    }
}
