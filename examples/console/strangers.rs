//! Connections that have not logged in yet, counted by address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use cyclone_core::Peer;

use super::limits::Limits;

/// The strangers of a console; clones share them.
///
/// They cost little, but they must not keep the operator out: there are few of them, and fewer from each address.
#[derive(Clone, Debug)]
pub(super) struct Strangers {
    inner: Arc<Mutex<Counts>>,
    most: usize,
    most_of_address: usize,
}

#[derive(Debug, Default)]
struct Counts {
    all: usize,
    /// Only addresses that have some; a Unix domain socket counts as one address.
    by_address: HashMap<Option<IpAddr>, usize>,
}

impl Strangers {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            inner: Arc::default(),
            most: limits.strangers,
            most_of_address: limits.strangers_of_address,
        }
    }

    /// Lets one more in; `None` when there are too many.
    pub(super) fn admit(&self, peer: &Peer) -> Option<Stranger> {
        let address = peer.remote().ip().map(network);
        let mut counts = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let of_address = counts.by_address.get(&address).copied().unwrap_or(0);
        if counts.all >= self.most || of_address >= self.most_of_address {
            return None;
        }
        counts.all += 1;
        counts.by_address.insert(address, of_address + 1);
        Some(Stranger {
            inner: Arc::clone(&self.inner),
            address,
        })
    }
}

/// What counts as one address: of IPv6 the network of 64 bits, which a single host has all of.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let mut segments = address.segments();
            segments[4..].fill(0);
            IpAddr::from(segments)
        }
        v4 => v4,
    }
}

/// A connection that has not logged in; dropped when it has, or is gone.
#[derive(Debug)]
pub(super) struct Stranger {
    inner: Arc<Mutex<Counts>>,
    address: Option<IpAddr>,
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let mut counts = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        counts.all -= 1;
        if let Some(of_address) = counts.by_address.get_mut(&self.address) {
            *of_address -= 1;
            if *of_address == 0 {
                counts.by_address.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use cyclone_core::Address;

    use super::*;

    fn peer(address: &str) -> Peer {
        let remote = Address::Tcp(address.parse().unwrap());
        Peer::new(remote, Address::Memory)
    }

    fn strangers(all: usize, of_address: usize) -> Strangers {
        let limits = Limits {
            strangers: all,
            strangers_of_address: of_address,
            ..Limits::default()
        };
        Strangers::new(&limits)
    }

    #[test]
    fn each_address_has_its_share_of_the_whole() {
        let strangers = strangers(3, 2);
        let one = strangers.admit(&peer("10.0.0.1:1")).unwrap();
        let _two = strangers.admit(&peer("10.0.0.1:2")).unwrap();
        assert!(strangers.admit(&peer("10.0.0.1:3")).is_none());
        let _three = strangers.admit(&peer("10.0.0.2:1")).unwrap();
        assert!(strangers.admit(&peer("10.0.0.3:1")).is_none(), "all");
        drop(one);
        let _again = strangers.admit(&peer("[::ffff:10.0.0.1]:4")).unwrap();
        assert!(strangers.admit(&peer("10.0.0.4:1")).is_none());
    }

    #[test]
    fn a_network_of_64_bits_is_one_address() {
        let strangers = strangers(9, 1);
        let _one = strangers.admit(&peer("[2001:db8::1]:1")).unwrap();
        assert!(strangers.admit(&peer("[2001:db8::ffff:2]:1")).is_none());
        assert!(strangers.admit(&peer("[2001:db8:0:1::1]:1")).is_some());
    }

    #[test]
    fn nothing_is_kept_of_those_who_are_gone() {
        let strangers = strangers(2, 2);
        for number in 0..100 {
            drop(strangers.admit(&peer(&format!("10.0.0.{number}:1"))));
        }
        assert!(strangers.inner.lock().unwrap().by_address.is_empty());
    }
}
