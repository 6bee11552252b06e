//! Proxies, and what goes past them.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use http::HeaderValue;
use url::{Host, Url};

use super::credentials::basic;
use super::error::ClientError;

/// The proxies of a client, and the hosts that are reached without one.
///
/// A request for `http` is sent to the proxy with the whole URL (RFC 9112 section 3.2.2), one for `https` through a tunnel
/// (`CONNECT`, RFC 9110 section 9.3.6), in which the TLS is with the server itself. The user and password in the URL of
/// a proxy are sent to it alone, with `Proxy-Authorization: Basic`.
///
/// ```
/// use cyclone_web::client::Proxies;
///
/// let proxies = Proxies::all("http://user:secret@proxy.example:3128")?.no_proxy("localhost, .example.org, 10.0.0.0/8");
/// # Ok::<(), cyclone_web::client::ClientError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies {
    http: Option<Arc<ProxyServer>>,
    https: Option<Arc<ProxyServer>>,
    past: Vec<Past>,
}

/// One proxy.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct ProxyServer {
    pub(crate) secure: bool,
    pub(crate) host: String,
    pub(crate) port: u16,
    /// The value of `Proxy-Authorization`.
    pub(crate) credentials: Option<HeaderValue>,
}

/// What goes past the proxies.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Past {
    Everything,
    /// The name and those below it, at this port or at any.
    Name(String, Option<u16>),
    Network(IpAddr, u8),
    Address(IpAddr, Option<u16>),
}

impl Proxies {
    /// No proxy.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// One proxy for everything, `http://host:port` or `https://host:port`.
    ///
    /// # Errors
    /// When it is not such a URL.
    pub fn all(proxy: &str) -> Result<Self, ClientError> {
        let server = Some(Arc::new(ProxyServer::parse(proxy)?));
        Ok(Self {
            http: server.clone(),
            https: server,
            past: Vec::new(),
        })
    }

    /// Sets the proxy of `http` URLs.
    ///
    /// # Errors
    /// As [`all`](Self::all).
    pub fn http(mut self, proxy: &str) -> Result<Self, ClientError> {
        self.http = Some(Arc::new(ProxyServer::parse(proxy)?));
        Ok(self)
    }

    /// Sets the proxy of `https` URLs.
    ///
    /// # Errors
    /// As [`all`](Self::all).
    pub fn https(mut self, proxy: &str) -> Result<Self, ClientError> {
        self.https = Some(Arc::new(ProxyServer::parse(proxy)?));
        Ok(self)
    }

    /// Adds what goes past the proxies, in the form of the variable `NO_PROXY`: names and addresses between commas.
    ///
    /// `example.org` and `.example.org` both stand for that host and all below it, `example.org:8080` for that port of
    /// them; `10.0.0.0/8` for addresses that are written in the URL (names are not looked up for it); `*` for all.
    #[must_use]
    pub fn no_proxy(mut self, list: &str) -> Self {
        self.past.extend(list.split(',').filter_map(Past::parse));
        self
    }

