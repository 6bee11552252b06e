//! What an endpoint has to know of the proxies in front of it.

use std::fmt;
use std::net::IpAddr;

use super::error::Problem;
use super::text::{Parts, Value, escape};
use crate::network::Network;
use crate::peer::Address;

/// Which PROXY header an endpoint expects, and from whom.
///
/// A header says who the client is, so only proxies may send one. Unless told otherwise these are peers on the
/// loopback interface and at the other end of Unix domain sockets.
///
/// ```
/// use cyclone_core::{Endpoint, ProxyProtocol};
///
/// let proxy = ProxyProtocol::v2().trust(["10.0.0.0/8".parse()?]);
/// let endpoint: Endpoint = "tcp:8888:proxy=v2:trust=10.0.0.0/8".parse()?;
/// assert_eq!(endpoint, Endpoint::tcp(8888).proxy(proxy));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ProxyProtocol {
    pub(crate) versions: Versions,
    networks: Vec<Network>,
    trusts_unix: bool,
    pub(crate) untrusted: Untrusted,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Versions {
    V1,
    V2,
    Any,
}

/// What becomes of peers that are no trusted proxies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Untrusted {
    /// The connection is closed.
    #[default]
    Refuse,
    /// They are clients that came directly: no header is read, and one that they send reaches the protocol. For an
    /// address that proxies and clients both connect to.
    Direct,
}

const LOOPBACK: [Network; 2] = [Network::LOOPBACK_V4, Network::LOOPBACK_V6];

impl ProxyProtocol {
    fn new(versions: Versions) -> Self {
        Self {
            versions,
            networks: LOOPBACK.to_vec(),
            trusts_unix: true,
            untrusted: Untrusted::Refuse,
        }
    }

    /// Headers of version 1 only.
    #[must_use]
    pub fn v1() -> Self {
        Self::new(Versions::V1)
    }

    /// Headers of version 2 only.
    #[must_use]
    pub fn v2() -> Self {
        Self::new(Versions::V2)
    }

    /// Headers of either version.
    #[must_use]
    pub fn any() -> Self {
        Self::new(Versions::Any)
    }

    /// Trusts peers in these networks, and no others: neither those on the loopback interface nor those at Unix
    /// domain sockets, unless [said](Self::trust_unix).
    #[must_use]
    pub fn trust(mut self, networks: impl IntoIterator<Item = Network>) -> Self {
        self.networks = networks.into_iter().collect();
        self.trusts_unix = false;
        self
    }

    /// Whether to trust whoever may connect to a Unix domain socket.
    #[must_use]
    pub fn trust_unix(mut self, yes: bool) -> Self {
        self.trusts_unix = yes;
        self
    }

    /// Sets what becomes of other peers: [`Untrusted::Refuse`] unless called.
    #[must_use]
    pub fn untrusted(mut self, fate: Untrusted) -> Self {
        self.untrusted = fate;
        self
    }

    pub(crate) fn trusts(&self, peer: &Address) -> bool {
        match peer {
            Address::Tcp(address) => self.trusts_ip(address.ip()),
            Address::Unix(_) | Address::Abstract(_) => self.trusts_unix,
            Address::Memory => false,
        }
    }

    fn trusts_ip(&self, ip: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(ip))
    }
}

impl fmt::Display for ProxyProtocol {
    /// The options of an endpoint: `proxy=v2:trust=10.0.0.0/8`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.versions {
            Versions::V1 => "proxy=v1",
            Versions::V2 => "proxy=v2",
            Versions::Any => "proxy=any",
        })?;
        if self.networks != LOOPBACK || !self.trusts_unix {
            let networks = self.networks.iter().map(Network::to_string);
            let unix = self.trusts_unix.then(|| "unix".to_owned());
            let trusted: Vec<String> = networks.chain(unix).collect();
            write!(f, ":trust={}", escape(&trusted.join(",")))?;
        }
        match self.untrusted {
            Untrusted::Refuse => Ok(()),
            Untrusted::Direct => f.write_str(":untrusted=direct"),
        }
    }
}

/// Takes the options about proxies; `wrapped` says that the kind has asked for a header already.
pub(super) fn take(parts: &mut Parts, wrapped: bool) -> Result<Option<ProxyProtocol>, Problem> {
    let versions = parts
        .take("proxy")
        .map_or("off".to_owned(), |value| value.text);
    let mut proxy = match versions.as_str() {
        "off" if wrapped => Some(ProxyProtocol::any()),
        "off" => None,
        "v1" => Some(ProxyProtocol::v1()),
        "v2" => Some(ProxyProtocol::v2()),
        "any" => Some(ProxyProtocol::any()),
        _ => {
            return Err(Problem::Bad {
                what: "version of the PROXY protocol: v1, v2, any or off",
                value: versions,
            });
        }
    };
    if let Some(trusted) = parts.take("trust") {
        let it = proxy.take().ok_or(NEEDED_BY_TRUST)?;
        proxy = Some(trust(it, &trusted)?);
    }
    if let Some(fate) = parts.take("untrusted") {
        let it = proxy.take().ok_or(NEEDED_BY_UNTRUSTED)?;
        proxy = Some(it.untrusted(match fate.text.as_str() {
            "refuse" => Untrusted::Refuse,
            "direct" => Untrusted::Direct,
            _ => {
                return Err(Problem::Bad {
                    what: "fate of untrusted peers: refuse or direct",
                    value: fate.text,
                });
            }
        }));
    }
    Ok(proxy)
}

const NEEDED_BY_TRUST: Problem = Problem::Needs {
    name: "trust",
    other: "proxy=v1|v2|any",
};

const NEEDED_BY_UNTRUSTED: Problem = Problem::Needs {
    name: "untrusted",
    other: "proxy=v1|v2|any",
};

fn trust(proxy: ProxyProtocol, list: &Value) -> Result<ProxyProtocol, Problem> {
    let (mut networks, mut unix) = (Vec::new(), false);
    for word in list.text.split(',').filter(|word| !word.is_empty()) {
        match word {
            "unix" => unix = true,
            "loopback" => networks.extend(LOOPBACK),
            _ => networks.push(word.parse().map_err(|_| Problem::Bad {
                what: "network, as 10.0.0.0/8, nor `unix` nor `loopback`",
                value: word.to_owned(),
            })?),
        }
    }
    Ok(proxy.trust(networks).trust_unix(unix))
}
