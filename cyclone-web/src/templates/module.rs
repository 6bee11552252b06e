//! UI modules: parts of pages with code, style sheets and scripts of their own.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use minijinja::value::{Kwargs, Object, Serde, from_args};
use minijinja::{Error, ErrorKind, State, Value};
use serde::{Deserialize, Serialize};

use super::assets::Resources;
use super::names::plain_function;
use super::page::{MAX_MODULE_DEPTH, Page, Scope, Slot, lock};

/// A part of pages with code, style sheets and scripts of its own, as Tornado's class of the same name.
///
/// [`Templates::module`](super::Templates::module) gives it a name; a template has it by
/// `{{ modules.Entry(entry, show_comments=true) }}`. The style sheets and scripts of every module in a page are
/// placed in it once, before `</head>` and `</body>`.
///
/// ```
/// use std::borrow::Cow;
/// use cyclone_web::{ModuleArguments, ModuleContext, Result, Templates, UiModule};
///
/// struct Entry;
/// impl UiModule for Entry {
///     fn render(&self, page: &ModuleContext, arguments: &ModuleArguments) -> Result<String> {
///         let entry: minijinja::Value = arguments.get(0)?;
///         page.render("module-entry.html", minijinja::context! { entry })
///     }
///
///     fn css_files(&self) -> Vec<Cow<'_, str>> {
///         vec!["entry.css".into()]
///     }
/// }
/// # use cyclone_web::minijinja;
/// let templates = Templates::from_sources([
///     ("module-entry.html", "<h1>{{ entry.title }}</h1>"),
///     ("home.html", "<head></head><body>{{ modules.Entry(entry) }}</body>"),
/// ])?.module("Entry", Entry);
/// # let _ = templates;
/// # Ok::<(), cyclone_web::TemplateError>(())
/// ```
pub trait UiModule: Send + Sync + 'static {
    /// Renders the module. What it gives is HTML: text from elsewhere has to be escaped, as templates do it.
    ///
    /// # Errors
    /// Any error fails the page.
    fn render(&self, page: &ModuleContext, arguments: &ModuleArguments) -> crate::Result<String>;

    /// A script that is embedded in the page.
    fn embedded_javascript(&self) -> Option<Cow<'_, str>> {
        None
    }

    /// Scripts that the page links: URLs, or paths of static files.
    fn javascript_files(&self) -> Vec<Cow<'_, str>> {
        Vec::new()
    }

    /// A style sheet that is embedded in the page.
    fn embedded_css(&self) -> Option<Cow<'_, str>> {
        None
    }

    /// Style sheets that the page links: URLs, or paths of static files.
    fn css_files(&self) -> Vec<Cow<'_, str>> {
        Vec::new()
    }

    /// HTML at the end of the head.
    fn html_head(&self) -> Option<Cow<'_, str>> {
        None
    }

    /// HTML at the end of the body.
    fn html_body(&self) -> Option<Cow<'_, str>> {
        None
    }
}

/// The page that a module is rendered for.
pub struct ModuleContext {
    page: Arc<Page>,
}

impl ModuleContext {
    /// Renders a template with the functions of the page, and values of its own.
    ///
    /// # Errors
    /// As [`RequestContext::render`](crate::RequestContext::render).
    pub fn render(&self, template: &str, values: impl Serialize) -> crate::Result<String> {
        let values = Value::from(Serde(values));
        let scope = Scope::of_module(Arc::clone(&self.page), template, values);
        let rendered = self
            .page
            .templates
            .render_value(template, Value::from_object(scope));
        rendered.map_err(|error| crate::Error::internal(format!("{error:?}")))
    }

    /// The language of the page.
    #[cfg(feature = "locale")]
    #[must_use]
    pub fn locale(&self) -> &crate::locale::Locale {
        &self.page.locale
    }

    /// The URL of a static file; see [`RequestContext::static_url`](crate::RequestContext::static_url).
    ///
    /// # Errors
    /// As there.
    pub fn static_url(&self, path: &str) -> crate::Result<String> {
        let files = self.page.app.static_files.as_ref();
        let files =
            files.ok_or_else(|| crate::Error::internal("the application has no static files"))?;
        Ok(self.page.below_mount(files.static_url(path)))
    }
}

impl fmt::Debug for ModuleContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ModuleContext").finish_non_exhaustive()
    }
}

/// What a template gives a module.
#[derive(Debug)]
pub struct ModuleArguments {
    positional: Vec<Value>,
    named: Kwargs,
}

impl ModuleArguments {
    /// The argument at a position, from 0.
    ///
    /// # Errors
    /// A 500 when there is none, or it is of another type.
    pub fn get<'de, T: Deserialize<'de>>(&self, position: usize) -> crate::Result<T> {
        let value = self.positional.get(position).cloned();
        let value = value.ok_or_else(|| {
            crate::Error::internal(format!("the module has no argument {position}"))
        })?;
        T::deserialize(value).map_err(|error| wrong(&position, &error))
    }

    /// The argument of a name, if there is one.
    ///
    /// # Errors
    /// A 500 when it is of another type.
    pub fn named<'de, T: Deserialize<'de>>(&self, name: &str) -> crate::Result<Option<T>> {
        if !self.named.has(name) {
            return Ok(None);
        }
        let value: Value = self
            .named
            .peek(name)
            .map_err(|error| wrong(&name, &error))?;
        T::deserialize(value)
            .map(Some)
            .map_err(|error| wrong(&name, &error))
    }

