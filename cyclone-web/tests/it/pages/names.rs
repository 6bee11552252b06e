//! What templates have beside their values.

use cyclone_web::minijinja::context;
use cyclone_web::{Application, RequestContext, Result, StaticFiles, Templates, url};

use crate::locale_support::python;
use crate::support::{call, get, text};

async fn page(cx: &mut RequestContext) -> Result {
    cx.render("t.html", context! { taken => "mine", a => 1 })
}

/// Renders a template for `GET /page/7?q=1`.
async fn render(source: &str) -> String {
    let response = call(&application(source), get("/page/7?q=1")).await;
    assert_eq!(response.status(), 200, "{source}");
    text(&response).to_owned()
}

async fn fails(source: &str) {
    let response = call(&application(source), get("/page/7")).await;
    assert_eq!(response.status(), 500, "{source}");
}

fn application(source: &str) -> Application {
    let folder = tempfile::tempdir().unwrap().keep();
    std::fs::write(folder.join("a.css"), "a {}").unwrap();
    let templates = Templates::from_sources([("t.html", source)]).unwrap();
    Application::new()
        .templates(templates)
        .template_value("taken", |_| "theirs")
        .template_value("verb", |cx| cx.method().to_string())
        .static_files_with("/static/", StaticFiles::new(folder))
        .get(url("/page/{id}").name("page"), page)
}

#[tokio::test]
async fn names_of_the_request() {
    for (source, expected) in [
        (
            "{{ request.method }} {{ request.path|safe }} {{ request.query }}",
            "GET /page/7 q=1",
        ),
        (
            "{{ request.uri|safe }} {{ request.protocol }}://{{ request.host }}",
            "/page/7?q=1 http://test",
        ),
        ("{{ reverse_url('page', 'a/b')|safe }}", "/page/a%2Fb"),
        (
            "{{ reverse_url('page', a, z='x y&', b=2)|safe }}",
            "/page/1?b=2&z=x+y%26",
        ),
        ("{{ taken }} {{ verb }}", "mine GET"),
        ("{{ current_user is none }}", "True"),
        (
            "{% macro m() %}{{ verb }}{{ reverse_url('page', 1)|safe }}{% endmacro %}{{ m() }}",
            "GET/page/1",
        ),
        (
            "{{ format_date(0, full_format=true) }}",
            "January 1, 1970 at 12:00 am",
        ),
        (
            "{{ format_date('1980-07-10T08:00:00Z', 60, relative=false, shorter=true) }}",
            "July 10, 1980",
        ),
        (
            "{{ format_day(0) }} {{ format_day(0, dow=false) }}",
            "Thursday, January 1 January 1",
        ),
        (
            "{{ locale.list(['A', 'B']) }} {{ locale.name }} {{ locale.rtl }}",
            "A and B English (US) False",
        ),
        (
            "{{ _('50% of %(what)s', what='<x>') }} {{ _('100%') }}",
            "50% of &lt;x&gt; 100%",
        ),
        (
            "{{ npgettext('c', 'one', '%(num)d of %(all)d', 2, all=3) }}",
            "2 of 3",
        ),
    ] {
        assert_eq!(render(source).await, expected, "{source}");
    }
    let versioned = render("{{ static_url('a.css')|safe }}").await;
    assert!(versioned.starts_with("/static/a.css?v="), "{versioned}");
    let whole = render("{{ static_url('a.css', include_host=true)|safe }}").await;
    assert_eq!(whole, format!("http://test{versioned}"));
    for source in [
        "{{ reverse_url('none') }}",
        "{{ reverse_url('page') }}",
        "{{ format_date('yesterday') }}",
        "{{ format_date(1e300) }}",
        "{{ static_url('a.css', what=1) }}",
        "{{ _('one', 'many') }}",
        "{{ modules.None() }}",
        "{{ unknown }}",
    ] {
        fails(source).await;
    }
}

#[tokio::test]
async fn attempts_print_something_else_when_they_fail() {
    for (source, expected) in [
        ("{% call attempt('none') %}a{{ a }}{% endcall %}", "a1"),
        (
            "{% call attempt('<none>') %}a{{ unknown }}{% endcall %}",
            "&lt;none&gt;",
        ),
        ("[{% call attempt() %}a{{ unknown.x }}{% endcall %}]", "[]"),
        (
            "{% macro no(why) %}<b>{{ why|length > 0 }}</b>{% endmacro %}\
             {% call attempt(no) %}{{ unknown }}{% endcall %}",
            "<b>True</b>",
        ),
        // What a page stops for is no failure.
        (
            "{% call attempt('none') %}{{ request.method }}{% endcall %}",
            "GET",
        ),
    ] {
        assert_eq!(render(source).await, expected, "{source}");
    }
    let endless = "{% call attempt('x') %}{% for a in range(10000) %}{% for b in range(10000) %}\
                   {% endfor %}{% endfor %}{% endcall %}";
    fails(endless).await;
}

