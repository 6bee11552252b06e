//! The names that the templates of a page have beside their values.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use minijinja::value::{Kwargs, Object, from_args};
use minijinja::{Error, ErrorKind, State, Value};

use super::helpers::query;
use super::module::{Modules, set_resources};
use super::page::{Page, Slot};

/// Whether the rendering stops for something that it needs: for our own functions, no template can write it.
pub(super) const STOPPING: &str = "cyclone stopping";

/// A name that a page has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    StaticUrl,
    ReverseUrl,
    XsrfFormHtml,
    XsrfToken,
    Modules,
    Request,
    Stopping,
    /// Nobody is logged in, unless the application has a value of this name.
    CurrentUser,
    #[cfg(feature = "locale")]
    Language(super::language::Name),
}

impl Name {
    pub(super) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "static_url" => Self::StaticUrl,
            "reverse_url" => Self::ReverseUrl,
            "xsrf_form_html" => Self::XsrfFormHtml,
            "xsrf_token" => Self::XsrfToken,
            "modules" => Self::Modules,
            "request" => Self::Request,
            "current_user" => Self::CurrentUser,
            STOPPING => Self::Stopping,
            #[cfg(feature = "locale")]
            name => Self::Language(super::language::Name::parse(name)?),
            #[cfg(not(feature = "locale"))]
            _ => return None,
        })
    }

    pub(super) fn value(self, page: &Arc<Page>) -> Value {
        let shared = Arc::clone(page);
        match self {
            Self::StaticUrl => plain_function(move |given| static_url(&shared, given)),
            Self::ReverseUrl => plain_function(move |given| reverse_url(&shared, given)),
            Self::XsrfFormHtml => plain_function(move |given| {
                from_args::<()>(given)?;
                Ok(Value::from_safe_string(shared.slot(Slot::XsrfForm)))
            }),
            Self::XsrfToken => Value::from(page.slot(Slot::XsrfToken)),
            Self::Modules => Value::from_object(Modules(shared)),
            Self::Request => match request(page) {
                Ok(request) => request,
                Err(error) => Value::from(error),
            },
            Self::Stopping => Value::from(page.is_stopping()),
            Self::CurrentUser => Value::from(()),
            #[cfg(feature = "locale")]
            Self::Language(name) => name.value(page),
        }
    }
}

/// `set_resources(css_files=…)` in a template that is a module.
pub(super) fn resources(page: Arc<Page>, template: Arc<str>) -> Value {
    plain_function(move |given| {
        let (named,): (Kwargs,) = from_args(given)?;
        set_resources(&page, &template, &named)?;
        Ok(Value::from(""))
    })
}

/// `static_url(path, include_host=false)`
fn static_url(page: &Page, given: &[Value]) -> Result<Value, Error> {
    let (path, named): (&str, Kwargs) = from_args(given)?;
    let include_host: Option<bool> = named.get("include_host")?;
    named.assert_all_used()?;
    let Some(files) = &page.app.static_files else {
        return Err(failed("the application has no static files"));
    };
    let url = page.below_mount(files.static_url(path));
    if include_host != Some(true) {
        return Ok(Value::from(url));
    }
    let facts = page.facts()?;
    Ok(Value::from(format!(
        "{}://{}{url}",
        facts.scheme, facts.host
    )))
}

/// `reverse_url(name, *arguments, **query)`; named arguments become a query, in the order of their names.
fn reverse_url(page: &Page, given: &[Value]) -> Result<Value, Error> {
    let (name, arguments, named): (&str, &[Value], Kwargs) = from_args(given)?;
    let arguments: Vec<&dyn fmt::Display> = arguments.iter().map(|it| it as _).collect();
    let reversed = page.app.names.reverse(name, &arguments, &[]);
    let url = reversed.map_err(|problem| failed(&problem.to_string()))?;
    let mut url = page.below_mount(url);
    let mut keys: Vec<&str> = named.args().collect();
    keys.sort_unstable();
    for (index, key) in keys.into_iter().enumerate() {
        let value: Value = named.get(key)?;
        url.push(if index == 0 { '?' } else { '&' });
        url.push_str(&query(key));
        url.push('=');
        url.push_str(&query(&value.to_string()));
    }
    Ok(Value::from(url))
}

fn request(page: &Page) -> Result<Value, Error> {
    let facts = page.facts()?;
    Ok(Value::from(BTreeMap::from([
        ("method", Value::from(&facts.method)),
        ("uri", Value::from(&facts.uri)),
        ("path", Value::from(&facts.path)),
        ("query", Value::from(&facts.query)),
        ("protocol", Value::from(facts.scheme)),
        ("host", Value::from(&facts.host)),
        ("remote_ip", Value::from(&facts.remote_ip)),
    ])))
}

pub(super) fn failed(problem: &str) -> Error {
    Error::new(ErrorKind::InvalidOperation, problem.to_owned())
}

/// A function of ours as a value.
pub(super) fn plain_function<F>(function: F) -> Value
where
    F: Fn(&[Value]) -> Result<Value, Error> + Send + Sync + 'static,
{
    Value::from_object(PlainFunction(function))
}

struct PlainFunction<F>(F);

impl<F> fmt::Debug for PlainFunction<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("function")
    }
}

impl<F> Object for PlainFunction<F>
where
    F: Fn(&[Value]) -> Result<Value, Error> + Send + Sync + 'static,
{
    fn repr(self: &Arc<Self>) -> minijinja::value::ObjectRepr {
        minijinja::value::ObjectRepr::Plain
    }

    fn call(self: &Arc<Self>, _state: &mut State<'_, '_>, given: &[Value]) -> Result<Value, Error> {
        (self.0)(given)
    }
}
