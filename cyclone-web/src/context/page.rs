//! Answering with templates.

use std::fmt::{Display, Write as _};
use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use minijinja::Value;
use minijinja::value::Serde;
use serde::Serialize;

use super::RequestContext;
use crate::error::{Error, Result};
use crate::templates::{Facts, Need, Page, Rows, Slot, Stopped, TemplateError, Values};

impl RequestContext {
    /// Ends the response with a rendered template; [`Application::templates`](crate::Application::templates)
    /// says where they are.
    ///
    /// Beside the values, the template has what Tornado's have: `static_url`, `reverse_url`, `xsrf_form_html`,
    /// `current_user`, `request`, `modules`, and with the feature `locale` `_`, `ngettext`, `pgettext`, `locale`,
    /// `format_date`, `format_day` and `friendly_number`. A value of the same name wins. The style sheets and scripts
    /// of its [modules](crate::UiModule) are placed before `</head>` and `</body>`. The chapter `templates` of the
    /// documentation shows each beside Tornado's.
    ///
    /// # Errors
    /// A 500 when there is no such template or it fails; the log has file, line and excerpt.
    pub fn render(&mut self, template: &str, values: impl Serialize) -> Result {
        let html = self.render_string(template, values)?;
        self.html(html)
    }

    /// Renders a template to text, as [`render`](Self::render) does.
    ///
    /// # Errors
    /// As [`render`](Self::render).
    pub fn render_string(&mut self, template: &str, values: impl Serialize) -> Result<String> {
        let page = self.page(Vec::new())?;
        let text = self.render_now(&page, template, &Value::from(Serde(values)))?;
        let text = with_assets(&page, text)?;
        self.fill_simple_slots(&page, text)
    }

    /// Ends the response with a rendered template, some values of which are yet to come: an expression that comes to
    /// one waits for it, as cyclone's templates waited for a `Deferred`.
    ///
    /// The template is rendered as far as it comes, and anew when the value is there; so its functions may be called
    /// more than once.
    ///
    /// # Errors
    /// As [`render`](Self::render), or the error of a value.
    pub async fn render_async(&mut self, template: &str, values: Values<'_>) -> Result {
        let html = self.render_later(template, values, false).await?;
        self.html(html)
    }

    /// Sends a rendered template piece by piece: what there is before the first value that is yet to come, then what
    /// there is before the second, and [rows](Values::rows) one by one. A client that reads slowly slows it.
    ///
    /// Style sheets of modules that the template comes to after `</head>` has been sent are placed before `</body>`.
    /// A template that renders otherwise when it is rendered anew, with random values for instance, fails.
    ///
    /// # Errors
    /// As [`render_async`](Self::render_async). When something has been sent by then, the response breaks off so that
    /// the client can tell.
    ///
    /// # Cancel safety
    /// When the future is dropped, any part of the page may have been sent.
    pub async fn render_stream(&mut self, template: &str, values: Values<'_>) -> Result {
        let last = self.render_later(template, values, true).await?;
        self.write_html(last);
        self.finish()
    }

    /// Ends the response with whatever can be displayed: a template of askama, of maud, or one of your own. Escaping
    /// is its affair.
    ///
    /// ```
    /// # use cyclone_web::{RequestContext, Result};
    /// struct Hello(&'static str);
    /// impl std::fmt::Display for Hello {
    ///     fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
    ///         write!(f, "<h1>hello, {}</h1>", self.0)
    ///     }
    /// }
    ///
    /// async fn hello(cx: &mut RequestContext) -> Result {
    ///     cx.render_display(Hello("world"))
    /// }
    /// # let _ = cyclone_web::Application::new().get("/", hello);
    /// ```
    ///
    /// # Errors
    /// A 500 when it fails to display itself.
    pub fn render_display(&mut self, template: impl Display) -> Result {
        let mut html = String::new();
        if write!(html, "{template}").is_err() {
            return Err(Error::internal("the template failed to display itself"));
        }
        self.html(html)
    }

    fn page(&mut self, later: Vec<String>) -> Result<Arc<Page>> {
        let Some(templates) = self.app().templates.clone() else {
            return Err(Error::internal("the application has no templates"));
        };
        let named = self.app.template_values.iter();
        let named = named
            .map(|(name, value)| (Arc::clone(name), value(self)))
            .collect();
        #[cfg(feature = "locale")]
        let locale = self.locale();
        let page = Page::new(
            Arc::clone(&self.app),
            self.head.extensions().get().cloned(),
            templates,
            #[cfg(feature = "locale")]
            locale,
            named,
            later,
        );
        if page.wants_facts() {
            page.set_facts(self.facts());
        }
        Ok(Arc::new(page))
    }

