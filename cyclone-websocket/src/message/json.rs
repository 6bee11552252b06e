//! Messages that carry JSON.

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Message;

impl Message {
    /// A text message that holds `value` as JSON, as Tornado's `write_message` makes of a dict.
    ///
    /// # Errors
    /// When `value` cannot be written as JSON, a map with keys that are no strings for instance. The fault
    /// is the caller's; a retry gives the same.
    ///
    /// ```
    /// use cyclone_websocket::Message;
    ///
    /// let message = Message::json(&[1, 2])?;
    /// assert_eq!(message.as_text(), Some("[1,2]"));
    /// assert_eq!(message.parse_json::<Vec<u8>>()?, [1, 2]);
    /// # Ok::<(), cyclone_websocket::JsonError>(())
    /// ```
    pub fn json<T: Serialize + ?Sized>(value: &T) -> Result<Self, JsonError> {
        Ok(Self::text(serde_json::to_string(value).map_err(JsonError)?))
    }

    /// Reads the payload, text or binary, as JSON.
    ///
    /// # Errors
    /// When the payload is no JSON, or not of this type. The fault is the peer's.
    pub fn parse_json<T: DeserializeOwned>(&self) -> Result<T, JsonError> {
        serde_json::from_slice(self.as_bytes()).map_err(JsonError)
    }
}

/// The error of [`Message::json`] and [`Message::parse_json`].
#[derive(Debug)]
pub struct JsonError(serde_json::Error);

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the message and its JSON do not fit")
    }
}

impl std::error::Error for JsonError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::error::Error;

    use crate::message::Message;

    #[test]
    fn what_is_no_json_is_an_error_with_a_source() {
        let error = Message::from("{").parse_json::<Vec<u8>>().unwrap_err();
        assert!(error.source().is_some());
        assert!(Message::from("[300]").parse_json::<Vec<u8>>().is_err());
        let parsed = Message::from(vec![b'[', b'3', b']']).parse_json::<Vec<u8>>();
        assert_eq!(parsed.unwrap(), [3]);
        assert!(Message::json(&BTreeMap::from([((1, 2), 3)])).is_err());
    }
}
