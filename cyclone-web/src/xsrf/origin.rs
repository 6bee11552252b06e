//! Where a request comes from, by the word of the browser.

use http::HeaderMap;
use http::header::{HeaderName, ORIGIN};

use super::Xsrf;

/// Fetch Metadata Request Headers, 2.3; scripts cannot set it.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

impl Xsrf {
    /// Whether a request may come from where it comes from; the algorithm of Tornado 6.6 and Go 1.25.
    pub(crate) fn allows_origin(&self, headers: &HeaderMap, host: Option<&str>) -> bool {
        if !self.checks_origin {
            return true;
        }
        let mut sites = headers.get_all(SEC_FETCH_SITE).iter();
        let mut origins = headers.get_all(ORIGIN).iter();
        let (site, origin) = (sites.next(), origins.next());
        if sites.next().is_some() || origins.next().is_some() {
            return false;
        }
        let origin = origin.map(|origin| origin.to_str().unwrap_or_default());
        match (site.map(http::HeaderValue::as_bytes), origin) {
            (Some(b"same-origin" | b"none"), _) => true,
            // Neither: an old browser's safe navigation, or no browser.
            (None, None) => true,
            (None, Some(origin)) => is_of_host(origin, host) || self.trusts(origin),
            (Some(_), origin) => origin.is_some_and(|origin| self.trusts(origin)),
        }
    }

    fn trusts(&self, origin: &str) -> bool {
        let mut trusted = self.trusted_origins.iter();
        trusted.any(|trusted| trusted.eq_ignore_ascii_case(origin))
    }
}

/// Whether the host and port of an origin are those that were asked for. The scheme is not looked at: behind a proxy
/// the server's is not the browser's.
fn is_of_host(origin: &str, host: Option<&str>) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else {
        return false;
    };
    let default_port = match scheme {
        "http" => ":80",
        "https" => ":443",
        _ => return false,
    };
    host.is_some_and(|host| {
        let host = host.strip_suffix(default_port).unwrap_or(host);
        !host.is_empty() && host.eq_ignore_ascii_case(authority)
    })
}
