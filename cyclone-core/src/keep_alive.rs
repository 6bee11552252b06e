//! TCP keep-alive: how the kernel finds out that a silent peer is gone.

use std::io;
use std::ops::RangeInclusive;
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::net::sockopt;

/// How long a connection may be silent before it is probed, in seconds (tcp(7), `TCP_KEEPIDLE`).
pub(crate) const RANGE: RangeInclusive<u16> = 1..=32767;

/// What a text has to be.
pub(crate) const WHAT: &str = "number of seconds, 1 to 32767";

/// How many probes go unanswered until a connection ends.
const PROBES: u16 = 3;

/// The nearest number of seconds that the kernel takes.
pub(crate) fn whole_seconds(silence: Duration) -> u16 {
    let seconds = u16::try_from(silence.as_secs()).unwrap_or(u16::MAX);
    seconds.clamp(*RANGE.start(), *RANGE.end())
}

/// Probes a peer that was silent for so long, three times at intervals of a third of that. What a listening socket
/// accepts takes this over from it.
pub(crate) fn set(socket: &impl AsFd, seconds: u16) -> io::Result<()> {
    let interval = (seconds / PROBES).max(1);
    sockopt::set_socket_keepalive(socket, true)?;
    sockopt::set_tcp_keepidle(socket, Duration::from_secs(seconds.into()))?;
    sockopt::set_tcp_keepintvl(socket, Duration::from_secs(interval.into()))?;
    Ok(sockopt::set_tcp_keepcnt(socket, PROBES.into())?)
}
