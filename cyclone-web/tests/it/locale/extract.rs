//! Messages of sources.

use std::fs;
use std::process::Command;

use cyclone_web::locale::{Catalog, Extractor, MAX_SOURCE};

use crate::locale_support::msgfmt;

const RUST: &str = r##"
// Translators: on the door
// of the office.
let a = locale.translate("Hello");
let b = locale.ngettext("one file", "%(num)d files", n);
let c = locale . pgettext (/* which? */ "law", "right",);
let d = format!("{}", locale.npgettext("stick", "club", "clubs", 3));
let e = locale.translate(r#"raw "string""#);
let f = locale.translate("escapes \"\\\n\t\u{e9}\x41 \
    and on");
let g = locale.translate(name);
let h = locale.translate("not" + "this");
let i = 'a' == '"' && '\'' != '\u{22}' && x::<'static>();
let j = locale.translate("after characters");
/* locale.translate("in a comment") /* nested */ */
// locale.translate("in a comment")
let k = "locale.translate(\"in a string\")";
let l = b"translate" ; let m = r#translate; fn translate(text: &str) {}
let n = locale.translate("Hello");
let o = not_translate("nor this");
let p = locale.translate(concat!("nor", "this"));
let q = translate("");
"##;

const TEMPLATE: &str = "
<p>{{ _('Hello') }} {{ _(\"one file\", \"%(num)d files\", n) }} _('in text')
{# Translators: a drink #}
{{ pgettext('bar', 'club') }}{% if x == \"}}\" %}{{ locale.translate('in a method') }}{% endif %}
{% raw %}{{ _('raw') }}{% endraw %}{# _('comment') #}
{% set m = {'a': {'b': ngettext('o\\'ne', 'm\\u00e9ny', 2)}} %}
{{ _( 'over
lines' ) }}{{ _(x) }}{{ _ }}{{ _('open'";

#[test]
fn messages_are_found_where_they_are() {
    let mut extractor = Extractor::new();
    extractor.rust("src/a.rs", RUST).unwrap();
    extractor.template("t/a.html", TEMPLATE).unwrap();
    let pot = extractor.to_pot();
    let (header, body) = pot.split_once("\n\n").unwrap();
    assert!(header.contains("charset=UTF-8"));
    let expected = r#"#. Translators: on the door
#. of the office.
#: src/a.rs:4 src/a.rs:19 t/a.html:2
msgid "Hello"
msgstr ""

#: src/a.rs:5 t/a.html:2
#, python-format
msgid "one file"
msgid_plural "%(num)d files"
msgstr[0] ""
msgstr[1] ""

#: src/a.rs:6
msgctxt "law"
msgid "right"
msgstr ""

#: src/a.rs:7
msgctxt "stick"
msgid "club"
msgid_plural "clubs"
msgstr[0] ""
msgstr[1] ""

#: src/a.rs:8
msgid "raw \"string\""
msgstr ""

#: src/a.rs:9
msgid ""
"escapes \"\\\n"
"\téA and on"
msgstr ""

#: src/a.rs:14
msgid "after characters"
msgstr ""

#. Translators: a drink
#: t/a.html:4
msgctxt "bar"
msgid "club"
msgstr ""

#: t/a.html:4
msgid "in a method"
msgstr ""

#: t/a.html:6
msgid "o'ne"
msgid_plural "mény"
msgstr[0] ""
msgstr[1] ""

#: t/a.html:7
msgid ""
"over\n"
"lines"
msgstr ""
"#;
    assert_eq!(body, expected);
    // GNU gettext takes it, as it is and with all that is in it translated.
    assert!(msgfmt(&pot, &["--use-fuzzy"]).is_ok());
    let filled = body
        .replace("msgstr \"\"", "msgstr \"x\"")
        .replace("msgstr[0] \"\"", "msgstr[0] \"x\"");
    let catalog = Catalog::from_po(filled.as_bytes()).unwrap();
    assert_eq!(catalog.len(), extractor.len());
    assert_eq!(catalog.gettext("escapes \"\\\n\téA and on"), "x");
    assert_eq!(
        Catalog::from_mo(&msgfmt(&filled, &[]).unwrap())
            .unwrap()
            .len(),
        extractor.len()
    );
}

#[test]
fn the_words_of_dates_go_along() {
    let mut extractor = Extractor::new();
    extractor.formats();
    assert_eq!(extractor.len(), 14 + 12 + 7);
    let pot = extractor.to_pot();
    assert!(pot.contains("msgid \"1 minute ago\"\nmsgid_plural \"%(minutes)d minutes ago\""));
    assert!(msgfmt(&pot, &["--use-fuzzy"]).is_ok());
}

#[test]
fn two_plurals_of_a_message_are_refused() {
    let mut extractor = Extractor::new();
    extractor.rust("a.rs", "ngettext(\"a\", \"b\", n)").unwrap();
    extractor.rust("b.rs", "translate(\"a\")").unwrap();
    let error = extractor
        .rust("c.rs", "\n ngettext(\"a\", \"c\", n)")
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "c.rs:2: message \"a\" has the plurals \"b\" and \"c\""
    );
}

#[test]
fn sources_at_the_limit_of_their_size() {
    for (size, accepted) in [
        (MAX_SOURCE - 1, true),
        (MAX_SOURCE, true),
        (MAX_SOURCE + 1, false),
    ] {
        let source = " ".repeat(size);
        assert_eq!(
            Extractor::new().rust("a.rs", &source).is_ok(),
            accepted,
            "{size}"
        );
        assert_eq!(
            Extractor::new().template("a.html", &source).is_ok(),
            accepted,
            "{size}"
        );
    }
}

#[test]
fn any_prefix_of_a_source_does_no_harm() {
    for (end, _) in RUST.char_indices() {
        Extractor::new().rust("a.rs", &RUST[..end]).unwrap();
    }
    for (end, _) in TEMPLATE.char_indices() {
        Extractor::new()
            .template("a.html", &TEMPLATE[..end])
            .unwrap();
    }
}

#[test]
fn the_program_walks_folders() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    for (path, text) in [
        ("src/b.rs", "translate(\"from b\")"),
        ("src/deep/a.rs", "translate(\"from a\")"),
        ("templates/home.html", "{{ _('from home') }}"),
        ("templates/.hidden.html", "{{ _('hidden') }}"),
        ("target/c.rs", "translate(\"built\")"),
        ("image.png", "translate(\"image\")"),
    ] {
        fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
        fs::write(root.join(path), text).unwrap();
    }
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cyclone-gettext"));
        command.current_dir(root).args(arguments).output().unwrap()
    };
    let output = run(&["./src", "templates", "--output", "site.pot"]);
    assert!(output.status.success() && output.stdout.is_empty());
    let pot = fs::read_to_string(root.join("site.pot")).unwrap();
    let references: Vec<&str> = pot
        .lines()
        .filter_map(|line| line.strip_prefix("#: "))
        .collect();
    assert_eq!(
        references,
        ["src/b.rs:1", "src/deep/a.rs:1", "templates/home.html:1"]
    );

    let output = run(&["--formats", "."]);
    let pot = String::from_utf8(output.stdout).unwrap();
    assert!(pot.contains("from b") && pot.contains("msgid \"Sunday\""));
    assert!(!pot.contains("hidden") && !pot.contains("built") && !pot.contains("image"));

    assert!(
        String::from_utf8(run(&["--help"]).stdout)
            .unwrap()
            .contains("Usage")
    );
    for (arguments, problem) in [
        (&[][..], "a path is missing"),
        (&["--what", "."], "`--what` is not known"),
        (&["none"], "none: "),
        (&["image.png"], "neither Rust nor a template"),
        (&["--output"], "--output needs a file"),
    ] {
        let output = run(arguments);
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && told.contains(problem), "{told}");
    }
}
