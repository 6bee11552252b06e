//! Command line over environment over configuration file over default: the one place where they meet.
//!
//! A first look at the command line, which forgives everything, tells what is set there. What is not, is taken from
//! the environment or the file and put between the program's name and its arguments; then `clap` parses all of it.
//! So every value passes the same parsers, and every rule between options holds whoever set them.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{ArgMatches, Command};

use super::definition::CONFIG;
use super::effective::Value;
use super::file::File;
use super::inject::Injection;
use super::spec::Spec;
use super::{OptionsError, Origin, Parsed, Program, assemble, help};

/// What a program was told, kept to be read again.
#[derive(Clone, Debug)]
pub(super) struct Layers {
    pub(super) program: Program,
    arguments: Vec<OsString>,
    environment: Vec<(String, OsString)>,
    /// Where relative paths of the command line start; a daemon is elsewhere later.
    directory: PathBuf,
    /// Whether they are read for the first time, with the privileges of the start.
    pub(super) is_start: bool,
}

impl Layers {
    pub(super) fn new(
        program: Program,
        mut arguments: Vec<OsString>,
        environment: impl Iterator<Item = (OsString, OsString)>,
    ) -> Self {
        if arguments.is_empty() {
            arguments.push(program.name().into());
        }
        let named = environment.filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
        // An empty variable says nothing.
        let environment = named.filter(|(_, value)| !value.is_empty()).collect();
        let directory = std::env::current_dir().unwrap_or_default();
        Self {
            program,
            arguments,
            environment,
            directory,
            is_start: true,
        }
    }

    /// The same, to be read again.
    pub(super) fn again(&self) -> Self {
        Self {
            is_start: false,
            ..self.clone()
        }
    }

    pub(super) fn absolute(&self, path: &Path) -> PathBuf {
        self.directory.join(path)
    }

    fn variable(&self, spec: &Spec) -> Option<(Origin, &OsStr)> {
        let set = |name: &String| self.environment.iter().find(|(set, _)| set == name);
        let (name, value) = spec.variables.iter().find_map(set)?;
        Some((Origin::Environment(name.clone()), value))
    }
}

/// The name of an environment variable, or a part of it.
pub(super) fn variable(name: &str) -> String {
    let sane = |character: char| match character {
        'a'..='z' => character.to_ascii_uppercase(),
        'A'..='Z' | '0'..='9' => character,
        _ => '_',
    };
    name.chars().map(sane).collect()
}

/// An option that somebody set.
struct Found {
    origin: Origin,
    /// What to add to the command line; nothing if it is there already.
    injection: Option<Injection>,
}

impl Found {
    /// Whether it is part of the rules between options, and how strong it is.
    fn rank(&self) -> Option<u8> {
        let present = self.injection.as_ref().is_none_or(Injection::is_present);
        present.then_some(match self.origin {
            Origin::CommandLine => 3,
            Origin::Environment(_) => 2,
            Origin::File { .. } => 1,
            Origin::Default => 0,
        })
    }
}

pub(super) fn parse<A: clap::Args>(layers: &Layers) -> Result<Parsed<A>, OptionsError> {
    let command = layers.program.command::<A>()?;
    let specs = Spec::all(&command, &layers.program);
    let seen = match command
        .clone()
        .ignore_errors(true)
        .try_get_matches_from(&layers.arguments)
    {
        Ok(seen) => seen,
        Err(error) if error.use_stderr() => return Err(OptionsError::of_command_line(&error)),
        Err(help) => return Ok(Parsed::Print(help.render().to_string())),
    };
    if let Some(text) = help::generated(&seen, &command, &layers.program)? {
        return Ok(Parsed::Print(text));
    }
    let mut found = gather(layers, &command, &specs, &seen)?;
    let config = config(layers, &specs, &found, &seen);
    if let Some(path) = &config {
        let file = File::read(path)?;
        file.check(&specs)?;
        for (spec, found) in specs.iter().zip(&mut found) {
            if found.is_none() {
                let Some((origin, injection)) = file.value(spec) else {
                    continue;
                };
                *found = Some(checked(&command, spec, origin, injection)?);
            }
        }
    }
    settle(&command, &specs, &mut found);
    let mut matches = inject(layers, command, &specs, &found)?;
    let values = specs.iter().zip(&found).filter(|(spec, _)| !spec.order);
    let values = values
        .map(|(spec, found)| {
            let origin = found
                .as_ref()
                .map_or(Origin::Default, |found| found.origin.clone());
            Value::of(spec, &matches, origin)
        })
        .collect();
    assemble::settings(layers, &mut matches, values, config)
}

