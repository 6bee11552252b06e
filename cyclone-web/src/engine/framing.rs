//! The framing of a request, decided before anything else looks at it (RFC 9112, RFC 9110, RFC 9113).
//!
//! hyper refuses what its parser cannot read. What it lets pass and must not reach a handler is refused here:
//! a request that two servers could read differently is a request smuggled past one of them.

use http::request::Parts;
use http::uri::{Authority, Uri};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Version, header};

use super::host;
use crate::body::Body;
use crate::limits::Limits;

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    /// What the client did wrong, as one line.
    pub(crate) reason: &'static str,
}

impl Refusal {
    pub(crate) const fn new(status: StatusCode, reason: &'static str) -> Self {
        Self { status, reason }
    }

    pub(crate) const fn bad(reason: &'static str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, reason)
    }

    /// The answer; the connection closes after it.
    pub(crate) fn response(self) -> Response<Body> {
        let mut response = Response::new(Body::from(self.reason));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/plain; charset=utf-8"),
        );
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        response
    }
}

/// What the framing says beyond being right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Framing {
    /// The client waits for `100 Continue` before it sends the body.
    pub(crate) expecting: bool,
}

/// Checks one request.
///
/// # Errors
/// The [`Refusal`] to answer with.
pub(crate) fn check(head: &Parts, limits: &Limits) -> Result<Framing, Refusal> {
    let (version, method) = (head.version, &head.method);
    if method == Method::CONNECT || method == Method::TRACE {
        // RFC 9110 sections 9.3.6 and 9.3.8: we are no proxy, and to echo a request discloses its cookies.
        return Err(Refusal::new(
            StatusCode::NOT_IMPLEMENTED,
            "this method is not implemented\n",
        ));
    }
    let seen = Seen::read(&head.headers, limits)?;
    if version == Version::HTTP_2 {
        check_http2_target(&head.uri, seen.host)?;
    } else {
        check_target(method, &head.uri, seen.host, limits)?;
        if version == Version::HTTP_11 && seen.host.is_none() {
            return Err(Refusal::bad("the host header is missing\n"));
        }
    }
    Ok(Framing {
        expecting: seen.expecting && version != Version::HTTP_10,
    })
}

/// The header fields that matter, found in one pass.
struct Seen<'a> {
    host: Option<&'a HeaderValue>,
    expecting: bool,
}

impl<'a> Seen<'a> {
    fn read(headers: &'a HeaderMap, limits: &Limits) -> Result<Self, Refusal> {
        let mut seen = Self {
            host: None,
            expecting: false,
        };
        let mut codings = 0;
        for (name, value) in headers {
            if name.as_str().len() + value.len() > limits.header_line {
                return Err(Refusal::new(
                    StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                    "a header field is too long\n",
                ));
            }
            match *name {
                header::HOST => {
                    if seen.host.is_some() {
                        return Err(Refusal::bad("there is more than one host header\n"));
                    }
                    if !host::is_valid(value.as_bytes()) {
                        return Err(Refusal::bad("the host header is invalid\n"));
                    }
                    seen.host = Some(value);
                }
                header::TRANSFER_ENCODING => {
                    codings += 1;
                    if codings > 1 || !value.as_bytes().eq_ignore_ascii_case(b"chunked") {
                        return Err(Refusal::bad("the transfer-encoding is not just chunked\n"));
                    }
                }
                header::EXPECT => {
                    if !value.as_bytes().eq_ignore_ascii_case(b"100-continue") {
                        return Err(Refusal::new(
                            StatusCode::EXPECTATION_FAILED,
                            "the expectation is unknown\n",
                        ));
                    }
                    seen.expecting = true;
                }
                _ => {}
            }
        }
        Ok(seen)
    }
}

/// RFC 9112 section 3.2: the four forms of a request target.
fn check_target(
    method: &Method,
    uri: &Uri,
    host: Option<&HeaderValue>,
    limits: &Limits,
) -> Result<(), Refusal> {
    let target = uri.path_and_query().map_or(0, |path| path.as_str().len());
    let authority = uri.authority();
    let prefix = uri
        .scheme_str()
        .map_or(0, |scheme| scheme.len() + "://".len())
        + authority.map_or(0, |authority| authority.as_str().len());
    let around = method.as_str().len() + "  HTTP/1.1".len();
    if around + prefix + target > limits.request_line {
        return Err(Refusal::new(
            StatusCode::URI_TOO_LONG,
            "the request line is too long\n",
        ));
    }
    match (uri.scheme_str(), authority) {
        (None, None) => {
            if uri.path() == "*" && method != Method::OPTIONS {
                return Err(Refusal::bad("the request target is invalid\n"));
            }
            Ok(())
        }
        (Some(scheme @ ("http" | "https")), Some(authority)) => {
            check_authority(authority)?;
            let authority = authority.as_str().as_bytes();
            if host.is_some_and(|host| !host::is_same(host.as_bytes(), authority, Some(scheme))) {
                return Err(Refusal::bad(
                    "the host header differs from the request target\n",
                ));
            }
            Ok(())
        }
        _ => Err(Refusal::bad("the request target is invalid\n")),
    }
}

/// RFC 9113 section 8.3.1: `:authority` and `host` say the same, and one of them is there.
fn check_http2_target(uri: &Uri, host: Option<&HeaderValue>) -> Result<(), Refusal> {
    match (uri.authority(), host) {
        (None, None) => Err(Refusal::bad("the authority is missing\n")),
        (None, Some(_)) => Ok(()),
        (Some(authority), host) => {
            check_authority(authority)?;
            let authority = authority.as_str().as_bytes();
            if host.is_some_and(|host| !host::is_same(host.as_bytes(), authority, uri.scheme_str()))
            {
                return Err(Refusal::bad("the host header differs from the authority\n"));
            }
            Ok(())
        }
    }
}

fn check_authority(authority: &Authority) -> Result<(), Refusal> {
    if host::is_valid(authority.as_str().as_bytes()) {
        Ok(())
    } else {
        Err(Refusal::bad("the authority is invalid\n"))
    }
}
