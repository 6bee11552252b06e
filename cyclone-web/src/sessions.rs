//! Sessions of users: what the server remembers from one request to the next.

mod record;
mod stored;
#[cfg(test)]
mod tests;
mod user_session;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use cyclone_core::SharedStore;

use self::stored::Stored;
use crate::context::RequestContext;
use crate::cookies::{SameSite, SetCookie};
use crate::error::{Error, Result};

pub(crate) use self::record::Record;
pub use self::user_session::UserSession;

/// How long a session lasts without a request unless told otherwise: 1 day.
pub const SESSION_IDLE: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a session lasts at most unless told otherwise: 30 days from its begin, or from the login.
pub const SESSION_LIFE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// How many bytes a session in a store may have unless told otherwise, as JSON: 64 KiB. One in a cookie has less room:
/// about 2,900 bytes.
pub const MAX_SESSION_SIZE: usize = 64 * 1024;

/// How long a request waits for others that write the same session: 5 seconds, then it is a 503.
pub const SESSION_LOCK_TIMEOUT: Duration = Duration::from_secs(5);

/// How sessions are kept, for [`Application::sessions`](crate::Application::sessions).
///
/// In a store the cookie has 32 random bytes, and the store a hash of them as its key: who reads the store cannot take a
/// session over. What a login or a save writes is merged key by key with what other requests of the session wrote
/// in the meantime. In a signed cookie there is no store to ask, but the last answer to arrive wins, the client can read
/// what is in it, and an old copy of the cookie stays good until it expires, after a logout too.
///
/// ```
/// use std::time::Duration;
/// use cyclone_core::SharedStore;
/// use cyclone_web::{Application, RequestContext, Result, Sessions};
///
/// async fn count(cx: &mut RequestContext) -> Result {
///     let mut session = cx.user_session().await?;
///     let visits = session.get::<u64>("visits")?.unwrap_or(0) + 1;
///     session.set("visits", &visits)?;
///     session.save(cx).await?;
///     cx.text(format!("{visits}"))
/// }
///
/// let sessions = Sessions::in_store(SharedStore::memory()).idle(Duration::from_secs(3600));
/// let app = Application::new().sessions(sessions).get("/", count);
/// # let _ = app;
/// ```
#[derive(Clone)]
pub struct Sessions {
    pub(crate) place: Place,
    name: Arc<str>,
    idle: Duration,
    life: Duration,
    max_size: usize,
    same_site: SameSite,
    persistent: bool,
    clock: Arc<dyn Fn() -> SystemTime + Send + Sync>,
}

#[derive(Clone)]
pub(crate) enum Place {
    Store(Arc<Stored>),
    Cookie,
}

impl Sessions {
    /// Keeps sessions in a store; all processes that share it share them.
    #[must_use]
    pub fn in_store(store: SharedStore) -> Self {
        Self::of(Place::Store(Arc::new(Stored::new(store))))
    }

    /// Keeps each session in a signed cookie of its client. The application needs a
    /// [secret](crate::Application::cookie_secret).
    #[must_use]
    pub fn in_cookie() -> Self {
        Self::of(Place::Cookie)
    }

    fn of(place: Place) -> Self {
        Self {
            place,
            name: "session".into(),
            idle: SESSION_IDLE,
            life: SESSION_LIFE,
            max_size: MAX_SESSION_SIZE,
            same_site: SameSite::Lax,
            persistent: false,
            clock: Arc::new(SystemTime::now),
        }
    }

    /// Sets the name of the cookie, `session` unless set. `__Host-session` keeps other hosts of the domain from setting it,
    /// and works over TLS only.
    #[must_use]
    pub fn cookie_name(mut self, name: impl AsRef<str>) -> Self {
        self.name = name.as_ref().into();
        self
    }

    /// Sets how long a session lasts without a request; [1 day](SESSION_IDLE) unless set. It is found out to an
    /// eighth of it.
    #[must_use]
    pub fn idle(mut self, time: Duration) -> Self {
        self.idle = time;
        self
    }

    /// Sets how long a session lasts at most; [30 days](SESSION_LIFE) unless set.
    #[must_use]
    pub fn life(mut self, time: Duration) -> Self {
        self.life = time;
        self
    }

    /// Sets how many bytes a session may have; [64 KiB](MAX_SESSION_SIZE) unless set.
    #[must_use]
    pub fn max_size(mut self, bytes: usize) -> Self {
        self.max_size = bytes;
        self
    }

    /// Sets which requests of other sites send the cookie; [`SameSite::Lax`] unless set.
    #[must_use]
    pub fn same_site(mut self, same_site: SameSite) -> Self {
        self.same_site = same_site;
        self
    }

    /// Lets the cookie survive the end of the browser, as long as the session can last; off unless called.
    #[must_use]
    pub fn persistent(mut self, yes: bool) -> Self {
        self.persistent = yes;
        self
    }

    /// Takes the time from this function, in tests for instance, and not from the system.
    #[must_use]
    pub fn clock(mut self, now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.clock = Arc::new(now);
        self
    }

    pub(crate) fn now(&self) -> u64 {
        let since = (self.clock)().duration_since(SystemTime::UNIX_EPOCH);
        since.unwrap_or_default().as_secs()
    }

    /// How long a record may still be used; `None` when it is over.
    pub(crate) fn left(&self, record: &Record, now: u64) -> Option<Duration> {
        let until = |from: u64, span: Duration| from.saturating_add(span.as_secs());
        let end = until(record.begun, self.life).min(until(record.seen, self.idle));
        let left = end.saturating_sub(now);
        // What is from the future was made by a clock that is ahead of ours: it lasts no longer for it.
        let most = self.idle.min(self.life);
        (left > 0).then(|| Duration::from_secs(left).min(most))
    }

    /// Whether the time of the last request is old enough to be written anew.
    pub(crate) fn wants_touch(&self, record: &Record, now: u64) -> bool {
        now.saturating_sub(record.seen) > self.idle.as_secs() / 8
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn set_cookie(&self, cx: &mut RequestContext, value: String) -> Result<()> {
        let mut cookie = SetCookie::new(&*self.name, value)
            .http_only(true)
            .same_site(self.same_site)
            .secure(cx.scheme() == "https" || self.name.starts_with("__"));
        if self.persistent {
            cookie = cookie.max_age(self.life);
        }
        cx.set_cookie(cookie)
    }

    pub(crate) fn clear_cookie(&self, cx: &mut RequestContext) -> Result<()> {
        let removal = SetCookie::removal(&*self.name);
        cx.set_cookie(removal.secure(cx.scheme() == "https" || self.name.starts_with("__")))
    }

    pub(crate) fn write(&self, record: &Record) -> Result<Vec<u8>> {
        let bytes = serde_json::to_vec(record)?;
        if bytes.len() > self.max_size {
            let (has, limit) = (bytes.len(), self.max_size);
            return Err(Error::internal(format!(
                "the session has {has} bytes, the limit is {limit}"
            )));
        }
        Ok(bytes)
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = match self.place {
            Place::Store(_) => "store",
            Place::Cookie => "cookie",
        };
        f.debug_struct("Sessions")
            .field("place", &place)
            .field("cookie_name", &self.name)
            .field("idle", &self.idle)
            .field("life", &self.life)
            .field("max_size", &self.max_size)
            .finish_non_exhaustive()
    }
}
