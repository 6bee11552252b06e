//! The opening handshake of a server (RFC 6455 section 4.2).

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Method, Response, StatusCode, Version};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::handler::WebSocketHandler;

mod error;
mod lists;
mod origin;
#[cfg(test)]
mod tests;

pub use error::{HandshakeError, HandshakeErrorKind};
pub use lists::MAX_SUBPROTOCOLS;
pub use origin::same_origin;

use error::HandshakeErrorKind as Kind;

/// The only version of the protocol there is (RFC 6455 section 4.4).
pub(crate) const VERSION: &str = "13";
/// The length of a key: 16 bytes in base64.
const KEY_LENGTH: usize = 24;

/// What a valid handshake agreed on.
#[derive(Debug)]
pub(crate) struct Accepted {
    accept: HeaderValue,
    pub(crate) subprotocol: Option<HeaderValue>,
}

impl Accepted {
    /// The answer that switches protocols.
    pub(crate) fn response(&self) -> Response<()> {
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, self.accept.clone());
        if let Some(subprotocol) = &self.subprotocol {
            headers.insert(header::SEC_WEBSOCKET_PROTOCOL, subprotocol.clone());
        }
        response
    }
}

/// Checks the protocol part of the request: everything that needs no handler.
pub(crate) fn check(request: &Parts) -> Result<HeaderValue, HandshakeError> {
    if request.method != Method::GET {
        return Err(Kind::Method.into());
    }
    if request.version != Version::HTTP_11 {
        return Err(Kind::HttpVersion.into());
    }
    let headers = &request.headers;
    if !lists::contains(headers, &header::UPGRADE, "websocket") {
        return Err(Kind::Upgrade.into());
    }
    if !lists::contains(headers, &header::CONNECTION, "upgrade") {
        return Err(Kind::Connection.into());
    }
    if single(headers, &header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version != VERSION) {
        return Err(Kind::Version.into());
    }
    let key = single(headers, &header::SEC_WEBSOCKET_KEY)
        .filter(|key| is_key(key.as_bytes()))
        .ok_or(Kind::Key)?;
    // Bytes of a body would be taken for frames.
    let has_length = headers
        .get_all(header::CONTENT_LENGTH)
        .iter()
        .any(|length| length != "0");
    if has_length || headers.contains_key(header::TRANSFER_ENCODING) {
        return Err(Kind::Body.into());
    }
    HeaderValue::try_from(derive_accept_key(key.as_bytes())).map_err(|_| Kind::Key.into())
}

/// Lets the handler judge the request, and agrees on the subprotocol.
pub(crate) fn accept<H: WebSocketHandler>(
    request: &Parts,
    accept: HeaderValue,
    handler: &mut H,
) -> Result<Accepted, HandshakeError> {
    if request.headers.contains_key(header::ORIGIN) {
        let origin = single(&request.headers, &header::ORIGIN).and_then(|it| it.to_str().ok());
        if !origin.is_some_and(|origin| handler.check_origin(origin, request)) {
            return Err(Kind::Origin.into());
        }
    }
    let offered = lists::subprotocols(&request.headers)?;
    handler.prepare(request)?;
    let subprotocol = match handler.select_subprotocol(&offered) {
        None => None,
        // A client fails a connection with a subprotocol that it did not offer.
        Some(chosen) if !offered.contains(&chosen.as_str()) => {
            tracing::error!(
                chosen,
                "websocket handler selected a subprotocol that was not offered"
            );
            return Err(Kind::Internal.into());
        }
        Some(chosen) => Some(HeaderValue::try_from(chosen).map_err(|_| Kind::Internal)?),
    };
    Ok(Accepted {
        accept,
        subprotocol,
    })
}

/// The value of a header that must not be repeated.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    values.next().is_none().then_some(value)
}

/// Whether this is base64 of exactly 16 bytes.
fn is_key(key: &[u8]) -> bool {
    key.len() == KEY_LENGTH
        && key.ends_with(b"==")
        && key[..KEY_LENGTH - 2]
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
}
