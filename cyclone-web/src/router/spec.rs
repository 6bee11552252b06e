//! Patterns with what belongs to them.

use std::borrow::Cow;

use crate::guards::Switches;
use crate::rate_limit::RateLimit;

/// A pattern, the name it is reversed by, and limits of its own; made by [`url`](url()).
///
/// Wherever one is expected, a plain pattern does too.
#[derive(Clone, Debug)]
#[must_use = "a spec does nothing until it is routed"]
pub struct UrlSpec {
    pub(crate) pattern: String,
    pub(crate) name: Option<String>,
    pub(crate) body_limit: Option<u64>,
    pub(crate) switches: Switches,
    /// The pattern is a regular expression.
    pub(crate) is_regex: bool,
    pub(crate) limit: Option<RateLimit>,
}

/// A pattern to route, with more to say about it than the pattern, as Tornado's function of the same name.
///
/// `{name}` stands for one segment of the path or a part of one, `{*name}` at the end for all that is left;
/// `{{` and `}}` are plain braces. A pattern has at most 25 parameters.
///
/// ```
/// use cyclone_web::{Application, RequestContext, Result, url};
///
/// async fn user(cx: &mut RequestContext) -> Result {
///     let id = cx.path_argument("id")?;
///     let here = cx.reverse_url("user", &[&id])?;
///     cx.text(here)
/// }
/// let app = Application::new().get(url("/user/{id}").name("user"), user);
/// # let _ = app;
/// ```
pub fn url(pattern: impl Into<String>) -> UrlSpec {
    UrlSpec {
        pattern: pattern.into(),
        name: None,
        body_limit: None,
        switches: Switches::default(),
        is_regex: false,
        limit: None,
    }
}

/// A regular expression to route, as Tornado's patterns are: it has to match the whole path, percent-encoded as it came.
///
/// Its groups are the path parameters: those with a name, `(?P<id>[0-9]+)`, under their names; if none has a name all of
/// them, as `"1"`, `"2"` and so on. [`RequestContext::path_argument`](crate::RequestContext::path_argument) decodes them. The
/// expressions are those of the [`regex`](https://docs.rs/regex) crate, whose time is linear in the length of the path, so
/// no request can stall it; look-around and backreferences do not exist.
///
/// A path without parameters is found before any expression. Between expressions and patterns with parameters the one
/// that was routed first wins.
///
/// ```
/// use cyclone_web::{Application, RequestContext, Result, regex};
///
/// async fn year(cx: &mut RequestContext) -> Result {
///     let year = cx.path_argument("1")?;
///     cx.text(year)
/// }
/// let app = Application::new().get(regex("/archive/([0-9]{4})/?").name("year"), year);
/// assert_eq!(app.reverse_url("year", &[&2009])?, "/archive/2009");
/// # Ok::<(), cyclone_web::Error>(())
/// ```
#[cfg(feature = "regex")]
pub fn regex(pattern: impl Into<String>) -> UrlSpec {
    UrlSpec {
        is_regex: true,
        ..url(pattern)
    }
}

impl UrlSpec {
    /// Names the route for [`reverse_url`](crate::RequestContext::reverse_url).
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets the most bytes that a request body may have on this route; the application's limit unless set.
    pub fn body_limit(mut self, bytes: u64) -> Self {
        self.body_limit = Some(bytes);
        self
    }

