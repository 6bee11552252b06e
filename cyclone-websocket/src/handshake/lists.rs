//! Header fields that are lists of tokens (RFC 9110 section 5.6.1).

use http::header::{self, HeaderMap, HeaderName};

use super::error::{HandshakeError, HandshakeErrorKind as Kind};

/// The most subprotocols that one request may offer.
pub const MAX_SUBPROTOCOLS: usize = 64;

/// Whether one of the header's list elements is `token`, without regard to case.
pub(super) fn contains(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|element| trim(element).eq_ignore_ascii_case(token))
}

/// The subprotocols that the client offers, in its order of preference.
pub(super) fn subprotocols(headers: &HeaderMap) -> Result<Vec<&str>, HandshakeError> {
    let mut offered = Vec::new();
    for value in headers.get_all(header::SEC_WEBSOCKET_PROTOCOL) {
        let value = value.to_str().map_err(|_| Kind::Subprotocol)?;
        for element in value.split(',').map(trim).filter(|it| !it.is_empty()) {
            let repeated = offered.contains(&element);
            if repeated || offered.len() == MAX_SUBPROTOCOLS || !element.bytes().all(is_token) {
                return Err(Kind::Subprotocol.into());
            }
            offered.push(element);
        }
    }
    Ok(offered)
}

fn trim(element: &str) -> &str {
    element.trim_matches([' ', '\t'])
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
