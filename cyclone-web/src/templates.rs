//! Templates in Jinja syntax, rendered by [`minijinja`].

mod assets;
mod error;
mod helpers;
#[cfg(feature = "locale")]
mod language;
mod linkify;
mod loader;
mod module;
mod names;
mod page;
#[cfg(test)]
mod tests;
mod values;
mod whitespace;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use minijinja::functions::Function;
use minijinja::value::{FunctionArgs, FunctionResult, Serde};
use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value, default_auto_escape_callback};
use serde::Serialize;

pub use self::error::TemplateError;
pub use self::loader::MAX_TEMPLATE_SIZE;
pub use self::module::{ModuleArguments, ModuleContext, UiModule};
pub use self::page::MAX_MODULE_DEPTH;
pub(crate) use self::page::{Facts, Need, Page, Slot, Stopped};
pub(crate) use self::values::Rows;
pub use self::values::Values;
pub use self::whitespace::Whitespace;

/// Default of the instructions one rendering may execute; a table of a million cells fits.
pub const TEMPLATE_FUEL: u64 = 20_000_000;

/// A set of templates: a directory of files, or sources held in memory.
///
/// - What `{{ }}` prints is escaped for HTML in templates named `.html`, `.htm`, `.xml`, `.xhtml` and
///   `.svg`, and written as JSON in `.json`, `.js` and `.yaml`; `|safe` switches it off for one value.
/// - A variable that does not exist is an error when it is printed or iterated, and false in an
///   `if`.
/// - `{% extends %}`, `{% include %}` and `{% import %}` take names relative to the directory, or to
///   the template they stand in when they begin with `./` or `../`. Names never leave the
///   directory.
/// - Tornado's `escape`, `xhtml_escape`, `url_escape`, `json_encode` and `squeeze` are functions and
///   filters.
/// - A rendering executes at most [`TEMPLATE_FUEL`] instructions, and a template has at most
///   [`MAX_TEMPLATE_SIZE`] bytes.
///
/// A file is read and compiled when it is first used and then kept; with
/// [`reload`](Self::reload) it is read again when it changed. Reading blocks the thread: call
/// [`preload`](Self::preload) when the server starts, which also finds syntax errors. A clone shares
/// the compiled templates until it is configured further.
///
/// ```
/// use cyclone_web::Templates;
///
/// let templates = Templates::from_sources([
///     ("base.html", "<title>{% block title %}{% endblock %}</title>"),
///     ("page.html", "{% extends 'base.html' %}{% block title %}{{ name }}{% endblock %}"),
/// ])?;
/// let context = std::collections::HashMap::from([("name", "<Ada>")]);
/// assert_eq!(templates.render("page.html", context)?, "<title>&lt;Ada&gt;</title>");
/// # Ok::<(), cyclone_web::TemplateError>(())
/// ```
#[derive(Clone)]
pub struct Templates {
    environment: Arc<Environment<'static>>,
    directory: Option<PathBuf>,
    whitespace: Whitespace,
    /// As they were given, those that are not of a directory.
    sources: Arc<BTreeMap<String, String>>,
    modules: Arc<BTreeMap<String, Arc<dyn UiModule>>>,
    /// Some template has asked for what is known of the request.
    wants_facts: Arc<AtomicBool>,
}

impl Templates {
    /// Takes templates from the files of a directory; a name is a path in it, such as
    /// `mail/welcome.html`.
    ///
    /// Names with a component that begins with `.`, with a backslash or a colon are never found.
    ///
    /// # Errors
    /// [`TemplateError`] when the path is not a directory.
    pub fn from_directory(path: impl AsRef<Path>) -> Result<Self, TemplateError> {
        let directory = loader::open_directory(path.as_ref())?;
        let mut templates = Self::empty();
        templates.edit().set_loader(loader::from_directory(
            directory.clone(),
            Whitespace::default(),
        ));
        templates.directory = Some(directory);
        Ok(templates)
    }