    fn facts(&self) -> Facts {
        Facts {
            method: self.method().to_string(),
            uri: self.uri().to_string(),
            path: self.request_path().to_owned(),
            query: self.uri().query().unwrap_or_default().to_owned(),
            scheme: self.scheme(),
            host: self.host().unwrap_or_default().to_owned(),
            remote_ip: self
                .remote_ip()
                .map(|ip| ip.to_string())
                .unwrap_or_default(),
        }
    }

    /// Renders a template, none of the values of which is yet to come.
    fn render_now(&self, page: &Arc<Page>, template: &str, values: &Value) -> Result<String> {
        loop {
            let mut output = Vec::new();
            match page.attempt(template, values, &mut output) {
                Ok(()) => return text(output),
                Err(Stopped::Needs(Need::Facts)) => page.set_facts(self.facts()),
                Err(Stopped::Needs(Need::Later(_))) => {
                    return Err(Error::internal("a value of the page does not come"));
                }
                Err(Stopped::Failed(error)) => return Err(failed(&error)),
            }
        }
    }

    /// Renders what has to be waited for; when streaming, all but what it gives has been sent.
    async fn render_later(
        &mut self,
        template: &str,
        mut values: Values<'_>,
        streaming: bool,
    ) -> Result<String> {
        let later = std::mem::take(&mut values.later);
        let names = later.iter().map(|(name, _)| name.clone()).collect();
        let page = self.page(names)?;
        for (number, (name, ..)) in values.rows.iter().enumerate() {
            values.plain.push((name.clone(), page.rows_slot(number)));
        }
        let present = values.present();
        let mut rows: Vec<Option<(String, Rows<'_>)>> = Vec::new();
        rows.extend(
            values
                .rows
                .into_iter()
                .map(|(_, row, rows)| Some((row, rows))),
        );
        let coming = later.into_iter().enumerate();
        let mut coming: FuturesUnordered<_> = coming
            .map(|(number, (_, value))| async move { (number, value.await) })
            .collect();
        #[cfg(feature = "security")]
        if streaming {
            self.prepare_token()?;
        }

        let mut sent = String::new();
        let mut has_head = false;
        loop {
            let mut output = Vec::new();
            let stopped = page.attempt(template, &present, &mut output);
            let output = text(output)?;
            match stopped {
                Ok(()) if !streaming => {
                    let html = with_assets(&page, output)?;
                    return self.fill_slots(&page, html, &mut rows, false).await;
                }
                Ok(()) => {
                    let rest = not_sent(&output, &sent)?;
                    let rest = stream_assets(&page, rest, &mut has_head, true);
                    return self.fill_slots(&page, rest, &mut rows, true).await;
                }
                Err(Stopped::Needs(Need::Facts)) => page.set_facts(self.facts()),
                Err(Stopped::Needs(Need::Later(number))) => {
                    if streaming {
                        let rest = not_sent(&output, &sent)?;
                        let rest = stream_assets(&page, rest, &mut has_head, false);
                        let rest = self.fill_slots(&page, rest, &mut rows, true).await?;
                        self.write_html(rest);
                        self.flush().await?;
                        sent = output;
                    }
                    while !page.has_later(number) {
                        let Some((number, value)) = coming.next().await else {
                            return Err(Error::internal("a value of the page does not come"));
                        };
                        page.set_later(number, value?);
                    }
                }
                Err(Stopped::Failed(error)) => return Err(failed(&error)),
            }
        }
    }

    /// Replaces slots; when streaming, rows are sent, and what stands before them.
    async fn fill_slots(
        &mut self,
        page: &Arc<Page>,
        html: String,
        rows: &mut [Option<(String, Rows<'_>)>],
        streaming: bool,
    ) -> Result<String> {
        let mut filled = String::new();
        let mut rest = html;
        while let Some((before, slot, after)) = page.split_slot(&rest) {
            filled.push_str(before);
            if let Slot::Rows(number) = slot {
                // A second place for the same rows has none left.
                let taken = rows.get_mut(number).and_then(Option::take);
                if let Some((template, mut rows)) = taken {
                    while let Some(row) = rows.next().await {
                        let row = self.render_now(page, &template, &row?)?;
                        filled.push_str(&self.fill_simple_slots(page, row)?);
                        if streaming {
                            self.write_html(std::mem::take(&mut filled));
                            self.flush().await?;
                        }
                    }
                }
            } else {
                filled.push_str(&self.simple_slot(slot)?);
            }
            rest = after.to_owned();
        }
        filled.push_str(&rest);
        Ok(filled)
    }

    fn fill_simple_slots(&mut self, page: &Page, html: String) -> Result<String> {
        let Some((mut before, mut slot, mut rest)) = page.split_slot(&html) else {
            return Ok(html);
        };
        let mut filled = String::with_capacity(html.len() + 64);
        loop {
            filled.push_str(before);
            filled.push_str(&self.simple_slot(slot)?);
            match page.split_slot(rest) {
                Some(next) => (before, slot, rest) = next,
                None => break,
            }
        }
        filled.push_str(rest);
        Ok(filled)
    }

    #[cfg(feature = "security")]
    fn simple_slot(&mut self, slot: Slot) -> Result<String> {
        let is_kept = self.extensions().get::<TokenKept>().is_some();
        match slot {
            Slot::XsrfForm if is_kept => {
                let ticket = self.xsrf_ticket()?;
                Ok(self.xsrf_field(&ticket))
            }
            Slot::XsrfToken if is_kept => Ok(self.xsrf_ticket()?.text().to_owned()),
            Slot::XsrfForm => self.xsrf_form_html(),
            Slot::XsrfToken => self.xsrf_token(),
            Slot::Rows(_) => Ok(String::new()),
        }
    }

    #[cfg(not(feature = "security"))]
    #[expect(clippy::unused_self, reason = "as with the feature")]
    fn simple_slot(&mut self, slot: Slot) -> Result<String> {
        match slot {
            Slot::XsrfForm | Slot::XsrfToken => {
                Err(Error::internal("tokens need the feature `security`"))
            }
            Slot::Rows(_) => Ok(String::new()),
        }
    }

    /// Has the cookie of the token set while there are headers to set it with.
    #[cfg(feature = "security")]
    fn prepare_token(&mut self) -> Result<()> {
        if !self.is_flushed() && self.app.guards.as_ref().is_some_and(|it| it.xsrf.is_some()) {
            self.xsrf_token()?;
            self.extensions_mut().insert(TokenKept);
        }
        Ok(())
    }

    fn write_html(&mut self, html: String) {
        self.set_media_html();
        self.write(html);
    }
}

/// The cookie of the token was set before a stream began.
#[cfg(feature = "security")]
#[derive(Clone, Copy)]
struct TokenKept;

fn text(output: Vec<u8>) -> Result<String> {
    String::from_utf8(output).map_err(|_| Error::internal("a template wrote what is no text"))
}

fn failed(error: &TemplateError) -> Error {
    Error::internal(format!("{error:?}"))
}

/// What is new in a page that was rendered anew.
fn not_sent(output: &str, sent: &str) -> Result<String> {
    match output.strip_prefix(sent) {
        Some(rest) => Ok(rest.to_owned()),
        None => Err(Error::internal(
            "the template rendered otherwise than what has been sent of it",
        )),
    }
}

/// Places the style sheets and scripts of the modules in a whole page.
fn with_assets(page: &Page, html: String) -> Result<String> {
    let (head, body) = page.take_assets();
    if head.is_empty() && body.is_empty() {
        return Ok(html);
    }
    let place = |html: &str, at: Option<usize>, tag: &str, more: &str| {
        if more.is_empty() {
            return Ok(html.to_owned());
        }
        let (before, after) = at.and_then(|at| html.split_at_checked(at)).ok_or_else(|| {
            Error::internal(format!(
                "a module has something to place before {tag}, which is missing"
            ))
        })?;
        Ok(format!("{before}{more}{after}"))
    };
    let html = place(&html, html.rfind("</body>"), "</body>", &body)?;
    place(&html, html.find("</head>"), "</head>", &head)
}

/// The same in a piece of one.
fn stream_assets(page: &Page, html: String, has_head: &mut bool, is_last: bool) -> String {
    let mut html = html;
    if !*has_head && let Some(at) = html.find("</head>") {
        let (head, _) = page.take_assets();
        html.insert_str(at, &head);
        *has_head = true;
    }
    if is_last {
        let (head, body) = page.take_assets();
        let at = html.rfind("</body>").unwrap_or(html.len());
        html.insert_str(at, &format!("{head}{body}"));
    }
    html
}