    /// The number of arguments without a name.
    #[must_use]
    pub fn len(&self) -> usize {
        self.positional.len()
    }

    /// Whether there are none without a name.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.positional.is_empty()
    }
}

fn wrong(argument: &dyn fmt::Display, error: &Error) -> crate::Error {
    crate::Error::internal(format!("argument {argument} of the module: {error}"))
}

/// The name `modules` in templates.
#[derive(Clone)]
pub(super) struct Modules(pub(super) Arc<Page>);

impl fmt::Debug for Modules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set()
            .entries(self.0.templates.modules.keys())
            .finish()
    }
}

impl Object for Modules {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let name: Arc<str> = key.as_str()?.into();
        if !self.is_known(&name) {
            return None;
        }
        let this = Arc::clone(self);
        Some(plain_function(move |arguments| {
            this.call_module(&name, arguments)
        }))
    }

    fn call_method(
        self: &Arc<Self>,
        _state: &mut State<'_, '_>,
        method: &str,
        arguments: &[Value],
    ) -> Result<Value, Error> {
        self.call_module(method, arguments)
    }
}

impl Modules {
    fn is_known(&self, name: &str) -> bool {
        matches!(name, "Template" | "linkify" | "xsrf_form_html")
            || self.0.templates.modules.contains_key(name)
    }

    fn call_module(&self, name: &str, given: &[Value]) -> Result<Value, Error> {
        let page = &self.0;
        let (positional, named): (&[Value], Kwargs) = from_args(given)?;
        let html = if let Some(module) = page.templates.modules.get(name) {
            let arguments = ModuleArguments {
                positional: positional.to_vec(),
                named,
            };
            let context = ModuleContext {
                page: Arc::clone(page),
            };
            lock(&page.assets).add(name, Resources::of(&**module));
            nested(page, || {
                let rendered = module.render(&context, &arguments);
                rendered.map_err(|error| {
                    let message = format!("module {name:?} failed: {error}");
                    Error::new(ErrorKind::BadInclude, message)
                })
            })?
        } else {
            match name {
                "Template" => template(page, positional, &named)?,
                "linkify" => {
                    let (text, shorten) = from_args(positional)?;
                    return super::linkify::function(text, shorten, &named);
                }
                "xsrf_form_html" => page.slot(Slot::XsrfForm),
                _ => {
                    let message = format!("there is no module {name:?}");
                    return Err(Error::new(ErrorKind::UnknownFunction, message));
                }
            }
        };
        Ok(Value::from_safe_string(html))
    }
}

fn failed(name: &str) -> Error {
    Error::new(ErrorKind::BadInclude, format!("module {name:?} failed"))
}

/// Bounds how deep modules render one another.
fn nested(page: &Page, render: impl FnOnce() -> Result<String, Error>) -> Result<String, Error> {
    let depth = page.depth.fetch_add(1, Ordering::Relaxed);
    let rendered = if depth < MAX_MODULE_DEPTH {
        render()
    } else {
        let message = format!("more than {MAX_MODULE_DEPTH} modules inside one another");
        Err(Error::new(ErrorKind::InvalidOperation, message))
    };
    page.depth.fetch_sub(1, Ordering::Relaxed);
    rendered
}

/// Tornado's `Template` module: a template with variables of its own, that may ask for resources.
fn template(page: &Arc<Page>, positional: &[Value], named: &Kwargs) -> Result<String, Error> {
    let (name,): (&str,) = from_args(positional)?;
    let mut values = std::collections::BTreeMap::new();
    for key in named.args() {
        values.insert(key.to_owned(), named.peek::<Value>(key)?);
    }
    let scope = Scope::of_module(Arc::clone(page), name, Value::from(values));
    nested(page, || {
        let rendered = page.templates.render_value(name, Value::from_object(scope));
        rendered.map_err(|error| failed("Template").with_source(error))
    })
}

/// What `set_resources` does in a template that is a module.
pub(super) fn set_resources(page: &Page, template: &str, named: &Kwargs) -> Result<(), Error> {
    let files = |key: &str| -> Result<Vec<String>, Error> {
        let value: Option<Value> = named.get(key)?;
        match value {
            None => Ok(Vec::new()),
            Some(value) if value.as_str().is_some() => Ok(vec![value.to_string()]),
            Some(value) => value
                .try_iter()
                .map(|files| files.map(|file| file.to_string()).collect()),
        }
    };
    let resources = Resources {
        embedded_javascript: named.get("embedded_javascript")?,
        javascript_files: files("javascript_files")?,
        embedded_css: named.get("embedded_css")?,
        css_files: files("css_files")?,
        html_head: named.get("html_head")?,
        html_body: named.get("html_body")?,
    };
    named.assert_all_used()?;
    let mut assets = lock(&page.assets);
    let name = format!("template {template}");
    match assets.find(&name) {
        Some(before) if *before != resources => Err(Error::new(
            ErrorKind::InvalidOperation,
            format!("set_resources was called with different resources in {template:?}"),
        )),
        _ => {
            assets.add(&name, resources);
            Ok(())
        }
    }
}
