//! The effective configuration, as a configuration file.

use std::fmt::Write;

use clap::ArgMatches;

use super::spec::{Shape, Spec};
use super::{Origin, Program};

/// What is shown instead of a secret.
const MASK: &str = "\"********\"";

/// The value of an option, whatever its type, with its origin.
#[derive(Debug)]
pub(super) struct Value {
    pub(super) name: String,
    pub(super) content: Content,
    pub(super) origin: Origin,
    secret: bool,
    heading: Option<String>,
    is_for_files: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Content {
    Nothing,
    Flag(bool),
    One(String),
    Many(Vec<String>),
    /// TOML cannot say it.
    NotUtf8,
}

impl Value {
    pub(super) fn of(spec: &Spec, matches: &ArgMatches, origin: Origin) -> Self {
        let raw = matches.try_get_raw(spec.id.as_str()).ok().flatten();
        let texts: Option<Vec<String>> = raw
            .unwrap_or_default()
            .map(|value| value.to_str().map(str::to_owned))
            .collect();
        let content = match (spec.shape, texts) {
            (_, None) => Content::NotUtf8,
            // A flag is as its default, or the other thing.
            (Shape::Flag, _) => Content::Flag(is_given(spec, matches)),
            (_, Some(texts)) if texts.is_empty() => Content::Nothing,
            (Shape::Many { .. }, Some(texts)) => Content::Many(texts),
            (_, Some(texts)) => texts
                .into_iter()
                .next()
                .map_or(Content::Nothing, Content::One),
        };
        Self {
            name: spec.name.clone(),
            content,
            origin,
            secret: spec.secret,
            heading: spec.heading.clone(),
            is_for_files: spec.is_for_files(),
        }
    }

    /// The value as TOML; stars if it is secret, nothing if there is none.
    pub(super) fn shown(&self) -> Option<String> {
        if self.secret && self.content != Content::Nothing {
            return Some(MASK.to_owned());
        }
        Some(match &self.content {
            Content::Nothing => return None,
            Content::Flag(on) => on.to_string(),
            Content::One(text) => scalar(text),
            Content::Many(texts) => {
                let texts: Vec<String> = texts.iter().map(|text| quoted(text)).collect();
                format!("[{}]", texts.join(", "))
            }
            Content::NotUtf8 => "\"\"".to_owned(),
        })
    }

    fn line(&self) -> String {
        let (name, shown) = (&self.name, self.shown());
        let Some(shown) = shown else {
            return format!("# {name} =");
        };
        let set = self.origin != Origin::Default;
        let origin = self.origin.to_string().replace(char::is_control, "?");
        match &self.content {
            Content::NotUtf8 => format!("# {name} = {shown}  # {origin}, not UTF-8"),
            _ if self.secret => format!("# {name} = {shown}  # {origin}, secret"),
            _ if set && self.is_for_files => format!("{name} = {shown}  # {origin}"),
            _ => format!("# {name} = {shown}  # {origin}"),
        }
    }
}

fn is_given(spec: &Spec, matches: &ArgMatches) -> bool {
    use clap::parser::ValueSource::{CommandLine, EnvVariable};
    matches!(
        matches.value_source(spec.id.as_str()),
        Some(CommandLine | EnvVariable)
    )
}

pub(super) fn text(program: &Program, values: &[Value]) -> String {
    let mut text = format!(
        "# The effective configuration of {}. A value comes from the command line, the\n\
         # environment ({}_OPTION), this file or the default: the first that has one.\n",
        program.name(),
        program.prefix(),
    );
    let mut heading = None;
    for value in values {
        if heading != Some(&value.heading) {
            let title = value.heading.as_deref().unwrap_or("Application");
            let _ = write!(text, "\n# {title}\n");
            heading = Some(&value.heading);
        }
        let _ = writeln!(text, "{}", value.line());
    }
    text
}

/// A number stays one, all else is a string.
fn scalar(text: &str) -> String {
    match text.parse::<i64>() {
        Ok(number) if number.to_string() == text => text.to_owned(),
        _ => quoted(text),
    }
}

fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            // TOML knows no control characters but the tab.
            character if character.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(character));
            }
            character => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}
