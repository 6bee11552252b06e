//! Path parameters.

use std::borrow::Cow;

use serde::de::DeserializeOwned;
use smallvec::SmallVec;

use super::RequestContext;
use crate::arguments::from_pairs;
use crate::error::{Error, Result};

impl RequestContext {
    /// The parameter `{name}` of the route's pattern, percent-decoded.
    ///
    /// # Errors
    /// A 400 when it is no UTF-8 after decoding; a 500 when the pattern has no such parameter.
    pub fn path_argument(&self, name: &str) -> Result<String> {
        let raw = self
            .parameters
            .get(name, self.head.path())
            .ok_or_else(|| Error::internal(format!("the route has no parameter `{name}`")))?;
        Ok(decode(raw)?.into_owned())
    }

    /// The raw text of a path parameter; empty when the pattern has none of the name.
    pub(crate) fn raw_path_argument(&self, name: &str) -> &str {
        let path = self.head.path();
        self.parameters.get(name, path).unwrap_or_default()
    }

    /// The path parameters as a type: a struct with a field for each, as `serde` reads text.
    ///
    /// ```
    /// # use cyclone_web::{Application, RequestContext, Result};
    /// #[derive(serde::Deserialize)]
    /// struct Post { user: String, number: u32 }
    ///
    /// async fn post(cx: &mut RequestContext) -> Result {
    ///     let Post { user, number } = cx.path()?;
    ///     cx.text(format!("post {number} of {user}"))
    /// }
    /// # let _ = Application::new().get("/{user}/{number}", post);
    /// ```
    ///
    /// # Errors
    /// A 404 when a value does not fit its type: no such page.
    pub fn path<T: DeserializeOwned>(&self) -> Result<T> {
        let mut pairs = SmallVec::<[(&str, Cow<'_, str>); 4]>::new();
        for (name, raw) in self.parameters.iter(self.head.path()) {
            pairs.push((name, decode(raw)?));
        }
        let pairs = pairs.iter().map(|(name, value)| (*name, &**value));
        from_pairs(pairs).map_err(|error| Error::not_found().because(error))
    }
}

pub(super) fn decode(raw: &str) -> Result<Cow<'_, str>> {
    if !raw.contains('%') {
        return Ok(Cow::Borrowed(raw));
    }
    percent_encoding::percent_decode_str(raw)
        .decode_utf8()
        .map_err(|_invalid| Error::bad_request("the path is no UTF-8"))
}
