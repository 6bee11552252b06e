//! The languages of an application.

use std::sync::Arc;

use super::Application;
use crate::context::RequestContext;
use crate::locale::Translations;

impl Application {
    /// Gives the application its catalogues; [`RequestContext::locale`] is the language of a request, and templates
    /// have `_`, `ngettext`, `pgettext`, `format_date` and more.
    ///
    /// In [debug mode](Self::debug) they are read anew when a file changed.
    pub fn translations(mut self, translations: Translations) -> Self {
        self.edit().translations = Some(translations);
        self
    }

    /// Says which language the user of a request has chosen, for handlers that do not say it by
    /// [`user_locale`](crate::RequestHandler::user_locale): a code such as `pt_BR`, or `None` when he has not.
    ///
    /// ```
    /// use cyclone_web::Application;
    ///
    /// let app = Application::new().user_locale(|cx| {
    ///     let arguments = cx.query_arguments().ok()?;
    ///     arguments.get("lang").map(str::to_owned)
    /// });
    /// # let _ = app;
    /// ```
    pub fn user_locale(
        mut self,
        choose: impl Fn(&RequestContext) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        self.edit().user_locale = Some(Arc::new(choose));
        self
    }
}