    /// Takes templates from pairs of name and source, compiled now.
    ///
    /// # Errors
    /// [`TemplateError`] when one has a syntax error or more than [`MAX_TEMPLATE_SIZE`] bytes.
    pub fn from_sources<I, N, S>(sources: I) -> Result<Self, TemplateError>
    where
        I: IntoIterator<Item = (N, S)>,
        N: Into<String>,
        S: Into<String>,
    {
        let mut templates = Self::empty();
        for (name, source) in sources {
            let source = source.into();
            let name = name.into();
            Arc::make_mut(&mut templates.sources).insert(name.clone(), source.clone());
            let added = loader::check_size(&name, source.len() as u64)
                .and_then(|()| whitespace::filter(Whitespace::default(), &source))
                .map(Cow::into_owned)
                .and_then(|source| templates.edit().add_template_owned(name, source));
            added.map_err(|error| TemplateError::new(&templates.environment, &error))?;
        }
        Ok(templates)
    }

    fn empty() -> Self {
        let mut environment = Environment::new();
        environment.set_auto_escape_callback(auto_escape);
        environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
        environment.set_path_join_callback(loader::join);
        environment.set_fuel(Some(TEMPLATE_FUEL));
        environment.set_auto_reload(false);
        // It would copy the values of variables, secrets among them, into every error.
        environment.set_debug(false);
        helpers::install(&mut environment);
        Self {
            environment: Arc::new(environment),
            directory: None,
            whitespace: Whitespace::default(),
            sources: Arc::default(),
            modules: Arc::default(),
            wants_facts: Arc::default(),
        }
    }

