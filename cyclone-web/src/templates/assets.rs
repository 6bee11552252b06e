//! Style sheets and scripts that the modules of a page ask for, each placed once.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::Arc;

use minijinja::HtmlEscape;

use super::module::UiModule;

/// What a module needs in the page around it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Resources {
    pub(super) embedded_javascript: Option<String>,
    pub(super) javascript_files: Vec<String>,
    pub(super) embedded_css: Option<String>,
    pub(super) css_files: Vec<String>,
    pub(super) html_head: Option<String>,
    pub(super) html_body: Option<String>,
}

/// What the modules of a page need, in the order in which they were first used.
#[derive(Debug, Default)]
pub(crate) struct Assets {
    modules: Vec<(Arc<str>, Resources)>,
    /// As many of them have their part of the head already.
    in_head: usize,
}

impl Resources {
    pub(super) fn of(module: &dyn UiModule) -> Self {
        let text = |text: Option<Cow<'_, str>>| text.map(Cow::into_owned);
        let files = |files: Vec<Cow<'_, str>>| files.into_iter().map(Cow::into_owned).collect();
        Self {
            embedded_javascript: text(module.embedded_javascript()),
            javascript_files: files(module.javascript_files()),
            embedded_css: text(module.embedded_css()),
            css_files: files(module.css_files()),
            html_head: text(module.html_head()),
            html_body: text(module.html_body()),
        }
    }
}

impl Assets {
    pub(super) fn find(&self, name: &str) -> Option<&Resources> {
        let found = self.modules.iter().find(|(known, _)| **known == *name);
        found.map(|(_, resources)| resources)
    }

    pub(super) fn add(&mut self, name: &str, resources: Resources) {
        if self.find(name).is_none() {
            self.modules.push((name.into(), resources));
        }
    }

    /// What belongs before `</head>`, of the modules for which it was not asked before.
    pub(crate) fn take_head(&mut self, static_url: impl Fn(&str) -> String) -> String {
        let modules = self.modules.get(self.in_head..).unwrap_or_default();
        let mut html = String::new();
        let files = files(
            modules.iter().flat_map(|(_, it)| it.css_files.clone()),
            static_url,
        );
        for file in &files {
            let file = HtmlEscape(file);
            // Writing to a String cannot fail.
            let _ = write!(
                html,
                "<link href=\"{file}\" type=\"text/css\" rel=\"stylesheet\"/>"
            );
        }
        end_line(&mut html);
        let embedded = join(modules.iter().map(|(_, it)| it.embedded_css.clone()), "\n");
        if !embedded.is_empty() {
            let _ = writeln!(html, "<style type=\"text/css\">\n{embedded}\n</style>");
        }
        html.push_str(&join(
            modules.iter().map(|(_, it)| it.html_head.clone()),
            "",
        ));
        end_line(&mut html);
        self.in_head = self.modules.len();
        html
    }

    /// What belongs before `</body>`.
    pub(crate) fn body(&self, static_url: impl Fn(&str) -> String) -> String {
        let modules = &self.modules;
        let mut html = String::new();
        let files = files(
            modules
                .iter()
                .flat_map(|(_, it)| it.javascript_files.clone()),
            static_url,
        );
        for file in &files {
            let file = HtmlEscape(file);
            let _ = write!(
                html,
                "<script src=\"{file}\" type=\"text/javascript\"></script>"
            );
        }
        end_line(&mut html);
        let embedded = join(
            modules.iter().map(|(_, it)| it.embedded_javascript.clone()),
            "\n",
        );
        if !embedded.is_empty() {
            let open = "<script type=\"text/javascript\">\n//<![CDATA[";
            let _ = writeln!(html, "{open}\n{embedded}\n//]]>\n</script>");
        }
        html.push_str(&join(
            modules.iter().map(|(_, it)| it.html_body.clone()),
            "",
        ));
        end_line(&mut html);
        html
    }
}

/// The URLs of files, each once. Paths that are not absolute are those of static files.
fn files(paths: impl Iterator<Item = String>, static_url: impl Fn(&str) -> String) -> Vec<String> {
    let mut files = Vec::new();
    for path in paths {
        let is_absolute = ["/", "http:", "https:"]
            .iter()
            .any(|start| path.starts_with(start));
        let url = if is_absolute { path } else { static_url(&path) };
        if !files.contains(&url) {
            files.push(url);
        }
    }
    files
}

fn join(parts: impl Iterator<Item = Option<String>>, separator: &str) -> String {
    let parts: Vec<String> = parts.flatten().collect();
    parts.join(separator)
}

fn end_line(html: &mut String) {
    if !html.is_empty() && !html.ends_with('\n') {
        html.push('\n');
    }
}
