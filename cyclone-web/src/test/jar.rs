//! The cookies of a client (RFC 6265).

use std::time::{Duration, SystemTime};

use http::HeaderValue;
use tokio::time::Instant;

/// Most cookies that a [`TestClient`](super::TestClient) keeps; the oldest goes for one more.
pub const MAX_TEST_COOKIES: usize = 1000;

#[derive(Clone, Debug)]
struct Kept {
    name: String,
    value: String,
    domain: String,
    /// Sent to hosts below the domain too.
    is_shared: bool,
    path: String,
    until: Option<Instant>,
}

/// The cookies of a client, by name, domain and path. `Secure` ones are kept and sent as browsers do for localhost.
#[derive(Debug, Default)]
pub(super) struct Jar {
    kept: Vec<Kept>,
}

impl Jar {
    /// Keeps what a `Set-Cookie` says (RFC 6265, section 5.2); what is malformed or of another site is ignored.
    pub(super) fn store(&mut self, header: &HeaderValue, host: &str, request_path: &str) {
        let Ok(text) = std::str::from_utf8(header.as_bytes()) else {
            return;
        };
        let mut fields = text.split(';').map(str::trim);
        let Some((name, value)) = fields.next().and_then(|pair| pair.split_once('=')) else {
            return;
        };
        if name.is_empty() {
            return;
        }
        let host = hostname(host);
        let mut cookie = Kept {
            name: name.to_owned(),
            value: value.to_owned(),
            domain: host.clone(),
            is_shared: false,
            path: default_path(request_path).to_owned(),
            until: None,
        };
        let (mut age, mut expires) = (None, None);
        for field in fields {
            let (key, value) = field.split_once('=').unwrap_or((field, ""));
            match key.to_ascii_lowercase().as_str() {
                "path" if value.starts_with('/') => value.clone_into(&mut cookie.path),
                "domain" if !value.is_empty() => {
                    cookie.domain = value.trim_start_matches('.').to_ascii_lowercase();
                    cookie.is_shared = true;
                }
                "max-age" => age = value.parse::<i64>().ok(),
                "expires" => expires = httpdate::parse_http_date(value).ok(),
                _ => {}
            }
        }
        if !is_below(&host, &cookie.domain, cookie.is_shared) {
            return;
        }
        // `Max-Age` beats `Expires` (section 5.3).
        let lifetime = match (age, expires) {
            (Some(seconds), _) => Some(Duration::from_secs(seconds.try_into().unwrap_or(0))),
            (None, Some(time)) => Some(until(time)),
            (None, None) => None,
        };
        self.kept.retain(|kept| {
            (&kept.name, &kept.domain, &kept.path) != (&cookie.name, &cookie.domain, &cookie.path)
        });
        if lifetime == Some(Duration::ZERO) {
            return;
        }
        cookie.until = lifetime.and_then(|lifetime| Instant::now().checked_add(lifetime));
        if self.kept.len() >= MAX_TEST_COOKIES {
            self.kept.remove(0);
        }
        self.kept.push(cookie);
    }

    /// Puts a cookie of the test's into the jar, for all paths of the host.
    pub(super) fn set(&mut self, name: &str, value: &str, host: &str) {
        let host = hostname(host);
        self.remove(name, &host);
        self.kept.push(Kept {
            name: name.to_owned(),
            value: value.to_owned(),
            domain: host,
            is_shared: false,
            path: "/".to_owned(),
            until: None,
        });
    }

    pub(super) fn remove(&mut self, name: &str, host: &str) {
        let host = hostname(host);
        self.kept
            .retain(|kept| kept.name != name || !is_below(&host, &kept.domain, kept.is_shared));
    }

    pub(super) fn clear(&mut self) {
        self.kept.clear();
    }

    /// The cookies for a request, those of longer paths first (section 5.4).
    pub(super) fn matching(&mut self, host: &str, path: &str) -> Vec<(String, String)> {
        let now = Instant::now();
        self.kept
            .retain(|kept| kept.until.is_none_or(|until| now < until));
        let host = hostname(host);
        let mut matching: Vec<&Kept> = self
            .kept
            .iter()
            .filter(|kept| is_below(&host, &kept.domain, kept.is_shared))
            .filter(|kept| path_matches(path, &kept.path))
            .collect();
        matching.sort_by_key(|kept| std::cmp::Reverse(kept.path.len()));
        let pair = |kept: &Kept| (kept.name.clone(), kept.value.clone());
        matching.into_iter().map(pair).collect()
    }

    /// The value of a cookie of a host, whatever its path.
    pub(super) fn value(&mut self, name: &str, host: &str) -> Option<String> {
        let now = Instant::now();
        let host = hostname(host);
        let found = self.kept.iter().rev().find(|kept| {
            kept.name == name
                && kept.until.is_none_or(|until| now < until)
                && is_below(&host, &kept.domain, kept.is_shared)
        });
        found.map(|kept| kept.value.clone())
    }
}

fn until(time: SystemTime) -> Duration {
    time.duration_since(SystemTime::now()).unwrap_or_default()
}

/// A host without its port, in lower case.
fn hostname(authority: &str) -> String {
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    host.to_ascii_lowercase()
}

fn is_below(host: &str, domain: &str, is_shared: bool) -> bool {
    match host.strip_suffix(domain) {
        Some("") => true,
        Some(rest) => is_shared && rest.ends_with('.'),
        None => false,
    }
}

/// RFC 6265, section 5.1.4.
fn default_path(path: &str) -> &str {
    match path.rfind('/') {
        None | Some(0) => "/",
        Some(at) => &path[..at],
    }
}

fn path_matches(path: &str, cookie: &str) -> bool {
    match path.strip_prefix(cookie) {
        Some(rest) => rest.is_empty() || rest.starts_with('/') || cookie.ends_with('/'),
        None => false,
    }
}
