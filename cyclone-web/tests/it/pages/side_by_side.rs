//! The tables of `docs/templates.md`, by Tornado and by us.

use cyclone_web::minijinja::{Value, context};
use cyclone_web::{
    Application, ModuleArguments, ModuleContext, RequestContext, Result, Templates, UiModule,
};

use crate::locale_support::python;
use crate::support::{call, get, text};

const DOCUMENT: &str = include_str!("../../../../docs/templates.md");

/// Renders templates of Tornado's, one in a line.
const TORNADO: &str = r#"
import json, sys
import tornado.locale, tornado.template
locale = tornado.locale.get('en_US')
class Modules:
    def Box(self, text):
        return '<i>%s</i>' % text
for line in sys.stdin:
    sources = {
        'base.html': '[{% block body %}{% end %}]',
        'part.html': 'part {{ n }}',
        'row.html': json.loads(line),
    }
    template = tornado.template.DictLoader(sources).load('row.html')
    print(json.dumps(template.generate(
        name='<Ada>', html='<b>', items=[1, 2, 3], n=2, price=1.5, person={'age': 36}, link='see http://a.b',
        none=None, locale=locale, _=locale.translate, pgettext=locale.pgettext, _tt_modules=Modules(),
    ).decode()))
"#;

struct Row {
    tornado: String,
    ours: String,
    result: String,
}

/// The rows of all tables that compare.
fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    let mut is_table = false;
    for line in DOCUMENT.lines() {
        if !line.starts_with('|') {
            is_table = false;
        } else if line == "| Tornado | here | gives |" {
            is_table = true;
        } else if is_table && line != "|---|---|---|" {
            let cells = line.replace("\\|", "\u{0}");
            let cells: Vec<String> = cells
                .trim_matches('|')
                .split('|')
                .map(|cell| cell.trim().trim_matches('`').replace('\u{0}', "|"))
                .collect();
            let [tornado, ours, result] = cells.try_into().expect("three cells");
            rows.push(Row {
                tornado,
                ours,
                result,
            });
        }
    }
    rows
}

struct Box;

impl UiModule for Box {
    fn render(&self, _page: &ModuleContext, arguments: &ModuleArguments) -> Result<String> {
        let text: String = arguments.get(0)?;
        Ok(format!("<i>{text}</i>"))
    }
}

async fn row(cx: &mut RequestContext) -> Result {
    let values = context! {
        name => "<Ada>", html => "<b>", items => [1, 2, 3], n => 2, price => 1.5,
        person => context! { age => 36 }, link => "see http://a.b", none => Value::from(()),
    };
    cx.render("row.html", values)
}

#[tokio::test]
async fn every_row_of_the_document_gives_what_it_says() {
    let rows = rows();
    assert!(rows.len() > 40, "{}", rows.len());
    let input: Vec<String> = rows
        .iter()
        .map(|row| serde_json::json!(row.tornado).to_string())
        .collect();
    let answers = python(TORNADO, &[], &input.join("\n"));
    assert_eq!(answers.len(), rows.len());
    for (row, answer) in rows.iter().zip(answers) {
        let tornado: String = serde_json::from_str(&answer).unwrap();
        assert_eq!(tornado, row.result, "Tornado: {}", row.tornado);
        let templates = Templates::from_sources([
            ("base.html", "[{% block body %}{% endblock %}]"),
            ("part.html", "part {{ n }}"),
            (
                "macros.html",
                "{% macro floor(x) %}{{ x|int }}{% endmacro %}",
            ),
            ("row.html", &row.ours),
        ]);
        let app = Application::new()
            .templates(templates.unwrap().module("Box", Box))
            .get("/", self::row);
        let response = call(&app, get("/")).await;
        assert_eq!(text(&response), row.result, "{}", row.ours);
    }
}
