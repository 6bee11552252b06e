//! The live page: one document with its style and script inside, which needs nothing from elsewhere.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering};

use http::header::{self, HeaderValue};

use super::Shared;
use crate::context::RequestContext;
use crate::error::{Error, Result};
use crate::mount::OriginalUri;

const DOCUMENT: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str = include_str!("page/page.js");

pub(super) fn answer(_shared: &Shared, cx: &mut RequestContext) -> Result {
    if let Some(target) = with_slash(cx) {
        return cx.redirect(&target);
    }
    let nonce = nonce();
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; \
         img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    let policy = HeaderValue::try_from(policy)
        .map_err(|error| Error::internal("the policy is no header").because(error))?;
    let headers = cx.response_headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    let document = DOCUMENT
        .replace("{{style}}", STYLE)
        .replace("{{script}}", SCRIPT)
        .replace("{{nonce}}", &nonce);
    cx.html(document)
}

/// Where to go when the page is mounted and was asked for without a slash behind: the page names what it needs relative
/// to itself.
fn with_slash(cx: &RequestContext) -> Option<String> {
    let original = cx.extensions().get::<OriginalUri>()?.0.path();
    if original.ends_with('/') {
        return None;
    }
    let (_, last) = original.rsplit_once('/')?;
    Some(format!("./{last}/"))
}

/// 128 bits that nobody can guess: SipHash with keys that the system's randomness made.
fn nonce() -> String {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    let keys = (RandomState::new(), RandomState::new());
    let (high, low) = (keys.0.hash_one(count), keys.1.hash_one(!count));
    format!("{high:016x}{low:016x}")
}

#[cfg(test)]
mod tests {
    use super::{DOCUMENT, SCRIPT, STYLE, nonce};

    #[test]
    fn nonces_differ_and_fit_into_a_header() {
        let (one, other) = (nonce(), nonce());
        assert_ne!(one, other);
        assert_eq!(one.len(), 32);
        assert!(one.bytes().all(|byte| byte.is_ascii_hexdigit()));
    }

    /// A closing tag would end the script or style, and a place to fill would be filled.
    #[test]
    fn script_and_style_can_be_inside_the_document() {
        for inside in [SCRIPT, STYLE] {
            assert!(!inside.to_lowercase().contains("</s"));
            assert!(!inside.contains("{{"));
        }
        assert!(!SCRIPT.contains("innerHTML"));
        assert_eq!(DOCUMENT.matches("{{nonce}}").count(), 2);
        // It works without any other machine.
        for text in [DOCUMENT, STYLE, SCRIPT] {
            let text = text.replace("http://www.w3.org/", "");
            assert!(!text.contains("://"), "an address of another machine");
        }
    }
}
