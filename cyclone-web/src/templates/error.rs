//! Errors of templates, for the log.

use std::error::Error as _;
use std::fmt::{self, Write as _};

use http::StatusCode;
use minijinja::{Environment, Error, ErrorKind};

/// Lines of the template shown on either side of the one that failed.
const EXCERPT_LINES: usize = 3;

/// Characters shown of each of them.
const EXCERPT_WIDTH: usize = 160;

/// Why a template could not be loaded or rendered; the mistake of the application.
///
/// `Display` is one line with the name of the template and the line in it; `Debug` adds the
/// excerpt. Both are for the log and must not reach a client, who gets
/// [`status`](Self::status). Trying again without changing the template or its variables fails
/// again.
#[derive(Clone)]
pub struct TemplateError {
    inner: Box<Inner>,
}

#[derive(Clone)]
struct Inner {
    message: String,
    template: Option<String>,
    line: Option<usize>,
    excerpt: Option<String>,
    not_found: bool,
}

impl TemplateError {
    pub(super) fn new(environment: &Environment<'_>, error: &Error) -> Self {
        let mut message = error.to_string();
        // Where it really happened is in the innermost: an include wraps what failed in it.
        let mut innermost = error;
        let mut source = error.source();
        while let Some(cause) = source {
            let _ = write!(message, ": {cause}");
            if let Some(cause) = cause.downcast_ref::<Error>()
                && cause.line().is_some()
            {
                innermost = cause;
            }
            source = cause.source();
        }
        let excerpt = innermost.line().and_then(|line| {
            if let Some(source) = innermost.template_source() {
                return Some(excerpt(source, line));
            }
            let template = environment.get_template(innermost.name()?).ok()?;
            Some(excerpt(template.source(), line))
        });
        Self {
            inner: Box::new(Inner {
                message,
                template: innermost.name().map(str::to_owned),
                line: innermost.line(),
                excerpt,
                // An included one that is missing has the line of the include.
                not_found: error.kind() == ErrorKind::TemplateNotFound && error.line().is_none(),
            }),
        }
    }

    pub(super) fn of_directory(message: String) -> Self {
        Self {
            inner: Box::new(Inner {
                message,
                template: None,
                line: None,
                excerpt: None,
                not_found: false,
            }),
        }
    }

    /// Returns the name of the template that failed, which may be an included one.
    #[must_use]
    pub fn template(&self) -> Option<&str> {
        self.inner.template.as_deref()
    }

    /// Returns the line that failed, from 1.
    #[must_use]
    pub fn line(&self) -> Option<usize> {
        self.inner.line
    }

    /// Returns the lines around it, each with its number, the failed one marked with `>`.
    #[must_use]
    pub fn excerpt(&self) -> Option<&str> {
        self.inner.excerpt.as_deref()
    }

    /// Tells whether the template that was asked for does not exist.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.inner.not_found
    }

    /// Returns the status for the client: 500.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        StatusCode::INTERNAL_SERVER_ERROR
    }
}

fn excerpt(source: &str, line: usize) -> String {
    let first = line.saturating_sub(EXCERPT_LINES).max(1);
    let mut text = String::new();
    let lines = source.lines().enumerate().skip(first - 1);
    for (index, content) in lines.take(line + EXCERPT_LINES + 1 - first) {
        let number = index + 1;
        let mark = if number == line { '>' } else { ' ' };
        let end = content.char_indices().nth(EXCERPT_WIDTH);
        let content = &content[..end.map_or(content.len(), |(at, _)| at)];
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{mark}{number:>5} | {content}");
    }
    text
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.inner.message)
    }
}

impl fmt::Debug for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.inner.message)?;
        match &self.inner.excerpt {
            Some(excerpt) => write!(f, "\n{}", excerpt.trim_end()),
            None => Ok(()),
        }
    }
}

impl std::error::Error for TemplateError {}
