//! The program that has the options: its names and its whole definition.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::Path;

use clap::Command;

use super::definition::BuiltIn;
use super::layers::{self, Layers};
use super::{OptionsError, Parsed, help};

/// The name of a program that was started without one.
const NO_NAME: &str = "cyclone";

/// A program and what it says of itself; its options are parsed from here.
///
/// ```
/// use cyclone_core::runner::options::{Parsed, Program};
///
/// let program = Program::new("hello").version("1.2.3").about("Greets everybody");
/// let parsed = program.parse_from::<()>(["hello", "--port=9999"], [("HELLO_LISTEN", "::1")])?;
/// let Parsed::Run(settings) = parsed else { unreachable!("nothing was to be printed") };
/// assert_eq!(settings.endpoints[0].to_string(), r"tcp:9999:interface=\:\:1");
/// assert_eq!(settings.origin("listen").unwrap().to_string(), "environment variable HELLO_LISTEN");
/// # Ok::<(), cyclone_core::runner::options::OptionsError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    name: String,
    version: Option<String>,
    about: Option<String>,
    prefix: String,
    defaults: Vec<(String, String)>,
}

impl Program {
    /// A program of this name.
    ///
    /// The prefix of its environment variables is the name in capitals, with `_` for all that is neither a letter nor
    /// a digit: `my-chat` has `MY_CHAT_PORT`.
    pub fn new(name: impl Into<String>) -> Self {
        let name = name.into();
        let prefix = layers::variable(&name);
        Self {
            name,
            version: None,
            about: None,
            prefix,
            defaults: Vec::new(),
        }
    }

    /// The program of this process, by the file name it was started with.
    pub fn of_process() -> Self {
        let path = std::env::args_os().next().unwrap_or_default();
        let name = Path::new(&path).file_name().and_then(|name| name.to_str());
        Self::new(name.unwrap_or(NO_NAME))
    }

    /// Sets the version; with one, there is `--version`. Usually `env!("CARGO_PKG_VERSION")`.
    #[must_use]
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = Some(version.into());
        self
    }

    /// Says what the program is, for `--help` and the man page.
    #[must_use]
    pub fn about(mut self, about: impl Into<String>) -> Self {
        self.about = Some(about.into());
        self
    }

    /// Sets the prefix of the environment variables, without the `_` that follows it.
    #[must_use]
    pub fn environment_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Gives an option another default, by its long name without dashes: `default_value("port", "80")`.
    #[must_use]
    pub fn default_value(mut self, option: impl Into<String>, value: impl Into<String>) -> Self {
        self.defaults.push((option.into(), value.into()));
        self
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the program gives an option another default.
    pub(super) fn has_default(&self, option: &str) -> bool {
        self.defaults.iter().any(|(name, _)| name == option)
    }

    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Parses what this process was told.
    ///
    /// # Errors
    /// [`OptionsError`] for anything that is wrong in the command line, the environment or the configuration file.
    pub fn parse<A: clap::Args>(&self) -> Result<Parsed<A>, OptionsError> {
        self.parse_from(std::env::args_os(), std::env::vars_os())
    }

    /// Parses these arguments, the first of which is the name of the program, and these environment variables.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn parse_from<A: clap::Args>(
        &self,
        arguments: impl IntoIterator<Item = impl Into<OsString>>,
        environment: impl IntoIterator<Item = (impl Into<OsString>, impl Into<OsString>)>,
    ) -> Result<Parsed<A>, OptionsError> {
        let arguments = arguments.into_iter().map(Into::into).collect();
        let environment = environment.into_iter();
        let environment = environment.map(|(name, value)| (name.into(), value.into()));
        layers::parse(&Layers::new(self.clone(), arguments, environment))
    }

    /// The definition of all options, the built-in ones and the application's, for `clap` and its tools.
    ///
    /// # Errors
    /// [`OptionsError`] when the application's options clash with the built-in ones, or
    /// [`default_value`](Self::default_value) names none: a mistake in the program.
    pub fn command<A: clap::Args>(&self) -> Result<Command, OptionsError> {
        let own = A::augment_args(Command::new("application"));
        let built_in = <BuiltIn as clap::Args>::augment_args(Command::new("built-in"));
        let taken: BTreeSet<String> = built_in.get_arguments().flat_map(names).collect();
        if let Some(name) = own
            .get_arguments()
            .flat_map(names)
            .find(|name| taken.contains(name))
        {
            let message = format!("the application defines `{name}`, which is built in");
            return Err(OptionsError::new(message));
        }
        let command = Command::new(self.name.clone()).after_help(help::after(self));
        let command = A::augment_args(command);
        let mut command = <BuiltIn as clap::Args>::augment_args(command);
        if let Some(version) = &self.version {
            command = command.version(version.clone());
        }
        if let Some(about) = &self.about {
            command = command.about(about.clone());
        }
        for (option, value) in &self.defaults {
            let id = command
                .get_arguments()
                .find(|arg| arg.get_long() == Some(option.as_str()));
            let Some(id) = id.map(|arg| arg.get_id().clone()) else {
                let message = format!("there is no option `{option}` to have a default");
                return Err(OptionsError::new(message));
            };
            command = command.mut_arg(id, |arg| arg.default_value(value.clone()));
        }
        Ok(command)
    }
}

/// All by which an option is known: the field, `--long` with aliases, `-s`.
fn names(arg: &clap::Arg) -> Vec<String> {
    let longs = arg.get_long_and_visible_aliases().unwrap_or_default();
    let hidden = arg.get_all_aliases().unwrap_or_default();
    let mut names: Vec<String> = longs
        .into_iter()
        .chain(hidden)
        .map(|name| format!("--{name}"))
        .collect();
    names.extend(
        arg.get_short_and_visible_aliases()
            .unwrap_or_default()
            .iter()
            .map(|c| format!("-{c}")),
    );
    names.push(arg.get_id().to_string());
    names
}
