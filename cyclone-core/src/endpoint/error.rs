//! What can be wrong with the text of an endpoint.

use std::error::Error;
use std::fmt;

/// The text of an endpoint cannot be used: a mistake in the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointError {
    pub(crate) text: String,
    pub(crate) problem: Problem,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    UnknownKind(String),
    Unsupported(String),
    Missing(&'static str),
    Bad { what: &'static str, value: String },
    UnknownOption(String),
    Twice(String),
}

impl EndpointError {
    /// Whether the text is right but names something that this version cannot do.
    #[must_use]
    pub fn is_unsupported(&self) -> bool {
        matches!(self.problem, Problem::Unsupported(_))
    }
}

impl fmt::Display for EndpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "endpoint `{}`: ", self.text)?;
        match &self.problem {
            Problem::UnknownKind(kind) => write!(f, "unknown kind `{kind}`, expected tcp or unix"),
            Problem::Unsupported(what) => write!(f, "`{what}` is not supported yet"),
            Problem::Missing(what) => write!(f, "{what} is missing"),
            Problem::Bad { what, value } => write!(f, "`{value}` is no {what}"),
            Problem::UnknownOption(name) => write!(f, "unknown option `{name}`"),
            Problem::Twice(name) => write!(f, "option `{name}` is given twice"),
        }
    }
}

impl Error for EndpointError {}
