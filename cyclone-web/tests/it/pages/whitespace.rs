//! White space in templates, as Tornado treats it.

use std::fs;

use cyclone_web::{Templates, Whitespace};

use crate::locale_support::python;

const TORNADO: &str = r#"
import json, sys
from tornado.template import Template
for line in sys.stdin:
    mode, source = json.loads(line)
    print(json.dumps(Template(source, whitespace=mode).generate().decode()))
"#;

const SOURCES: &[&str] = &[
    "a  b\t\tc\n\n  d \n e\r\n\r\nf  ",
    "  \n  a  {{ 1 }}  \n  b {% if 1 %}\n\n c {% end %}\n\n",
    "a  b{% whitespace all %}  c\n\n  d{% whitespace oneline %}  e\n\n  f{% whitespace single %}  g\n\n  h",
    "<pre>a  b\n\n c</pre>  {{ 1 }}  d\n\n e",
    "\n{% whitespace oneline %}a \t\n b",
    "\u{a0} a \u{3000}\u{3000} b",
    "",
];

#[test]
fn modes_are_tornados() {
    let modes = [
        ("all", Whitespace::All),
        ("single", Whitespace::Single),
        ("oneline", Whitespace::OneLine),
    ];
    let calls = modes
        .iter()
        .flat_map(|(name, mode)| SOURCES.iter().map(move |source| (name, *mode, *source)));
    let calls: Vec<_> = calls.collect();
    let input: Vec<String> = calls
        .iter()
        .map(|(name, _, source)| serde_json::json!([name, source]).to_string())
        .collect();
    let answers = python(TORNADO, &[], &input.join("\n"));
    assert_eq!(answers.len(), calls.len());
    for ((name, mode, source), answer) in calls.into_iter().zip(answers) {
        let expected: String = serde_json::from_str(&answer).unwrap();
        let ours = source.replace("{% end %}", "{% endif %}");
        let templates = Templates::from_sources([("t.txt", ours)]).unwrap();
        let templates = templates.whitespace(mode).unwrap();
        // Jinja drops the last line break of a template.
        let expected = expected.strip_suffix('\n').unwrap_or(&expected);
        assert_eq!(
            templates.render("t.txt", ()).unwrap(),
            expected,
            "{name}: {source:?}"
        );
    }
}

#[test]
fn lines_keep_their_numbers_and_marks_still_strip() {
    let source = "a\n\n\n  b {%- if 1 -%}\n\n\n c\n {%- endif %}{% whitespace single %}\n\n{% raw %}  x\n\n y{% endraw %}\n\n{{ missing }}";
    let templates = Templates::from_sources([("t.txt", source)]).unwrap();
    let templates = templates.whitespace(Whitespace::Single).unwrap();
    let error = templates.render("t.txt", ()).unwrap_err();
    assert_eq!(error.line(), Some(14));
    let shown = templates
        .render("t.txt", std::collections::HashMap::from([("missing", "m")]))
        .unwrap();
    assert_eq!(shown, "a\nbc\n  x\n\n y\nm");
    let error = Templates::from_sources([("t.txt", "\n{% whitespace some %}")]).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("line 2: whitespace is all, single or oneline"),
        "{error}"
    );
}

#[test]
fn files_are_filtered_too() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.txt"), "a  b").unwrap();
    let templates = Templates::from_directory(folder.path()).unwrap();
    assert_eq!(templates.render("a.txt", ()).unwrap(), "a  b");
    let templates = templates.whitespace(Whitespace::OneLine).unwrap();
    assert_eq!(templates.render("a.txt", ()).unwrap(), "a b");
    fs::write(folder.path().join("bad.txt"), "{% whitespace %}").unwrap();
    assert!(templates.render("bad.txt", ()).is_err());
}
