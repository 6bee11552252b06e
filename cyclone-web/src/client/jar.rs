//! Cookies of a client, kept as browsers keep them.

use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use http::header::{HeaderMap, SET_COOKIE};
use url::{Host, Url};

mod date;
#[cfg(test)]
mod tests;

/// Cookies that one jar keeps; beyond, those that were used longest ago go.
pub const MAX_JAR_COOKIES: usize = 3_000;

/// Cookies that one jar keeps for a domain.
pub const MAX_JAR_COOKIES_PER_DOMAIN: usize = 180;

/// Bytes of name and value of a cookie; larger ones are not kept (RFC 6265bis section 5.6).
pub const MAX_JAR_COOKIE: usize = 4_096;

/// Bytes of an attribute of a cookie; larger ones are passed over.
const MAX_ATTRIBUTE: usize = 1_024;

/// How long a cookie is kept at most: 400 days (RFC 6265bis section 5.5).
pub const MAX_JAR_COOKIE_AGE: Duration = Duration::from_secs(400 * 24 * 60 * 60);

/// The cookies of a client (RFC 6265bis), in memory. Clones are handles of the same jar.
///
/// A server sets cookies for itself and for domains above it. No list of public suffixes is there, so a server at
/// `a.co.uk` can set one for `co.uk`; not for `uk`. Give clients that visit strangers a jar of their own.
/// `Secure` cookies come from and go to `https` only, and are not replaced from `http`; the prefixes `__Secure-` and
/// `__Host-` hold. `SameSite` has no meaning here: every request is the client's own.
///
/// ```
/// use cyclone_web::client::CookieJar;
///
/// let jar = CookieJar::new();
/// let url = "https://example.org/login".parse()?;
/// jar.set(&url, "id=7; Path=/; Secure");
/// assert_eq!(jar.header(&url).unwrap(), "id=7");
/// # Ok::<(), url::ParseError>(())
/// ```
#[derive(Clone, Default)]
pub struct CookieJar {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    cookies: Vec<Kept>,
    /// Counts what happens, for the order.
    clock: u64,
}

struct Kept {
    name: String,
    value: String,
    domain: String,
    host_only: bool,
    path: String,
    secure: bool,
    expires: Option<SystemTime>,
    created: u64,
    used: u64,
}

impl CookieJar {
    /// An empty jar.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Keeps a cookie that the server at `url` has set; `text` is the value of `Set-Cookie`. What is not allowed is
    /// passed over, as the RFC says.
    pub fn set(&self, url: &Url, text: &str) {
        self.set_at(url, text, SystemTime::now());
    }

    /// The value of `Cookie` for a request to `url`; `None` when there is none to send.
    #[must_use]
    pub fn header(&self, url: &Url) -> Option<String> {
        self.header_at(url, SystemTime::now())
    }

