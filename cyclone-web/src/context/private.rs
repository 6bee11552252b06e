//! Private cookies.

use std::time::{Duration, SystemTime};

use super::RequestContext;
use crate::cookies::SetCookie;
use crate::error::Result;
use crate::private::PrivateValue;
use crate::signed::SIGNED_VALUE_AGE;

impl RequestContext {
    /// Sets a cookie that the client can neither change nor read, with the attributes of a
    /// [signed one](Self::set_signed_cookie). Of a value there is room for about 3,000 bytes.
    ///
    /// # Errors
    /// A 500 when the application has no [secret](crate::Application::cookie_secret), or the cookie cannot be
    /// [set](Self::set_cookie).
    pub fn set_private_cookie(&mut self, name: &str, value: impl AsRef<[u8]>) -> Result<()> {
        let text = self.cookie_secrets()?.encrypt(name, value.as_ref())?;
        let cookie = self.keeping_cookie(name, text);
        self.set_cookie(cookie)
    }

    /// Sets a cookie with its value encrypted, and the attributes it has.
    ///
    /// # Errors
    /// As [`set_private_cookie`](Self::set_private_cookie).
    pub fn set_private_cookie_with(&mut self, cookie: SetCookie) -> Result<()> {
        let secrets = self.cookie_secrets()?;
        let text = secrets.encrypt(cookie.name(), cookie.value().as_bytes())?;
        self.set_cookie(cookie.with_value(text))
    }

    /// The value of a private cookie that is genuine and at most [31 days](SIGNED_VALUE_AGE) old. `None` otherwise, and
    /// when it is no UTF-8.
    ///
    /// When the client sends several of the name, it is the first that is genuine.
    ///
    /// # Errors
    /// A 500 when the application has no secret.
    pub fn private_cookie(&self, name: &str) -> Result<Option<String>> {
        let private = self.private_cookie_value(name, SIGNED_VALUE_AGE)?;
        Ok(private.and_then(|private| String::from_utf8(private.into_value()).ok()))
    }

    /// A private cookie that is genuine and at most `max_age` old, with its time and the version of its key.
    ///
    /// # Errors
    /// A 500 when the application has no secret.
    pub fn private_cookie_value(
        &self,
        name: &str,
        max_age: Duration,
    ) -> Result<Option<PrivateValue>> {
        let (secrets, now) = (self.cookie_secrets()?, SystemTime::now());
        let cookies = self.cookies();
        let mut values = cookies.get_all(name);
        Ok(values.find_map(|text| secrets.decrypt_at(name, &text, max_age, now)))
    }
}
