//! Sessions of users.

use std::sync::Arc;

use super::Application;
use crate::sessions::Sessions;

impl Application {
    /// Says how sessions are kept, for [`RequestContext::user_session`](crate::RequestContext::user_session).
    pub fn sessions(mut self, sessions: Sessions) -> Self {
        self.edit().sessions = Some(Arc::new(sessions));
        self
    }
}
