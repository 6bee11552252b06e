//! Headers that every response to a request has, error pages too.

use http::header::{HeaderMap, HeaderName, HeaderValue};

use super::RequestContext;

/// Such headers, in the extensions of the request. What the handler sets itself wins.
#[derive(Clone, Debug, Default)]
pub(crate) struct Standing(pub(crate) HeaderMap);

impl RequestContext {
    /// Sets what the application wants in every response.
    pub(crate) fn begin_standing_headers(&mut self) {
        #[cfg(feature = "security")]
        self.begin_security_headers();
    }

    /// Has every response to this request have a header, this one beside others of the name.
    pub(crate) fn add_standing(&mut self, name: HeaderName, value: HeaderValue) {
        let Standing(standing) = self.head.extensions_mut().get_or_insert_default();
        standing.append(name.clone(), value.clone());
        self.response_headers_mut().append(name, value);
    }

    /// Adds the standing headers where there are none of their names.
    pub(crate) fn add_standing_headers(&mut self) {
        let Some(Standing(standing)) = self.head.extensions().get::<Standing>() else {
            return;
        };
        let standing = standing.clone();
        let headers = self.response_headers_mut();
        for name in standing.keys() {
            if headers.contains_key(name) {
                continue;
            }
            for value in standing.get_all(name) {
                headers.append(name, value.clone());
            }
        }
    }
}
