//! The templates of an application, and what all pages have.

use std::sync::Arc;

use minijinja::Value;
use minijinja::value::Serde;
use serde::Serialize;

use super::Application;
use crate::context::RequestContext;
use crate::templates::Templates;

impl Application {
    /// Says where the templates for [`render`](RequestContext::render) are.
    pub fn templates(mut self, templates: Templates) -> Self {
        let shared = self.edit();
        shared.templates = Some(templates.reload(shared.debug));
        self
    }

    /// Computes a value for every page, under a name that its templates have; what Tornado has `ui_methods` and
    /// `get_template_namespace` for.
    ///
    /// Nobody's password should get into a template by accident, so what it has of `current_user` is said here:
    ///
    /// ```
    /// use cyclone_web::Application;
    ///
    /// let app = Application::new()
    ///     .template_value("method", |cx| cx.method().to_string());
    /// # let _ = app;
    /// ```
    pub fn template_value<T: Serialize>(
        mut self,
        name: &str,
        value: impl Fn(&RequestContext) -> T + Send + Sync + 'static,
    ) -> Self {
        let value = move |cx: &RequestContext| Value::from(Serde(value(cx)));
        self.edit()
            .template_values
            .push((name.into(), Arc::new(value)));
        self
    }
}
