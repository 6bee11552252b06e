//! Protection against requests that other sites have a user's browser make (cross-site request forgery).

mod origin;
mod token;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::cookies::SetCookie;

pub(crate) use self::token::{Raw, Ticket};

/// Random bytes of a token.
pub const XSRF_TOKEN_BYTES: usize = 16;

/// How long the cookie of a user who is logged in is kept: 30 days, as by Tornado; that of others ends with the session
/// of the browser.
pub const XSRF_COOKIE_AGE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// How requests are checked that change something: all but `GET`, `HEAD`, `OPTIONS` and `QUERY`. Given to
/// [`Application::xsrf`](crate::Application::xsrf).
///
/// There are two checks, and both are on. A request that fails one of them is answered with 403.
///
/// - **Where it comes from** (Tornado's `cross_origin_protection`). The browser says so in `Sec-Fetch-Site`:
///   `same-origin` and `none` (the user himself) pass. Where it does not, `Origin` has to be the `Host` that was asked
///   for; programs that send neither pass. Other origins pass when they are [trusted](Self::trusted_origin).
/// - **The token** (Tornado's `xsrf_cookies`), sent twice: in a cookie, and by the page as the argument `_xsrf` of the
///   query or the form, or as the header `X-Xsrftoken` or `X-Csrftoken`. [`RequestContext::xsrf_form_html`] puts it
///   into a form, and sets the cookie if there is none. It is made of [16 random bytes](XSRF_TOKEN_BYTES), and
///   masked anew for every response, so that compressed pages do not give it away (BREACH).
///
/// Cookies and tokens are those of Tornado, byte for byte, and of cyclone with [`XsrfVersion::V1`]: pages of one are
/// accepted by the other.
///
/// No kind of request is exempt for its content type or for a header of some library.
///
/// ```
/// use cyclone_web::{Application, RequestContext, Result, Xsrf};
///
/// async fn form(cx: &mut RequestContext) -> Result {
///     let token = cx.xsrf_form_html()?;
///     cx.html(format!("<form method=\"post\">{token}<button>Go</button></form>"))
/// }
///
/// async fn go(cx: &mut RequestContext) -> Result {
///     cx.text("gone")
/// }
///
/// let app = Application::new().xsrf(Xsrf::new()).get("/", form).post("/", go);
/// # let _ = app;
/// ```
///
/// [`RequestContext::xsrf_form_html`]: crate::RequestContext::xsrf_form_html
#[derive(Clone)]
#[must_use = "it does nothing until an application has it"]
pub struct Xsrf {
    pub(crate) cookie_name: Cow<'static, str>,
    pub(crate) argument_name: Cow<'static, str>,
    pub(crate) version: XsrfVersion,
    pub(crate) attributes: Option<Arc<Attributes>>,
    trusted_origins: Vec<String>,
    checks_origin: bool,
    checks_token: bool,
}

/// Changes the attributes of the cookie.
type Attributes = dyn Fn(SetCookie) -> SetCookie + Send + Sync;

/// The form of tokens that are made. Both are accepted always.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum XsrfVersion {
    /// Hex digits, the same in every page: what cyclone and Tornado before 3.2.2 made and understood.
    V1,
    /// With a mask that is new in every response (CVE-2014-9720).
    #[default]
    V2,
}

impl Xsrf {
    /// Both checks, cookie and argument `_xsrf`, tokens of version 2.
    pub const fn new() -> Self {
        Self {
            cookie_name: Cow::Borrowed("_xsrf"),
            argument_name: Cow::Borrowed("_xsrf"),
            version: XsrfVersion::V2,
            attributes: None,
            trusted_origins: Vec::new(),
            checks_origin: true,
            checks_token: true,
        }
    }

    /// Names the cookie, and leaves the argument `_xsrf`: Tornado's `xsrf_cookie_name`. With `__Host-` at its begin no
    /// sibling domain can plant one; that needs HTTPS.
    pub fn cookie_name(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.cookie_name = name.into();
        self
    }

    /// Names the cookie and the argument: cyclone's `xsrf_cookie_name`.
    pub fn name(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.cookie_name = name.into();
        self.argument_name = self.cookie_name.clone();
        self
    }

    /// Sets the form of tokens that are made: Tornado's `xsrf_cookie_version`.
    pub fn version(mut self, version: XsrfVersion) -> Self {
        self.version = version;
        self
    }

    /// Changes the attributes of the cookie: Tornado's `xsrf_cookie_kwargs`. Before that it has path `/` and
    /// `SameSite=Lax`, is `Secure` when the request came over TLS, and has an age of [`XSRF_COOKIE_AGE`] when the user
    /// is logged in. It cannot be `HttpOnly` where scripts send the token as a header.
    ///
    /// ```
    /// use cyclone_web::{SameSite, Xsrf};
    ///
    /// let xsrf = Xsrf::new().cookie(|cookie| cookie.secure(true).same_site(SameSite::Strict));
    /// # let _ = xsrf;
    /// ```
    pub fn cookie(
        mut self,
        attributes: impl Fn(SetCookie) -> SetCookie + Send + Sync + 'static,
    ) -> Self {
        self.attributes = Some(Arc::new(attributes));
        self
    }

    /// Lets pages of another origin, `https://app.example` for instance, through the check of where a request comes
    /// from. Where tokens are checked they still need one.
    ///
    /// An origin is scheme, host, and port unless it is that of the scheme, as browsers write it in `Origin`. A server
    /// behind a proxy that changes `Host` has to trust its own here.
    pub fn trusted_origin(mut self, origin: impl Into<String>) -> Self {
        self.trusted_origins.push(origin.into());
        self
    }

    /// Leaves the tokens out, and relies on what the browser says of where a request comes from: all have done so since
    /// 2023 over HTTPS.
    pub fn without_tokens(mut self) -> Self {
        self.checks_token = false;
        self
    }

    /// Leaves out the check of where a request comes from, as Tornado before 6.6.
    pub fn without_origins(mut self) -> Self {
        self.checks_origin = false;
        self
    }

    pub(crate) fn checks_token(&self) -> bool {
        self.checks_token
    }
}

impl Default for Xsrf {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Xsrf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Xsrf")
            .field("cookie_name", &self.cookie_name)
            .field("argument_name", &self.argument_name)
            .field("version", &self.version)
            .field("trusted_origins", &self.trusted_origins)
            .field("checks_origin", &self.checks_origin)
            .field("checks_token", &self.checks_token)
            .finish_non_exhaustive()
    }
}