    /// How many cookies are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().cookies.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets all of them.
    pub fn clear(&self) {
        self.lock().cookies.clear();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_all(&self, url: &Url, headers: &HeaderMap) {
        let now = SystemTime::now();
        for value in headers.get_all(SET_COOKIE) {
            if let Ok(text) = std::str::from_utf8(value.as_bytes()) {
                self.set_at(url, text, now);
            }
        }
    }

    fn set_at(&self, url: &Url, text: &str, now: SystemTime) {
        let Some(mut cookie) = Kept::parse(url, text, now) else {
            return;
        };
        let mut inner = self.lock();
        inner.clock += 1;
        (cookie.created, cookie.used) = (inner.clock, inner.clock);
        let is_secure = is_secure(url);
        if !cookie.secure && !is_secure && inner.cookies.iter().any(|kept| kept.shields(&cookie)) {
            return;
        }
        let same = inner.cookies.iter().position(|kept| kept.is_same(&cookie));
        if let Some(at) = same {
            cookie.created = inner.cookies.swap_remove(at).created;
        }
        if cookie.is_over(now) {
            return;
        }
        inner.make_room(&cookie.domain, now);
        inner.cookies.push(cookie);
    }

    fn header_at(&self, url: &Url, now: SystemTime) -> Option<String> {
        let host = canonical(url)?;
        let is_secure = is_secure(url);
        let mut inner = self.lock();
        inner.cookies.retain(|cookie| !cookie.is_over(now));
        inner.clock += 1;
        let clock = inner.clock;
        let mut matching: Vec<&mut Kept> = inner
            .cookies
            .iter_mut()
            .filter(|cookie| cookie.goes_to(&host, url.path(), is_secure))
            .collect();
        // Longer paths first, then older ones (RFC 6265bis section 5.7.3).
        matching.sort_by_key(|cookie| (std::cmp::Reverse(cookie.path.len()), cookie.created));
        let mut text = String::new();
        for cookie in matching {
            cookie.used = clock;
            if !text.is_empty() {
                text.push_str("; ");
            }
            if !cookie.name.is_empty() {
                text.push_str(&cookie.name);
                text.push('=');
            }
            text.push_str(&cookie.value);
        }
        (!text.is_empty()).then_some(text)
    }
}

impl Inner {
    /// Lets one more cookie in.
    fn make_room(&mut self, domain: &str, now: SystemTime) {
        let of_domain = |cookie: &Kept| cookie.domain == domain;
        let count = self
            .cookies
            .iter()
            .filter(|cookie| of_domain(cookie))
            .count();
        if count < MAX_JAR_COOKIES_PER_DOMAIN && self.cookies.len() < MAX_JAR_COOKIES {
            return;
        }
        self.cookies.retain(|cookie| !cookie.is_over(now));
        let count = self
            .cookies
            .iter()
            .filter(|cookie| of_domain(cookie))
            .count();
        if count >= MAX_JAR_COOKIES_PER_DOMAIN {
            self.drop_oldest(of_domain);
        }
        if self.cookies.len() >= MAX_JAR_COOKIES {
            self.drop_oldest(|_| true);
        }
    }

    fn drop_oldest(&mut self, which: impl Fn(&Kept) -> bool) {
        let cookies = self.cookies.iter().enumerate();
        let candidates = cookies.filter(|(_, cookie)| which(cookie));
        // Those that are not `Secure` first.
        let oldest = candidates.min_by_key(|(_, cookie)| (cookie.secure, cookie.used));
        if let Some((at, _)) = oldest {
            self.cookies.swap_remove(at);
        }
    }
}

impl Kept {
    /// RFC 6265bis sections 5.6 and 5.7.
    fn parse(url: &Url, text: &str, now: SystemTime) -> Option<Self> {
        if text
            .bytes()
            .any(|byte| byte.is_ascii_control() && byte != b'\t')
        {
            return None;
        }
        let host = canonical(url)?;
        let (pair, attributes) = text.split_once(';').unwrap_or((text, ""));
        let (name, value) = pair.split_once('=').unwrap_or(("", pair));
        let (name, value) = (name.trim_matches(BLANK), value.trim_matches(BLANK));
        if (name.is_empty() && value.is_empty()) || name.len() + value.len() > MAX_JAR_COOKIE {
            return None;
        }
        let mut cookie = Self {
            name: name.to_owned(),
            value: value.to_owned(),
            domain: host.clone(),
            host_only: true,
            path: default_path(url.path()),
            secure: false,
            expires: None,
            created: 0,
            used: 0,
        };
        let (mut domain, mut by_age, mut has_path) = ("", false, false);
        for attribute in attributes.split(';') {
            let (key, value) = attribute.split_once('=').unwrap_or((attribute, ""));
            let (key, value) = (key.trim_matches(BLANK), value.trim_matches(BLANK));
            if value.len() > MAX_ATTRIBUTE {
                continue;
            }
            match key.to_ascii_lowercase().as_str() {
                "expires" if !by_age => {
                    if let Some(at) = date::parse(value) {
                        cookie.expires = Some(at.min(now + MAX_JAR_COOKIE_AGE));
                    }
                }
                "max-age" => {
                    if let Some(at) = after(value, now) {
                        by_age = true;
                        cookie.expires = Some(at);
                    }
                }
                "domain" => domain = value.strip_prefix('.').unwrap_or(value),
                "path" if value.starts_with('/') => {
                    has_path = value == "/";
                    value.clone_into(&mut cookie.path);
                }
                "path" => {
                    has_path = false;
                    cookie.path = default_path(url.path());
                }
                "secure" => cookie.secure = true,
                _ => {}
            }
        }
        if !domain.is_empty() {
            let domain = domain.to_ascii_lowercase();
            if !domain_matches(&host, &domain) {
                return None;
            }
            // A name alone is a top level, of which nobody is the owner.
            cookie.host_only = domain == host && (!domain.contains('.') || is_address(&host));
            if !domain.contains('.') && domain != host {
                return None;
            }
            cookie.domain = domain;
        }
        let has_domain = !domain.is_empty();
        let begins = |prefix: &str| {
            let start = name.as_bytes().get(..prefix.len());
            // A cookie without a name pretends to have one otherwise.
            let nameless = name
                .is_empty()
                .then(|| value.as_bytes().get(..prefix.len()));
            let is = |start: &[u8]| start.eq_ignore_ascii_case(prefix.as_bytes());
            start.is_some_and(is) || nameless.flatten().is_some_and(is)
        };
        if cookie.secure && !is_secure(url) {
            return None;
        }
        if begins("__Secure-") && (!cookie.secure || name.is_empty()) {
            return None;
        }
        if begins("__Host-") && (!cookie.secure || has_domain || !has_path || name.is_empty()) {
            return None;
        }
        Some(cookie)
    }