    /// What tells it from other patterns.
    pub(super) fn key(&self) -> Cow<'_, str> {
        if self.is_regex {
            // Other patterns begin with a slash.
            Cow::Owned(format!("regex {}", self.pattern))
        } else {
            Cow::Borrowed(&self.pattern)
        }
    }

    /// The same spec below a prefix, which has no parameters and no slash at its end.
    pub(crate) fn below(mut self, prefix: &str) -> Self {
        self.pattern = if self.is_regex {
            let inner = self.pattern.strip_prefix('^').unwrap_or(&self.pattern);
            format!("{}(?:{inner})", escaped(prefix))
        } else {
            format!("{prefix}{}", self.pattern)
        };
        self
    }

    /// Lets only users who are logged in come to this route; others are sent to the login, or refused, as
    /// [`RequestContext::login_required`](crate::RequestContext::login_required) says. It has no effect on mounts.
    pub fn authenticated(mut self) -> Self {
        self.switches.authenticated = true;
        self
    }

    /// Limits how many requests a client may make to this route, beside the
    /// [limits of the application](crate::Application::rate_limit).
    pub fn rate_limit(mut self, limit: RateLimit) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Whether answers on this route get [entity tags](crate::Application::etag); unless called it is as the handler or
    /// the application says.
    pub fn etag(mut self, yes: bool) -> Self {
        self.switches.tags = Some(yes);
        self
    }

    /// Whether requests on this route are checked as `Application::xsrf` says (feature `security`); they are unless
    /// this is called with `false`, as cyclone's `no_xsrf`. For an interface whose clients send no cookies.
    pub fn xsrf(mut self, check: bool) -> Self {
        self.switches.without_xsrf = !check;
        self
    }
}

/// Plain text as a regular expression.
#[cfg(feature = "regex")]
fn escaped(text: &str) -> String {
    ::regex::escape(text)
}

/// There are no regular expressions.
#[cfg(not(feature = "regex"))]
fn escaped(text: &str) -> &str {
    text
}

impl From<&str> for UrlSpec {
    fn from(pattern: &str) -> Self {
        url(pattern)
    }
}

impl From<String> for UrlSpec {
    fn from(pattern: String) -> Self {
        url(pattern)
    }
}

/// A piece of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Literal(String),
    Parameter { name: String, rest: bool },
}

/// Takes a pattern apart.
pub(super) fn pieces(pattern: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut characters = pattern.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '{' | '}' if characters.peek() == Some(&character) => {
                characters.next();
                literal.push(character);
            }
            '{' => {
                if !literal.is_empty() {
                    pieces.push(Piece::Literal(std::mem::take(&mut literal)));
                }
                pieces.push(parameter(&mut characters)?);
            }
            '}' => return Err("a `}` has no `{` before it".to_owned()),
            _ => literal.push(character),
        }
    }
    if !literal.is_empty() {
        pieces.push(Piece::Literal(literal));
    }
    Ok(pieces)
}

fn parameter(characters: &mut impl Iterator<Item = char>) -> Result<Piece, String> {
    let mut name = String::new();
    for character in characters {
        match character {
            '}' => {
                let (name, rest) = match name.strip_prefix('*') {
                    Some(name) => (name.to_owned(), true),
                    None => (name, false),
                };
                if name.is_empty() {
                    return Err("a parameter has no name".to_owned());
                }
                return Ok(Piece::Parameter { name, rest });
            }
            _ => name.push(character),
        }
    }
    Err("a `{` has no `}` after it".to_owned())
}

/// The names of the parameters of a pattern, in order.
pub(super) fn parameter_names(pattern: &str) -> Result<Vec<String>, String> {
    if !pattern.starts_with('/') {
        return Err("it does not begin with a slash".to_owned());
    }
    let pieces = pieces(pattern)?;
    let literals = pieces.iter().filter_map(|piece| match piece {
        Piece::Literal(text) => Some(text),
        Piece::Parameter { .. } => None,
    });
    for literal in literals {
        if !literal.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("requests have what is not ASCII percent-encoded".to_owned());
        }
    }
    Ok(pieces
        .into_iter()
        .filter_map(|piece| match piece {
            Piece::Parameter { name, .. } => Some(name),
            Piece::Literal(_) => None,
        })
        .collect())
}

/// Whether a pattern ends in a parameter for all that is left.
pub(super) fn has_rest(pattern: &str) -> bool {
    matches!(
        pieces(pattern).as_deref(),
        Ok([.., Piece::Parameter { rest: true, .. }])
    )
}
