//! Routes that clash, and routes that only seem to.

use cyclone_web::{Application, Router, url};

use super::{answer, named, refused, unused};

#[test]
fn a_clash_names_both_patterns() {
    let table: [(&str, &str, &str); 5] = [
        (
            "/a/{x}",
            "/a/{y}",
            "route `/a/{y}`: it matches the same paths as `/a/{x}`",
        ),
        (
            "/a/{*x}",
            "/a/{*y}",
            "route `/a/{*y}`: it matches the same paths as `/a/{*x}`",
        ),
        (
            "/a{x}/b",
            "/a{y}/b",
            "route `/a{y}/b`: it matches the same paths as `/a{x}/b`",
        ),
        ("/a", "/a", "route `/a`: `/a` has a handler for GET already"),
        (
            "/{x}/{y}/c",
            "/{a}/{b}/c",
            "route `/{a}/{b}/c`: it matches the same paths as `/{x}/{y}/c`",
        ),
    ];
    for (first, second, expected) in table {
        let message = refused(|| Application::new().get(first, unused).get(second, unused));
        assert_eq!(message, expected);
    }
}

#[test]
fn a_clash_of_names_names_the_other_pattern() {
    let message = refused(|| {
        Application::new()
            .get(url("/a").name("here"), unused)
            .get(url("/b").name("here"), unused)
    });
    assert_eq!(
        message,
        "route `/b`: the name `here` is that of `/a` already"
    );
}

#[test]
fn a_clash_inside_of_a_host_or_a_prefix_is_found_too() {
    let one = || Router::new().get("/{x}", unused);
    let other = || Router::new().get("/{y}", unused);
    let hosts = || {
        Application::new()
            .host("a.example", one())
            .host("A.example:80", other())
    };
    assert!(refused(hosts).contains("as `/{x}`"));
    let message = refused(|| {
        Application::new()
            .get("/in/{x}", unused)
            .nest("/in", other())
    });
    assert_eq!(
        message,
        "route `/in/{y}`: it matches the same paths as `/in/{x}`"
    );
    // Other hosts, other routes.
    let _ = Application::new()
        .host("a.example", one())
        .host("b.example", other());
}

#[tokio::test]
async fn one_segment_and_the_rest_stand_beside_one_another() {
    for is_first in [true, false] {
        let app = Application::new().get("/{a}/{b}", named!("two"));
        let app = if is_first {
            app.get("/{x}", named!("one"))
                .get("/{*rest}", named!("rest"))
        } else {
            app.get("/{*rest}", named!("rest"))
                .get("/{x}", named!("one"))
        };
        let app = app
            .get("/static/{*path}", named!("static"))
            .get("/static/{name}.css", named!("style"))
            .get("/literal", named!("literal"));
        for (target, expected) in [
            ("/literal", "literal"),
            ("/v", "one x=v"),
            ("/v/", "rest rest=v/"),
            ("/v/w", "two a=v b=w"),
            ("/v/w/x", "rest rest=v/w/x"),
            ("/static/a", "static path=a"),
            ("/static/a/b", "static path=a/b"),
            ("/static/a.css", "style name=a"),
            ("/static/", "rest rest=static/"),
            ("/", "404"),
        ] {
            assert_eq!(answer(&app, target).await, expected, "{target} {is_first}");
        }
    }
}

#[tokio::test]
async fn a_mount_stands_beside_a_parameter() {
    let inner = Application::new().get("/{*rest}", named!("inner"));
    let app = Application::new()
        .mount("/", inner)
        .get("/{x}", named!("one"));
    assert_eq!(answer(&app, "/v").await, "one x=v");
    assert_eq!(answer(&app, "/v/w").await, "inner rest=v/w");
}