    /// The proxies that the environment names: `http_proxy`, `https_proxy` or `HTTPS_PROXY`, `all_proxy` or `ALL_PROXY`
    /// for the two that are missing, `no_proxy` or `NO_PROXY`. Only this function looks at them.
    ///
    /// `HTTP_PROXY` in upper case is not read: under CGI it is a header of the request (CVE-2016-5385).
    ///
    /// # Errors
    /// When one is not the URL of a proxy.
    pub fn from_env() -> Result<Self, ClientError> {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    /// Like [`from_env`](Self::from_env), with the variables that `variable` gives.
    ///
    /// # Errors
    /// When one is not the URL of a proxy.
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, ClientError> {
        let first = |names: &[&str]| {
            let mut values = names.iter().filter_map(|name| variable(name));
            values.find(|value| !value.trim().is_empty())
        };
        let server = |names: &[&str]| {
            let server = first(names).or_else(|| first(&["all_proxy", "ALL_PROXY"]));
            let server = server.map(|text| ProxyServer::parse(text.trim()));
            Ok::<_, ClientError>(server.transpose()?.map(Arc::new))
        };
        let proxies = Self {
            http: server(&["http_proxy"])?,
            https: server(&["https_proxy", "HTTPS_PROXY"])?,
            past: Vec::new(),
        };
        Ok(proxies.no_proxy(&first(&["no_proxy", "NO_PROXY"]).unwrap_or_default()))
    }

    /// The proxy on the way to `url`.
    pub(crate) fn of(&self, url: &Url) -> Option<&Arc<ProxyServer>> {
        let server = match url.scheme() {
            "https" => self.https.as_ref(),
            _ => self.http.as_ref(),
        };
        let (host, port) = (url.host()?, url.port_or_known_default()?);
        server.filter(|_| !self.past.iter().any(|past| past.has(&host, port)))
    }
}

impl ProxyServer {
    /// A proxy by its URL; the scheme may be missing, as is usual in the environment.
    fn parse(text: &str) -> Result<Self, ClientError> {
        // Never with the text, which may have a password.
        let wrong = |_| ClientError::request("the proxy is no URL");
        let url = match text.contains("://") {
            true => Url::parse(text).map_err(wrong)?,
            false => Url::parse(&format!("http://{text}")).map_err(wrong)?,
        };
        let secure = match url.scheme() {
            "http" => false,
            "https" => true,
            _ => {
                let text = "the scheme of a proxy is `http` or `https`";
                return Err(ClientError::request(text));
            }
        };
        let host = url.host().map(|host| bare(&host));
        let host = host.ok_or_else(|| ClientError::request("the proxy has no host"))?;
        let port = url.port_or_known_default().unwrap_or(80);
        Ok(Self {
            secure,
            host,
            port,
            credentials: super::credentials::of_url(&url)
                .map(|(user, password)| basic(&user, &password)),
        })
    }
}

/// A host without the brackets of an IPv6 address.
pub(crate) fn bare(host: &Host<&str>) -> String {
    match host {
        Host::Domain(name) => (*name).to_owned(),
        Host::Ipv4(address) => address.to_string(),
        Host::Ipv6(address) => address.to_string(),
    }
}

impl Past {
    fn parse(item: &str) -> Option<Self> {
        let item = item.trim();
        if item == "*" {
            return Some(Self::Everything);
        }
        if let Some((address, bits)) = item.split_once('/') {
            let address: IpAddr = address.parse().ok()?;
            let bits: u8 = bits.parse().ok()?;
            let all = if address.is_ipv4() { 32 } else { 128 };
            return (bits <= all).then_some(Self::Network(address, bits));
        }
        if let Ok(address) = item.trim_matches(['[', ']']).parse() {
            return Some(Self::Address(address, None));
        }
        let (name, port) = match item.rsplit_once(':') {
            Some((name, port)) => (name, Some(port.parse().ok()?)),
            None => (item, None),
        };
        if let Ok(address) = name.trim_matches(['[', ']']).parse() {
            return Some(Self::Address(address, port));
        }
        let name = name.strip_prefix("*.").unwrap_or(name);
        let name = name.trim_start_matches('.').trim_end_matches('.');
        (!name.is_empty()).then(|| Self::Name(name.to_ascii_lowercase(), port))
    }

    fn has(&self, host: &Host<&str>, port: u16) -> bool {
        let address = match host {
            Host::Domain(_) => None,
            Host::Ipv4(address) => Some(IpAddr::V4(*address)),
            Host::Ipv6(address) => Some(IpAddr::V6(*address)),
        };
        match (self, host) {
            (Self::Everything, _) => true,
            (Self::Name(name, at), Host::Domain(host)) => {
                let host = host.trim_end_matches('.');
                let below = host.strip_suffix(name.as_str());
                at.is_none_or(|at| at == port)
                    && below.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            }
            (Self::Name(..), _) => false,
            (Self::Address(ours, at), _) => {
                address == Some(*ours) && at.is_none_or(|at| at == port)
            }
            (Self::Network(network, bits), _) => {
                address.is_some_and(|address| is_inside(address, *network, *bits))
            }
        }
    }
}

fn is_inside(address: IpAddr, network: IpAddr, bits: u8) -> bool {
    match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => {
            let differ = address.to_bits() ^ network.to_bits();
            differ.leading_zeros() >= u32::from(bits)
        }
        (IpAddr::V6(address), IpAddr::V6(network)) => {
            let differ = address.to_bits() ^ network.to_bits();
            differ.leading_zeros() >= u32::from(bits)
        }
        _ => false,
    }
}

