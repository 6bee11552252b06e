use std::sync::Arc;

use http::Method;

use super::{Found, MAX_PARAMETERS, Names, Routes, url};
use crate::context::RequestContext;
use crate::error::Result;
use crate::handler::RequestHandler;

struct Nothing;
impl RequestHandler for Nothing {
    async fn get(&self, cx: &mut RequestContext) -> Result {
        cx.finish()
    }
}

fn add(
    routes: &mut Routes,
    pattern: &str,
    method: Option<Method>,
) -> std::result::Result<(), String> {
    routes.add(&url(pattern), method, Arc::new(Nothing))
}

fn parameters(routes: &Routes, path: &str) -> Vec<(String, String)> {
    match routes.find_anywhere(&Method::GET, path.as_bytes()) {
        Found::Handler(_, _, parameters) => parameters
            .iter(path)
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        _ => panic!("{path} is not found"),
    }
}

#[test]
fn parameters_are_ranges_of_the_path() {
    let mut routes = Routes::default();
    add(&mut routes, "/u/{id}/posts/{number}", None).unwrap();
    add(&mut routes, "/files/{*rest}", None).unwrap();
    add(&mut routes, "/u/me/posts/first", None).unwrap();
    assert_eq!(
        parameters(&routes, "/u/a%2Fb/posts/7"),
        [("id".into(), "a%2Fb".into()), ("number".into(), "7".into())]
    );
    assert_eq!(
        parameters(&routes, "/files/a/b.txt"),
        [("rest".into(), "a/b.txt".into())]
    );
    assert!(parameters(&routes, "/u/me/posts/first").is_empty());
    assert!(matches!(routes.find(&Method::GET, b"/u"), Found::Nothing));
}

#[test]
fn methods_are_apart_and_head_goes_with_get() {
    let mut routes = Routes::default();
    add(&mut routes, "/", Some(Method::GET)).unwrap();
    add(&mut routes, "/", Some(Method::POST)).unwrap();
    for method in [Method::GET, Method::HEAD, Method::POST] {
        assert!(matches!(routes.find(&method, b"/"), Found::Handler(..)));
    }
    let Found::OtherMethods(route) = routes.find(&Method::PUT, b"/") else {
        panic!("PUT has a handler");
    };
    assert_eq!(route.methods(), [Method::GET, Method::POST, Method::HEAD]);
}

#[test]
fn mistakes_in_routes_are_told() {
    let mut routes = Routes::default();
    add(&mut routes, "/a/{x}", None).unwrap();
    let error = add(&mut routes, "/a/{x}", None).unwrap_err();
    assert_eq!(error, "`/a/{x}` has a handler already");
    let error = add(&mut routes, "/a/{y}", None).unwrap_err();
    assert_eq!(error, "it matches the same paths as `/a/{x}`");
    add(&mut routes, "/r/{*x}", None).unwrap();
    let error = add(&mut routes, "/r/{*y}", None).unwrap_err();
    assert_eq!(error, "it matches the same paths as `/r/{*x}`");
    // What was refused left nothing behind.
    assert!(matches!(
        routes.find_anywhere(&Method::GET, b"/r/a"),
        Found::Handler(..)
    ));
    assert!(add(&mut routes, "/b/{", None).is_err());
    assert!(add(&mut routes, "/b/}", None).is_err());
    assert!(add(&mut routes, "/b/{}", None).is_err());
}

/// matchit panics at the 26th parameter of a pattern (its `normalize_params`).
#[test]
fn too_many_parameters_are_told() {
    let pattern = |count: usize| -> String { (0..count).map(|n| format!("/{{p{n}}}")).collect() };
    let mut routes = Routes::default();
    for count in [MAX_PARAMETERS - 1, MAX_PARAMETERS] {
        add(&mut routes, &pattern(count), None).unwrap();
        assert_eq!(parameters(&routes, &"/x".repeat(count)).len(), count);
    }
    let error = add(&mut routes, &pattern(MAX_PARAMETERS + 1), None).unwrap_err();
    assert_eq!(error, "it has more than 25 parameters");
}

#[test]
fn reversed_arguments_are_encoded() {
    let mut names = Names::default();
    names.add("user", &url("/u/{id}/{{x}}")).unwrap();
    names.add("file", &url("/f/{*path}")).unwrap();
    assert!(names.add("user", &url("/other")).is_err());
    assert_eq!(
        names.reverse("user", &[&"a/b ä?"], &[]).unwrap(),
        "/u/a%2Fb%20%C3%A4%3F/{x}"
    );
    assert_eq!(
        names.reverse("file", &[&"a/b c"], &[]).unwrap(),
        "/f/a/b%20c"
    );
    assert!(names.reverse("user", &[], &[]).is_err());
    assert!(names.reverse("nobody", &[], &[]).is_err());
}
