//! The values of a page, some of which are yet to come.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;

use futures_core::Stream;
use futures_util::{FutureExt as _, StreamExt as _};
use minijinja::Value;
use minijinja::value::Serde;
use serde::Serialize;

use crate::error::Result;

/// A future of a value.
pub(crate) type Coming<'a> = Pin<Box<dyn Future<Output = Result<Value>> + Send + 'a>>;
/// A stream of values.
pub(crate) type Rows<'a> = Pin<Box<dyn Stream<Item = Result<Value>> + Send + 'a>>;

/// The values of a page for [`render_async`](crate::RequestContext::render_async) and
/// [`render_stream`](crate::RequestContext::render_stream): some are there, some are yet to come.
///
/// ```
/// use cyclone_web::{RequestContext, Result, Values};
/// # async fn find_user() -> Result<&'static str> { Ok("Ada") }
///
/// async fn home(cx: &mut RequestContext) -> Result {
///     let values = Values::new()
///         .set("title", "Home")
///         .later("user", find_user());
///     cx.render_async("home.html", values).await
/// }
/// # let _ = cyclone_web::Application::new().get("/", home);
/// ```
#[derive(Default)]
pub struct Values<'a> {
    base: Option<Value>,
    pub(crate) plain: Vec<(Cow<'static, str>, Value)>,
    pub(crate) later: Vec<(String, Coming<'a>)>,
    pub(crate) rows: Vec<(Cow<'static, str>, String, Rows<'a>)>,
}

impl<'a> Values<'a> {
    /// No values.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The fields of a struct, or the entries of a map.
    #[must_use]
    pub fn of(values: impl Serialize) -> Self {
        Self {
            base: Some(Value::from(Serde(values))),
            ..Self::default()
        }
    }

    /// Adds a value that is there.
    #[must_use]
    pub fn set(mut self, name: impl Into<Cow<'static, str>>, value: impl Serialize) -> Self {
        self.plain.push((name.into(), Value::from(Serde(value))));
        self
    }

    /// Adds a value that is yet to come.
    ///
    /// All of them run at the same time, from the beginning, whenever the page waits; it waits where a template
    /// comes to a value that is not there, whatever it does with it. One that no template comes to is dropped. Its
    /// error fails the page.
    #[must_use]
    pub fn later<T: Serialize>(
        mut self,
        name: impl Into<String>,
        value: impl Future<Output = Result<T>> + Send + 'a,
    ) -> Self {
        let value = value.map(|value| value.map(|value| Value::from(Serde(value))));
        self.later.push((name.into(), Box::pin(value)));
        self
    }

    /// Adds rows that come one after the other: `{{ name }}` prints each with the template `row`, the variables of
    /// which are the fields of the row.
    ///
    /// With `render_stream` every row is on its way before the next is asked for, so that there may be any number.
    #[must_use]
    pub fn rows<T: Serialize>(
        mut self,
        name: impl Into<Cow<'static, str>>,
        row: impl Into<String>,
        rows: impl Stream<Item = Result<T>> + Send + 'a,
    ) -> Self {
        let rows = rows.map(|row| row.map(|row| Value::from(Serde(row))));
        self.rows.push((name.into(), row.into(), Box::pin(rows)));
        self
    }

    /// The values that are there.
    pub(crate) fn present(&mut self) -> Value {
        let base = self.base.take().unwrap_or_else(|| Value::from(()));
        let named = std::mem::take(&mut self.plain).into_iter();
        let named: BTreeMap<String, Value> = named
            .map(|(name, value)| (name.into_owned(), value))
            .collect();
        let named = Value::from(named);
        if base.is_none() {
            named
        } else {
            minijinja::value::merge_maps([named, base])
        }
    }
}

impl fmt::Debug for Values<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Values").finish_non_exhaustive()
    }
}
