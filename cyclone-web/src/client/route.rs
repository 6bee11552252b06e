//! The way to a server, which is what connections are kept by.

use std::sync::Arc;

use url::Url;

use super::error::ClientError;
use super::proxy::{Proxies, ProxyServer, bare};

/// Where a connection leads, and through what. Equal routes share connections.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Route {
    /// Whether TLS is spoken with the server.
    pub(crate) secure: bool,
    /// The name or address of the server, without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) proxy: Option<Arc<ProxyServer>>,
    /// HTTP/2 without asking.
    pub(crate) prior_knowledge: bool,
}

impl Route {
    pub(crate) fn to(
        url: &Url,
        proxies: &Proxies,
        prior_knowledge: bool,
    ) -> Result<Self, ClientError> {
        let secure = match url.scheme() {
            "http" => false,
            "https" => true,
            _ => {
                let text = "the scheme is neither `http` nor `https`";
                return Err(ClientError::request(text));
            }
        };
        let (Some(host), Some(port)) = (url.host(), url.port_or_known_default()) else {
            return Err(ClientError::request("the URL has no host"));
        };
        let proxy = proxies.of(url).cloned();
        Ok(Self {
            secure,
            host: bare(&host),
            port,
            prior_knowledge: prior_knowledge && !secure && proxy.is_none(),
            proxy,
        })
    }

    /// Whether the connection may turn out to be one for many exchanges.
    pub(crate) fn may_share(&self) -> bool {
        self.secure || self.prior_knowledge
    }

    /// The proxy that is given whole URLs.
    pub(crate) fn forwarder(&self) -> Option<&ProxyServer> {
        self.proxy.as_deref().filter(|_| !self.secure)
    }

    /// Host and port as `CONNECT` has them.
    pub(crate) fn authority(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }
}