    fn is_same(&self, other: &Self) -> bool {
        self.name == other.name
            && self.domain == other.domain
            && self.host_only == other.host_only
            && self.path == other.path
    }

    /// Whether this is a `Secure` cookie that `other`, of an insecure origin, must not lie over.
    fn shields(&self, other: &Self) -> bool {
        self.secure
            && self.name == other.name
            && (domain_matches(&self.domain, &other.domain)
                || domain_matches(&other.domain, &self.domain))
            && path_matches(&other.path, &self.path)
    }

    fn is_over(&self, now: SystemTime) -> bool {
        self.expires.is_some_and(|at| at <= now)
    }

    fn goes_to(&self, host: &str, path: &str, is_secure: bool) -> bool {
        let domain = match self.host_only {
            true => host == self.domain,
            false => domain_matches(host, &self.domain),
        };
        domain && path_matches(path, &self.path) && (is_secure || !self.secure)
    }
}

const BLANK: [char; 2] = [' ', '\t'];

fn is_secure(url: &Url) -> bool {
    url.scheme() == "https"
}

fn canonical(url: &Url) -> Option<String> {
    Some(match url.host()? {
        Host::Domain(name) => name.trim_end_matches('.').to_ascii_lowercase(),
        host => super::proxy::bare(&host),
    })
}

fn is_address(host: &str) -> bool {
    host.parse::<IpAddr>().is_ok()
}

/// RFC 6265bis section 5.1.3.
fn domain_matches(host: &str, domain: &str) -> bool {
    host == domain
        || (!is_address(host)
            && host
                .strip_suffix(domain)
                .is_some_and(|rest| rest.ends_with('.')))
}

/// RFC 6265bis section 5.1.4.
fn path_matches(path: &str, cookie: &str) -> bool {
    path.strip_prefix(cookie)
        .is_some_and(|rest| rest.is_empty() || cookie.ends_with('/') || rest.starts_with('/'))
}

fn default_path(path: &str) -> String {
    match path.rfind('/') {
        Some(0) | None => "/".to_owned(),
        Some(end) => path[..end].to_owned(),
    }
}

/// When `Max-Age` is over; `None` when it is no number.
fn after(value: &str, now: SystemTime) -> Option<SystemTime> {
    let digits = value.strip_prefix('-').unwrap_or(value);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    if digits.len() < value.len() {
        return Some(SystemTime::UNIX_EPOCH);
    }
    let age = digits
        .parse()
        .map_or(MAX_JAR_COOKIE_AGE, Duration::from_secs);
    match age.is_zero() {
        true => Some(SystemTime::UNIX_EPOCH),
        false => Some(now + age.min(MAX_JAR_COOKIE_AGE)),
    }
}

/// Names only: values are secrets.
impl fmt::Debug for CookieJar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = self.lock();
        let names = inner
            .cookies
            .iter()
            .map(|cookie| (&cookie.domain, &cookie.name));
        f.debug_list().entries(names).finish()
    }
}