/// What the command line and the environment say of each option.
fn gather(
    layers: &Layers,
    command: &Command,
    specs: &[Spec],
    seen: &ArgMatches,
) -> Result<Vec<Option<Found>>, OptionsError> {
    let found = specs
        .iter()
        .map(|spec| match seen.value_source(spec.id.as_str()) {
            Some(ValueSource::CommandLine) => Ok(Some(Found {
                origin: Origin::CommandLine,
                injection: None,
            })),
            // By a variable that the application named itself: clap has read it.
            Some(ValueSource::EnvVariable) => {
                let arg = command.get_arguments().find(|arg| *arg.get_id() == spec.id);
                let name = arg.and_then(|arg| arg.get_env()).unwrap_or_default();
                let origin = Origin::Environment(name.to_string_lossy().into_owned());
                Ok(Some(Found {
                    origin,
                    injection: None,
                }))
            }
            _ => match layers.variable(spec) {
                Some((origin, value)) => {
                    let injection = Injection::of_text(spec.shape, value);
                    checked(command, spec, origin, injection).map(Some)
                }
                None => Ok(None),
            },
        });
    found.collect()
}

fn checked(
    command: &Command,
    spec: &Spec,
    origin: Origin,
    injection: Result<Injection, String>,
) -> Result<Found, OptionsError> {
    let arg = command.get_arguments().find(|arg| *arg.get_id() == spec.id);
    let checked = injection.and_then(|injection| {
        arg.map_or(Ok(()), |arg| injection.check(arg, spec))?;
        Ok(injection)
    });
    match checked {
        Ok(injection) => Ok(Found {
            origin,
            injection: Some(injection),
        }),
        Err(message) => Err(OptionsError::of(&spec.name, &origin, message)),
    }
}

/// The path of the configuration file, by the command line or the environment.
fn config(
    layers: &Layers,
    specs: &[Spec],
    found: &[Option<Found>],
    seen: &ArgMatches,
) -> Option<PathBuf> {
    let at = specs.iter().position(|spec| spec.name == CONFIG)?;
    let path = match &found[at].as_ref()?.injection {
        Some(Injection::Values(values)) => PathBuf::from(values.first()?),
        _ => seen
            .try_get_one::<PathBuf>(specs[at].id.as_str())
            .ok()??
            .clone(),
    };
    Some(layers.absolute(&path))
}

/// Of two options that exclude each other, the weaker origin gives way: a file cannot forbid a command line.
fn settle(command: &Command, specs: &[Spec], found: &mut [Option<Found>]) {
    let mut command = command.clone();
    command.build();
    let at = |id: &clap::Id| specs.iter().position(|spec| spec.id == *id);
    let mut pairs = Vec::new();
    for arg in command.get_arguments() {
        let others = command.get_arg_conflicts_with(arg);
        pairs.extend(
            others
                .iter()
                .map(|other| (at(arg.get_id()), at(other.get_id()))),
        );
    }
    for group in command.get_groups() {
        if group.clone().is_multiple() {
            continue;
        }
        let members: Vec<_> = group.get_args().map(at).collect();
        pairs.extend(
            members
                .iter()
                .flat_map(|a| members.iter().map(|b| (*a, *b))),
        );
    }
    let rank = |found: &Option<Found>| found.as_ref().and_then(Found::rank);
    for (a, b) in pairs.iter().filter_map(|(a, b)| Some(((*a)?, (*b)?))) {
        match (rank(&found[a]), rank(&found[b])) {
            (Some(left), Some(right)) if left < right => found[a] = None,
            (Some(left), Some(right)) if left > right => found[b] = None,
            _ => {}
        }
    }
}

fn inject(
    layers: &Layers,
    mut command: Command,
    specs: &[Spec],
    found: &[Option<Found>],
) -> Result<ArgMatches, OptionsError> {
    let (program, rest) = layers
        .arguments
        .split_first()
        .map_or((None, [].as_slice()), |(p, r)| (Some(p), r));
    let mut arguments: Vec<OsString> = program.into_iter().cloned().collect();
    for (spec, found) in specs.iter().zip(found) {
        let Some(injection) = found.as_ref().and_then(|found| found.injection.clone()) else {
            continue;
        };
        command = command.mut_arg(spec.id.as_str(), |arg| injection.prepare(arg, &spec.name));
        arguments.extend(injection.arguments(&spec.name));
    }
    arguments.extend(rest.iter().cloned());
    command.try_get_matches_from(arguments).map_err(|error| {
        let told = OptionsError::of_command_line(&error);
        match error.kind() {
            ErrorKind::MissingRequiredArgument => told.hinted(&help::other_ways(&layers.program)),
            ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
                match secret_in(&error, specs) {
                    // The text of the error has the value.
                    Some(spec) => {
                        let message = "the value cannot be used";
                        OptionsError::of(&spec.name, &Origin::CommandLine, message)
                    }
                    None => told,
                }
            }
            _ => told,
        }
    })
}

/// The secret that an error is about, if it is about one.
fn secret_in<'a>(error: &clap::Error, specs: &'a [Spec]) -> Option<&'a Spec> {
    let Some(ContextValue::String(argument)) = error.get(ContextKind::InvalidArg) else {
        return None;
    };
    // `--pin <PIN>`, `--pin=<PIN>`, `--pin[=<PIN>]`, or `[PIN]` without dashes.
    let long = argument.strip_prefix("--").unwrap_or_default();
    let end = long.find([' ', '=', '[']).unwrap_or(long.len());
    let is_it = |spec: &&Spec| spec.secret && spec.name == long[..end];
    specs.iter().find(is_it)
}
