//! `Set-Cookie` of a response.

use std::fmt::{self, Write as _};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::HeaderValue;

use crate::http_date;
use crate::parameters::is_token_byte;

/// Most bytes of a name and its value together; browsers drop larger cookies (RFC 6265bis 5.6).
pub const MAX_COOKIE_SIZE: usize = 4096;

/// Most bytes of one attribute's value; browsers ignore longer ones (RFC 6265bis 5.6).
pub const MAX_COOKIE_ATTRIBUTE: usize = 1024;

/// Most cookies that [`clear_all_cookies`](crate::RequestContext::clear_all_cookies) clears in one response; browsers
/// keep fewer for a site.
pub const MAX_CLEARED_COOKIES: usize = 200;

/// A cookie to be set, as a builder for the `Set-Cookie` header (RFC 6265bis 4.1).
///
/// Defaults: path `/`, `SameSite=Lax`, everything else off, which makes a session cookie that
/// scripts can read and that is also sent without TLS. Set [`secure`](Self::secure) and
/// [`http_only`](Self::http_only) on whatever identifies a user.
///
/// Nothing is checked until [`header_value`](Self::header_value), which refuses what could inject
/// an attribute or a header and what browsers would silently drop.
///
/// ```
/// use cyclone_web::SetCookie;
/// use std::time::Duration;
///
/// let cookie = SetCookie::new("theme", "dark").max_age(Duration::from_secs(3600)).secure(true);
/// assert_eq!(
///     cookie.header_value()?,
///     "theme=dark; Path=/; Max-Age=3600; Secure; SameSite=Lax"
/// );
/// assert!(SetCookie::new("theme", "dark").path("/; Domain=evil.example").header_value().is_err());
/// # Ok::<(), cyclone_web::CookieError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct SetCookie {
    name: String,
    value: String,
    path: Option<String>,
    domain: Option<String>,
    expires: Option<SystemTime>,
    max_age: Option<Duration>,
    secure: bool,
    http_only: bool,
    same_site: Option<SameSite>,
    partitioned: bool,
}

/// When a browser sends a cookie with requests that other sites cause (RFC 6265bis 5.6.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SameSite {
    /// Never.
    Strict,
    /// Only when the user follows a link; the default.
    Lax,
    /// Always; browsers then require `Secure`.
    None,
}

impl SameSite {
    fn as_str(self) -> &'static str {
        match self {
            Self::Strict => "Strict",
            Self::Lax => "Lax",
            Self::None => "None",
        }
    }
}

