//! A range of internet addresses.

use std::error::Error;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A range of internet addresses that share their first bits, as `10.0.0.0/8` (RFC 4632, RFC 4291 section 2.3).
///
/// ```
/// use cyclone_core::Network;
///
/// let network: Network = "10.0.0.0/8".parse()?;
/// assert!(network.contains("10.1.2.3".parse()?));
/// assert!(!network.contains("11.1.2.3".parse()?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    first: IpAddr,
    prefix: u8,
}

impl Network {
    /// All of `127.0.0.0/8`.
    pub const LOOPBACK_V4: Self = Self {
        first: IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)),
        prefix: 8,
    };

    /// The one address `::1`.
    pub const LOOPBACK_V6: Self = Self {
        first: IpAddr::V6(Ipv6Addr::LOCALHOST),
        prefix: 128,
    };

    /// The range that begins with `first`, whose addresses share the first `prefix` bits.
    ///
    /// # Errors
    /// When addresses of this kind have fewer bits, or `first` has bits beyond the prefix: it then names one
    /// address and a range at once.
    pub fn new(first: IpAddr, prefix: u8) -> Result<Self, NetworkError> {
        // IPv4 in the form of IPv6 is IPv4.
        let (of, own) = match first.to_canonical() {
            v4 if v4 != first && prefix >= 96 => (v4, prefix - 96),
            _ => (first, prefix),
        };
        let network = Self {
            first: of,
            prefix: own,
        };
        if own > bits(of) || (number(of) & !network.mask()) != 0 {
            return Err(NetworkError(format!("{first}/{prefix}")));
        }
        Ok(network)
    }

    /// Whether the address is one of them. An IPv4 address in the form of IPv6 counts as IPv4.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.first.is_ipv4()
            && number(address) & self.mask() == number(self.first)
    }

    /// The bits that they share.
    fn mask(&self) -> u128 {
        let other = u32::from(bits(self.first).saturating_sub(self.prefix));
        u128::MAX.checked_shl(other).unwrap_or(0)
    }
}

fn bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_bits().into(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

impl From<IpAddr> for Network {
    /// The network of one address.
    fn from(address: IpAddr) -> Self {
        let first = address.to_canonical();
        let prefix = bits(first);
        Self { first, prefix }
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    /// Reads `10.0.0.0/8`, or an address alone.
    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let error = || NetworkError(text.to_owned());
        let (first, prefix) = match text.split_once('/') {
            Some((first, prefix)) => (first, Some(prefix)),
            None => (text, None),
        };
        let first: IpAddr = first.parse().map_err(|_| error())?;
        let Some(prefix) = prefix else {
            return Ok(first.into());
        };
        let is_number = prefix.bytes().all(|byte| byte.is_ascii_digit());
        let prefix = prefix.parse().ok().filter(|_| is_number);
        Self::new(first, prefix.ok_or_else(error)?).map_err(|_| error())
    }
}

impl fmt::Display for Network {
    /// `10.0.0.0/8`; an address alone where it is the only one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.first.fmt(f)?;
        if self.prefix == bits(self.first) {
            return Ok(());
        }
        write!(f, "/{}", self.prefix)
    }
}

/// The text or the parts of a network are none: a mistake in the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkError(String);

impl fmt::Display for NetworkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is no network: expected an address, or a first address and a number of bits, as `10.0.0.0/8`",
            self.0
        )
    }
}

impl Error for NetworkError {}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::Network;

    #[test]
    fn texts_and_ranges_agree() {
        let table = [
            (
                "10.0.0.0/8",
                "10.0.0.0",
                "10.255.255.255",
                "9.255.255.255",
                "11.0.0.0",
            ),
            (
                "192.0.2.128/25",
                "192.0.2.128",
                "192.0.2.255",
                "192.0.2.127",
                "192.0.3.0",
            ),
            (
                "192.0.2.1",
                "192.0.2.1",
                "192.0.2.1",
                "192.0.2.0",
                "192.0.2.2",
            ),
            ("0.0.0.0/0", "0.0.0.0", "255.255.255.255", "::", "::1"),
            ("::/0", "::", "ffff::", "0.0.0.0", "1.2.3.4"),
            ("::1", "::1", "::1", "::", "::2"),
            (
                "2001:db8::/33",
                "2001:db8::",
                "2001:db8:7fff::1",
                "2001:db7::",
                "2001:db8:8000::",
            ),
        ];
        for (text, first, last, before, after) in table {
            let network: Network = text.parse().unwrap();
            assert_eq!(network.to_string(), text);
            let holds = |address: &str| network.contains(address.parse::<IpAddr>().unwrap());
            assert!(holds(first) && holds(last), "{text}");
            assert!(!holds(before) && !holds(after), "{text}");
        }
        let network: Network = "10.0.0.0/8".parse().unwrap();
        assert!(network.contains("::ffff:10.1.2.3".parse().unwrap()));
        assert_eq!(
            "::ffff:10.1.2.3".parse(),
            Ok(Network::from(IpAddr::from([10, 1, 2, 3])))
        );
        assert_eq!("::ffff:10.0.0.0/104".parse(), Ok(network));
        assert_eq!("127.0.0.0/8".parse(), Ok(Network::LOOPBACK_V4));
        assert_eq!("::1/128".parse(), Ok(Network::LOOPBACK_V6));
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in [
            "",
            "/",
            "/8",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0.0/-1",
            "10.0.0.0/+8",
            "10.0.0.1/8",
            "::/129",
            "::ffff:10.0.0.0/95",
            "::ffff:10.0.0.0/129",
            "::ffff:10.0.0.0/102",
            "10.0.0/8",
            "10.0.0.0/8/8",
            "localhost",
            "10.0.0.0/256",
        ] {
            let error = text.parse::<Network>().unwrap_err();
            assert!(error.to_string().contains(text));
        }
    }
}
