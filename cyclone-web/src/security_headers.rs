//! Headers by which browsers protect the users of a site.

use std::fmt;
use std::time::Duration;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// The place of the nonce in a policy.
const NONCE: &str = "{nonce}";

/// The source with the nonce, which is taken out where no page asks for one.
const SOURCE: &str = "'nonce-{nonce}'";

/// Headers by which browsers protect the users of a site, in every response: pages, files, errors and mounts. Given to
/// [`Application::security_headers`](crate::Application::security_headers). What a handler sets itself wins.
///
/// From the start there are `X-Content-Type-Options: nosniff`, `Referrer-Policy: strict-origin-when-cross-origin`,
/// `X-Frame-Options: SAMEORIGIN` and `Cross-Origin-Opener-Policy: same-origin`.
///
/// ```
/// use std::time::Duration;
/// use cyclone_web::{Application, RequestContext, Result, SecurityHeaders};
///
/// async fn page(cx: &mut RequestContext) -> Result {
///     // A template gets it as a value, for `<script nonce="{{ nonce }}">`.
///     let nonce = cx.csp_nonce()?;
///     cx.html(format!("<script nonce=\"{nonce}\">start()</script>"))
/// }
///
/// let headers = SecurityHeaders::new()
///     .content_security_policy("default-src 'self'; script-src 'self' 'nonce-{nonce}'")
///     .hsts(Duration::from_secs(365 * 24 * 60 * 60));
/// let app = Application::new().security_headers(headers).get("/", page);
/// # let _ = app;
/// ```
///
/// # Panics
/// The methods that take a value panic when it cannot stand in a header, which is found at the start.
#[derive(Clone)]
#[must_use = "it does nothing until an application has it"]
pub struct SecurityHeaders {
    fixed: HeaderMap,
    hsts: Option<HeaderValue>,
    policy: Option<Policy>,
    is_report_only: bool,
}

#[derive(Clone)]
struct Policy {
    text: String,
    /// For responses without a nonce.
    plain: HeaderValue,
}

impl SecurityHeaders {
    /// The headers named above.
    pub fn new() -> Self {
        let mut fixed = HeaderMap::new();
        for (name, value) in [
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::REFERRER_POLICY, "strict-origin-when-cross-origin"),
            (header::X_FRAME_OPTIONS, "SAMEORIGIN"),
            (
                HeaderName::from_static("cross-origin-opener-policy"),
                "same-origin",
            ),
        ] {
            fixed.insert(name, HeaderValue::from_static(value));
        }
        Self {
            fixed,
            hsts: None,
            policy: None,
            is_report_only: false,
        }
    }

    /// Sets the `Content-Security-Policy`. `'nonce-{nonce}'` in it becomes the
    /// [nonce](crate::RequestContext::csp_nonce) of a response that has asked for one, and goes from others.
    pub fn content_security_policy(mut self, policy: impl Into<String>) -> Self {
        let text = policy.into();
        let plain = text.replace(&format!(" {SOURCE}"), "").replace(SOURCE, "");
        let plain = value(&plain);
        self.policy = Some(Policy { text, plain });
        self
    }

    /// Has violations of the policy reported, and not prevented, to try one out.
    pub fn report_only(mut self) -> Self {
        self.is_report_only = true;
        self
    }

    /// Has browsers come by HTTPS only, for this long: `Strict-Transport-Security`, in responses over HTTPS (behind a
    /// proxy that is [trusted](crate::Application::trusted_proxies) to say so). Begin with minutes: it cannot be taken
    /// back.
    pub fn hsts(mut self, max_age: Duration) -> Self {
        self.hsts = Some(value(&format!("max-age={}", max_age.as_secs())));
        self
    }

    /// As [`hsts`](Self::hsts), for all hosts below this one too.
    pub fn hsts_with_subdomains(mut self, max_age: Duration) -> Self {
        let seconds = max_age.as_secs();
        self.hsts = Some(value(&format!("max-age={seconds}; includeSubDomains")));
        self
    }

    /// Sets `Referrer-Policy`: what other sites learn of the page that links to them.
    pub fn referrer_policy(self, policy: &str) -> Self {
        self.header(header::REFERRER_POLICY, policy)
    }

    /// Sets `X-Frame-Options`: `DENY`, or `SAMEORIGIN`. To name other sites use `frame-ancestors` of a policy and take
    /// this [away](Self::without).
    pub fn frame_options(self, option: &str) -> Self {
        self.header(header::X_FRAME_OPTIONS, option)
    }

    /// Sets another header, `Permissions-Policy` for instance.
    pub fn header(mut self, name: HeaderName, text: &str) -> Self {
        self.fixed.insert(name, value(text));
        self
    }

    /// Takes a header away.
    pub fn without(mut self, name: &HeaderName) -> Self {
        self.fixed.remove(name);
        self
    }

    /// The headers of a response that has no nonce.
    pub(crate) fn headers(&self, is_https: bool) -> HeaderMap {
        let mut headers = self.fixed.clone();
        if let Some(policy) = &self.policy {
            headers.insert(self.policy_name(), policy.plain.clone());
        }
        if let (Some(hsts), true) = (&self.hsts, is_https) {
            headers.insert(header::STRICT_TRANSPORT_SECURITY, hsts.clone());
        }
        headers
    }

    pub(crate) fn policy_name(&self) -> HeaderName {
        if self.is_report_only {
            header::CONTENT_SECURITY_POLICY_REPORT_ONLY
        } else {
            header::CONTENT_SECURITY_POLICY
        }
    }

    /// The policy with and without a nonce; `None` when it has no place for one.
    pub(crate) fn policies(&self, nonce: &str) -> Option<(HeaderValue, &HeaderValue)> {
        let policy = self.policy.as_ref()?;
        if !policy.text.contains(NONCE) {
            return None;
        }
        let with = policy.text.replace(NONCE, nonce);
        Some((HeaderValue::try_from(with).ok()?, &policy.plain))
    }
}

#[expect(
    clippy::panic,
    reason = "a mistake in the configuration, found at the start"
)]
fn value(text: &str) -> HeaderValue {
    match HeaderValue::try_from(text.trim()) {
        Ok(value) => value,
        Err(_invalid) => panic!("`{text}` cannot be the value of a header"),
    }
}

impl Default for SecurityHeaders {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for SecurityHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecurityHeaders")
            .field("fixed", &self.fixed)
            .field("hsts", &self.hsts)
            .field("policy", &self.policy.as_ref().map(|policy| &policy.text))
            .field("is_report_only", &self.is_report_only)
            .finish()
    }
}
