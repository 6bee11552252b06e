//! Where values come from, and what changed.

use std::fmt;
use std::path::PathBuf;

use super::effective::Value;

/// Where the value of an option came from, strongest first.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The command line.
    CommandLine,
    /// The environment variable of this name.
    Environment(String),
    /// The configuration file.
    File {
        /// The file.
        path: PathBuf,
        /// The line of the key, counted from 1.
        line: usize,
    },
    /// Nobody: it is the default, or there is no value.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CommandLine => f.write_str("command line"),
            Self::Environment(name) => write!(f, "environment variable {name}"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Default => f.write_str("default"),
        }
    }
}

/// An option whose value is different after [`Settings::reload`](super::Settings::reload).
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The long name of the option, without dashes.
    pub option: String,
    /// What it was, as TOML; `None` if it had no value. A secret is only stars.
    pub old: Option<String>,
    /// What it is, as TOML; `None` if it has no value. A secret is only stars.
    pub new: Option<String>,
    /// Where the new value came from.
    pub origin: Origin,
}

impl Change {
    pub(super) fn between(old: &[Value], new: &[Value]) -> Vec<Self> {
        let pairs = old.iter().zip(new);
        let changed = pairs.filter(|(old, new)| old.name == new.name && old.content != new.content);
        changed
            .map(|(old, new)| Self {
                option: new.name.clone(),
                old: old.shown(),
                new: new.shown(),
                origin: new.origin.clone(),
            })
            .collect()
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
        let (old, new) = (text(&self.old), text(&self.new));
        write!(f, "{}: {old} -> {new} ({})", self.option, self.origin)
    }
}