const LINKIFY: &str = r"
import json, sys
from tornado.escape import linkify, squeeze, url_escape, xhtml_escape
for line in sys.stdin:
    text, options = json.loads(line)
    print(json.dumps([linkify(text, **options), xhtml_escape(text), url_escape(text), squeeze(text)]))
";

#[test]
fn escape_helpers_are_tornados() {
    let mut texts: Vec<String> = [
        "hello http://world.com/!",
        "hello http://world.com/with?param=true&stuff=yes",
        "http://url.com/w(aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "http://url.com/withmany.......................................",
        "www.facebook.com and (www.a.b) \"www.c.d/e\" x.www.y.z",
        "<script src=http://a.b>&amp;&quot;'</script>",
        "http://example.com/a_(b)_c(d)(e). mailto:a@b.c ftp://x.y/z",
        "http://www.example.com/very/long/path/that/goes/on.html?and=on#and-on",
        "https://a-very-long-host-name-that-is-longer-than-any.example.com/short",
        "http://example.com/12345678901234567890?a=1&b=2&c=3&d=4",
        "caf\u{e9}http://x.y \u{e9}http://x.y/\u{e9}\u{4e2d} http:/a http:///b http:////c",
        "http://aaaaaaaaaaaaaaaaaaa.bb/&&&&&&&&&&&&&&&&&&&&&&&&&",
        "",
    ]
    .map(str::to_owned)
    .to_vec();
    let mut random = fastrand::Rng::with_seed(7);
    let parts = [
        "http://",
        "https://",
        "www.",
        "ftp:",
        "a",
        "bc",
        ".com",
        "/",
        "(",
        ")",
        "&",
        "\"",
        "'",
        "<",
        ">",
        "?",
        "#",
        " ",
        "\u{e9}",
        "_",
        "-",
        "!",
        "%",
        ":",
        "12345678901234567890",
    ];
    for _ in 0..1_500 {
        let count = random.usize(1..14);
        texts.push(
            (0..count)
                .map(|_| parts[random.usize(0..parts.len())])
                .collect(),
        );
    }
    let options = [
        serde_json::json!({}),
        serde_json::json!({"shorten": true}),
        serde_json::json!({"require_protocol": true, "extra_params": " rel=\"nofollow\" "}),
        serde_json::json!({"permitted_protocols": ["ftp", "mailto"], "shorten": true}),
    ];
    let calls: Vec<_> = texts
        .iter()
        .enumerate()
        .map(|(at, text)| (text, &options[at % 4]))
        .collect();
    let input: Vec<String> = calls
        .iter()
        .map(|call| serde_json::to_string(call).unwrap())
        .collect();
    let answers = python(LINKIFY, &[], &input.join("\n"));
    assert_eq!(answers.len(), calls.len());
    let templates = Templates::from_sources([
        ("0.html", "{{ linkify(text) }}"),
        ("1.html", "{{ text|linkify(true) }}"),
        (
            "2.html",
            "{{ linkify(text, require_protocol=true, extra_params=' rel=\"nofollow\" ') }}",
        ),
        (
            "3.html",
            "{{ linkify(text, shorten=true, permitted_protocols=['ftp', 'mailto']) }}",
        ),
        ("xhtml.html", "{{ xhtml_escape(text) }}"),
        ("url.txt", "{{ url_escape(text) }}"),
        ("squeeze.txt", "{{ squeeze(text) }}"),
    ])
    .unwrap();
    for (at, (text, answer)) in texts.iter().zip(answers).enumerate() {
        let expected: Vec<String> = serde_json::from_str(&answer).unwrap();
        let names = [
            &format!("{}.html", at % 4),
            "xhtml.html",
            "url.txt",
            "squeeze.txt",
        ];
        for (name, expected) in names.iter().zip(&expected) {
            let rendered = templates.render(name, context! { text }).unwrap();
            assert_eq!(rendered, *expected, "{name}: {text}");
        }
    }
}
