//! Rules: paths with wildcards, and what else belongs to a route.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use http::Method;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::plugin::{DynPlugin, Plugin};

/// Paths with wildcards, and what belongs to them; made by [`rule`].
///
/// Wherever one is expected a path does too, or several: `["/", "/index"]`.
#[derive(Clone)]
#[must_use = "a rule does nothing until it is routed"]
pub struct Rule {
    pub(super) paths: Vec<String>,
    pub(super) methods: Methods,
    pub(super) name: Option<String>,
    pub(super) body_limit: Option<u64>,
    plugins: Vec<Arc<dyn DynPlugin>>,
    skipped: Vec<String>,
    skips_all: bool,
}

/// The methods of a rule.
#[derive(Clone, Debug)]
pub(super) enum Methods {
    These(Vec<Method>),
    /// Those that have no rule of their own.
    Any,
    /// All, before any other rule.
    Proxy,
}

/// A rule for one path or several, with more to say about it.
///
/// ```
/// use cyclone_web::RequestContext;
/// use cyclone_web::bottle::{Bottle, rule};
///
/// let form = rule("/form/<id:int>").any().name("form").body_limit(1024);
/// let bottle = Bottle::new().route(form, async |cx: &mut RequestContext| cx.text("form"));
/// assert_eq!(bottle.application().reverse_url("form", &[&7])?, "/form/7");
/// # Ok::<(), cyclone_web::Error>(())
/// ```
pub fn rule(paths: impl Into<Rule>) -> Rule {
    paths.into()
}

impl Rule {
    fn new(paths: Vec<String>) -> Self {
        Self {
            paths,
            methods: Methods::These(vec![Method::GET]),
            name: None,
            body_limit: None,
            plugins: Vec::new(),
            skipped: Vec::new(),
            skips_all: false,
        }
    }

    /// Sets the methods; `GET`, with `HEAD`, unless set.
    pub fn methods(mut self, methods: impl IntoIterator<Item = Method>) -> Self {
        self.methods = Methods::These(methods.into_iter().collect());
        self
    }

    /// Has the rule take all methods for which its path has no other: Bottle's `ANY`.
    pub fn any(mut self) -> Self {
        self.methods = Methods::Any;
        self
    }

    /// Has the rule take all methods, before any other rule: Bottle's `PROXY`.
    pub fn proxy(mut self) -> Self {
        self.methods = Methods::Proxy;
        self
    }

    /// Names the rule for [`reverse_url`](crate::RequestContext::reverse_url); of several paths the first.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets the most bytes that a request body may have here; the application's limit unless set.
    pub fn body_limit(mut self, bytes: u64) -> Self {
        self.body_limit = Some(bytes);
        self
    }

    /// Puts a plugin around the function of this rule alone, inside of those of the bottle.
    pub fn apply(mut self, plugin: impl Plugin) -> Self {
        self.plugins.push(Arc::new(plugin));
        self
    }

    /// Leaves out a plugin by its name.
    pub fn skip(mut self, name: impl Into<String>) -> Self {
        self.skipped.push(name.into());
        self
    }

    /// Leaves out all plugins.
    pub fn skip_all(mut self) -> Self {
        self.skips_all = true;
        self
    }

    /// The plugins around the function, the outermost first.
    pub(super) fn layers(&self, installed: &[Arc<dyn DynPlugin>]) -> Vec<Arc<dyn DynPlugin>> {
        let is_wanted = |plugin: &&Arc<dyn DynPlugin>| {
            !self.skips_all && !self.skipped.iter().any(|name| name == plugin.name())
        };
        let all = installed.iter().chain(&self.plugins);
        all.filter(is_wanted).cloned().collect()
    }
}

impl From<&str> for Rule {
    fn from(path: &str) -> Self {
        Self::new(vec![path.to_owned()])
    }
}

impl From<String> for Rule {
    fn from(path: String) -> Self {
        Self::new(vec![path])
    }
}

impl<const N: usize> From<[&str; N]> for Rule {
    fn from(paths: [&str; N]) -> Self {
        Self::new(paths.map(str::to_owned).to_vec())
    }
}

