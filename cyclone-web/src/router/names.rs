//! Named routes and their reversal.

use std::collections::HashMap;
use std::fmt::{self, Display, Write as _};

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

#[cfg(feature = "regex")]
use super::expression::Expression;
use super::spec::{self, Piece, UrlSpec};
use crate::next;

/// What is percent-encoded in a path segment: all but the `pchar` of RFC 3986, 3.3.
const SEGMENT: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'/')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// The same for the rest of a path, where slashes stay.
const REST: &AsciiSet = &SEGMENT.remove(b'/');

/// The named patterns of an application.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    patterns: HashMap<String, Named>,
    /// Applications below a prefix, which are asked for names that are not known here.
    mounted: Vec<(Box<str>, Names)>,
}

#[derive(Clone, Debug)]
struct Named {
    pattern: String,
    pieces: Vec<Piece>,
    /// What the path has to match in the end.
    #[cfg(feature = "regex")]
    expression: Option<Expression>,
}

/// Why a route cannot be reversed: a mistake in the application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ReverseError {
    Unknown(String),
    Count {
        name: String,
        expected: usize,
        given: usize,
    },
    /// The arguments do not match the expression.
    #[cfg(feature = "regex")]
    Mismatch {
        name: String,
        pattern: String,
    },
}

impl Display for ReverseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(name) => write!(f, "no route is called `{name}`"),
            Self::Count {
                name,
                expected,
                given,
            } => write!(
                f,
                "route `{name}` has {expected} parameters, {given} were given"
            ),
            #[cfg(feature = "regex")]
            Self::Mismatch { name, pattern } => {
                write!(
                    f,
                    "the arguments for route `{name}` do not match `{pattern}`"
                )
            }
        }
    }
}

impl Names {
    pub(crate) fn add(&mut self, name: &str, spec: &UrlSpec) -> Result<(), String> {
        if let Some(other) = self.patterns.get(name) {
            let pattern = &other.pattern;
            return Err(format!("the name `{name}` is that of `{pattern}` already"));
        }
        let named = Named::new(spec)?;
        self.patterns.insert(name.to_owned(), named);
        Ok(())
    }

    /// Has the names of an application below a prefix known here, unless there are some of the same name.
    pub(crate) fn mount(&mut self, prefix: &str, names: &Self) {
        if !names.patterns.is_empty() || !names.mounted.is_empty() {
            self.mounted.push((prefix.into(), names.clone()));
        }
    }

    /// The path of a route, with a query if there is something to put into it.
    pub(crate) fn reverse(
        &self,
        name: &str,
        arguments: &[&dyn Display],
        query: &[(&str, &dyn Display)],
    ) -> Result<String, ReverseError> {
        let (prefix, named) = self
            .find(name)
            .ok_or_else(|| ReverseError::Unknown(name.to_owned()))?;
        let expected = named.parameters();
        if expected != arguments.len() {
            return Err(ReverseError::Count {
                name: name.to_owned(),
                expected,
                given: arguments.len(),
            });
        }
        let mut url = prefix;
        url.push_str(&named.path(name, arguments)?);
        // Two slashes at the start of a link lead to another host.
        if url.starts_with("//") {
            url = format!("/{}", url.trim_start_matches('/'));
        }
        let mut separator = '?';
        for (key, value) in query {
            let value = value.to_string();
            // Writing to a string does not fail.
            let _ = write!(
                url,
                "{separator}{}={}",
                next::encode(key),
                next::encode(&value)
            );
            separator = '&';
        }
        Ok(url)
    }

    fn find(&self, name: &str) -> Option<(String, &Named)> {
        if let Some(named) = self.patterns.get(name) {
            return Some((String::new(), named));
        }
        self.mounted.iter().find_map(|(prefix, names)| {
            let (inner, named) = names.find(name)?;
            Some((format!("{prefix}{inner}"), named))
        })
    }
}

impl Named {
    fn new(spec: &UrlSpec) -> Result<Self, String> {
        let pattern = spec.pattern.clone();
        #[cfg(feature = "regex")]
        if spec.is_regex {
            let expression = Expression::new(&pattern)?;
            return Ok(Self {
                pieces: expression.pieces(&pattern)?,
                pattern,
                expression: Some(expression),
            });
        }
        Ok(Self {
            pieces: spec::pieces(&pattern)?,
            pattern,
            #[cfg(feature = "regex")]
            expression: None,
        })
    }

    fn parameters(&self) -> usize {
        let is_parameter = |piece: &&Piece| matches!(piece, Piece::Parameter { .. });
        self.pieces.iter().filter(is_parameter).count()
    }

    fn path(&self, name: &str, arguments: &[&dyn Display]) -> Result<String, ReverseError> {
        #[cfg(feature = "regex")]
        if let Some(expression) = &self.expression {
            // Slashes stay if they find their way back.
            let found = [false, true]
                .into_iter()
                .map(|closed| self.fill(arguments, closed))
                .find(|(path, filled)| expression.gives(path, filled));
            return found
                .map(|(path, _filled)| path)
                .ok_or_else(|| ReverseError::Mismatch {
                    name: name.to_owned(),
                    pattern: self.pattern.clone(),
                });
        }
        let _ = name;
        Ok(self.fill(arguments, false).0)
    }

    /// Puts the arguments in the places of the parameters; returns the path, and the arguments as they stand in it.
    fn fill(&self, arguments: &[&dyn Display], closed: bool) -> (String, Vec<String>) {
        let (mut path, mut filled) = (String::new(), Vec::new());
        let mut arguments = arguments.iter();
        for piece in &self.pieces {
            match piece {
                Piece::Literal(text) => path.push_str(text),
                Piece::Parameter { rest, .. } => {
                    let text = arguments.next().map(ToString::to_string);
                    let set = if *rest && !closed { REST } else { SEGMENT };
                    let text = utf8_percent_encode(&text.unwrap_or_default(), set).to_string();
                    path.push_str(&text);
                    filled.push(text);
                }
            }
        }
        (path, filled)
    }
}
