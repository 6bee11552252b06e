//! What is done to the bytes of a connection.

use std::time::Duration;

/// One of the two directions of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the client to the server.
    ToServer,
    /// From the server to the client.
    ToClient,
}

/// How a connection is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cut {
    /// Both sides see an orderly end: a FIN.
    Fin,
    /// Both sides see a reset: a RST. A Unix socket has none, its peers see an end.
    Reset,
}

/// What is done to both directions of a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Toxics {
    to_server: Flow,
    to_client: Flow,
}

impl Toxics {
    /// Nothing is done.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// The same is done to both directions.
    #[must_use]
    pub fn both(flow: Flow) -> Self {
        Self {
            to_server: flow.clone(),
            to_client: flow,
        }
    }

    /// The other side has vanished: both directions are [swallowed](Flow::vanish).
    #[must_use]
    pub fn black_hole() -> Self {
        Self::both(Flow::open().vanish())
    }

    /// What is done to the bytes from the client to the server.
    #[must_use]
    pub fn to_server(self, flow: Flow) -> Self {
        Self {
            to_server: flow,
            ..self
        }
    }

    /// What is done to the bytes from the server to the client.
    #[must_use]
    pub fn to_client(self, flow: Flow) -> Self {
        Self {
            to_client: flow,
            ..self
        }
    }

    pub(super) fn flow(&self, direction: Direction) -> &Flow {
        match direction {
            Direction::ToServer => &self.to_server,
            Direction::ToClient => &self.to_client,
        }
    }
}

/// What is done to the bytes of one direction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    pub(super) latency: Duration,
    pub(super) jitter: Duration,
    pub(super) bandwidth: Option<u64>,
    pub(super) slice: Option<usize>,
    pub(super) slice_pause: Duration,
    pub(super) cut: Option<(u64, Cut)>,
    pub(super) slow_close: Duration,
    pub(super) passage: Passage,
}

/// Whether bytes pass at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Passage {
    #[default]
    Open,
    Held,
    Vanished,
}

impl Flow {
    /// Bytes pass as they come.
    #[must_use]
    pub fn open() -> Self {
        Self::default()
    }

    /// Bytes arrive so much later. Their order is kept.
    #[must_use]
    pub fn latency(self, latency: Duration) -> Self {
        Self { latency, ..self }
    }

    /// Up to so much is added to the latency, at random, see [`FaultProxy::seed`](super::FaultProxy::seed).
    #[must_use]
    pub fn jitter(self, jitter: Duration) -> Self {
        Self { jitter, ..self }
    }

    /// So many bytes pass in a second; 0 counts as 1.
    #[must_use]
    pub fn bandwidth(self, bytes_per_second: u64) -> Self {
        Self {
            bandwidth: Some(bytes_per_second.max(1)),
            ..self
        }
    }

    /// So many bytes arrive at a time, with a pause after each slice; 0 counts as 1.
    #[must_use]
    pub fn slices(self, bytes: usize, pause: Duration) -> Self {
        Self {
            slice: Some(bytes.max(1)),
            slice_pause: pause,
            ..self
        }
    }

    /// The connection is cut when so many bytes have passed; with 0 at its beginning.
    #[must_use]
    pub fn cut_after(self, bytes: u64, cut: Cut) -> Self {
        Self {
            cut: Some((bytes, cut)),
            ..self
        }
    }

    /// The end of the sender arrives so much later.
    #[must_use]
    pub fn slow_close(self, delay: Duration) -> Self {
        Self {
            slow_close: delay,
            ..self
        }
    }

    /// Nothing passes until this is set no longer, and then all of it: late answers. What is held is bounded by
    /// [`FAULT_PROXY_BUFFER_BYTES`](super::FAULT_PROXY_BUFFER_BYTES), then the sender has to wait.
    #[must_use]
    pub fn hold(self) -> Self {
        Self {
            passage: Passage::Held,
            ..self
        }
    }

    /// Everything is swallowed, the end of the sender too: who waits for it is not told. One direction of a
    /// half-open connection; set for both it is a black hole.
    ///
    /// A connection to which this was done stays so, whatever is set later: TCP never leaves bytes out.
    #[must_use]
    pub fn vanish(self) -> Self {
        Self {
            passage: Passage::Vanished,
            ..self
        }
    }

    /// How to cut after so many bytes, if at all.
    pub(super) fn cut_at(&self, passed: u64) -> Option<Cut> {
        self.cut
            .and_then(|(limit, cut)| (passed >= limit).then_some(cut))
    }

    /// The most bytes to pass at once, `passed` bytes into the connection.
    pub(super) fn portion(&self, passed: u64) -> usize {
        /// Parts of a second in which a limited bandwidth is spent.
        const PORTIONS: u64 = 20;
        let until_cut = self
            .cut
            .map_or(u64::MAX, |(limit, _)| limit.saturating_sub(passed));
        let spent = self
            .bandwidth
            .map_or(u64::MAX, |rate| (rate / PORTIONS).max(1));
        let portion = usize::try_from(until_cut.min(spent)).unwrap_or(usize::MAX);
        portion.min(self.slice.unwrap_or(usize::MAX))
    }

    /// How long to wait after so many bytes have passed.
    pub(super) fn pause(&self, bytes: usize) -> Duration {
        let spent = self.bandwidth.map_or(Duration::ZERO, |rate| {
            let nanos = bytes as u128 * 1_000_000_000 / u128::from(rate);
            Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
        });
        let paused = if self.slice.is_some() {
            self.slice_pause
        } else {
            Duration::ZERO
        };
        spent.max(paused)
    }
}
