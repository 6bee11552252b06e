use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, SystemTime};

use minijinja::{Value, context};

use super::loader::{MAX_TEMPLATE_SIZE, join};
use super::{TEMPLATE_FUEL, Templates};

fn one(name: &str, source: &str) -> Templates {
    Templates::from_sources([(name, source)]).unwrap()
}

fn render(source: &str, context: Value) -> String {
    one("t.txt", source).render_value("t.txt", context).unwrap()
}

#[test]
fn html_is_escaped_by_name() {
    let text = context! { x => "<a href='b\">&" };
    let html = "&lt;a href=&#x27;b&quot;&gt;&amp;";
    for (name, expected) in [
        ("t.html", html),
        ("t.htm", html),
        ("t.xml", html),
        ("t.xhtml", html),
        ("t.svg", html),
        ("t.svg.j2", html),
        ("t.html.jinja", html),
        ("t.txt", "<a href='b\">&"),
        ("t", "<a href='b\">&"),
    ] {
        let rendered = one(name, "{{ x }}")
            .render_value(name, text.clone())
            .unwrap();
        assert_eq!(rendered, expected, "{name}");
    }
    let templates = one("t.html", "{{ x|safe }}");
    assert_eq!(
        templates.render_value("t.html", text).unwrap(),
        "<a href='b\">&"
    );
}

#[test]
fn inheritance_super_loops_and_macros() {
    let templates = Templates::from_sources([
        ("base.html", "[{% block a %}base{% endblock %}]"),
        (
            "dir/page.html",
            "{% extends '../base.html' %}{% block a %}{{ super() }} {% for n in items %}\
             {% if n == 3 %}{% break %}{% endif %}{% include './row.html' %}{% endfor %}{% endblock %}",
        ),
        ("dir/row.html", "<{{ n }}>"),
    ])
    .unwrap();
    let context = BTreeMap::from([("items", [1, 2, 3, 4])]);
    assert_eq!(
        templates.render("dir/page.html", context).unwrap(),
        "[base <1><2>]"
    );
    assert_eq!(templates.preload().unwrap(), 3);
    assert!(templates.contains("base.html") && !templates.contains("row.html"));
}

#[test]
fn helpers_of_tornado() {
    let check = |source: &str, expected: &str| {
        let context = context! {
            x => "a b/\u{e9}&\"", html => "<b>", list => vec![1, 2], json => "</script><!--",
            space => " a\n\t b\0c ", none => (),
        };
        let templates = one("t.html", source);
        assert_eq!(
            templates.render_value("t.html", context).unwrap(),
            expected,
            "{source}"
        );
    };
    check("{{ escape(html) }}", "&lt;b&gt;");
    check(
        "{{ xhtml_escape(html) }}{{ html|xhtml_escape }}",
        "&lt;b&gt;&lt;b&gt;",
    );
    check("{{ escape(html|safe) }}", "<b>");
    check("{{ escape(12) }}", "12");
    check("{{ url_escape(x) }}", "a+b%2F%C3%A9%26%22");
    check("{{ url_escape(x, plus=false) }}", "a%20b&#x2f;%C3%A9%26%22");
    check("{{ url_escape(x, false) }}", "a%20b&#x2f;%C3%A9%26%22");
    check("{{ x|url_escape }}", "a+b%2F%C3%A9%26%22");
    check("{{ json_encode(list)|safe }}", "[1,2]");
    check("{{ json_encode(json)|safe }}", "\"<\\/script>\\u003c!--\"");
    check("{{ json_encode(html) }}", "&quot;&lt;b&gt;&quot;");
    check("{{ json_encode(none) }}", "null");
    check("{{ squeeze(space) }}", "a b c");
    check("[{{ ''|squeeze }}]", "[]");
}

#[test]
fn hooks_add_names() {
    let templates = one(
        "t.txt",
        "{{ site.name }} {{ add(1, 2) }} {{ 'a'|twice }} {{ x is odd2 }}",
    )
    .global("site", BTreeMap::from([("name", "S")]))
    .function("add", |a: i64, b: i64| a + b)
    .filter("twice", |text: String| format!("{text}{text}"))
    .configure(|environment| environment.add_test("odd2", |n: i64| n % 2 == 1));
    let rendered = templates
        .render("t.txt", BTreeMap::from([("x", 3)]))
        .unwrap();
    assert_eq!(rendered, "S 3 aa True");
    // A clone is independent once it is configured.
    let other = templates
        .clone()
        .global("site", BTreeMap::from([("name", "T")]));
    assert!(
        other
            .render_value("t.txt", context! { x => 1 })
            .unwrap()
            .starts_with('T')
    );
    assert!(
        templates
            .render_value("t.txt", context! { x => 1 })
            .unwrap()
            .starts_with('S')
    );
}

