//! Several addresses of one name: which to try when, after RFC 8305 ("Happy Eyeballs").

use std::future::Future;
use std::io;
use std::net::SocketAddr;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, sleep, sleep_until};

use super::{CONNECTION_ATTEMPT_DELAY, MAX_ADDRESSES_TRIED, no_answer};
use crate::peer::Address;

/// The addresses in the order in which they are tried: the families in turns, beginning with the one that the
/// system has put first (section 4).
pub(super) fn in_turns(found: impl Iterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let mut rest: Vec<SocketAddr> = Vec::new();
    for address in found {
        if !rest.contains(&address) {
            rest.push(address);
        }
    }
    let mut turns = Vec::new();
    let mut is_ipv4 = rest.first().is_some_and(SocketAddr::is_ipv4);
    while !rest.is_empty() && turns.len() < MAX_ADDRESSES_TRIED {
        let next = rest.iter().position(|it| it.is_ipv4() == is_ipv4);
        turns.push(rest.remove(next.unwrap_or(0)));
        is_ipv4 = !is_ipv4;
    }
    turns
}

/// Tries one address after the other until one answers, and each a moment after the one before even if that is
/// still silent (section 5).
///
/// # Errors
/// Every address that was tried, and why it failed.
///
/// # Cancel safety
/// Dropping the future drops every attempt.
pub(super) async fn race<T, F>(
    addresses: Vec<SocketAddr>,
    deadline: Instant,
    connect: impl Fn(SocketAddr) -> F,
) -> Result<T, Vec<(Address, io::Error)>>
where
    F: Future<Output = io::Result<T>>,
{
    let mut rest = addresses.into_iter();
    let mut attempts = FuturesUnordered::new();
    let (mut pending, mut failed) = (Vec::new(), Vec::new());
    loop {
        if let Some(address) = rest.next() {
            let attempt = connect(address);
            attempts.push(async move { (address, attempt.await) });
            pending.push(address);
        } else if attempts.is_empty() {
            return Err(failed);
        }
        let has_more = rest.len() > 0;
        tokio::select! {
            biased;
            ended = attempts.next() => match ended {
                Some((_, Ok(connected))) => return Ok(connected),
                Some((address, Err(error))) => {
                    pending.retain(|it| *it != address);
                    failed.push((address.into(), error));
                }
                None => {}
            },
            () = sleep(CONNECTION_ATTEMPT_DELAY), if has_more => {}
            () = sleep_until(deadline) => {
                let silent = pending.into_iter().map(|it| (it.into(), no_answer()));
                failed.extend(silent);
                return Err(failed);
            }
        }
    }
}
