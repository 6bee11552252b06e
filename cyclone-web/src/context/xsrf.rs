//! Tokens against forged requests.

use http::{Method, StatusCode};

use super::RequestContext;
use crate::cookies::SetCookie;
use crate::error::{Error, Result};
use crate::xsrf::{Raw, Ticket, XSRF_COOKIE_AGE, Xsrf};

/// What is set when the application has set nothing.
static UNSET: Xsrf = Xsrf::new();

impl RequestContext {
    /// The token that shows that a request was caused by a page of this site, as Tornado's `xsrf_token`. Scripts send
    /// it in the header `X-Xsrftoken`; for forms there is [`xsrf_form_html`](Self::xsrf_form_html).
    ///
    /// Within one response it is the same text, in the next it has another mask. When the client has no cookie with a
    /// token, one is set. See [`Xsrf`].
    ///
    /// # Errors
    /// A 500 when the cookie has to be set and the response was flushed, or the name of it begins with `__Host-` or
    /// `__Secure-` and the request came without TLS.
    pub fn xsrf_token(&mut self) -> Result<String> {
        let ticket = self.xsrf_ticket()?;
        self.keep_xsrf_ticket(&ticket)?;
        Ok(ticket.text().to_owned())
    }

    /// The hidden field for a form with the [token](Self::xsrf_token), in templates to be put out unescaped:
    /// `<input type="hidden" name="_xsrf" value="..."/>`.
    ///
    /// # Errors
    /// As [`xsrf_token`](Self::xsrf_token).
    pub fn xsrf_form_html(&mut self) -> Result<String> {
        let ticket = self.xsrf_ticket()?;
        self.keep_xsrf_ticket(&ticket)?;
        Ok(self.xsrf_field(&ticket))
    }

    /// Checks this request as [`Application::xsrf`](crate::Application::xsrf) does, whatever its method; for a handler
    /// that is exempt, and only at times needs it. Tornado's `check_xsrf_cookie`.
    ///
    /// # Errors
    /// A 403.
    pub fn check_xsrf(&self) -> Result<()> {
        self.check_origin()?;
        let xsrf = self.xsrf();
        if xsrf.checks_token() {
            self.check_xsrf_token(xsrf)?;
        }
        Ok(())
    }

    fn check_origin(&self) -> Result<()> {
        if !self.xsrf().allows_origin(self.headers(), self.host()) {
            return Err(forbidden("the request comes from another origin"));
        }
        Ok(())
    }

    fn check_xsrf_token(&self, xsrf: &Xsrf) -> Result<()> {
        let sent = match self.optional_argument(&xsrf.argument_name)? {
            Some(argument) if !argument.is_empty() => Some(argument),
            _ => ["x-xsrftoken", "x-csrftoken"]
                .into_iter()
                .filter_map(|name| self.header(name))
                .find(|value| !value.is_empty())
                .map(str::to_owned),
        };
        let Some(sent) = sent else {
            return Err(forbidden("the xsrf token is missing"));
        };
        let Some(sent) = Raw::parse(&sent) else {
            return Err(forbidden("the xsrf token is malformed"));
        };
        match self.xsrf_cookie(xsrf) {
            Some(cookie) if cookie.matches(&sent) => Ok(()),
            Some(_) => Err(forbidden("the xsrf token is not that of the cookie")),
            None => Err(forbidden("there is no xsrf cookie")),
        }
    }

    /// What stands before a handler.
    pub(crate) fn check_xsrf_if_set(&self) -> Result<()> {
        if self.has_to_be_checked() {
            self.check_xsrf()?;
        }
        Ok(())
    }

    /// What stands before the reading of a body.
    pub(crate) fn check_origin_if_set(&self) -> Result<()> {
        if self.has_to_be_checked() {
            self.check_origin()?;
        }
        Ok(())
    }

    fn has_to_be_checked(&self) -> bool {
        let is_set = self.guards().is_some_and(|guards| guards.xsrf.is_some());
        let is_safe = matches!(
            *self.method(),
            Method::GET | Method::HEAD | Method::OPTIONS | Method::QUERY
        );
        is_set && !is_safe
    }

    /// The token of this request, which no cookie is set for yet.
    pub(crate) fn xsrf_ticket(&mut self) -> Result<Ticket> {
        if let Some(ticket) = self.head.extensions().get::<Ticket>() {
            return Ok(ticket.clone());
        }
        let xsrf = self.xsrf();
        let ticket = Ticket::new(self.xsrf_cookie(xsrf), xsrf.version)?;
        self.head.extensions_mut().insert(ticket.clone());
        Ok(ticket)
    }

    /// Sees to it that the client has the cookie, once a page has the token.
    pub(crate) fn keep_xsrf_ticket(&mut self, ticket: &Ticket) -> Result<()> {
        if !ticket.is_new() {
            return Ok(());
        }
        if self.is_flushed() {
            return Err(Error::internal("the xsrf cookie came after a flush"));
        }
        let xsrf = self.xsrf();
        let mut cookie = SetCookie::new(&*xsrf.cookie_name, ticket.cookie(xsrf.version)?)
            .secure(self.scheme() == "https");
        if self.has_current_user() {
            cookie = cookie.max_age(XSRF_COOKIE_AGE);
        }
        if let Some(attributes) = &xsrf.attributes {
            cookie = attributes(cookie);
        }
        self.set_cookie(cookie)
    }

    /// The field of a form that has the token.
    pub(crate) fn xsrf_field(&self, ticket: &Ticket) -> String {
        let mut field = String::from("<input type=\"hidden\" name=\"");
        crate::error_page::escape_into(&mut field, &self.xsrf().argument_name);
        field.push_str("\" value=\"");
        crate::error_page::escape_into(&mut field, ticket.text());
        field.push_str("\"/>");
        field
    }

    fn xsrf_cookie(&self, xsrf: &Xsrf) -> Option<Raw> {
        Raw::parse(&self.cookies().get(&xsrf.cookie_name)?)
    }

    fn xsrf(&self) -> &Xsrf {
        let set = self.guards().and_then(|guards| guards.xsrf.as_deref());
        set.unwrap_or(&UNSET)
    }
}

fn forbidden(reason: &'static str) -> Error {
    Error::new(StatusCode::FORBIDDEN).message(reason)
}
