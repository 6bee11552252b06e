//! What a browser keeps of a login while its user is at the provider.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::error::{OAuthError, OAuthErrorKind};
use crate::context::RequestContext;
use crate::cookies::SetCookie;
use crate::error::Result;
use crate::random::random;

/// How long a user may take at the provider: 10 minutes.
pub const LOGIN_AGE: Duration = Duration::from_secs(10 * 60);

/// How many logins a browser may have begun at a time; the cookies of more are cleared.
pub const MAX_LOGINS: usize = 8;

/// The cookies of logins, one for each, so that those of two windows do not mix.
const COOKIE: &str = "oauth_";

/// A login that has begun. The cookie is signed, hidden from scripts, and of the browser that the login began in.
#[derive(Serialize, Deserialize)]
pub(super) struct Login {
    /// Which provider it began at: an answer of another is refused (mix-up attacks).
    #[serde(rename = "p")]
    pub(super) provider: String,
    /// For PKCE (RFC 7636), or the secret of a token of OAuth 1.
    #[serde(rename = "v")]
    pub(super) secret: String,
    #[serde(rename = "n")]
    pub(super) nonce: String,
    /// Where to go afterwards.
    #[serde(rename = "t")]
    pub(super) next: String,
}

/// 32 random bytes as text.
pub(super) fn token() -> Result<String> {
    Ok(URL_SAFE_NO_PAD.encode(random::<32>()?))
}

/// The challenge of a verifier (S256; RFC 7636, 4.2).
pub(super) fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()))
}

/// Has the browser keep a login by its state.
pub(super) fn begin(cx: &mut RequestContext, state: &str, login: &Login) -> Result<()> {
    let cookies = cx.cookies();
    let names = cookies.iter().map(|(name, _)| name);
    let begun: Vec<_> = names.filter(|name| name.starts_with(COOKIE)).collect();
    if begun.len() >= MAX_LOGINS {
        let begun: Vec<_> = begun.into_iter().map(str::to_owned).collect();
        for name in begun {
            clear(cx, &name)?;
        }
    }
    let text = serde_json::to_string(login)?;
    let cookie = SetCookie::new(name(state), text)
        .http_only(true)
        .secure(cx.scheme() == "https")
        .max_age(LOGIN_AGE);
    cx.set_signed_cookie_with(cookie)
}

/// The login of the answer's state, once. The provider's refusal is an error after that: a forged one ends no login.
pub(super) fn finish(cx: &mut RequestContext, state: &str, provider: &str) -> Result<Login> {
    let name = name(state);
    let signed = cx.signed_cookie_value(&name, LOGIN_AGE)?;
    let Some(signed) = signed else {
        return Err(OAuthError::state("no such login has begun in this browser").into());
    };
    clear(cx, &name)?;
    let login: Login = serde_json::from_slice(signed.value())?;
    if login.provider != provider {
        return Err(OAuthError::state("the login began at another provider").into());
    }
    Ok(login)
}

/// The refusal that a provider sent the user back with.
pub(super) fn check_refusal(cx: &RequestContext) -> Result<()> {
    match cx.optional_argument("error")? {
        Some(code) => {
            let what = format!("the provider says {code:.200?}");
            Err(OAuthError::new(OAuthErrorKind::Denied, what).into())
        }
        None => Ok(()),
    }
}

fn clear(cx: &mut RequestContext, name: &str) -> Result<()> {
    cx.set_cookie(SetCookie::removal(name).secure(cx.scheme() == "https"))
}

/// The name of the cookie: a hash, as the state comes from outside.
fn name(state: &str) -> String {
    let hash = challenge(state);
    format!("{COOKIE}{}", hash.get(..22).unwrap_or_default())
}