    fn edit(&mut self) -> &mut Environment<'static> {
        Arc::make_mut(&mut self.environment)
    }

    /// Looks at the file on every use and reads it again when its size or time changed; off by
    /// default.
    ///
    /// For development: earlier versions stay in memory.
    #[must_use]
    pub fn reload(mut self, reload: bool) -> Self {
        self.edit().set_auto_reload(reload);
        self
    }

    /// Sets what becomes of the white space in the text of the templates; [`Whitespace::All`] unless set.
    ///
    /// # Errors
    /// [`TemplateError`] when a template is malformed; one of a directory is read when it is used.
    pub fn whitespace(mut self, whitespace: Whitespace) -> Result<Self, TemplateError> {
        self.whitespace = whitespace;
        if let Some(directory) = self.directory.clone() {
            let environment = self.edit();
            environment.clear_templates();
            environment.set_loader(loader::from_directory(directory, whitespace));
            return Ok(self);
        }
        for (name, source) in &*Arc::clone(&self.sources) {
            let filtered = whitespace::filter(whitespace, source).map(Cow::into_owned);
            let added =
                filtered.and_then(|source| self.edit().add_template_owned(name.clone(), source));
            added.map_err(|error| TemplateError::new(&self.environment, &error))?;
        }
        Ok(self)
    }

    /// Sets the most instructions one rendering may execute.
    #[must_use]
    pub fn fuel(mut self, instructions: u64) -> Self {
        self.edit().set_fuel(Some(instructions));
        self
    }

    /// Adds a variable that every template sees.
    #[must_use]
    pub fn global(mut self, name: impl Into<Cow<'static, str>>, value: impl Serialize) -> Self {
        self.edit().add_global(name, Value::from(Serde(value)));
        self
    }

    /// Adds a function that every template can call.
    ///
    /// ```
    /// use cyclone_web::Templates;
    ///
    /// let templates = Templates::from_sources([("a.txt", "{{ add(1, 2) }}")])?
    ///     .function("add", |a: i64, b: i64| a + b);
    /// assert_eq!(templates.render("a.txt", ())?, "3");
    /// # Ok::<(), cyclone_web::TemplateError>(())
    /// ```
    #[must_use]
    pub fn function<F, Rv, Args>(mut self, name: impl Into<Cow<'static, str>>, function: F) -> Self
    where
        F: Function<Rv, Args>,
        Rv: FunctionResult,
        Args: for<'a> FunctionArgs<'a>,
    {
        self.edit().add_function(name, function);
        self
    }

    /// Adds a filter: a function whose first argument stands before the `|`.
    #[must_use]
    pub fn filter<F, Rv, Args>(mut self, name: impl Into<Cow<'static, str>>, filter: F) -> Self
    where
        F: Function<Rv, Args>,
        Rv: FunctionResult,
        Args: for<'a> FunctionArgs<'a>,
    {
        self.edit().add_filter(name, filter);
        self
    }

    /// Adds a [UI module](UiModule): `{{ modules.NAME(…) }}` renders it.
    #[must_use]
    pub fn module(mut self, name: impl Into<String>, module: impl UiModule) -> Self {
        Arc::make_mut(&mut self.modules).insert(name.into(), Arc::new(module));
        self
    }

    /// Configures whatever else minijinja has.
    #[must_use]
    pub fn configure(mut self, configure: impl FnOnce(&mut Environment<'static>)) -> Self {
        configure(self.edit());
        self
    }

    /// Reads and compiles every template of the directory, and returns how many there are.
    ///
    /// Templates are the files that end in `.html`, `.htm`, `.xml`, `.txt`, `.j2`, `.jinja` or
    /// `.jinja2`, in directories without a leading dot. Blocks the thread.
    ///
    /// # Errors
    /// [`TemplateError`] for the first that cannot be read or compiled.
    pub fn preload(&self) -> Result<usize, TemplateError> {
        let Some(directory) = &self.directory else {
            return Ok(self.environment.templates().count());
        };
        let names = loader::find(directory)?;
        for name in &names {
            self.look_up(name)?;
        }
        Ok(names.len())
    }

    /// Tells whether there is a template of that name that compiles.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.environment.get_template(name).is_ok()
    }

    /// Renders a template with the fields of a struct or the entries of a map as its variables.
    ///
    /// # Errors
    /// [`TemplateError`]: the template is missing, malformed, or failed. It is for the log: it shows
    /// lines of the template, so never send it to a client.
    pub fn render(&self, name: &str, context: impl Serialize) -> Result<String, TemplateError> {
        self.render_value(name, Value::from(Serde(context)))
    }

    /// Renders a template with a value of minijinja's as its variables, which may hold functions.
    ///
    /// # Errors
    /// As [`render`](Self::render).
    pub fn render_value(&self, name: &str, context: Value) -> Result<String, TemplateError> {
        let template = self.look_up(name)?;
        template
            .render(context)
            .map_err(|error| TemplateError::new(&self.environment, &error))
    }

    /// Renders as much of a template as can be.
    fn render_to(
        &self,
        name: &str,
        context: Value,
        output: &mut Vec<u8>,
    ) -> Result<(), TemplateError> {
        let rendered = self.look_up(name)?.render_captured_to(context, output);
        rendered.map_err(|error| TemplateError::new(&self.environment, &error))?;
        Ok(())
    }

    fn look_up(&self, name: &str) -> Result<minijinja::Template<'_, '_>, TemplateError> {
        self.environment
            .get_template(name)
            .map_err(|error| TemplateError::new(&self.environment, &error))
    }
}

impl fmt::Debug for Templates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Templates")
            .field("directory", &self.directory)
            .field("reload", &self.environment.auto_reload())
            .field("fuel", &self.environment.fuel())
            .finish_non_exhaustive()
    }
}

fn auto_escape(name: &str) -> AutoEscape {
    match default_auto_escape_callback(name) {
        AutoEscape::None => {
            let name = [".j2", ".jinja", ".jinja2"]
                .iter()
                .find_map(|extension| name.strip_suffix(extension))
                .unwrap_or(name);
            if name.ends_with(".xhtml") || name.ends_with(".svg") {
                AutoEscape::Html
            } else {
                AutoEscape::None
            }
        }
        decided => decided,
    }
}
