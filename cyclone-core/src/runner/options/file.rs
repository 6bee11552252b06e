//! The configuration file.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::inject::Injection;
use super::spec::{Shape, Spec};
use super::{OptionsError, Origin};
use crate::nearest::nearest;

/// Bytes of a configuration file, at most.
pub const MAX_CONFIG_BYTES: u64 = 1 << 20;

/// The lines of a configuration file that set something.
#[derive(Debug)]
pub(super) struct File {
    path: PathBuf,
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    /// The key, with the tables it is in: `level` in `[log]` is `log-level`.
    key: String,
    line: usize,
    scalars: Vec<Scalar>,
    is_list: bool,
}

#[derive(Debug)]
enum Scalar {
    Bool(bool),
    Text(String),
}

impl File {
    pub(super) fn read(path: &Path) -> Result<Self, OptionsError> {
        let fail = |error: &dyn std::fmt::Display| {
            OptionsError::new(format!("configuration file `{}`: {error}", path.display()))
        };
        let mut bytes = Vec::new();
        let file = fs::File::open(path).map_err(|error| fail(&error))?;
        let mut file = file.take(MAX_CONFIG_BYTES + 1);
        file.read_to_end(&mut bytes).map_err(|error| fail(&error))?;
        if bytes.len() as u64 > MAX_CONFIG_BYTES {
            return Err(fail(&format_args!("larger than {MAX_CONFIG_BYTES} bytes")));
        }
        let text = String::from_utf8(bytes).map_err(|_| fail(&"not UTF-8"))?;
        Self::parse(path, &text)
    }

    fn parse(path: &Path, text: &str) -> Result<Self, OptionsError> {
        let lines = Lines::of(text);
        let at = |offset| Origin::File {
            path: path.to_owned(),
            line: lines.number(offset),
        };
        let table = DeTable::parse(text).map_err(|error| {
            let offset = error.span().map_or(0, |span| span.start);
            OptionsError::at(at(offset), error.message())
        })?;
        let mut file = Self {
            path: path.to_owned(),
            entries: Vec::new(),
        };
        file.collect("", table.get_ref(), &lines)?;
        file.entries.sort_by_key(|entry| entry.line);
        Ok(file)
    }

    fn collect(
        &mut self,
        prefix: &str,
        table: &DeTable<'_>,
        lines: &Lines,
    ) -> Result<(), OptionsError> {
        for (name, value) in table {
            let key = format!("{prefix}{}", name.get_ref());
            let line = lines.number(name.span().start);
            if let DeValue::Table(table) = value.get_ref() {
                self.collect(&format!("{key}-"), table, lines)?;
                continue;
            }
            let list = value.get_ref().as_array();
            let scalars: Option<Vec<Scalar>> = match list {
                Some(list) => list
                    .iter()
                    .map(|value| Scalar::of(value.get_ref()))
                    .collect(),
                None => Scalar::of(value.get_ref()).map(|scalar| vec![scalar]),
            };
            let Some(scalars) = scalars else {
                let origin = Origin::File {
                    path: self.path.clone(),
                    line,
                };
                return Err(OptionsError::of(
                    &key,
                    &origin,
                    "a list or table cannot stand in a list",
                ));
            };
            self.entries.push(Entry {
                key,
                line,
                scalars,
                is_list: list.is_some(),
            });
        }
        Ok(())
    }

    /// Sees that every key is an option, and no option is set twice.
    pub(super) fn check(&self, specs: &[Spec]) -> Result<(), OptionsError> {
        for (at, entry) in self.entries.iter().enumerate() {
            let fail = |message: String| OptionsError::at(self.origin(entry), message);
            let key = &entry.key;
            let Some(spec) = specs.iter().find(|spec| spec.is_called(key)) else {
                let names = specs.iter().filter(|spec| spec.is_for_files());
                let hint = nearest(&key.replace('_', "-"), names.map(|spec| spec.name.as_str()));
                let hint = hint
                    .map(|name| format!(", did you mean `{name}`?"))
                    .unwrap_or_default();
                return Err(fail(format!("unknown key `{key}`{hint}")));
            };
            if !spec.is_for_files() {
                return Err(fail(format!(
                    "`{key}` cannot stand in a configuration file"
                )));
            }
            if let Some(first) = self.entries[..at]
                .iter()
                .find(|first| spec.is_called(&first.key))
            {
                return Err(fail(format!(
                    "`{key}` is set already in line {}",
                    first.line
                )));
            }
        }
        Ok(())
    }

    /// What the file says of an option.
    pub(super) fn value(&self, spec: &Spec) -> Option<(Origin, Result<Injection, String>)> {
        let entry = self
            .entries
            .iter()
            .find(|entry| spec.is_called(&entry.key))?;
        // Nothing is in the list: as if it were not there.
        (!entry.scalars.is_empty()).then(|| (self.origin(entry), entry.injection(spec.shape)))
    }

    fn origin(&self, entry: &Entry) -> Origin {
        Origin::File {
            path: self.path.clone(),
            line: entry.line,
        }
    }
}

impl Entry {
    fn injection(&self, shape: Shape) -> Result<Injection, String> {
        if let Shape::Many { .. } = shape {
            return Ok(Injection::Values(
                self.scalars
                    .iter()
                    .map(|scalar| scalar.text().into())
                    .collect(),
            ));
        }
        let (false, [scalar]) = (self.is_list, self.scalars.as_slice()) else {
            return Err("expected one value, and not a list".to_owned());
        };
        match (shape, scalar) {
            (Shape::Flag | Shape::One { bare: true }, Scalar::Bool(on)) => Ok(Injection::flag(*on)),
            (Shape::Flag, _) => Err("expected true or false".to_owned()),
            (Shape::Count, scalar) => Injection::count(&scalar.text()),
            (_, scalar) => Ok(Injection::Values(vec![scalar.text().into()])),
        }
    }
}

impl Scalar {
    fn of(value: &DeValue<'_>) -> Option<Self> {
        Some(match value {
            DeValue::Boolean(boolean) => Self::Bool(*boolean),
            DeValue::String(text) => Self::Text(text.to_string()),
            // An octal number stays what its writer meant: a mask.
            DeValue::Integer(integer) if integer.radix() == 8 => {
                Self::Text(format!("0o{}", integer.as_str()))
            }
            DeValue::Integer(integer) => {
                match i64::from_str_radix(integer.as_str(), integer.radix()) {
                    Ok(number) => Self::Text(number.to_string()),
                    Err(_) => Self::Text(integer.as_str().to_owned()),
                }
            }
            DeValue::Float(float) => Self::Text(float.as_str().to_owned()),
            DeValue::Datetime(moment) => Self::Text(moment.to_string()),
            DeValue::Array(_) | DeValue::Table(_) => return None,
        })
    }

    fn text(&self) -> String {
        match self {
            Self::Bool(boolean) => boolean.to_string(),
            Self::Text(text) => text.clone(),
        }
    }
}

/// Where the lines of a text begin.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        Self(ends.map(|(at, _)| at).collect())
    }

    /// The number of the line that has this offset, from 1.
    fn number(&self, offset: usize) -> usize {
        self.0.partition_point(|end| *end < offset) + 1
    }
}
