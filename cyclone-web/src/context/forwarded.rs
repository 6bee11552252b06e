//! Who the client is, and what it asked for, whatever proxies stand between.

use std::net::IpAddr;

use http::header;

use super::RequestContext;
use crate::proxies::{ForwardedClient, Said};

impl RequestContext {
    /// The host and port that the client asked for: of the request target, else of the `Host` header.
    ///
    /// Behind [trusted proxies](crate::TrustedProxies::with_host) it may be what they say.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        if let Some(host) = self.forwarded_client().and_then(|client| client.host) {
            return Some(host);
        }
        match self.head.uri().authority() {
            Some(authority) => Some(authority.as_str()),
            None => self.header(header::HOST),
        }
    }

    /// The scheme of the request, as Tornado's `request.protocol`: `https` over TLS, else `http`; behind
    /// [trusted proxies](crate::Application::trusted_proxies) what they say.
    ///
    /// What was agreed upon in TLS, the certificate of the client for instance, is in `Peer::tls`.
    #[must_use]
    pub fn scheme(&self) -> &'static str {
        let said = self.forwarded_client().and_then(|client| client.scheme);
        said.unwrap_or_else(|| self.connection.scheme())
    }

    /// The address of the client: that of the connection, or behind
    /// [trusted proxies](crate::Application::trusted_proxies) what they say.
    ///
    /// `None` on a Unix domain socket, and when a trusted proxy sends something that does not tell: whoever it is, it is
    /// not the proxy.
    #[must_use]
    pub fn remote_ip(&self) -> Option<IpAddr> {
        match self.forwarded_client().map(|client| client.ip) {
            Some(Said::This(ip)) => Some(ip),
            Some(Said::Unknown) => None,
            Some(Said::Nothing) | None => self.connection.peer().remote().ip(),
        }
    }

    fn forwarded_client(&self) -> Option<ForwardedClient<'_>> {
        let proxies = self.app.proxies.as_deref()?;
        proxies.client(self.connection.peer().remote(), self.head.headers())
    }
}
