//! One session, in the hands of a request.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::record::{Changes, Record};
use super::stored::{self, Change, Stored};
use super::{Place, Sessions};
use crate::context::RequestContext;
use crate::error::{Error, Result};

/// What the server remembers of a user between requests: values by name, and who has logged in.
///
/// [`RequestContext::user_session`] loads it. Changes are kept by [`save`](Self::save), [`log_in`](Self::log_in) and
/// [`log_out`](Self::log_out), which set the cookie too, so they come before the first flush of the response.
pub struct UserSession {
    sessions: Arc<Sessions>,
    /// Where it is; `None` before it is first kept, and in a cookie.
    id: Option<String>,
    /// `None` when the client has none.
    record: Option<Record>,
    changes: Changes,
}

/// The session of a request once it was loaded or written, in the extensions.
#[derive(Clone)]
struct Loaded {
    id: Option<String>,
    record: Option<Record>,
}

impl RequestContext {
    /// The session of the request's user, an empty one when there is none. It is loaded once for a request; an id that the
    /// server does not know is never taken over.
    ///
    /// # Errors
    /// A 500 when the application has no [sessions](crate::Application::sessions) or, where they are in cookies, no secret;
    /// a 503 when the store is away.
    pub async fn user_session(&mut self) -> Result<UserSession> {
        let sessions = self.sessions()?;
        let loaded = match self.extensions().get::<Loaded>() {
            Some(loaded) => loaded.clone(),
            None => {
                let loaded = load(self, &sessions).await?;
                self.extensions_mut().insert(loaded.clone());
                loaded
            }
        };
        Ok(UserSession {
            sessions,
            id: loaded.id,
            record: loaded.record,
            changes: Changes::default(),
        })
    }

    /// Ends all sessions of a user, on all his devices, this request's among them: after a change of his password. A
    /// [login](UserSession::log_in) after it begins a new one.
    ///
    /// # Errors
    /// A 500 when the application's sessions are in no store, which is what it takes; a 503 when the store is away.
    pub async fn log_out_everywhere(&mut self, user: &str) -> Result<()> {
        let sessions = self.sessions()?;
        let Place::Store(stored) = &sessions.place else {
            return Err(Error::internal(
                "sessions in cookies cannot be ended elsewhere",
            ));
        };
        stored.end_all(&sessions, user).await?;
        self.extensions_mut().remove::<Loaded>();
        Ok(())
    }
}

async fn load(cx: &mut RequestContext, sessions: &Arc<Sessions>) -> Result<Loaded> {
    let now = sessions.now();
    match &sessions.place {
        Place::Store(stored) => {
            let cookies = cx.cookies();
            let mut sent = cookies
                .get_all(sessions.name())
                .filter(|id| stored::is_id(id));
            let Some(id) = sent.next().map(std::borrow::Cow::into_owned) else {
                return Ok(Loaded {
                    id: None,
                    record: None,
                });
            };
            let record = stored.load(sessions, &id).await?;
            let record = match record {
                Some(record) if sessions.wants_touch(&record, now) => {
                    let touch = Change::Values(Changes::default());
                    stored.change(sessions, &id, touch).await?
                }
                record => record,
            };
            let id = record.is_some().then_some(id);
            Ok(Loaded { id, record })
        }
        Place::Cookie => {
            let signed = cx.signed_cookie_value(sessions.name(), Duration::MAX)?;
            let record = signed.and_then(|signed| serde_json::from_slice(signed.value()).ok());
            let mut record: Option<Record> =
                record.filter(|record| sessions.left(record, now).is_some());
            if let Some(record) = &mut record
                && sessions.wants_touch(record, now)
            {
                record.seen = now;
                set_cookie(cx, sessions, record)?;
            }
            Ok(Loaded { id: None, record })
        }
    }
}

fn set_cookie(cx: &mut RequestContext, sessions: &Sessions, record: &Record) -> Result<()> {
    let bytes = sessions.write(record)?;
    let text = cx.create_signed_value(sessions.name(), bytes)?;
    sessions.set_cookie(cx, text)
}

impl UserSession {
    /// The value of a name; `None` when there is none.
    ///
    /// # Errors
    /// A 500 when it is of another type.
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>> {
        let value = match self.changes.keys.get(name) {
            Some(changed) => changed.as_ref(),
            None if self.changes.cleared => None,
            None => self
                .record
                .as_ref()
                .and_then(|record| record.values.get(name)),
        };
        Ok(value.map(T::deserialize).transpose()?)
    }

    /// Sets the value of a name; [`save`](Self::save) keeps it.
    ///
    /// # Errors
    /// A 500 when the value cannot be JSON.
    pub fn set<T: Serialize + ?Sized>(&mut self, name: impl Into<String>, value: &T) -> Result<()> {
        let value = serde_json::to_value(value)?;
        self.changes.keys.insert(name.into(), Some(value));
        Ok(())
    }

    /// Removes a value.
    pub fn remove(&mut self, name: impl Into<String>) {
        self.changes.keys.insert(name.into(), None);
    }

