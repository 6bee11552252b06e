//! What is known of a request before it has a handler.

use std::fmt;

use cyclone_core::Peer;
use http::header::{self, HeaderMap};
use http::{Extensions, Method, Uri, Version};

use crate::engine::ConnectionInfo;
use crate::head::Head;
use crate::host;
use crate::proxies::{ForwardedClient, TrustedProxies};

/// A request before it has a handler: what a custom matcher ([`Application::when`](crate::Application::when)) sees.
pub struct RequestView<'a> {
    head: &'a Head,
    connection: &'a ConnectionInfo,
    proxies: Option<&'a TrustedProxies>,
}

impl<'a> RequestView<'a> {
    pub(crate) fn new(
        head: &'a Head,
        connection: &'a ConnectionInfo,
        proxies: Option<&'a TrustedProxies>,
    ) -> Self {
        Self {
            head,
            connection,
            proxies,
        }
    }

    fn forwarded_client(&self) -> Option<ForwardedClient<'a>> {
        let remote = self.connection.peer().remote();
        self.proxies?.client(remote, self.head.headers())
    }

    pub(crate) fn scheme(&self) -> &'static str {
        let said = self.forwarded_client().and_then(|client| client.scheme);
        said.unwrap_or_else(|| self.connection.scheme())
    }

    /// The request method.
    #[must_use]
    pub fn method(&self) -> &'a Method {
        self.head.method()
    }

    /// The path of the request target, percent-encoded as it came.
    #[must_use]
    pub fn path(&self) -> &'a str {
        self.head.path()
    }

    /// The request target.
    #[must_use]
    pub fn uri(&self) -> &'a Uri {
        self.head.uri()
    }

    /// The HTTP version of the request.
    #[must_use]
    pub fn version(&self) -> Version {
        self.head.version()
    }

    /// The request headers.
    #[must_use]
    pub fn headers(&self) -> &'a HeaderMap {
        self.head.headers()
    }

    /// The first value of a request header, when it is visible ASCII.
    #[must_use]
    pub fn header(&self, name: impl header::AsHeaderName) -> Option<&'a str> {
        self.head.headers().get(name)?.to_str().ok()
    }

    /// The host that the client asked for, without its port, as Tornado's `request.host_name`: of the request target,
    /// else of the `Host` header; or what [trusted proxies](crate::TrustedProxies::with_host) say. IPv6 addresses stand in
    /// brackets.
    #[must_use]
    pub fn host_name(&self) -> Option<&'a str> {
        if let Some(host) = self.forwarded_client().and_then(|client| client.host) {
            return Some(host::without_port(host));
        }
        let authority = self.head.uri().authority();
        let host = match authority {
            Some(authority) => authority.as_str(),
            None => self.header(header::HOST)?,
        };
        Some(host::without_port(host))
    }

    /// What middleware attached to the request.
    #[must_use]
    pub fn extensions(&self) -> &'a Extensions {
        self.head.extensions()
    }

    /// The two addresses of the connection.
    #[must_use]
    pub fn peer(&self) -> &'a Peer {
        self.connection.peer()
    }
}

impl fmt::Debug for RequestView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestView")
            .field("method", self.method())
            .field("uri", self.uri())
            .field("peer", self.peer())
            .finish_non_exhaustive()
    }
}
