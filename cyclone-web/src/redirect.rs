//! A route that leads elsewhere.

use http::{Method, StatusCode};

use crate::context::RequestContext;
use crate::error::{Error, Result};
use crate::handler::RequestHandler;
use crate::slashes::with_query;

/// Sends the requests of a route elsewhere, as Tornado's `RedirectHandler`: `GET` and `HEAD`, with their query.
///
/// The target is a path, or a whole URL of one host. `{name}` in it is what the path parameter of that name was, `{0}` the
/// first one, percent-encoded as it came; `{{` and `}}` are plain braces. In the query that comes along nothing changes;
/// it goes behind that of the target.
///
/// ```
/// use cyclone_web::{Application, Redirect};
///
/// let app = Application::new()
///     .route("/user/{id}", Redirect::permanent("/people/{id}"))
///     .route("/docs/{*page}", Redirect::temporary("https://docs.example/v2/{page}"));
/// # let _ = app;
/// ```
#[derive(Clone, Debug)]
pub struct Redirect {
    status: StatusCode,
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug)]
enum Piece {
    Text(String),
    Parameter(String),
}

impl Redirect {
    /// A redirect for good (301), which clients remember.
    ///
    /// # Panics
    /// When the target is malformed, or a parameter could change the host that it leads to: a mistake in the program,
    /// found at its start.
    #[must_use]
    pub fn permanent(target: &str) -> Self {
        Self::new(StatusCode::MOVED_PERMANENTLY, target)
    }

    /// A redirect for now (302).
    ///
    /// # Panics
    /// As [`permanent`](Self::permanent).
    #[must_use]
    pub fn temporary(target: &str) -> Self {
        Self::new(StatusCode::FOUND, target)
    }

    /// A redirect with a status of its own, 307 or 308 for instance; those let the other methods through too.
    ///
    /// # Panics
    /// As [`permanent`](Self::permanent), and when the status is no redirect.
    #[must_use]
    pub fn with_status(status: StatusCode, target: &str) -> Self {
        assert!(status.is_redirection(), "{status} is no redirect");
        Self::new(status, target)
    }

    #[expect(clippy::panic, reason = "a mistake in the program, found at its start")]
    fn new(status: StatusCode, target: &str) -> Self {
        match parse(target) {
            Ok(pieces) => Self { status, pieces },
            Err(problem) => panic!("redirect to `{target}`: {problem}"),
        }
    }

    fn target(&self, cx: &RequestContext) -> Result<String> {
        let mut target = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => target.push_str(text),
                Piece::Parameter(name) => {
                    let value = cx.raw_parameter(name).ok_or_else(|| {
                        Error::internal(format!("the redirect needs a parameter `{name}`"))
                    })?;
                    target.push_str(value);
                }
            }
        }
        let query = cx.uri().query();
        Ok(match target.split_once('?') {
            Some((path, own)) => {
                let query = query.filter(|query| !query.is_empty());
                let all = [Some(own).filter(|own| !own.is_empty()), query];
                let all: Vec<&str> = all.into_iter().flatten().collect();
                with_query(path.to_owned(), Some(&all.join("&")))
            }
            None => with_query(target, query),
        })
    }

    fn answer(&self, cx: &mut RequestContext) -> Result {
        let target = self.target(cx)?;
        cx.redirect_with(self.status, &target)
    }

    fn keeps_method(&self) -> bool {
        matches!(
            self.status,
            StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT
        )
    }
}

fn parse(target: &str) -> std::result::Result<Vec<Piece>, &'static str> {
    let mut pieces = Vec::new();
    let mut text = String::new();
    let mut characters = target.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '{' | '}' if characters.next_if_eq(&character).is_some() => text.push(character),
            '{' => {
                let mut name = String::new();
                loop {
                    match characters.next() {
                        Some('}') => break,
                        Some(other) => name.push(other),
                        None => return Err("a `{` has no `}` after it"),
                    }
                }
                let name = name.strip_prefix('*').unwrap_or(&name).to_owned();
                pieces.push(Piece::Text(std::mem::take(&mut text)));
                pieces.push(Piece::Parameter(name));
            }
            '}' => return Err("a `}` has no `{` before it"),
            '#' => return Err("a fragment would swallow the query"),
            _ => text.push(character),
        }
    }
    pieces.push(Piece::Text(text));
    let has_parameters = pieces.len() > 1;
    let begin = match pieces.first() {
        Some(Piece::Text(begin)) => begin,
        _ => "",
    };
    if has_parameters && !is_settled(begin) {
        return Err("a parameter could change the host");
    }
    Ok(pieces)
}

/// Whether what follows cannot change the host any more: the path has begun.
fn is_settled(begin: &str) -> bool {
    match begin.split_once("://") {
        Some((_scheme, rest)) => rest.find('/').is_some_and(|slash| slash > 0),
        None => begin.starts_with('/') && !begin.starts_with("//"),
    }
}

impl RequestHandler for Redirect {
    /// No body is read.
    const STREAM_BODY: bool = true;
    /// There is nothing to protect.
    const XSRF: bool = false;
    const FIND_USER: bool = false;

    async fn get(&self, cx: &mut RequestContext) -> Result {
        self.answer(cx)
    }

    async fn default(&self, cx: &mut RequestContext) -> Result {
        if self.keeps_method() {
            return self.answer(cx);
        }
        Err(Error::method_not_allowed([Method::GET, Method::HEAD]))
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn targets_that_could_lead_anywhere_are_refused() {
        for target in [
            "{0}",
            "{0}/x",
            "https://{0}/",
            "https://site.example{0}",
            "https://site.example:{0}/",
            "https:///{0}",
            "//{0}",
            "x{0}",
            "/{",
            "/}",
            "/a#b",
        ] {
            assert!(parse(target).is_err(), "{target}");
        }
        for target in [
            "/{0}",
            "/a{0}?b={1}",
            "https://site.example/{0}",
            "https://site.example",
            "//site.example/",
            "/{{x}}",
            "",
        ] {
            assert!(parse(target).is_ok(), "{target}");
        }
    }
}
