//! Values of the built-in options that are more than a number or a text.

use std::fmt;
use std::num::NonZeroUsize;
use std::str::FromStr;

use clap::ValueEnum;

use super::values::{IntegerRanges, ParseValueError};

/// Workers of one program, at most.
pub const MAX_WORKERS: usize = 1024;

/// Processor numbers of `--affinity` are below this, as in the kernel's default `cpu_set_t`.
pub const MAX_CORES: usize = 1024;

/// How many workers serve: `--workers`.
///
/// ```
/// use cyclone_core::runner::options::Workers;
///
/// assert_eq!("per-core".parse::<Workers>()?, Workers::PerCore);
/// assert_eq!("4".parse::<Workers>()?.to_string(), "4");
/// assert!("0".parse::<Workers>().is_err());
/// # Ok::<(), cyclone_core::runner::options::ParseValueError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workers {
    /// A number of them, from 1 to [`MAX_WORKERS`].
    Count(NonZeroUsize),
    /// One for each core that the process may use.
    PerCore,
}

impl FromStr for Workers {
    type Err = ParseValueError;

    fn from_str(text: &str) -> Result<Self, ParseValueError> {
        if text == "per-core" {
            return Ok(Self::PerCore);
        }
        let count = text.parse::<NonZeroUsize>().ok();
        let count = count.filter(|count| count.get() <= MAX_WORKERS && !text.starts_with('+'));
        count.map(Self::Count).ok_or_else(|| {
            ParseValueError::new(format!("expected 1 to {MAX_WORKERS}, or `per-core`"))
        })
    }
}

impl fmt::Display for Workers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => count.fmt(f),
            Self::PerCore => f.write_str("per-core"),
        }
    }
}

/// What a worker is: `--worker-mode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum WorkerMode {
    /// A thread with a runtime of its own, all in one process.
    #[default]
    Threads,
    /// A process, started again when it dies.
    Processes,
}

/// The processors that workers are tied to: `--affinity`.
///
/// ```
/// use cyclone_core::runner::options::Affinity;
///
/// assert_eq!("auto".parse::<Affinity>()?, Affinity::Auto);
/// assert_eq!("0:2,8".parse::<Affinity>()?, Affinity::Cores(vec![0, 1, 2, 8]));
/// # Ok::<(), cyclone_core::runner::options::ParseValueError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Affinity {
    /// Each worker to one of the processors that the process may use, in turn: `--affinity` without a value.
    Auto,
    /// Each worker to one of these, in turn.
    Cores(Vec<usize>),
}

impl FromStr for Affinity {
    type Err = ParseValueError;

    fn from_str(text: &str) -> Result<Self, ParseValueError> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        let wrong = || {
            ParseValueError::new(format!(
                "expected `auto`, or processors below {MAX_CORES} such as `0:3,8`"
            ))
        };
        let ranges: IntegerRanges = text.parse()?;
        let cores = i64::try_from(MAX_CORES).map_err(|_| wrong())?;
        if ranges
            .ranges()
            .iter()
            .any(|r| *r.start() < 0 || *r.end() >= cores)
        {
            return Err(wrong());
        }
        let cores: Result<Vec<usize>, _> = ranges.iter().map(usize::try_from).collect();
        Ok(Self::Cores(cores.map_err(|_| wrong())?))
    }
}

/// A user or a group: `--uid`, `--gid`.
///
/// All digits are a number, anything else is a name, which nobody has looked up yet.
///
/// ```
/// use cyclone_core::runner::options::Identity;
///
/// assert_eq!("33".parse::<Identity>()?, Identity::Number(33));
/// assert_eq!("www-data".parse::<Identity>()?, Identity::Name("www-data".into()));
/// # Ok::<(), cyclone_core::runner::options::ParseValueError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// A number. 4,294,967,295 is none: to the kernel it means "leave as it is".
    Number(u32),
    /// A name, to be looked up.
    Name(String),
}

impl FromStr for Identity {
    type Err = ParseValueError;

    fn from_str(text: &str) -> Result<Self, ParseValueError> {
        if text.is_empty() || text.contains(['\0', ':', '\n']) {
            return Err(ParseValueError::new("expected a number or a name"));
        }
        if !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Ok(Self::Name(text.to_owned()));
        }
        match text.parse() {
            Ok(number) if number != u32::MAX => Ok(Self::Number(number)),
            _ => Err(ParseValueError::new("the number is too large")),
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// Parses the octal number of `--umask`, with or without the `0o` that TOML writes: 0 to 777.
pub(super) fn umask(text: &str) -> Result<u32, ParseValueError> {
    let digits = text.strip_prefix("0o").unwrap_or(text);
    let bits = u32::from_str_radix(digits, 8).ok();
    let bits = bits.filter(|bits| *bits <= 0o777 && !digits.starts_with('+'));
    bits.ok_or_else(|| ParseValueError::new("expected an octal number from 0 to 777"))
}

/// A shell for which completions can be made: `--completions`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Shell {
    Bash,
    Zsh,
    Fish,
}
