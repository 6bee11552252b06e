//! Signed cookies and tokens against forged requests, as a browser would have them.

use super::{TestClient, TestError, TestErrorKind, TestRequest};
use crate::signed::CookieSecrets;
use crate::xsrf::Ticket;

impl TestClient {
    /// Gives the client a cookie that the application has signed: who is logged in by one need not log in first.
    ///
    /// # Errors
    /// When the application has no secret.
    pub fn set_signed_cookie(&self, name: &str, value: impl AsRef<[u8]>) -> Result<(), TestError> {
        let text = self.secrets()?.sign(name, value.as_ref());
        self.set_cookie(name, &text);
        Ok(())
    }

    /// The value of a signed cookie that the client has kept; `None` when there is none, or it is not genuine. cyclone's
    /// `client.cookies.get_secure_cookie`.
    ///
    /// # Errors
    /// When the application has no secret.
    pub fn signed_cookie(&self, name: &str) -> Result<Option<String>, TestError> {
        let secrets = self.secrets()?;
        let signed = self
            .cookie(name)
            .and_then(|text| secrets.verify(name, text.trim_matches('"')));
        Ok(signed.and_then(|signed| String::from_utf8(signed.into_value()).ok()))
    }

    fn secrets(&self) -> Result<&CookieSecrets, TestError> {
        self.shared.secrets.as_ref().ok_or_else(|| {
            TestError::new(
                TestErrorKind::Request,
                "the application has no cookie secret",
            )
        })
    }
}

impl TestRequest {
    /// Sends the token against forged requests, in the header `X-Xsrftoken`: that of the cookie which a page of the site
    /// has set, and otherwise both a new cookie and its token.
    pub fn xsrf(mut self) -> Self {
        let xsrf = &self.client.shared.xsrf;
        let token = match self.client.cookie(&xsrf.cookie_name) {
            Some(cookie) => Ok(cookie),
            None => Ticket::new(None, xsrf.version).and_then(|ticket| {
                let cookie = ticket.cookie(xsrf.version)?;
                self.client.set_cookie(&xsrf.cookie_name, &cookie);
                Ok(ticket.text().to_owned())
            }),
        };
        match token {
            Ok(token) => self.header("x-xsrftoken", token),
            Err(error) => {
                self.fail(TestError::request(error.to_string()));
                self
            }
        }
    }
}
