use http::{Method, StatusCode};

use super::Error;

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
