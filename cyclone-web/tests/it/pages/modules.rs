//! UI modules, and what they place in a page.

use std::borrow::Cow;

use cyclone_web::minijinja::context;
use cyclone_web::{
    Application, MAX_MODULE_DEPTH, ModuleArguments, ModuleContext, RequestContext, Result,
    Templates, UiModule,
};

use crate::support::{call, get, text};

struct Entry;

impl UiModule for Entry {
    fn render(&self, page: &ModuleContext, arguments: &ModuleArguments) -> Result<String> {
        let title: String = arguments.get(0)?;
        let loud: bool = arguments.named("loud")?.unwrap_or(false);
        page.render(
            "entry.html",
            context! { title, loud, language => page.locale().code() },
        )
    }

    fn embedded_javascript(&self) -> Option<Cow<'_, str>> {
        Some("entry()".into())
    }

    fn javascript_files(&self) -> Vec<Cow<'_, str>> {
        vec![
            "https://a.b/x.js?a&b".into(),
            "/own.js".into(),
            "/own.js".into(),
        ]
    }

    fn embedded_css(&self) -> Option<Cow<'_, str>> {
        Some("p {}".into())
    }

    fn css_files(&self) -> Vec<Cow<'_, str>> {
        vec!["/own.css".into()]
    }

    fn html_head(&self) -> Option<Cow<'_, str>> {
        Some("<meta>".into())
    }

    fn html_body(&self) -> Option<Cow<'_, str>> {
        Some("<hr>".into())
    }
}

/// Renders itself inside itself, as often as it is told.
struct Deep;

impl UiModule for Deep {
    fn render(&self, page: &ModuleContext, arguments: &ModuleArguments) -> Result<String> {
        let depth: usize = arguments.get(0)?;
        page.render("deep.html", context! { depth => depth - 1 })
    }
}

async fn page(cx: &mut RequestContext) -> Result {
    cx.render("page.html", context! { title => "<T>" })
}

fn application(page_source: &str) -> Application {
    let templates = Templates::from_sources([
        ("page.html", page_source),
        (
            "entry.html",
            "<p>{{ title }}{{ '!' if loud }} {{ language }} {{ _('x') }} {{ outer is defined }}</p>",
        ),
        (
            "box.html",
            "{{ set_resources(css_files='/box.css', embedded_css='div {}', html_body='<i>') }}[{{ a }}{{ title is defined }}]",
        ),
        ("other.html", "{{ set_resources(embedded_css=a) }}"),
        (
            "deep.html",
            "{% if depth %}{{ modules.Deep(depth) }}{% else %}bottom{% endif %}",
        ),
    ]);
    let templates = templates
        .unwrap()
        .module("Entry", Entry)
        .module("Deep", Deep);
    Application::new().templates(templates).get("/", page)
}

async fn render(source: &str) -> (u16, String) {
    let response = call(&application(source), get("/")).await;
    (response.status().as_u16(), text(&response).to_owned())
}

#[tokio::test]
async fn what_modules_need_is_placed_once() {
    let source = "<head></head><body>{% set outer = 1 %}{{ modules.Entry(title) }}{{ modules.Entry('b', loud=true) }}\
        {{ modules.Template('box.html', a=1) }}{{ modules.Template('box.html', a=2) }}\
        {{ modules.linkify('http://a.b') }}</body>";
    let (status, page) = render(source).await;
    assert_eq!(status, 200);
    let expected = "<head>\
        <link href=\"/own.css\" type=\"text/css\" rel=\"stylesheet\"/>\
        <link href=\"/box.css\" type=\"text/css\" rel=\"stylesheet\"/>\n\
        <style type=\"text/css\">\np {}\ndiv {}\n</style>\n\
        <meta>\n\
        </head><body><p>&lt;T&gt; en_US x False</p><p>b! en_US x False</p>[1False][2False]\
        <a href=\"http://a.b\">http://a.b</a>\
        <script src=\"https://a.b/x.js?a&amp;b\" type=\"text/javascript\"></script>\
        <script src=\"/own.js\" type=\"text/javascript\"></script>\n\
        <script type=\"text/javascript\">\n//<![CDATA[\nentry()\n//]]>\n</script>\n\
        <hr><i>\n</body>";
    assert_eq!(page.replace("&#x2f;", "/"), expected);
}

#[tokio::test]
async fn mistakes_are_errors() {
    for source in [
        // Nowhere to place it.
        "<body>{{ modules.Entry('a') }}</body>",
        "<head></head>{{ modules.Entry('a') }}",
        "<head></head><body>{{ modules.Entry() }}</body>",
        "<head></head><body>{{ modules.Entry('a', loud='x') }}</body>",
        "<head></head><body>{{ modules.Nothing() }}</body>",
        "<head></head><body>{{ modules.Template('none.html') }}</body>",
        "<head></head>{{ modules.Template('other.html', a='1') }}{{ modules.Template('other.html', a='2') }}",
        "{{ set_resources(css_files='/a.css') }}",
    ] {
        assert_eq!(render(source).await.0, 500, "{source}");
    }
}

#[tokio::test]
async fn modules_inside_one_another_at_the_limit() {
    for (depth, status) in [
        (MAX_MODULE_DEPTH - 1, 200),
        (MAX_MODULE_DEPTH, 200),
        (MAX_MODULE_DEPTH + 1, 500),
    ] {
        let (found, page) = render(&format!("{{{{ modules.Deep({depth}) }}}}")).await;
        assert_eq!(found, status, "{depth}");
        assert_eq!(page == "bottom", status == 200, "{page}");
    }
}

#[test]
fn without_a_request_there_are_no_modules() {
    let templates = Templates::from_sources([("a.html", "{{ modules.Entry('a') }}")]).unwrap();
    assert!(
        templates
            .module("Entry", Entry)
            .render("a.html", ())
            .is_err()
    );
}
