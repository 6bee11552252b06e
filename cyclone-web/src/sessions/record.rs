//! What is kept of a session.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A session as it is kept, in JSON with short names.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// When it began, in seconds from 1970; a login begins it anew.
    #[serde(rename = "b")]
    pub(crate) begun: u64,
    /// When its last request was.
    #[serde(rename = "s")]
    pub(crate) seen: u64,
    /// Who has logged in.
    #[serde(rename = "u", default, skip_serializing_if = "Option::is_none")]
    pub(crate) user: Option<String>,
    /// The mark of the user's last logout everywhere, at the time of the login.
    #[serde(rename = "m", default, skip_serializing_if = "Option::is_none")]
    pub(crate) mark: Option<String>,
    #[serde(rename = "v", default)]
    pub(crate) values: BTreeMap<String, Value>,
}

/// What a request has done to the values.
#[derive(Clone, Debug, Default)]
pub(crate) struct Changes {
    /// All that was there before went.
    pub(crate) cleared: bool,
    /// Set, or removed.
    pub(crate) keys: BTreeMap<String, Option<Value>>,
}

impl Changes {
    pub(crate) fn is_empty(&self) -> bool {
        !self.cleared && self.keys.is_empty()
    }

    pub(crate) fn apply(&self, values: &mut BTreeMap<String, Value>) {
        if self.cleared {
            values.clear();
        }
        for (key, value) in &self.keys {
            match value {
                Some(value) => drop(values.insert(key.clone(), value.clone())),
                None => drop(values.remove(key)),
            }
        }
    }
}