    /// Removes all values; who has logged in stays.
    pub fn clear(&mut self) {
        self.changes = Changes {
            cleared: true,
            ..Changes::default()
        };
    }

    /// Who has logged in.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.record.as_ref()?.user.as_deref()
    }

    /// When the session began, or its user logged in; `None` before it is first kept.
    #[must_use]
    pub fn begun(&self) -> Option<SystemTime> {
        let record = self.record.as_ref()?;
        SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(record.begun))
    }

    /// Keeps what was changed, and sets the cookie where the client has none. In a store it is merged with what other
    /// requests have written in the meantime: of one name the last counts.
    ///
    /// Returns whether it was kept: it is not when somebody has logged out or in meanwhile, whose session this is no more.
    ///
    /// # Errors
    /// A 500 when the session is larger than its limit; a 503 when the store is away, or others write this session for
    /// longer than 5 seconds. What was written is unknown then, and saving again is safe.
    pub async fn save(&mut self, cx: &mut RequestContext) -> Result<bool> {
        if self.changes.is_empty() {
            return Ok(true);
        }
        let sessions = Arc::clone(&self.sessions);
        let now = sessions.now();
        match &sessions.place {
            Place::Cookie => {
                let mut record = self.record.clone().unwrap_or(Record {
                    begun: now,
                    ..Record::default()
                });
                record.seen = now;
                self.changes.apply(&mut record.values);
                set_cookie(cx, &sessions, &record)?;
                self.record = Some(record);
            }
            Place::Store(stored) => match self.id.clone() {
                None => self.begin(cx, stored, None).await?,
                Some(id) => {
                    let change = Change::Values(self.changes.clone());
                    let merged = stored.change(&sessions, &id, change).await?;
                    let Some(record) = merged else {
                        self.changes = Changes::default();
                        return Ok(false);
                    };
                    self.record = Some(record);
                }
            },
        }
        self.written(cx);
        Ok(true)
    }

    /// Begins the session of a user who has proved who he is: under a new id, with the values of the one before, and a
    /// new life. Whoever knew the old id (session fixation) has nothing of it.
    ///
    /// # Errors
    /// As [`save`](Self::save).
    pub async fn log_in(&mut self, cx: &mut RequestContext, user: impl Into<String>) -> Result<()> {
        let sessions = Arc::clone(&self.sessions);
        let user = user.into();
        match &sessions.place {
            Place::Store(stored) => self.begin(cx, stored, Some(user)).await?,
            Place::Cookie => {
                let now = sessions.now();
                let values = self.record.take().unwrap_or_default().values;
                let mut record = Record {
                    begun: now,
                    seen: now,
                    user: Some(user),
                    mark: None,
                    values,
                };
                self.changes.apply(&mut record.values);
                set_cookie(cx, &sessions, &record)?;
                self.record = Some(record);
            }
        }
        self.written(cx);
        Ok(())
    }

    /// Ends the session and removes its cookie; all its values are gone.
    ///
    /// # Errors
    /// A 503 when the store is away: the session may still be there then.
    pub async fn log_out(&mut self, cx: &mut RequestContext) -> Result<()> {
        let sessions = Arc::clone(&self.sessions);
        if let (Place::Store(stored), Some(id)) = (&sessions.place, self.id.take()) {
            stored.change(&sessions, &id, Change::End).await?;
        }
        self.record = None;
        sessions.clear_cookie(cx)?;
        self.written(cx);
        Ok(())
    }

    /// Writes a session under a new id; the old one goes.
    async fn begin(
        &mut self,
        cx: &mut RequestContext,
        stored: &Arc<Stored>,
        user: Option<String>,
    ) -> Result<()> {
        let now = self.sessions.now();
        let mark = match &user {
            Some(user) => stored.mark(user).await?,
            None => None,
        };
        let before = match &self.id {
            Some(id) => stored.change(&self.sessions, id, Change::End).await?,
            None => None,
        };
        let mut record = Record {
            begun: now,
            seen: now,
            user,
            mark,
            values: before.unwrap_or_default().values,
        };
        self.changes.apply(&mut record.values);
        let id = stored::new_id()?;
        stored.put(&self.sessions, &id, &record).await?;
        self.sessions.set_cookie(cx, id.clone())?;
        self.id = Some(id);
        self.record = Some(record);
        Ok(())
    }

    /// What later parts of the request see.
    fn written(&mut self, cx: &mut RequestContext) {
        self.changes = Changes::default();
        cx.extensions_mut().insert(Loaded {
            id: self.id.clone(),
            record: self.record.clone(),
        });
    }
}

impl Drop for UserSession {
    fn drop(&mut self) {
        if !self.changes.is_empty() {
            let names: Vec<_> = self.changes.keys.keys().collect();
            tracing::debug!(?names, "changes of a session were not saved");
        }
    }
}

/// Shows names, not values.
impl fmt::Debug for UserSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let values = self.record.as_ref().map(|record| &record.values);
        let names: Vec<_> = values.into_iter().flatten().map(|(name, _)| name).collect();
        f.debug_struct("UserSession")
            .field("user", &self.user())
            .field("names", &names)
            .finish_non_exhaustive()
    }
}