/// Without the credentials.
impl fmt::Debug for ProxyServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "https" } else { "http" };
        write!(f, "{scheme}://{}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::{Proxies, Url};

    fn goes_past(list: &str, url: &str) -> bool {
        let proxies = Proxies::all("proxy:1").unwrap().no_proxy(list);
        proxies.of(&Url::parse(url).unwrap()).is_none()
    }

    #[test]
    fn names_stand_for_what_is_below_them_and_for_nothing_else() {
        for (list, url, past) in [
            ("example.org", "http://example.org/", true),
            ("example.org", "http://a.example.org/", true),
            (".example.org", "http://example.org/", true),
            ("*.example.org", "http://a.b.example.org/", true),
            ("EXAMPLE.org.", "http://Example.ORG/", true),
            ("example.org", "http://example.org./", true),
            ("example.org", "http://badexample.org/", false),
            ("example.org", "http://example.org.evil.net/", false),
            ("a.example.org", "http://example.org/", false),
            ("example.org:81", "http://example.org:81/", true),
            ("example.org:81", "http://example.org/", false),
            ("example.org:443", "https://example.org/", true),
            ("other, ,example.org", "http://example.org/", true),
            ("*", "http://anything/", true),
            ("", "http://anything/", false),
            ("10.0.0.0/8", "http://10.255.1.2/", true),
            ("10.0.0.0/8", "http://11.0.0.0/", false),
            ("10.0.0.0/0", "http://11.0.0.0/", true),
            ("10.0.0.1/32", "http://10.0.0.1/", true),
            ("10.0.0.1/32", "http://10.0.0.2/", false),
            ("10.0.0.0/33", "http://10.0.0.0/", false),
            ("10.0.0.1", "http://10.0.0.1:9/", true),
            ("10.0.0.1:8", "http://10.0.0.1:9/", false),
            ("fe80::/10", "http://[febf::1]/", true),
            ("fe80::/10", "http://[fec0::1]/", false),
            ("[::1]", "http://[::1]/", true),
            ("::1", "http://[::1]:8/", true),
            ("[::1]:8", "http://[::1]:9/", false),
            ("1", "http://10.0.0.1/", false),
        ] {
            assert_eq!(goes_past(list, url), past, "{list} {url}");
        }
    }

    #[test]
    fn cve_2016_5385_the_variable_that_a_request_can_set_is_not_read() {
        let variables = |name: &str| match name {
            "HTTP_PROXY" => Some("http://evil:1".to_owned()),
            "HTTPS_PROXY" => Some("http://good:2".to_owned()),
            "no_proxy" => Some("inside".to_owned()),
            _ => None,
        };
        let proxies = Proxies::from_variables(variables).unwrap();
        let of = |url| {
            let server = proxies.of(&Url::parse(url).unwrap());
            server.map(|server| format!("{server:?}"))
        };
        assert_eq!(of("http://example.org"), None);
        assert_eq!(of("https://example.org").unwrap(), "http://good:2");
        assert_eq!(of("https://inside"), None);
    }

    #[test]
    fn variables_stand_in_for_one_another() {
        let all = |name: &str| (name == "all_proxy").then(|| "u:p@both".to_owned());
        let proxies = Proxies::from_variables(all).unwrap();
        for url in ["http://example.org", "https://example.org"] {
            let server = proxies.of(&Url::parse(url).unwrap()).unwrap();
            assert_eq!(format!("{server:?}"), "http://both:80");
            assert_eq!(server.credentials.as_ref().unwrap(), "Basic dTpw");
        }
        assert!(!format!("{proxies:?}").contains("dTpw"));
        assert!(Proxies::from_variables(|_| Some("socks5://h".to_owned())).is_err());
    }
}