#[test]
fn unknown_names_are_errors_but_false() {
    assert_eq!(
        render("{% if user %}a{% else %}b{% endif %}", context! {}),
        "b"
    );
    assert_eq!(render("{{ user|default('none') }}", context! {}), "none");
    for source in [
        "{{ user }}",
        "{{ user.name }}",
        "{% for x in user %}{% endfor %}",
    ] {
        let error = one("t.txt", source).render("t.txt", ()).unwrap_err();
        assert!(error.to_string().contains("undefined"), "{error}");
        assert_eq!((error.line(), error.template()), (Some(1), Some("t.txt")));
    }
}

#[test]
fn errors_name_the_line_and_show_it() {
    let source = "one\ntwo\nthree\nfour\n{{ secret.missing.name }}\nsix\nseven\neight\nnine";
    let templates = Templates::from_sources([
        ("page.html", source),
        ("outer.html", "\n{% include 'page.html' %}"),
    ])
    .unwrap();
    let context = || context! { secret => context! { password => "hunter2" } };
    let error = templates.render_value("page.html", context()).unwrap_err();
    assert_eq!(
        (error.template(), error.line()),
        (Some("page.html"), Some(5))
    );
    let excerpt = "     2 | two\n     3 | three\n     4 | four\n>    5 | {{ secret.missing.name }}\n     \
                   6 | six\n     7 | seven\n     8 | eight\n";
    assert_eq!(error.excerpt(), Some(excerpt));
    assert!(format!("{error}").contains("page.html:5") && !format!("{error}").contains('\n'));
    let debug = format!("{error:?}");
    assert!(
        debug.contains(">    5 | {{ secret") && !debug.contains("hunter2"),
        "{debug}"
    );
    assert_eq!(error.status(), 500);

    let error = templates.render_value("outer.html", context()).unwrap_err();
    assert_eq!(
        (error.template(), error.line()),
        (Some("page.html"), Some(5))
    );
    assert!(error.to_string().contains("outer.html:2"), "{error}");

    let error = Templates::from_sources([("bad.html", "\n\n{% if %}")]).unwrap_err();
    assert_eq!(
        (error.template(), error.line()),
        (Some("bad.html"), Some(3))
    );
    assert!(error.excerpt().unwrap().contains(">    3 | {% if %}"));
    let long = format!("{{{{ x }}}}{}", "y".repeat(10_000));
    let error = one("t.txt", &long).render("t.txt", ()).unwrap_err();
    assert!(format!("{error:?}").len() < 500);
}

