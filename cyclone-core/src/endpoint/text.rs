//! The form that the texts of endpoints have: parts between colons, the first the kind, others `name=value`.

use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use super::error::Problem;

/// A part between two colons: a plain word, or `name=value`.
#[derive(Default)]
struct Part {
    name: Option<String>,
    value: Value,
}

/// The text of a value, without its backslashes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Value {
    pub(crate) text: String,
    /// A backslash stood before the first character.
    pub(crate) is_literal: bool,
}

/// The text of an endpoint, taken apart.
pub(crate) struct Parts {
    pub(crate) kind: String,
    pub(crate) words: Vec<Value>,
    pub(crate) options: Vec<(String, Value)>,
}

impl Parts {
    /// Takes a text apart; at most so many words may stand before the options.
    pub(crate) fn new(text: &str, most_words: usize) -> Result<Self, Problem> {
        let mut parts = split(text).into_iter();
        let kind = parts.next().filter(|part| part.name.is_none());
        let kind = kind.map(|part| part.value.text).unwrap_or_default();
        let (mut words, mut options) = (Vec::new(), Vec::<(String, Value)>::new());
        for Part { name, value } in parts {
            match name {
                Some(name) if options.iter().any(|(seen, _)| *seen == name) => {
                    return Err(Problem::Twice(name));
                }
                Some(name) => options.push((name, value)),
                None if words.len() < most_words && options.is_empty() => words.push(value),
                None => {
                    // An address of IPv6 without backslashes falls into empty parts.
                    let is_cut = |value: &Value| value.text.is_empty();
                    return Err(match options.last() {
                        Some((name, before)) if is_cut(before) => {
                            Problem::Unescaped(format!("`{name}`"))
                        }
                        None if words.iter().any(is_cut) => {
                            Problem::Unescaped("an address".to_owned())
                        }
                        _ => Problem::Extra(value.text),
                    });
                }
            }
        }
        words.reverse();
        Ok(Self {
            kind,
            words,
            options,
        })
    }

    /// The next word, or else the option of this name.
    pub(crate) fn word_or(&mut self, name: &str) -> Option<Value> {
        self.words.pop().or_else(|| self.take(name))
    }

    /// The option of this name.
    pub(crate) fn take(&mut self, name: &str) -> Option<Value> {
        let at = self.options.iter().position(|(seen, _)| seen == name)?;
        Some(self.options.remove(at).1)
    }
}

impl From<String> for Value {
    /// Taken as it is.
    fn from(text: String) -> Self {
        Self {
            text,
            is_literal: true,
        }
    }
}

impl Value {
    pub(crate) fn bad(self, what: &'static str) -> Problem {
        let value = self.text;
        Problem::Bad { what, value }
    }

    pub(crate) fn parse<T: FromStr>(self, what: &'static str) -> Result<T, Problem> {
        // `u16::from_str` takes a sign, which no port has.
        match self.text.parse() {
            Ok(number) if !self.text.starts_with('+') => Ok(number),
            _ => Err(self.bad(what)),
        }
    }

    pub(crate) fn whole(
        self,
        range: RangeInclusive<u16>,
        what: &'static str,
    ) -> Result<u16, Problem> {
        match self.clone().parse(what)? {
            number if range.contains(&number) => Ok(number),
            _ => Err(self.bad(what)),
        }
    }

    pub(crate) fn octal(self, most: u32, what: &'static str) -> Result<u32, Problem> {
        match u32::from_str_radix(&self.text, 8) {
            Ok(bits) if bits <= most && !self.text.starts_with('+') => Ok(bits),
            _ => Err(self.bad(what)),
        }
    }

    pub(crate) fn boolean(self) -> Result<bool, Problem> {
        match self.text.as_str() {
            "1" | "true" | "yes" | "on" => Ok(true),
            "0" | "false" | "no" | "off" => Ok(false),
            _ => Err(self.bad("yes or no")),
        }
    }

    /// Seconds, with a fraction if need be, more than none and not more than `most`.
    pub(crate) fn seconds(self, most: Duration) -> Result<Duration, Problem> {
        let digits = self
            .text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'.'));
        let seconds = self.text.parse().ok().filter(|_| digits);
        let duration = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        match duration {
            Some(duration) if !duration.is_zero() && duration <= most => Ok(duration),
            _ => Err(self.bad("number of seconds in its range")),
        }
    }

    pub(crate) fn not_empty(self, what: &'static str) -> Result<String, Problem> {
        match self.text.is_empty() {
            true => Err(Problem::Missing(what)),
            false => Ok(self.text),
        }
    }
}

/// Splits at unescaped colons; the first unescaped `=` of a part ends its name.
fn split(text: &str) -> Vec<Part> {
    let (mut parts, mut part) = (Vec::new(), Part::default());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => {
                part.value.is_literal |= part.value.text.is_empty();
                part.value.text.extend(characters.next());
            }
            ':' => parts.push(std::mem::take(&mut part)),
            '=' if part.name.is_none() && !parts.is_empty() => {
                part.name = Some(std::mem::take(&mut part.value).text);
            }
            _ => part.value.text.push(character),
        }
    }
    parts.push(part);
    parts
}

/// Puts a backslash before every character that [`split`] would act upon.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, ':' | '=' | '\\') {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

/// The same for a path, which is no abstract name whatever it begins with.
pub(crate) fn escape_path(path: &str) -> String {
    let prefix = if path.starts_with('@') { "\\" } else { "" };
    format!("{prefix}{}", escape(path))
}
