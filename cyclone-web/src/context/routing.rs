//! Where a request stands among the routes.

use std::fmt::Display;

use super::RequestContext;
use super::path::decode;
use crate::error::Result;
use crate::mount::MountPrefix;
#[cfg(feature = "bottle")]
use crate::router::PathParameters;

impl RequestContext {
    /// The path of the route called `name`, with `arguments` in the place of its parameters, in their order. They are
    /// percent-encoded.
    ///
    /// In a mounted application the prefix of the mount comes before it. Routes of a mounted application are found by
    /// their names unless there is one of that name here. A route that is a regular expression has its groups for
    /// parameters, and the path is sure to match it.
    ///
    /// # Errors
    /// A 500 when there is no route of that name, the number of arguments is not that of its parameters, or they do not
    /// match the expression.
    pub fn reverse_url(&self, name: &str, arguments: &[&dyn Display]) -> Result<String> {
        self.reverse_url_with(name, arguments, &[])
    }

    /// The path of the route called `name` with a query, as cyclone's `reverse_url` makes of its keyword arguments.
    ///
    /// ```
    /// # use cyclone_web::{Application, RequestContext, Result, url};
    /// async fn results(cx: &mut RequestContext) -> Result {
    ///     let next = cx.reverse_url_with("results", &[&"rust"], &[("page", &2), ("order", &"a&b")])?;
    ///     assert_eq!(next, "/results/rust?page=2&order=a%26b");
    ///     cx.text(next)
    /// }
    /// # let _ = Application::new().get(url("/results/{topic}").name("results"), results);
    /// ```
    ///
    /// # Errors
    /// As [`reverse_url`](Self::reverse_url).
    pub fn reverse_url_with(
        &self,
        name: &str,
        arguments: &[&dyn Display],
        query: &[(&str, &dyn Display)],
    ) -> Result<String> {
        let url = self.app.reverse_url(name, arguments, query)?;
        Ok(self.below_mount(url))
    }

    /// A path of this application as clients have to ask for it.
    pub(crate) fn below_mount(&self, path: String) -> String {
        match self.head.extensions().get::<MountPrefix>() {
            Some(mount) => mount.below(path),
            None => path,
        }
    }

    /// The path parameter `{name}`, percent-decoded, or `None`: for a group of a regular expression that need not be
    /// there.
    ///
    /// # Errors
    /// A 400 when it is no UTF-8 after decoding.
    pub fn optional_path_argument(&self, name: &str) -> Result<Option<String>> {
        let raw = self.parameters.get(name, self.head.path());
        raw.map(|raw| Ok(decode(raw)?.into_owned())).transpose()
    }

    /// The raw text of the path parameter of that name, or of that number, the first being 0.
    pub(crate) fn raw_parameter(&self, name: &str) -> Option<&str> {
        let path = self.head.path();
        match name.parse::<usize>() {
            Ok(at) => Some(self.parameters.iter(path).nth(at)?.1),
            Err(_no_number) => self.parameters.get(name, path),
        }
    }

    /// Says what the parameters of the path are.
    #[cfg(feature = "bottle")]
    pub(crate) fn set_parameters(&mut self, parameters: PathParameters) {
        self.parameters = parameters;
    }
}