impl SetCookie {
    /// Starts a cookie of that name and value, with the defaults above.
    #[must_use]
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            value: value.into(),
            path: Some("/".to_owned()),
            domain: None,
            expires: None,
            max_age: None,
            secure: false,
            http_only: false,
            same_site: Some(SameSite::Lax),
            partitioned: false,
        }
    }

    /// Starts the removal of a cookie: an empty value that expired in 1970.
    ///
    /// Path, domain and `partitioned` must be those it was set with. What the prefix of the name asks
    /// for is set.
    #[must_use]
    pub fn removal(name: impl Into<String>) -> Self {
        let mut cookie = Self::new(name, "")
            .expires(UNIX_EPOCH)
            .max_age(Duration::ZERO);
        let prefix = Prefix::of(&cookie.name);
        cookie.secure = prefix.is_some();
        cookie.http_only = prefix.is_some_and(|prefix| prefix.http_only);
        cookie
    }

    /// Starts a cookie that only this host can have set, over TLS: `__Host-` before the name,
    /// `Secure`, path `/`, no domain. A sibling domain cannot plant one (RFC 6265bis 4.1.3.2).
    #[must_use]
    pub fn host(name: impl AsRef<str>, value: impl Into<String>) -> Self {
        Self::new(format!("__Host-{}", name.as_ref()), value).secure(true)
    }

    /// Returns the name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the value before quoting.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Puts another value in the place of this one.
    #[must_use]
    pub fn with_value(mut self, value: impl Into<String>) -> Self {
        self.value = value.into();
        self
    }

    /// Limits the cookie to paths below this one, which begins with `/`.
    #[must_use]
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// Leaves the path out: the browser takes the directory of the request.
    #[must_use]
    pub fn without_path(mut self) -> Self {
        self.path = None;
        self
    }

    /// Shares the cookie with every host of this domain; without it, it stays with the host.
    #[must_use]
    pub fn domain(mut self, domain: impl Into<String>) -> Self {
        self.domain = Some(domain.into());
        self
    }

    /// Keeps the cookie until this time, cut to whole seconds between 1970 and 9999.
    #[must_use]
    pub fn expires(mut self, time: SystemTime) -> Self {
        self.expires = Some(time);
        self
    }

    /// Keeps the cookie for this time, in whole seconds; stronger than `expires`.
    #[must_use]
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age = Some(age);
        self
    }

    /// Sends the cookie over TLS only.
    #[must_use]
    pub fn secure(mut self, secure: bool) -> Self {
        self.secure = secure;
        self
    }

    /// Hides the cookie from scripts.
    #[must_use]
    pub fn http_only(mut self, http_only: bool) -> Self {
        self.http_only = http_only;
        self
    }

    /// Says when the cookie goes with requests caused by other sites.
    #[must_use]
    pub fn same_site(mut self, same_site: SameSite) -> Self {
        self.same_site = Some(same_site);
        self
    }

    /// Leaves `SameSite` to the browser.
    #[must_use]
    pub fn without_same_site(mut self) -> Self {
        self.same_site = None;
        self
    }

    /// Gives every top-level site its own jar of this cookie (CHIPS); browsers require `Secure`.
    #[must_use]
    pub fn partitioned(mut self, partitioned: bool) -> Self {
        self.partitioned = partitioned;
        self
    }

    /// Tells whether a browser would replace one by the other: same name, domain and path.
    #[must_use]
    pub fn replaces(&self, other: &Self) -> bool {
        self.name == other.name && self.domain == other.domain && self.path == other.path
    }

    /// Writes the value of the `Set-Cookie` header.
    ///
    /// A value with `"`, `,`, `;` or `\` is quoted as Python and Tornado do, which
    /// [`Cookies`](super::Cookies) undoes.
    ///
    /// # Errors
    /// [`CookieError`]: the mistake of the handler, not of the client. Nothing is cut or left out.
    pub fn header_value(&self) -> Result<HeaderValue, CookieError> {
        self.check()?;
        let mut text = String::with_capacity(self.name.len() + self.value.len() + 64);
        text.push_str(&self.name);
        text.push('=');
        quote(&self.value, &mut text)?;
        if text.len() - 1 > MAX_COOKIE_SIZE {
            return Err(CookieError::TooLarge);
        }
        if let Some(path) = &self.path {
            attribute(&mut text, "Path", path);
        }
        if let Some(domain) = &self.domain {
            attribute(&mut text, "Domain", domain);
        }
        if let Some(expires) = self.expires {
            attribute(&mut text, "Expires", http_date::format_clamped(expires));
        }
        if let Some(max_age) = self.max_age {
            attribute(&mut text, "Max-Age", max_age.as_secs());
        }
        if self.http_only {
            text.push_str("; HttpOnly");
        }
        if self.secure {
            text.push_str("; Secure");
        }
        if let Some(same_site) = self.same_site {
            attribute(&mut text, "SameSite", same_site.as_str());
        }
        if self.partitioned {
            text.push_str("; Partitioned");
        }
        // The checks above leave visible ASCII only.
        HeaderValue::try_from(text).map_err(|_| CookieError::Value)
    }

    fn check(&self) -> Result<(), CookieError> {
        if self.name.is_empty() || !self.name.bytes().all(is_token_byte) {
            return Err(CookieError::Name);
        }
        if let Some(path) = &self.path {
            let visible = |byte: u8| byte.is_ascii_graphic() && byte != b';';
            if !path.starts_with('/') || !path.bytes().all(visible) || too_long(path) {
                return Err(CookieError::Attribute("Path"));
            }
        }
        if let Some(domain) = &self.domain {
            let host = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
            if domain.is_empty() || !domain.bytes().all(host) || too_long(domain) {
                return Err(CookieError::Attribute("Domain"));
            }
        }
        let prefix = Prefix::of(&self.name);
        let is_of_host = prefix.is_some_and(|prefix| prefix.of_host);
        if is_of_host && (self.domain.is_some() || self.path.as_deref() != Some("/")) {
            return Err(CookieError::HostPrefix);
        }
        if prefix.is_some_and(|prefix| prefix.http_only) && !self.http_only {
            return Err(CookieError::NotHttpOnly);
        }
        let needs_secure =
            prefix.is_some() || self.same_site == Some(SameSite::None) || self.partitioned;
        if needs_secure && !self.secure {
            return Err(CookieError::NotSecure);
        }
        Ok(())
    }
}

