//! What can be wrong with the text of an endpoint.

use std::error::Error;
use std::fmt;

/// The text of an endpoint, of a server or of a client, cannot be used: a mistake in the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointError {
    text: String,
    problem: Problem,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    UnknownKind {
        kind: String,
        known: &'static str,
    },
    /// The text is right, but what it names is not built in.
    #[cfg_attr(
        all(feature = "tls", feature = "acme"),
        expect(dead_code, reason = "for builds without TLS")
    )]
    NeedsFeature {
        what: String,
        feature: &'static str,
    },
    /// An option that has no meaning here.
    #[cfg_attr(not(feature = "tls"), expect(dead_code, reason = "for TLS"))]
    Pointless {
        name: &'static str,
        why: &'static str,
    },
    Missing(&'static str),
    Bad {
        what: &'static str,
        value: String,
    },
    UnknownOption {
        name: String,
        nearest: Option<&'static str>,
    },
    /// An option of other kinds of endpoint.
    WrongKind {
        name: String,
        of: &'static str,
    },
    /// A word where none belongs.
    Extra(String),
    /// A colon in this stands without its backslash.
    Unescaped(String),
    Twice(String),
    /// An option means nothing without another.
    Needs {
        name: &'static str,
        other: &'static str,
    },
}

impl EndpointError {
    pub(crate) fn new(text: &str, problem: Problem) -> Self {
        Self {
            text: text.to_owned(),
            problem,
        }
    }

    /// Whether the text is right but names something that is not built in; the text of the error says which feature
    /// to turn on.
    #[must_use]
    pub fn is_unsupported(&self) -> bool {
        matches!(self.problem, Problem::NeedsFeature { .. })
    }
}

impl fmt::Display for EndpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "endpoint `{}`: ", self.text)?;
        match &self.problem {
            Problem::UnknownKind { kind, known } => {
                write!(f, "unknown kind `{kind}`, expected {known}")
            }
            Problem::NeedsFeature { what, feature } => {
                write!(f, "`{what}` needs the feature `{feature}` of cyclone-core")
            }
            Problem::Pointless { name, why } => write!(f, "option `{name}` is pointless: {why}"),
            Problem::Missing(what) => write!(f, "{what} is missing"),
            Problem::Bad { what, value } => write!(f, "`{value}` is no {what}"),
            Problem::UnknownOption { name, nearest } => {
                write!(f, "unknown option `{name}`")?;
                match nearest {
                    Some(nearest) => write!(f, ", did you mean `{nearest}`?"),
                    None => Ok(()),
                }
            }
            Problem::WrongKind { name, of } => write!(f, "option `{name}` is for {of} only"),
            Problem::Extra(word) => {
                write!(
                    f,
                    "`{word}` is out of place, options are written `name=value`"
                )
            }
            Problem::Unescaped(name) => {
                write!(f, "the colons in {name} need backslashes, as in `\\:\\:1`")
            }
            Problem::Twice(name) => write!(f, "option `{name}` is given twice"),
            Problem::Needs { name, other } => write!(f, "option `{name}` needs `{other}` too"),
        }
    }
}

impl Error for EndpointError {}
