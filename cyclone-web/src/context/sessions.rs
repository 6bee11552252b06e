//! Sessions of users.

use std::sync::Arc;

use super::RequestContext;
use crate::error::{Error, Result};
use crate::sessions::Sessions;

impl RequestContext {
    pub(crate) fn sessions(&self) -> Result<Arc<Sessions>> {
        let sessions = self.app.sessions.clone();
        sessions.ok_or_else(|| Error::internal("the application has no sessions"))
    }
}
