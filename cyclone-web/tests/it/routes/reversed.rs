//! URLs of routes.

use cyclone_web::{Application, RequestContext, Result, url};

use super::{answer, unused};

/// Names and values of a query.
type Query<'a> = &'a [(&'a str, &'a dyn std::fmt::Display)];

#[test]
fn a_query_is_encoded_and_in_order() {
    let app = Application::new().get(url("/s/{topic}").name("s"), unused);
    let table: [(Query<'_>, &str); 3] = [
        (&[], "/s/a%2Fb"),
        (&[("page", &2)], "/s/a%2Fb?page=2"),
        (
            &[
                ("b", &"1&c=2 +#"),
                ("a", &"\u{e9}"),
                ("b", &""),
                ("d=", &"x"),
            ],
            "/s/a%2Fb?b=1%26c%3D2%20%2B%23&a=%C3%A9&b=&d%3D=x",
        ),
    ];
    for (query, expected) in table {
        assert_eq!(
            app.reverse_url_with("s", &[&"a/b"], query).unwrap(),
            expected
        );
    }
    assert!(app.reverse_url_with("s", &[], &[("page", &2)]).is_err());
}

async fn again(cx: &mut RequestContext) -> Result {
    let page = cx.optional_argument("q")?;
    match page {
        Some(q) => cx.text(q),
        None => {
            let url = cx.reverse_url_with("again", &[], &[("q", &"a b&c=d+\u{e9}%")])?;
            cx.redirect(&url)
        }
    }
}

#[tokio::test]
async fn a_query_comes_back() {
    let app = Application::new().mount(
        "/in",
        Application::new().get(url("/x").name("again"), again),
    );
    let said = answer(&app, "/in/x").await;
    let location = said.strip_prefix("302 ").unwrap();
    assert!(location.starts_with("/in/x?q="), "{location}");
    assert_eq!(answer(&app, location).await, "a b&c=d+\u{e9}%");
}
