//! Signed cookies, forged requests, users.

use bytes::Bytes;
use http::{HeaderMap, Request, Response, header};

use cyclone_web::Body;

mod cookies;
mod tornado;
mod users;
mod xsrf;
mod xsrf_origin;

/// The value that a response sets a cookie to.
fn set_cookie(response: &Response<Bytes>, name: &str) -> Option<String> {
    let line = cookie_line(response, name)?;
    let (pair, _attributes) = line.split_once(';')?;
    let (_name, value) = pair.split_once('=')?;
    Some(value.to_owned())
}

/// The whole `Set-Cookie` line of a cookie.
fn cookie_line(response: &Response<Bytes>, name: &str) -> Option<String> {
    let lines = response.headers().get_all(header::SET_COOKIE).iter();
    let mut lines = lines.filter_map(|line| line.to_str().ok());
    let line = lines.find(|line| line.split_once('=').is_some_and(|(other, _)| other == name))?;
    Some(line.to_owned())
}

/// A request with these headers.
fn with_headers(mut request: Request<Body>, headers: &[(&'static str, &str)]) -> Request<Body> {
    let added: HeaderMap = headers
        .iter()
        .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
        .collect();
    request.headers_mut().extend(added);
    request
}