impl From<Vec<String>> for Rule {
    fn from(paths: Vec<String>) -> Self {
        Self::new(paths)
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rule")
            .field("paths", &self.paths)
            .field("methods", &self.methods)
            .finish_non_exhaustive()
    }
}

/// The filters of wildcards, and those that were added.
#[derive(Clone, Default)]
pub(super) struct Filters {
    own: HashMap<String, String>,
}

/// A path, taken apart.
pub(super) enum Path {
    /// It has no wildcards.
    Literal(String),
    /// The regular expression that it stands for.
    Dynamic(String),
}

/// What is percent-encoded in the text of a rule: what requests do not have as it is.
const TEXT: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>');

impl Filters {
    pub(super) fn add(&mut self, name: &str, expression: &str) {
        self.own.insert(name.to_owned(), expression.to_owned());
    }

    /// The expression of a filter.
    fn expression(&self, filter: &str, setting: Option<&str>) -> Result<String, String> {
        if let Some(own) = self.own.get(filter) {
            return Ok(own.clone());
        }
        let expression = match (filter, setting) {
            ("", None) => "[^/]+",
            ("int", None) => "-?[0-9]+",
            ("float", None) => r"-?[0-9]+(?:\.[0-9]+)?|-?\.[0-9]+",
            ("path", None) => ".+?",
            ("re", Some(setting)) => setting,
            ("re", None) => return Err("the filter `re` has no expression".to_owned()),
            (_, Some(_)) => return Err(format!("the filter `{filter}` takes nothing")),
            _ => return Err(format!("there is no filter `{filter}`")),
        };
        Ok(expression.to_owned())
    }

    /// Takes a path with wildcards apart.
    pub(super) fn parse(&self, path: &str) -> Result<Path, String> {
        if !path.starts_with('/') {
            return Err("it does not begin with a slash".to_owned());
        }
        let (mut expression, mut text) = (String::new(), String::new());
        let mut is_dynamic = false;
        let mut characters = path.chars().peekable();
        while let Some(character) = characters.next() {
            match character {
                '\\' if matches!(characters.peek(), Some('<' | '\\')) => {
                    text.extend(characters.next());
                }
                '<' => {
                    expression.push_str(&regex::escape(&encoded(&text)));
                    text.clear();
                    let wildcard = wildcard(&mut characters)?;
                    expression.push_str(&self.group(&wildcard)?);
                    is_dynamic = true;
                }
                _ => text.push(character),
            }
        }
        if !is_dynamic {
            return Ok(Path::Literal(encoded(&text)));
        }
        expression.push_str(&regex::escape(&encoded(&text)));
        Ok(Path::Dynamic(expression))
    }

    /// The group that a wildcard stands for.
    fn group(&self, wildcard: &str) -> Result<String, String> {
        let mut parts = wildcard.splitn(3, ':');
        let name = parts.next().unwrap_or_default();
        let filter = parts.next().unwrap_or_default();
        let expression = self.expression(filter, parts.next())?;
        if name.is_empty() {
            return Ok(format!("(?:{expression})"));
        }
        let is_name = name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            && !name.starts_with(|first: char| first.is_ascii_digit());
        if !is_name {
            return Err(format!("`{name}` is no name for a wildcard"));
        }
        Ok(format!("(?P<{name}>{expression})"))
    }
}

/// Reads a wildcard up to its end.
fn wildcard(characters: &mut impl Iterator<Item = char>) -> Result<String, String> {
    let mut wildcard = String::new();
    while let Some(character) = characters.next() {
        match character {
            '>' => return Ok(wildcard),
            '\\' => match characters.next() {
                Some('>') => wildcard.push('>'),
                Some(other) => wildcard.extend(['\\', other]),
                None => break,
            },
            _ => wildcard.push(character),
        }
    }
    Err("a `<` has no `>` after it".to_owned())
}

/// The text of a path as requests have it.
fn encoded(text: &str) -> String {
    utf8_percent_encode(text, TEXT).to_string()
}
