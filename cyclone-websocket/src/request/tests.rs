use cyclone_core::{Address, Peer, Session};
use http::Request;
use http::header::HeaderValue;
use http::request::Parts;

use super::OpeningRequest;

fn example(target: &str) -> Parts {
    let mut secret = HeaderValue::from_static("token");
    secret.set_sensitive(true);
    let request = Request::get(target)
        .header("x-name", "one")
        .header("authorization", secret)
        .header("x-name", "two")
        .header("x-empty", "")
        .header("x-bytes", HeaderValue::from_bytes(b"\xfe\xff").unwrap())
        .extension("kept");
    request.body(()).unwrap().into_parts().0
}

#[test]
fn it_comes_out_as_it_went_in() {
    let session = Session::detached();
    for target in ["/path?query", "/", "*", "http://host:8080/path", "//x"] {
        let mut before = example(target);
        before.extensions.insert(session.clone());
        let request = OpeningRequest::new(before.clone(), &session, None);
        let after = request.parts(&session);
        assert_eq!(after.method, before.method);
        assert_eq!(after.version, before.version);
        assert_eq!(after.uri, before.uri);
        assert_eq!(after.headers, before.headers);
        assert!(after.headers["authorization"].is_sensitive());
        assert!(!after.headers["x-name"].is_sensitive());
        assert_eq!(after.extensions.get::<&str>(), Some(&"kept"));
        assert!(after.extensions.get::<Session>().is_some());
        assert!(std::ptr::eq(after, request.parts(&session)));
    }
}

/// The session must not keep the read buffer of the HTTP connection alive.
#[test]
fn it_owns_its_bytes() {
    let before = example("/path?query");
    let session = Session::detached();
    let request = OpeningRequest::new(before.clone(), &session, None);
    let after = request.parts(&session);
    assert_ne!(after.uri.path().as_ptr(), before.uri.path().as_ptr());
    for (name, value) in &before.headers {
        let copies = after.headers.get_all(name);
        let copy = copies.iter().find(|copy| *copy == value).unwrap();
        assert!(value.is_empty() || copy.as_bytes().as_ptr() != value.as_bytes().as_ptr());
    }
}

/// What a server of cyclone puts there costs nothing for the life of the session.
#[test]
fn what_the_session_has_is_not_kept_twice() {
    let session = Session::detached();
    let mut parts = Request::new(()).into_parts().0;
    parts.extensions.insert(session.clone());
    parts.extensions.insert(session.peer().clone());
    let request = OpeningRequest::new(parts, &session, None);
    assert!(request.extensions.is_empty());
    let parts = request.parts(&session);
    assert_eq!(parts.extensions.get::<Peer>(), Some(session.peer()));
    assert!(parts.extensions.get::<Session>().is_some());

    // One that somebody else has put there is.
    let claimed = Peer::new(Address::Unix(None), Address::Memory);
    let mut parts = Request::new(()).into_parts().0;
    parts.extensions.insert(claimed.clone());
    let request = OpeningRequest::new(parts, &session, None);
    let parts = request.parts(&session);
    assert_eq!(parts.extensions.get::<Peer>(), Some(&claimed));
    assert!(parts.extensions.get::<Session>().is_none());
}

#[test]
fn the_subprotocol_is_with_it() {
    let session = Session::detached();
    for subprotocol in [None, Some(""), Some("chat")] {
        let parts = Request::new(()).into_parts().0;
        let request = OpeningRequest::new(parts, &session, subprotocol);
        assert_eq!(request.subprotocol(), subprotocol);
    }
    assert!(size_of::<OpeningRequest>() <= 40);
}
