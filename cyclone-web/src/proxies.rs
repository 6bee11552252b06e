//! What trusted proxies say of the clients before them.

mod fields;
mod forwarded;

use std::fmt;
use std::net::IpAddr;

use cyclone_core::{Address, Network};
use http::HeaderMap;

/// The proxies that a server stands behind, and the headers by which they say whom a request is from. Given to
/// [`Application::trusted_proxies`](crate::Application::trusted_proxies); without it these headers are not looked at.
///
/// A header counts only when the connection comes from one of the networks, for anybody can send one. So list the
/// proxies and nothing else, and choose the headers that they set *on every request*: one that a proxy passes on as it
/// came is the client's.
///
/// With several proxies in a row the list of addresses is read from its end, the nearest proxy, to the first that is
/// not trusted: that is the client.
///
/// ```
/// use cyclone_core::Network;
/// use cyclone_web::{Application, TrustedProxies};
///
/// let proxies = TrustedProxies::x_forwarded([Network::LOOPBACK_V4, "10.0.0.0/8".parse()?]);
/// let app = Application::new().trusted_proxies(proxies);
/// # let _ = app;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// It changes [`remote_ip`](crate::RequestContext::remote_ip), [`scheme`](crate::RequestContext::scheme) and, after
/// [`with_host`](Self::with_host), [`host`](crate::RequestContext::host), and with them the request log, `Secure` cookies,
/// the check of origins and rate limits. [`peer`](crate::RequestContext::peer) stays the proxy.
#[derive(Clone)]
#[must_use = "it does nothing until an application has it"]
pub struct TrustedProxies {
    networks: Vec<Network>,
    headers: Headers,
    unix_sockets: bool,
    host: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Headers {
    Forwarded,
    XForwarded,
    AsTornado,
}

impl TrustedProxies {
    /// Proxies that send `Forwarded` (RFC 7239).
    pub fn forwarded(networks: impl IntoIterator<Item = Network>) -> Self {
        Self::new(networks, Headers::Forwarded)
    }

    /// Proxies that send `X-Forwarded-For` and `X-Forwarded-Proto`.
    pub fn x_forwarded(networks: impl IntoIterator<Item = Network>) -> Self {
        Self::new(networks, Headers::XForwarded)
    }

    /// The headers and the precedence of Tornado's `xheaders`: `X-Real-Ip` before `X-Forwarded-For`, `X-Scheme` before
    /// `X-Forwarded-Proto`. Only for proxies that set `X-Real-Ip` and `X-Scheme` or take them away, since they win.
    pub fn xheaders(networks: impl IntoIterator<Item = Network>) -> Self {
        Self::new(networks, Headers::AsTornado)
    }

    fn new(networks: impl IntoIterator<Item = Network>, headers: Headers) -> Self {
        Self {
            networks: networks.into_iter().collect(),
            headers,
            unix_sockets: false,
            host: false,
        }
    }

    /// Trusts whoever connects by a Unix domain socket, whose clients have no address.
    pub fn with_unix_sockets(mut self) -> Self {
        self.unix_sockets = true;
        self
    }

    /// Takes the host from the proxy too: of `Forwarded`, else the last of `X-Forwarded-Host`. Only for proxies that set
    /// it always; most pass `Host` on, and need it not.
    pub fn with_host(mut self) -> Self {
        self.host = true;
        self
    }

    fn trusts(&self, ip: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(ip))
    }

    /// What the headers of a request say, when it comes from a trusted proxy that says anything.
    pub(crate) fn client<'a>(
        &self,
        remote: &Address,
        headers: &'a HeaderMap,
    ) -> Option<ForwardedClient<'a>> {
        let is_trusted = match remote {
            Address::Unix(_) | Address::Abstract(_) => self.unix_sockets,
            other => other.ip().is_some_and(|ip| self.trusts(ip)),
        };
        if !is_trusted {
            return None;
        }
        let trusts = |ip| self.trusts(ip);
        let mut client = match self.headers {
            Headers::Forwarded => forwarded::client(headers, trusts),
            Headers::XForwarded => fields::client(headers, false, trusts),
            Headers::AsTornado => fields::client(headers, true, trusts),
        };
        if !self.host {
            client.host = None;
        }
        Some(client)
    }
}

impl fmt::Debug for TrustedProxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let networks = self.networks.iter().map(ToString::to_string);
        f.debug_struct("TrustedProxies")
            .field("networks", &networks.collect::<Vec<_>>())
            .field("headers", &self.headers)
            .field("unix_sockets", &self.unix_sockets)
            .field("host", &self.host)
            .finish()
    }
}

/// What a trusted proxy says of the client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ForwardedClient<'a> {
    pub(crate) ip: Said<IpAddr>,
    pub(crate) scheme: Option<&'static str>,
    pub(crate) host: Option<&'a str>,
}

/// Something that a proxy says, or does not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Said<T> {
    /// There is no header of it.
    #[default]
    Nothing,
    /// There is one, but it does not tell: it is malformed, or hides the client on purpose. To take the proxy for the
    /// client then would give him what the proxy may do.
    Unknown,
    This(T),
}

/// A scheme that a proxy names.
fn scheme(text: &str) -> Option<&'static str> {
    match text {
        _ if text.eq_ignore_ascii_case("https") => Some("https"),
        _ if text.eq_ignore_ascii_case("http") => Some("http"),
        _ => None,
    }
}

/// An address as proxies write it: alone, with a port, IPv6 in brackets.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Some(ip.to_canonical());
    }
    let ip = match text.strip_prefix('[') {
        Some(rest) => {
            let (ip, port) = rest.split_once(']')?;
            if !port.is_empty() && !port.starts_with(':') {
                return None;
            }
            IpAddr::V6(ip.parse().ok()?)
        }
        None => {
            let (ip, _port) = text.split_once(':')?;
            IpAddr::V4(ip.parse().ok()?)
        }
    };
    Some(ip.to_canonical())
}

/// A host with a port perhaps; nothing else that could mislead whoever builds a URL of it.
fn host(text: &str) -> Option<&str> {
    let is_sound = |byte: u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':' | b'[' | b']')
    };
    (!text.is_empty() && text.bytes().all(is_sound)).then_some(text)
}
