use http::{Method, StatusCode};

use super::Error;
use crate::body::{BodyError, BodyErrorKind};

#[test]
fn a_foreign_error_is_a_500_and_keeps_its_causes_for_the_log() {
    let error = Error::from(std::io::Error::other("disk on fire"));
    assert_eq!(error.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(error.client_message(), None);
    assert_eq!(error.to_string(), "500 Internal Server Error: disk on fire");
}

#[test]
fn a_405_names_what_is_allowed() {
    let error = Error::method_not_allowed(&[Method::GET, Method::HEAD]);
    assert_eq!(error.headers()[http::header::ALLOW], "GET, HEAD");
}

#[derive(Debug)]
struct Wrapped(BodyError);

impl std::fmt::Display for Wrapped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("wrapped")
    }
}

impl std::error::Error for Wrapped {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

#[test]
fn a_known_error_is_found_among_the_causes() {
    let body = BodyError::new(BodyErrorKind::TooLarge { limit: 1 });
    let error = Error::from(Wrapped(body));
    assert_eq!(error.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(error.client_message(), None);
}
