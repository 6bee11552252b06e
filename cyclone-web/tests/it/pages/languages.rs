//! A page in three languages, one of them with three plural forms, switched by header, cookie and user.

use cyclone_web::locale::{Catalog, Translations};
use cyclone_web::{Application, Body, RequestContext, RequestHandler, Result, Templates};
use http::Request;
use minijinja::context;

use cyclone_web::minijinja;

use crate::locale_support::{POLISH, SPANISH};
use crate::support::{call, get, text};

const PAGE: &str = "\
{% extends 'base.html' %}{% macro count(n) %}{{ ngettext('one file', '%(num)d files', n) }}{% endmacro %}\
{% block body %}{{ _('Hello') }} {{ user }}: \
{% for n in [1, 2, 5, 22] %}{{ count(n) }}; {% endfor %}{% include 'more.html' %}{% endblock %}";

struct Home;

impl RequestHandler for Home {
    async fn get(&self, cx: &mut RequestContext) -> Result {
        cx.render("home.html", context! { user => "<Ada>" })
    }

    fn user_locale(&self, cx: &RequestContext) -> Option<String> {
        cx.header("x-user").map(str::to_owned)
    }
}

fn application() -> Application {
    let templates = Templates::from_sources([
        (
            "base.html",
            "<html lang=\"{{ locale.tag }}\">{% block body %}{% endblock %}",
        ),
        (
            "more.html",
            "{{ pgettext('law', 'right') }} {{ friendly_number(1234) }}",
        ),
        ("home.html", PAGE),
    ])
    .unwrap();
    let translations = Translations::from_catalogs([
        ("pl", Catalog::from_po(POLISH.as_bytes()).unwrap()),
        ("es", Catalog::from_po(SPANISH.as_bytes()).unwrap()),
    ]);
    Application::new()
        .templates(templates)
        .translations(translations.cookie("lang"))
        .route("/", Home)
}

fn request(headers: &[(&'static str, &str)]) -> Request<Body> {
    let mut request = get("/");
    for (name, value) in headers {
        request.headers_mut().append(*name, value.parse().unwrap());
    }
    request
}

const ENGLISH_PAGE: &str =
    "<html lang=\"en-US\">Hello &lt;Ada&gt;: one file; 2 files; 5 files; 22 files; right 1,234";
const SPANISH_PAGE: &str = "<html lang=\"es\">Hola &lt;Ada&gt;: un archivo; 2 archivos; 5 archivos; 22 archivos; right 1234";
const POLISH_PAGE: &str =
    "<html lang=\"pl\">Cześć &lt;Ada&gt;: jeden plik; 2 pliki; 5 plików; 22 pliki; prawo 1234";

#[tokio::test]
async fn a_page_in_three_languages_by_header_cookie_and_user() {
    let app = application();
    let spanish = ("accept-language", "es-ES,es;q=0.9,pl;q=0.1");
    for (headers, expected) in [
        (&[][..], ENGLISH_PAGE),
        (&[spanish], SPANISH_PAGE),
        (
            &[("accept-language", "de, pl;q=0.5, es;q=0.4")],
            POLISH_PAGE,
        ),
        (&[spanish, ("cookie", "lang=pl")], POLISH_PAGE),
        (&[spanish, ("cookie", "lang=en_US")], ENGLISH_PAGE),
        (
            &[spanish, ("cookie", "lang=en_US"), ("x-user", "pl")],
            POLISH_PAGE,
        ),
        (&[("cookie", "lang=pl"), ("x-user", "es")], SPANISH_PAGE),
    ] {
        let response = call(&app, request(headers)).await;
        assert_eq!(text(&response), expected, "{headers:?}");
    }
}
