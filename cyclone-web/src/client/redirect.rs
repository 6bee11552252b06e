//! Where a redirect leads, and what goes there.

use http::{HeaderName, Method, StatusCode, header};
use url::Url;

use super::error::{ClientError, ClientErrorKind, Outcome};
use super::request::{Parts, forget_user};
use super::upload::Content;

/// Fields that say who the request is from: for the origin alone that they were given for.
const SECRETS: [HeaderName; 4] = [
    header::AUTHORIZATION,
    header::COOKIE,
    header::HOST,
    header::PROXY_AUTHORIZATION,
];

/// Fields about a body, which go with it.
const ABOUT_BODY: [HeaderName; 5] = [
    header::CONTENT_TYPE,
    header::CONTENT_ENCODING,
    header::CONTENT_LANGUAGE,
    header::CONTENT_LOCATION,
    header::CONTENT_LENGTH,
];

/// Where the response sends us; `None` when it is no redirect.
pub(super) fn next<B>(url: &Url, response: &http::Response<B>) -> Result<Option<Url>, ClientError> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let Some(location) = response.headers().get(header::LOCATION) else {
        return Ok(None);
    };
    let location = std::str::from_utf8(location.as_bytes());
    let location = location.map_err(|_| refused("`Location` is no UTF-8").target(url))?;
    let next = url
        .join(location)
        .map_err(|error| refused("`Location` is no URL").because(error).target(url))?;
    Ok(Some(next))
}

/// Makes the request the one that the redirect asks for (RFC 9110 section 15.4), and returns the URL that it was for.
pub(super) fn follow(
    parts: &mut Parts,
    status: StatusCode,
    mut next: Url,
    allow_downgrade: bool,
) -> Result<Url, ClientError> {
    let from = parts.url.clone();
    if !matches!(next.scheme(), "http" | "https") {
        return Err(refused("to another scheme than `http` and `https`").target(&from));
    }
    if from.scheme() == "https" && next.scheme() == "http" && !allow_downgrade {
        return Err(refused("from `https` to `http`").target(&from));
    }
    // A server has no business giving us a user.
    forget_user(&mut next);
    let becomes_get = match status.as_u16() {
        303 => parts.method != Method::HEAD,
        301 | 302 => parts.method == Method::POST,
        _ => false,
    };
    if becomes_get {
        parts.method = Method::GET;
        parts.content = Content::Bytes(bytes::Bytes::new());
        parts.idempotent = true;
        parts.expect_continue = false;
        for name in ABOUT_BODY {
            parts.headers.remove(name);
        }
    } else if !parts.content.can_be_sent() {
        return Err(refused("the body is a stream, which cannot be sent twice").target(&from));
    }
    if from.origin() != next.origin() {
        // For good: a way back does not bring them back (CVE-2026-49853).
        parts.credentials = None;
        for name in SECRETS {
            parts.headers.remove(name);
        }
        let sensitive = parts
            .headers
            .iter()
            .filter(|(_, value)| value.is_sensitive());
        let sensitive: Vec<HeaderName> = sensitive.map(|(name, _)| name.clone()).collect();
        for name in sensitive {
            parts.headers.remove(name);
        }
    }
    parts.url = next;
    Ok(from)
}

fn refused(why: &'static str) -> ClientError {
    ClientError::new(ClientErrorKind::Redirect, Outcome::Answered).text(why)
}
