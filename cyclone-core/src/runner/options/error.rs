//! Why there are no settings.

use std::error::Error;
use std::fmt;

use super::Origin;

/// Why there are no settings: a mistake of whoever wrote the command line, the environment or the configuration file.
///
/// The text names the option, the origin of the value and what is wrong with it. Nothing has been done; the same
/// call fails in the same way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptionsError {
    message: String,
    option: Option<String>,
    origin: Option<Origin>,
}

impl OptionsError {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            option: None,
            origin: None,
        }
    }

    pub(super) fn of(option: &str, origin: &Origin, message: impl fmt::Display) -> Self {
        let message = match origin {
            Origin::CommandLine => format!("option `--{option}`: {message}"),
            Origin::Environment(name) => format!("environment variable `{name}`: {message}"),
            Origin::File { .. } => format!("{origin}: `{option}`: {message}"),
            Origin::Default => format!("option `--{option}` (by default): {message}"),
        };
        Self {
            message,
            option: Some(option.to_owned()),
            origin: Some(origin.clone()),
        }
    }

    pub(super) fn at(origin: Origin, message: impl fmt::Display) -> Self {
        let message = format!("{origin}: {message}");
        Self {
            message,
            option: None,
            origin: Some(origin),
        }
    }

    pub(super) fn of_command_line(error: &clap::Error) -> Self {
        let text = error.render().to_string();
        let text = text.strip_prefix("error: ").unwrap_or(&text).trim_end();
        Self {
            message: text.to_owned(),
            option: None,
            origin: Some(Origin::CommandLine),
        }
    }

    pub(super) fn hinted(mut self, hint: &str) -> Self {
        self.message.push_str(hint);
        self
    }

    /// The long name of the option that is wrong, without dashes, where one alone is to blame.
    pub fn option(&self) -> Option<&str> {
        self.option.as_deref()
    }

    /// Where the wrong value came from, if it came from somewhere.
    pub fn origin(&self) -> Option<&Origin> {
        self.origin.as_ref()
    }
}

impl fmt::Display for OptionsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for OptionsError {}
