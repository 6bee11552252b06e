//! Named routes and their reversal.

use std::collections::HashMap;
use std::fmt::{self, Display, Write as _};

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::spec::{self, Piece};

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
    patterns: HashMap<String, Vec<Piece>>,
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
        }
    }
}

impl Names {
    pub(crate) fn add(&mut self, name: &str, pattern: &str) -> Result<(), String> {
        if self.patterns.contains_key(name) {
            return Err(format!("there is a route called `{name}` already"));
        }
        self.patterns
            .insert(name.to_owned(), spec::pieces(pattern)?);
        Ok(())
    }

    pub(crate) fn reverse(
        &self,
        name: &str,
        arguments: &[&dyn Display],
    ) -> Result<String, ReverseError> {
        let pieces = self
            .patterns
            .get(name)
            .ok_or_else(|| ReverseError::Unknown(name.to_owned()))?;
        let is_parameter = |piece: &&Piece| matches!(piece, Piece::Parameter { .. });
        let expected = pieces.iter().filter(is_parameter).count();
        if expected != arguments.len() {
            return Err(ReverseError::Count {
                name: name.to_owned(),
                expected,
                given: arguments.len(),
            });
        }
        let mut path = String::new();
        let mut arguments = arguments.iter();
        for piece in pieces {
            match piece {
                Piece::Literal(text) => path.push_str(text),
                Piece::Parameter { rest, .. } => {
                    let text = arguments
                        .next()
                        .map(ToString::to_string)
                        .unwrap_or_default();
                    let set = if *rest { REST } else { SEGMENT };
                    // Writing to a string does not fail.
                    let _ = write!(path, "{}", utf8_percent_encode(&text, set));
                }
            }
        }
        // Two slashes at the start of a link lead to another host.
        match path.strip_prefix('/') {
            Some(rest) if rest.starts_with('/') => Ok(format!("/{}", rest.trim_start_matches('/'))),
            _ => Ok(path),
        }
    }
}