#[test]
fn fuel_just_under_at_and_over_the_limit() {
    let source = "{% for n in range(100) %}{{ n }}{% endfor %}";
    let runs = |fuel: u64| one("t.txt", source).fuel(fuel).render("t.txt", ()).is_ok();
    // What the rendering needs is found by bisection; one less must not be enough.
    let (mut low, mut high) = (1, TEMPLATE_FUEL);
    while low + 1 < high {
        let middle = low.midpoint(high);
        if runs(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    assert!(!runs(high - 1) && runs(high) && runs(high + 1));
    assert!((100..10_000).contains(&high), "{high}");

    let endless = "{% for a in range(10000) %}{% for b in range(10000) %}{% endfor %}{% endfor %}";
    let error = one("t.txt", endless).render("t.txt", ()).unwrap_err();
    assert!(error.to_string().contains("fuel"), "{error}");
}

#[test]
fn size_just_under_at_and_over_the_limit() {
    let directory = tempfile::tempdir().unwrap();
    let limit = usize::try_from(MAX_TEMPLATE_SIZE).unwrap();
    for (size, accepted) in [(limit - 1, true), (limit, true), (limit + 1, false)] {
        let source = "x".repeat(size);
        fs::write(directory.path().join("big.txt"), &source).unwrap();
        let templates = Templates::from_directory(directory.path()).unwrap();
        assert_eq!(templates.render("big.txt", ()).is_ok(), accepted, "{size}");
        assert_eq!(
            Templates::from_sources([("big.txt", source)]).is_ok(),
            accepted
        );
    }
}

#[test]
fn names_never_leave_the_directory() {
    let outer = tempfile::tempdir().unwrap();
    let directory = outer.path().join("templates");
    fs::create_dir_all(directory.join("sub/.git")).unwrap();
    fs::write(outer.path().join("secret.html"), "secret").unwrap();
    fs::write(directory.join("sub/.git/config.html"), "secret").unwrap();
    fs::write(directory.join(".hidden.html"), "secret").unwrap();
    fs::write(directory.join("ok.html"), "ok").unwrap();
    fs::write(directory.join("sub/up.html"), "{% include '../ok.html' %}").unwrap();
    fs::write(
        directory.join("sub/out.html"),
        "{% include '../../secret.html' %}",
    )
    .unwrap();
    let templates = Templates::from_directory(&directory).unwrap();
    assert_eq!(templates.render("ok.html", ()).unwrap(), "ok");
    assert_eq!(templates.render("sub/up.html", ()).unwrap(), "ok");
    let absolute = outer.path().join("secret.html").display().to_string();
    for name in [
        "../secret.html",
        "sub/../../secret.html",
        "..\\secret.html",
        "sub/.git/config.html",
        ".hidden.html",
        "./ok.html",
        "/ok.html",
        "//ok.html",
        "sub//up.html",
        "ok.html/",
        "ok.html\0",
        "C:ok.html",
        "",
        ".",
        "..",
        "sub",
        "missing.html",
        "ok.html/x",
        &"a".repeat(5000),
        &absolute,
    ] {
        let error = templates.render(name, ()).unwrap_err();
        assert!(error.is_not_found() || name == "sub", "{name:?}: {error}");
    }
    let error = templates.render("sub/out.html", ()).unwrap_err();
    assert!(
        error.to_string().contains("non-existing") && !error.is_not_found(),
        "{error}"
    );
    assert_eq!(join("../../../x", "a/b"), "../../x");
}

#[test]
fn a_changed_file_is_read_again_only_when_reloading() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("t.txt");
    let write = |text: &str, seconds: u64| {
        fs::write(&path, text).unwrap();
        let file = fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
            .unwrap();
    };
    write("one", 1_000_000);
    let cached = Templates::from_directory(directory.path()).unwrap();
    let reloading = cached.clone().reload(true);
    assert_eq!(cached.render("t.txt", ()).unwrap(), "one");
    assert_eq!(reloading.render("t.txt", ()).unwrap(), "one");
    // Same size, other time.
    write("two", 1_000_001);
    assert_eq!(cached.render("t.txt", ()).unwrap(), "one");
    assert_eq!(reloading.render("t.txt", ()).unwrap(), "two");
    fs::remove_file(&path).unwrap();
    assert_eq!(cached.render("t.txt", ()).unwrap(), "one");
    assert!(reloading.render("t.txt", ()).unwrap_err().is_not_found());
}

#[test]
fn preload_finds_broken_templates() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir_all(directory.path().join("a/b")).unwrap();
    fs::create_dir_all(directory.path().join(".git")).unwrap();
    fs::write(directory.path().join("a/b/c.html"), "{{ x }}").unwrap();
    fs::write(directory.path().join("d.txt"), "").unwrap();
    fs::write(directory.path().join("image.png"), b"\xff{% if").unwrap();
    fs::write(directory.path().join(".git/e.html"), "{% if").unwrap();
    let templates = Templates::from_directory(directory.path()).unwrap();
    assert_eq!(templates.preload().unwrap(), 2);
    fs::write(directory.path().join("a/broken.html"), "\n{% if").unwrap();
    let error = templates.preload().unwrap_err();
    assert_eq!(
        (error.template(), error.line()),
        (Some("a/broken.html"), Some(2))
    );
    fs::write(directory.path().join("a/broken.html"), b"\xff").unwrap();
    assert!(templates.preload().is_err());

    let missing = Templates::from_directory(directory.path().join("none")).unwrap_err();
    assert!(
        missing
            .to_string()
            .contains("cannot open template directory"),
        "{missing}"
    );
    assert!(Templates::from_directory(directory.path().join("d.txt")).is_err());
}

#[cfg(unix)]
#[test]
fn a_fifo_does_not_block() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("fifo.txt");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &path,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    )
    .unwrap();
    let templates = Templates::from_directory(directory.path()).unwrap();
    let error = templates.render("fifo.txt", ()).unwrap_err();
    assert!(error.to_string().contains("not a regular file"), "{error}");
}
