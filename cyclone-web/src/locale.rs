//! Languages: catalogues of messages, the choice of one for a request, dates and numbers.
//!
//! What Tornado's `locale` module does, with the same words in the same formats: catalogues of gettext (`.mo`, and
//! `.po` as they are), tables in CSV, and [`Locale::format_date`] and its like.
//!
//! [`Application::translations`](crate::Application::translations) gives an application its catalogues;
//! [`RequestContext::locale`](crate::RequestContext::locale) is the one of a request; templates have `_`, `ngettext`,
//! `pgettext` and more. The messages of a program are collected by [`Extractor`], or by the program
//! `cyclone-gettext`.
//!
//! ```
//! use cyclone_web::locale::{Catalog, Translations};
//! use cyclone_web::{Application, RequestContext, Result};
//!
//! async fn hello(cx: &mut RequestContext) -> Result {
//!     let locale = cx.locale();
//!     cx.text(locale.translate("Hello").to_owned())
//! }
//!
//! let translations = Translations::from_catalogs([("es", Catalog::from_csv(b"Hello,Hola")?)]);
//! let app = Application::new().translations(translations).get("/", hello);
//! # let _ = app;
//! # Ok::<(), cyclone_web::locale::LocaleError>(())
//! ```

mod catalog;
mod civil;
mod csv;
mod error;
mod extract;
mod format;
mod interpolate;
mod languages;
mod mo;
mod names;
mod plural;
mod po;
#[cfg(test)]
mod tests;
mod translations;

use std::fmt;
use std::sync::{Arc, LazyLock};

#[cfg(feature = "templates")]
pub(crate) use self::civil::parse as parse_date;
#[cfg(feature = "templates")]
pub(crate) use self::interpolate::replace;

pub use self::catalog::{Catalog, MAX_CATALOG};
pub use self::error::LocaleError;
pub use self::extract::{ExtractError, Extractor, MAX_SOURCE};
pub use self::format::DateFormat;
pub use self::interpolate::interpolate;
pub use self::languages::{MAX_LANGUAGES, accepted_languages};
pub use self::plural::{
    MAX_PLURAL_DEPTH, MAX_PLURAL_FORMS, MAX_PLURAL_RULE, PluralError, PluralRule,
};
pub use self::translations::{DEFAULT_LOCALE, MAX_LOCALES, Translations};

/// A language with its messages, as Tornado's class of the same name. Cheap to clone.
///
/// The default is `en_US` without a catalogue: every message as it is.
#[derive(Clone)]
pub struct Locale {
    inner: Arc<Inner>,
}

struct Inner {
    code: String,
    name: &'static str,
    catalog: Arc<Catalog>,
}

impl Locale {
    /// A locale of a code and the messages of a catalogue.
    #[must_use]
    pub fn new(code: impl Into<String>, catalog: Arc<Catalog>) -> Self {
        let code = code.into();
        let name = names::name(&code);
        Self {
            inner: Arc::new(Inner {
                code,
                name,
                catalog,
            }),
        }
    }

    fn untranslated(code: &str) -> Self {
        Self::new(code, Arc::new(Catalog::empty()))
    }

    /// The code, `pt_BR` for instance, as the catalogue's file has it.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.inner.code
    }

    /// The code as HTML and HTTP write it, for `<html lang>` and `Content-Language`: `pt-BR`.
    #[must_use]
    pub fn language_tag(&self) -> String {
        let code = self.code();
        code.split('@').next().unwrap_or(code).replace('_', "-")
    }

    /// The name of the language in itself, `Português (Brasil)`; `Unknown` for codes that Tornado has no name for.
    #[must_use]
    pub fn name(&self) -> &str {
        self.inner.name
    }

    /// Whether it is written from right to left: Persian, Arabic and Hebrew.
    #[must_use]
    pub fn is_rtl(&self) -> bool {
        ["fa", "ar", "he"]
            .iter()
            .any(|code| self.code().starts_with(code))
    }

    /// The translation of a message; the message itself when there is none.
    #[must_use]
    pub fn translate<'a>(&'a self, message: &'a str) -> &'a str {
        self.inner.catalog.gettext(message)
    }

    /// The translation of a message in the form for `n`: Tornado's `translate` with three arguments. Without one it
    /// is `message` for one, else `plural`.
    #[must_use]
    pub fn ngettext<'a>(&'a self, message: &'a str, plural: &'a str, n: i64) -> &'a str {
        self.inner.catalog.ngettext(message, plural, n)
    }

    /// The translation of a message in a context; see [`Catalog::pgettext`].
    #[must_use]
    pub fn pgettext<'a>(&'a self, context: &str, message: &'a str) -> &'a str {
        self.inner.catalog.pgettext(context, message)
    }

    /// The translation of a message in a context, in the form for `n`: Tornado's `pgettext` with four arguments.
    #[must_use]
    pub fn npgettext<'a>(
        &'a self,
        context: &str,
        message: &'a str,
        plural: &'a str,
        n: i64,
    ) -> &'a str {
        self.inner.catalog.npgettext(context, message, plural, n)
    }
}

impl Default for Locale {
    fn default() -> Self {
        static ENGLISH: LazyLock<Locale> = LazyLock::new(|| Locale::untranslated(DEFAULT_LOCALE));
        ENGLISH.clone()
    }
}

impl fmt::Debug for Locale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Locale").field(&self.code()).finish()
    }
}