/// What browsers demand of a cookie by the begin of its name, beside `Secure` (RFC 6265bis 4.1.3,
/// and its successor for `__Http-`).
#[derive(Clone, Copy)]
struct Prefix {
    of_host: bool,
    http_only: bool,
}

impl Prefix {
    fn of(name: &str) -> Option<Self> {
        let all = [
            ("__Secure-", false, false),
            ("__Http-", false, true),
            ("__Host-Http-", true, true),
            ("__Host-", true, false),
        ];
        all.into_iter().find_map(|(prefix, of_host, http_only)| {
            let start = name.get(..prefix.len())?;
            let found = start.eq_ignore_ascii_case(prefix);
            found.then_some(Self { of_host, http_only })
        })
    }
}

/// Leaves the value out: it is a secret as often as not.
impl fmt::Debug for SetCookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SetCookie")
            .field("name", &self.name)
            .field("value_bytes", &self.value.len())
            .field("path", &self.path)
            .field("domain", &self.domain)
            .field("expires", &self.expires)
            .field("max_age", &self.max_age)
            .field("secure", &self.secure)
            .field("http_only", &self.http_only)
            .field("same_site", &self.same_site)
            .field("partitioned", &self.partitioned)
            .finish()
    }
}

fn too_long(text: &str) -> bool {
    text.len() > MAX_COOKIE_ATTRIBUTE
}

fn attribute(text: &mut String, name: &str, value: impl fmt::Display) {
    // Writing to a String cannot fail.
    let _ = write!(text, "; {name}={value}");
}

/// Appends the value, quoted when it has a character that RFC 6265 does not allow.
fn quote(value: &str, text: &mut String) -> Result<(), CookieError> {
    if !value.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(CookieError::Value);
    }
    if !value.contains(['"', ',', ';', '\\']) {
        text.push_str(value);
        return Ok(());
    }
    text.push('"');
    for character in value.chars() {
        match character {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            ',' => text.push_str("\\054"),
            ';' => text.push_str("\\073"),
            other => text.push(other),
        }
    }
    text.push('"');
    Ok(())
}

/// Why a cookie cannot be sent; the mistake of the handler, and nothing was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CookieError {
    /// The name is empty or not a token.
    Name,
    /// The value has a space, a control character or something that is not ASCII: encode it first.
    Value,
    /// An attribute has a character that does not belong there, or more than
    /// [`MAX_COOKIE_ATTRIBUTE`] bytes.
    Attribute(&'static str),
    /// Name and value have more than [`MAX_COOKIE_SIZE`] bytes.
    TooLarge,
    /// Browsers drop this cookie unless it is `Secure`.
    NotSecure,
    /// A `__Host-` cookie has path `/` and no domain.
    HostPrefix,
    /// A `__Http-` cookie is hidden from scripts.
    NotHttpOnly,
}

impl fmt::Display for CookieError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name => f.write_str("cookie name is not a token"),
            Self::Value => f.write_str("cookie value is not visible ascii"),
            Self::Attribute(name) => write!(f, "invalid cookie attribute {name}"),
            Self::TooLarge => write!(f, "cookie is over {MAX_COOKIE_SIZE} bytes"),
            Self::NotSecure => f.write_str("cookie must be secure"),
            Self::HostPrefix => f.write_str("a __Host- cookie needs path / and no domain"),
            Self::NotHttpOnly => f.write_str("a __Http- cookie must be http-only"),
        }
    }
}

impl std::error::Error for CookieError {}
