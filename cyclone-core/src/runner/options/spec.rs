//! What is known of one option: how it is called, and how many values it takes.

use clap::{Arg, ArgAction, Command, Id};

use super::Program;
use super::definition::{CONFIG, ORDERS};

/// A variable that Rust users know and that says the same as an option of ours.
const KNOWN_VARIABLES: [(&str, &str); 1] = [("log-level", "RUST_LOG")];

/// How a value looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// There or not.
    Flag,
    /// Given so many times.
    Count,
    /// One value; `bare` if the option alone is one too.
    One { bare: bool },
    /// Several values, in one text with this character between them: from `least` to `most`, or any number of such
    /// groups if the option can be repeated.
    Many {
        delimiter: char,
        least: usize,
        most: usize,
        repeats: bool,
    },
}

/// One option.
#[derive(Debug)]
pub(super) struct Spec {
    pub(super) id: Id,
    /// The long name without dashes, or the field with dashes.
    pub(super) name: String,
    aliases: Vec<String>,
    pub(super) shape: Shape,
    /// Whether the value must not be shown.
    pub(super) secret: bool,
    /// The environment variables, strongest first.
    pub(super) variables: Vec<String>,
    /// Whether the command line alone may have it.
    pub(super) order: bool,
    pub(super) heading: Option<String>,
}

impl Spec {
    /// All options of a command, but for help and version.
    pub(super) fn all(command: &Command, program: &Program) -> Vec<Self> {
        command
            .get_arguments()
            .filter_map(|arg| Self::new(arg, program))
            .collect()
    }

    fn new(arg: &Arg, program: &Program) -> Option<Self> {
        let range = arg.get_num_args();
        let least = range.map_or(1, |range| range.min_values());
        let most = range.map_or(1, |range| range.max_values());
        let delimiter = arg.get_value_delimiter();
        let many = |most, repeats| Shape::Many {
            delimiter: delimiter.unwrap_or(','),
            least,
            most,
            repeats,
        };
        let shape = match arg.get_action() {
            ArgAction::SetTrue | ArgAction::SetFalse => Shape::Flag,
            ArgAction::Count => Shape::Count,
            ArgAction::Append => many(most, true),
            ArgAction::Set if most > 1 => many(most, false),
            ArgAction::Set if delimiter.is_some() => many(usize::MAX, false),
            ArgAction::Set => Shape::One {
                bare: least == 0 && !arg.is_positional(),
            },
            _ => return None,
        };
        let id = arg.get_id().clone();
        let name = arg
            .get_long()
            .map_or_else(|| dashed(id.as_str()), str::to_owned);
        let aliases = arg.get_all_aliases().unwrap_or_default();
        let order = ORDERS.contains(&name.as_str());
        let mut variables = Vec::new();
        // A variable that the application names itself is clap's business, and the only one.
        if arg.get_env().is_none() && !order {
            variables.push(format!(
                "{}_{}",
                program.prefix(),
                super::layers::variable(&name)
            ));
            let known = KNOWN_VARIABLES.iter().filter(|(option, _)| *option == name);
            variables.extend(known.map(|(_, variable)| (*variable).to_owned()));
        }
        Some(Self {
            aliases: aliases.into_iter().map(str::to_owned).collect(),
            secret: arg.is_hide_set() || arg.is_hide_env_values_set(),
            heading: arg.get_help_heading().map(str::to_owned),
            id,
            name,
            shape,
            variables,
            order,
        })
    }

    /// Whether the option may stand in a configuration file.
    pub(super) fn is_for_files(&self) -> bool {
        !self.order && self.name != CONFIG
    }

    /// Whether a key of a configuration file means this option; a dash and an underscore are the same.
    pub(super) fn is_called(&self, key: &str) -> bool {
        let key = dashed(key);
        dashed(&self.name) == key || self.aliases.iter().any(|alias| dashed(alias) == key)
    }
}

fn dashed(name: &str) -> String {
    name.replace('_', "-")
}
