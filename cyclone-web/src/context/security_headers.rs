//! Headers that protect users, and the nonce of their policy.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY_REPORT_ONLY};

use super::{RequestContext, Standing};
use crate::error::{Error, Result};
use crate::random::random;

/// The nonce of a response, in the extensions of the request.
#[derive(Clone)]
struct Nonce(String);

impl RequestContext {
    /// The nonce that lets inline scripts and styles of this response through its
    /// [policy](crate::SecurityHeaders::content_security_policy): `<script nonce="...">`. It is random, of 128 bits, the
    /// same within a response, and of letters, digits, `-` and `_`.
    ///
    /// A page with one is not for a cache that others share.
    ///
    /// # Errors
    /// A 500 when the application has no policy with `'nonce-{nonce}'` in it, or the response was flushed before.
    pub fn csp_nonce(&mut self) -> Result<String> {
        if let Some(Nonce(nonce)) = self.head.extensions().get() {
            return Ok(nonce.clone());
        }
        if self.is_flushed() {
            return Err(Error::internal("a nonce was asked for after a flush"));
        }
        let nonce = URL_SAFE_NO_PAD.encode(random::<16>()?);
        let security = self.guards().and_then(|guards| guards.security.clone());
        let Some((security, (with, without))) = security
            .as_deref()
            .and_then(|security| Some((security, security.policies(&nonce)?)))
        else {
            return Err(Error::internal("there is no policy that has a nonce"));
        };
        let name = security.policy_name();
        let standing = self
            .head
            .extensions_mut()
            .get_or_insert_default::<Standing>();
        standing.0.insert(name.clone(), with.clone());
        let headers = self.response_headers_mut();
        // A policy that the handler has set stays.
        if headers.get(&name).is_none_or(|set| set == without) {
            headers.insert(name, with);
        }
        self.head.extensions_mut().insert(Nonce(nonce.clone()));
        Ok(nonce)
    }

    pub(crate) fn begin_security_headers(&mut self) {
        let Some(security) = self.guards().and_then(|guards| guards.security.clone()) else {
            return;
        };
        let headers = security.headers(self.scheme() == "https");
        let standing = self
            .head
            .extensions_mut()
            .get_or_insert_default::<Standing>();
        standing.0.extend(headers);
        self.add_standing_headers();
    }

    /// Takes the policy off an answer whose body is not sent: the body that the client has has another nonce.
    pub(crate) fn forget_nonce(&mut self) {
        if self.head.extensions().get::<Nonce>().is_some() {
            self.clear_header(CONTENT_SECURITY_POLICY);
            self.clear_header(CONTENT_SECURITY_POLICY_REPORT_ONLY);
        }
    }
}
