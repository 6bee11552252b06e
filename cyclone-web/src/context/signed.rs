//! Signed cookies.

use std::time::{Duration, SystemTime};

use super::RequestContext;
use crate::cookies::SetCookie;
use crate::error::{Error, Result};
use crate::signed::{CookieSecrets, SIGNED_COOKIE_AGE, SIGNED_VALUE_AGE, SignedValue};

impl RequestContext {
    /// The secrets of [`Application::cookie_secret`](crate::Application::cookie_secret).
    ///
    /// # Errors
    /// A 500 when the application has none.
    pub fn cookie_secrets(&self) -> Result<&CookieSecrets> {
        let secrets = self.app.cookie_secrets.as_deref();
        secrets.ok_or_else(|| Error::internal("the application has no cookie secret"))
    }

    /// Sets a cookie that the client can read and cannot change: Tornado's `set_signed_cookie`. It is kept for
    /// [30 days](SIGNED_COOKIE_AGE), hidden from scripts, and `Secure` when the request came over TLS.
    ///
    /// Secrets do not belong in it: it is signed, not encrypted.
    ///
    /// # Errors
    /// A 500 when the application has no secret, or the cookie cannot be [set](Self::set_cookie); one of more than
    /// 4,096 bytes cannot.
    pub fn set_signed_cookie(&mut self, name: &str, value: impl AsRef<[u8]>) -> Result<()> {
        let text = self.create_signed_value(name, value)?;
        let cookie = self.keeping_cookie(name, text);
        self.set_cookie(cookie)
    }

    /// Sets a cookie with the signed form of its value, and the attributes it has.
    ///
    /// # Errors
    /// As [`set_signed_cookie`](Self::set_signed_cookie).
    pub fn set_signed_cookie_with(&mut self, cookie: SetCookie) -> Result<()> {
        let text = self.create_signed_value(cookie.name(), cookie.value())?;
        self.set_cookie(cookie.with_value(text))
    }

    /// The value of a signed cookie that is genuine and at most [31 days](SIGNED_VALUE_AGE) old: Tornado's
    /// `get_signed_cookie`. `None` otherwise, and when it is no UTF-8.
    ///
    /// When the client sends several of the name, it is the first that is genuine.
    ///
    /// # Errors
    /// A 500 when the application has no secret.
    pub fn signed_cookie(&self, name: &str) -> Result<Option<String>> {
        let signed = self.signed_cookie_value(name, SIGNED_VALUE_AGE)?;
        Ok(signed.and_then(|signed| String::from_utf8(signed.into_value()).ok()))
    }

    /// A signed cookie that is genuine and at most `max_age` old, with its time and the version of its key.
    ///
    /// # Errors
    /// A 500 when the application has no secret.
    pub fn signed_cookie_value(
        &self,
        name: &str,
        max_age: Duration,
    ) -> Result<Option<SignedValue>> {
        let (secrets, now) = (self.cookie_secrets()?, SystemTime::now());
        let cookies = self.cookies();
        let mut values = cookies.get_all(name);
        Ok(values.find_map(|text| secrets.verify_at(name, &text, max_age, now)))
    }

    /// The version of the key that a signed cookie was signed with: Tornado's `get_signed_cookie_key_version`, of
    /// genuine cookies only. To set anew what was signed with an old one.
    ///
    /// # Errors
    /// A 500 when the application has no secret.
    pub fn signed_cookie_key_version(&self, name: &str) -> Result<Option<u32>> {
        let signed = self.signed_cookie_value(name, SIGNED_VALUE_AGE)?;
        Ok(signed.and_then(|signed| signed.key_version()))
    }

    /// Signs a value for other uses than a cookie, a link in a mail for instance: Tornado's `create_signed_value`.
    /// [`CookieSecrets::verify`] checks it.
    ///
    /// # Errors
    /// A 500 when the application has no secret.
    pub fn create_signed_value(&self, name: &str, value: impl AsRef<[u8]>) -> Result<String> {
        Ok(self.cookie_secrets()?.sign(name, value.as_ref()))
    }

    /// A cookie as signed and private ones are set.
    pub(super) fn keeping_cookie(&self, name: &str, text: String) -> SetCookie {
        SetCookie::new(name, text)
            .max_age(SIGNED_COOKIE_AGE)
            .http_only(true)
            .secure(self.scheme() == "https")
    }
}
