//! The check against sockets opened by pages of other sites.

use http::header;
use http::request::Parts;
use http::uri::Authority;

/// Whether `origin` names the host and port that the request was sent to: the default of
/// [`WebSocketHandler::check_origin`](crate::WebSocketHandler::check_origin), and Tornado's.
///
/// Host names are compared without regard to case, and a port left out is the default one of the origin's
/// scheme on both sides. `null`, a scheme other than `http` and `https`, and anything that is no origin
/// (RFC 6454 section 7) do not pass. The host is that of an absolute request target, else of the `Host`
/// header; it must be given exactly once.
///
/// A proxy in front must hand on the `Host` of the browser, or the handler must check the origin itself.
#[must_use]
pub fn same_origin(origin: &str, request: &Parts) -> bool {
    let Some((scheme, origin)) = origin.split_once("://") else {
        return false;
    };
    let default_port = if scheme.eq_ignore_ascii_case("https") {
        443
    } else if scheme.eq_ignore_ascii_case("http") {
        80
    } else {
        return false;
    };
    let host = match request.uri.authority() {
        Some(authority) => Some(authority.as_str()),
        None => host_header(request),
    };
    let (Some(origin), Some(host)) = (authority(origin), host.and_then(authority)) else {
        return false;
    };
    origin.host().eq_ignore_ascii_case(host.host())
        && port(&origin, default_port).is_some()
        && port(&origin, default_port) == port(&host, default_port)
}

fn host_header(request: &Parts) -> Option<&str> {
    let mut hosts = request.headers.get_all(header::HOST).iter();
    let host = hosts.next()?;
    if hosts.next().is_some() {
        return None;
    }
    host.to_str().ok()
}

/// Parses `host[:port]`; user information, a path or spaces make it none.
fn authority(text: &str) -> Option<Authority> {
    let authority: Authority = text.parse().ok()?;
    let valid = !authority.host().is_empty() && !text.contains('@');
    valid.then_some(authority)
}

/// The port, or the default; `None` when what stands there is no port.
fn port(authority: &Authority, default: u16) -> Option<u16> {
    let rest = &authority.as_str()[authority.host().len()..];
    match rest.strip_prefix(':') {
        None | Some("") => Some(default),
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok(),
        Some(_) => None,
    }
}
