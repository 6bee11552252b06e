//! Values from elsewhere, checked and written as arguments.

use std::error::Error as _;
use std::ffi::{OsStr, OsString};

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, Command};

use super::spec::{Shape, Spec};

/// Times that an option may be given to count, at most: `clap` counts in a byte.
const MAX_COUNT: u8 = u8::MAX;

/// What goes to the command line for one option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Injection {
    /// Nothing: a flag that is off.
    Nothing,
    /// The option alone, so many times.
    Bare(u8),
    /// The option with each of these values.
    Values(Vec<OsString>),
}

impl Injection {
    /// Reads a value of the environment.
    pub(super) fn of_text(shape: Shape, value: &OsStr) -> Result<Self, String> {
        let text = || {
            value
                .to_str()
                .ok_or_else(|| "the value is not UTF-8".to_owned())
        };
        Ok(match shape {
            Shape::Flag => Self::flag(boolean(text()?)?),
            Shape::Count => Self::count(text()?)?,
            Shape::One { .. } => Self::Values(vec![value.to_owned()]),
            Shape::Many { delimiter, .. } => Self::Values(
                split(text()?, delimiter)
                    .into_iter()
                    .map(OsString::from)
                    .collect(),
            ),
        })
    }

    pub(super) fn flag(on: bool) -> Self {
        if on { Self::Bare(1) } else { Self::Nothing }
    }

    pub(super) fn count(text: &str) -> Result<Self, String> {
        let count = text.parse::<u8>().ok().filter(|_| !text.starts_with('+'));
        let count = count.ok_or_else(|| format!("expected a number from 0 to {MAX_COUNT}"))?;
        Ok(if count == 0 {
            Self::Nothing
        } else {
            Self::Bare(count)
        })
    }

    /// Whether the option is there at all, for the rules between options.
    pub(super) fn is_present(&self) -> bool {
        *self != Self::Nothing
    }

    /// Puts each value through the parser of the option, and counts them.
    pub(super) fn check(&self, arg: &Arg, spec: &Spec) -> Result<(), String> {
        let Self::Values(values) = self else {
            return Ok(());
        };
        count(values.len(), spec.shape)?;
        values
            .iter()
            .try_for_each(|value| check(arg, value, spec.secret))
    }

    /// The option as it must be for [`arguments`](Self::arguments): any number of values, none of which is split.
    pub(super) fn prepare(&self, arg: Arg, name: &str) -> Arg {
        let arg = match arg.get_long() {
            Some(_) => arg,
            None => arg
                .last(false)
                .trailing_var_arg(false)
                .long(name.to_owned()),
        };
        match self {
            Self::Nothing => arg,
            // So that it does not take its neighbour for its value.
            Self::Bare(_) => match arg.get_action() {
                ArgAction::Set | ArgAction::Append => arg.require_equals(true),
                _ => arg,
            },
            Self::Values(_) => {
                let arg = arg
                    .action(ArgAction::Append)
                    .num_args(1)
                    .allow_hyphen_values(true);
                arg.value_delimiter(None::<char>)
            }
        }
    }

    pub(super) fn arguments(self, long: &str) -> Vec<OsString> {
        let with = |value: OsString| {
            let mut argument = OsString::from(format!("--{long}="));
            argument.push(value);
            argument
        };
        match self {
            Self::Nothing => Vec::new(),
            Self::Bare(count) => vec![OsString::from(format!("--{long}")); usize::from(count)],
            Self::Values(values) => values.into_iter().map(with).collect(),
        }
    }
}

fn count(count: usize, shape: Shape) -> Result<(), String> {
    let Shape::Many {
        least,
        most,
        repeats,
        ..
    } = shape
    else {
        return Ok(());
    };
    let fits = match repeats {
        true if least == most && least > 0 => count.is_multiple_of(least),
        true => count >= least,
        false => (least..=most).contains(&count),
    };
    if fits {
        return Ok(());
    }
    let expected = match (repeats, most) {
        (true, _) if least == most => format!("expected {least} at a time"),
        (true, _) | (_, usize::MAX) => format!("expected {least} or more"),
        _ if least == most => format!("expected {least}"),
        _ => format!("expected {least} to {most}"),
    };
    Err(format!("{count} values are given, {expected}"))
}

/// Parses one value alone, so that the error is about nothing else.
fn check(arg: &Arg, value: &OsStr, secret: bool) -> Result<(), String> {
    let alone = Arg::new("value")
        .long("value")
        .num_args(1)
        .allow_hyphen_values(true);
    let alone = alone
        .ignore_case(arg.is_ignore_case_set())
        .value_parser(arg.get_value_parser().clone());
    let mut argument = OsString::from("--value=");
    argument.push(value);
    let command = Command::new("check")
        .no_binary_name(true)
        .disable_help_flag(true)
        .arg(alone);
    let Err(error) = command.try_get_matches_from([argument]) else {
        return Ok(());
    };
    let mut message = if secret {
        "the value cannot be used".to_owned()
    } else {
        format!("invalid value `{}`", value.to_string_lossy())
    };
    let strings = |kind| match error.get(kind) {
        Some(ContextValue::Strings(strings)) => strings.join(", "),
        Some(ContextValue::String(string)) => string.clone(),
        _ => String::new(),
    };
    let (valid, suggested) = (
        strings(ContextKind::ValidValue),
        strings(ContextKind::SuggestedValue),
    );
    match (error.kind(), error.source()) {
        (ErrorKind::InvalidUtf8, _) => message.push_str(": it is not UTF-8"),
        (ErrorKind::ValueValidation, Some(source)) if !secret => {
            message.push_str(&format!(": {source}"));
        }
        _ if !valid.is_empty() => message.push_str(&format!(": expected one of {valid}")),
        _ => {}
    }
    if !suggested.is_empty() && !secret {
        message.push_str(&format!("; did you mean `{suggested}`?"));
    }
    Err(message)
}

fn boolean(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Ok(true),
        "0" | "false" | "no" | "off" => Ok(false),
        _ => Err(format!("`{text}` is neither yes nor no")),
    }
}

/// Splits at the delimiter; a backslash before a delimiter keeps it.
fn split(text: &str, delimiter: char) -> Vec<String> {
    let (mut parts, mut part) = (Vec::new(), String::new());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        if character == '\\' && characters.peek() == Some(&delimiter) {
            part.extend(characters.next());
        } else if character == delimiter {
            parts.push(std::mem::take(&mut part));
        } else {
            part.push(character);
        }
    }
    parts.push(part);
    parts
}
