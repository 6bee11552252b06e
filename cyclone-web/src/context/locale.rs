//! The language of a request.

use std::time::Duration;

use http::header::{self, HeaderName, HeaderValue};

use super::RequestContext;
use crate::cookies::{Cookies, SameSite, SetCookie};
use crate::error::{Error, Result};
use crate::locale::{Locale, Translations, accepted_languages};

/// How long a browser keeps the choice of a language: a year.
const COOKIE_AGE: Duration = Duration::from_secs(365 * 86_400);

/// What was chosen for a request, and which header of it decided.
#[derive(Clone)]
struct Chosen {
    locale: Locale,
    by: Option<HeaderName>,
}

impl RequestContext {
    /// The language of the request; the default one, without a catalogue, when the application has no
    /// [translations](crate::Application::translations).
    ///
    /// The first of these decides for which there is a catalogue, and it is remembered:
    ///
    /// 1. [`set_locale`](Self::set_locale);
    /// 2. [`RequestHandler::user_locale`](crate::RequestHandler::user_locale), then that of the
    ///    [application](crate::Application::user_locale): what the user has chosen;
    /// 3. the [cookie](Translations::cookie) of the translations;
    /// 4. `Accept-Language`, as Tornado's `get_browser_locale`;
    /// 5. the [default](Translations::default_locale).
    ///
    /// When a header decided, its name goes into `Vary`, so that no cache gives one reader the page of another.
    pub fn locale(&mut self) -> Locale {
        let chosen = match self.extensions().get::<Chosen>() {
            Some(chosen) => chosen.clone(),
            None => {
                let chosen = self.choose_locale();
                self.extensions_mut().insert(chosen.clone());
                chosen
            }
        };
        if let Some(name) = chosen.by {
            self.vary(&name);
        }
        chosen.locale
    }

    /// Sets the language of this request by its code, from an asynchronous source for instance; the closest is
    /// taken, and given back.
    ///
    /// A [`prepare`](crate::RequestHandler::prepare) is the place for it.
    pub fn set_locale(&mut self, code: &str) -> Locale {
        let locale = match &self.app.translations {
            Some(translations) => translations.closest([code]),
            None => Locale::default(),
        };
        self.extensions_mut().insert(Chosen {
            locale: locale.clone(),
            by: None,
        });
        locale
    }

    /// Sets the language of this request as [`set_locale`](Self::set_locale), and has the browser keep the choice
    /// for a year, in the cookie that [`Translations::cookie`] names.
    ///
    /// # Errors
    /// A 500 when the application has no translations, or these no cookie.
    pub fn set_locale_cookie(&mut self, code: &str) -> Result<Locale> {
        let translations = self.app.translations.as_ref();
        let Some(name) = translations.and_then(Translations::cookie_name) else {
            let problem = "the application has no translations with a cookie";
            return Err(Error::internal(problem));
        };
        let name = name.to_owned();
        let locale = self.set_locale(code);
        let cookie = SetCookie::new(name, locale.code())
            .max_age(COOKIE_AGE)
            .same_site(SameSite::Lax);
        self.set_cookie(cookie)?;
        Ok(locale)
    }

    fn choose_locale(&self) -> Chosen {
        let Some(translations) = &self.app.translations else {
            return Chosen {
                locale: Locale::default(),
                by: None,
            };
        };
        if self.app.debug
            && let Err(error) = translations.reload_changed()
        {
            tracing::error!(%error, "translations not reloaded");
        }
        let of_user = || {
            let handler = self.handler.as_ref();
            let of_handler = handler.and_then(|handler| handler.user_locale(self));
            of_handler.or_else(|| {
                let chooser = self.app.user_locale.as_ref()?;
                chooser(self)
            })
        };
        if let Some(locale) = of_user().and_then(|code| translations.closest_of([code])) {
            return Chosen { locale, by: None };
        }
        if let Some(name) = translations.cookie_name() {
            let cookies = Cookies::new(self.headers());
            let code = cookies.get(name);
            if let Some(locale) = code.and_then(|code| translations.closest_of([code])) {
                let by = Some(header::COOKIE);
                return Chosen { locale, by };
            }
        }
        let fields = self.headers().get_all(header::ACCEPT_LANGUAGE).iter();
        let fields: Vec<&str> = fields.filter_map(|field| field.to_str().ok()).collect();
        Chosen {
            locale: translations.closest(accepted_languages(&fields.join(","))),
            by: Some(header::ACCEPT_LANGUAGE),
        }
    }

    /// Adds a name to the `Vary` of the response unless it is there.
    fn vary(&mut self, name: &HeaderName) {
        if self.is_flushed() {
            return;
        }
        let values = self.response_headers().get_all(header::VARY).iter();
        let mut names = values
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','));
        if !names.any(|other| other.trim().eq_ignore_ascii_case(name.as_str())) {
            let value = HeaderValue::from_str(name.as_str());
            if let Ok(value) = value {
                self.response_headers_mut().append(header::VARY, value);
            }
        }
    }
}
