//! Who may look: peers of this machine, those who know a token, or those whom a function lets in.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cyclone_core::Address;
use http::header::{self, HeaderName, HeaderValue};
use http::uri::Authority;
use http::{Method, StatusCode, Version};
use sha2::{Digest, Sha256};

use crate::context::RequestContext;
use crate::error::{Error, Result};

/// The fewest bytes that a [token](super::Admin::token) may have.
pub const MIN_ADMIN_TOKEN: usize = 16;

/// What says that a request came through a proxy.
const PROXIED: [HeaderName; 5] = [
    header::FORWARDED,
    header::VIA,
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-real-ip"),
];

const CHALLENGE: HeaderValue =
    HeaderValue::from_static("Basic realm=\"cyclone admin\", charset=\"UTF-8\"");

/// The header that a change needs: a page of another origin can send it only after a preflight, which nobody answers.
pub(super) const ACTION: HeaderName = HeaderName::from_static("x-cyclone-admin");

type Check = dyn Fn(&RequestContext) -> bool + Send + Sync;

/// The rule.
#[derive(Clone)]
pub(super) enum Access {
    Local,
    /// The digest of the token: to compare digests tells nothing of the token by the time it takes.
    Token([u8; 32]),
    Check(Arc<Check>),
}

impl Access {
    #[expect(
        clippy::panic,
        reason = "a token that can be guessed is a mistake of whoever runs the program, found at its start"
    )]
    pub(super) fn token(token: &str) -> Self {
        if token.len() < MIN_ADMIN_TOKEN {
            panic!("a token of the admin pages needs {MIN_ADMIN_TOKEN} bytes or more");
        }
        Self::Token(digest(token.as_bytes()))
    }

    /// Lets a request pass, or says why not.
    pub(super) fn check(&self, cx: &RequestContext) -> Result<()> {
        match self {
            Self::Local => is_local(cx),
            Self::Token(expected) => match token(cx) {
                Some(token) if digest(&token) == *expected => Ok(()),
                _ => Err(Error::authentication_required(CHALLENGE)),
            },
            Self::Check(is_allowed) if is_allowed(cx) => Ok(()),
            Self::Check(_) => Err(forbidden("you may not look at this")),
        }
    }
}

/// Refuses what a page of another origin has its browser ask for (W3C Fetch Metadata, RFC 6454).
pub(super) fn check_origin(cx: &RequestContext) -> Result<()> {
    let site = cx.header("sec-fetch-site");
    if site.is_some_and(|site| !["same-origin", "none"].contains(&site)) {
        // A link elsewhere may lead here: the answer is for the one who follows it, and for no script.
        let is_navigation = *cx.method() == Method::GET
            && cx.header("sec-fetch-mode") == Some("navigate")
            && cx.header("sec-fetch-dest") == Some("document");
        if !is_navigation {
            return Err(forbidden("this is for pages of its own origin only"));
        }
    }
    let Some(origin) = cx.headers().get(header::ORIGIN) else {
        return Ok(());
    };
    let origin = origin.to_str().ok();
    let origin = origin.and_then(|origin| origin.split_once("://"));
    match (origin, cx.host()) {
        (Some((_, origin)), Some(host)) if origin.eq_ignore_ascii_case(host) => Ok(()),
        _ => Err(forbidden("this is for pages of its own origin only")),
    }
}

/// Refuses a change that a page of another origin could have asked for.
pub(super) fn check_action(cx: &RequestContext) -> Result<()> {
    if cx.headers().contains_key(ACTION) {
        Ok(())
    } else {
        Err(forbidden("a change needs the header `x-cyclone-admin`"))
    }
}

fn is_local(cx: &RequestContext) -> Result<()> {
    // nginx adds no header unless it is told to, and speaks the old version.
    let is_old = cx.version() < Version::HTTP_11;
    if is_old || PROXIED.iter().any(|name| cx.headers().contains_key(name)) {
        return Err(forbidden(
            "this came through a proxy, so that it could be anybody: set a token",
        ));
    }
    match cx.peer().remote() {
        Address::Unix(_) => return Ok(()),
        Address::Tcp(address) if is_loopback(address.ip()) => {}
        _ => {
            return Err(forbidden(
                "only peers of this machine may look, unless a token is set",
            ));
        }
    }
    // Otherwise a page whose name somebody lets point here reads it as its own (DNS rebinding).
    if cx.host().is_some_and(names_this_machine) {
        Ok(())
    } else {
        Err(forbidden(
            "ask for localhost or a loopback address, or set a token",
        ))
    }
}

fn is_loopback(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}

fn names_this_machine(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else {
        return false;
    };
    let host = authority.host();
    let bracketed = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    if let Some(address) = bracketed {
        return address
            .parse::<Ipv6Addr>()
            .is_ok_and(|ip| is_loopback(ip.into()));
    }
    let name = host.to_ascii_lowercase();
    name == "localhost"
        || name.ends_with(".localhost")
        || name.parse::<IpAddr>().is_ok_and(is_loopback)
}

/// The token of a request (RFC 6750 section 2.1), or the password of anybody (RFC 7617).
fn token(cx: &RequestContext) -> Option<Vec<u8>> {
    let (scheme, rest) = cx.header(header::AUTHORIZATION)?.split_once(' ')?;
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(rest.as_bytes().to_vec());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let mut pair = STANDARD.decode(rest).ok()?;
    let colon = pair.iter().position(|byte| *byte == b':')?;
    Some(pair.split_off(colon + 1))
}

fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

fn forbidden(why: &'static str) -> Error {
    Error::new(StatusCode::FORBIDDEN).message(why)
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Local => "local",
            Self::Token(_) => "token",
            Self::Check(_) => "check",
        })
    }
}
