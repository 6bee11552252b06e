//! The catalogues that translators edit (GNU gettext manual, "The Format of PO Files").

use std::collections::HashSet;

use super::LocaleError;
use super::catalog::{Catalog, Charset, Header, Message};
use super::plural::MAX_PLURAL_FORMS;

/// An entry as its lines come.
#[derive(Default)]
struct Entry {
    line: usize,
    is_fuzzy: bool,
    context: Option<Vec<u8>>,
    id: Option<Vec<u8>>,
    plural: Option<Vec<u8>>,
    translations: Vec<Vec<u8>>,
    last: Part,
}

/// To what a string on a line of its own is added.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Part {
    #[default]
    Nothing,
    Context,
    Id,
    Plural,
    Translation,
}

pub(super) fn parse(file: &[u8]) -> Result<Catalog, LocaleError> {
    let file = file.strip_prefix(&[0xef, 0xbb, 0xbf]).unwrap_or(file);
    let mut entries = Vec::new();
    let mut entry = Entry::default();
    let mut last = 0;
    for (index, line) in file.split(|byte| *byte == b'\n').enumerate() {
        last = index + 1;
        let line = line.trim_ascii();
        if line.starts_with(b"#") || line.is_empty() {
            if entry.last == Part::Translation {
                entries.push(std::mem::take(&mut entry));
            }
            if line.starts_with(b"#,") {
                entry.is_fuzzy |= has_flag(line, b"fuzzy");
            }
        } else {
            let failed = |message: String| LocaleError::at_line(last, message);
            if let Some(full) = entry.add(line, last).map_err(failed)? {
                entries.push(full);
            }
        }
    }
    match entry.last {
        Part::Translation => entries.push(entry),
        Part::Nothing => {}
        _ => return Err(LocaleError::at_line(last, "the last entry is not complete")),
    }
    compile(entries)
}

fn has_flag(line: &[u8], flag: &[u8]) -> bool {
    let mut flags = line
        .get(2..)
        .unwrap_or_default()
        .split(|byte| *byte == b',');
    flags.any(|found| found.trim_ascii() == flag)
}

impl Entry {
    /// Adds a line; gives an entry that is full when it begins the next.
    fn add(&mut self, line: &[u8], number: usize) -> Result<Option<Self>, String> {
        let end = line
            .iter()
            .position(|byte| !(byte.is_ascii_alphabetic() || *byte == b'_'));
        let (keyword, rest) = line.split_at(end.unwrap_or(line.len()));
        let begins =
            matches!(keyword, b"msgctxt") || keyword == b"msgid" && self.last != Part::Context;
        let full = (begins && self.last == Part::Translation).then(|| std::mem::take(self));
        let (part, rest) = match keyword {
            b"" => (self.last, rest),
            b"msgctxt" if self.last == Part::Nothing => {
                self.context = Some(Vec::new());
                (Part::Context, rest)
            }
            b"msgid" if matches!(self.last, Part::Nothing | Part::Context) => {
                self.id = Some(Vec::new());
                (Part::Id, rest)
            }
            b"msgid_plural" if self.last == Part::Id => {
                self.plural = Some(Vec::new());
                (Part::Plural, rest)
            }
            b"msgstr" if self.last == Part::Id && !rest.starts_with(b"[") => {
                self.translations.push(Vec::new());
                (Part::Translation, rest)
            }
            b"msgstr" if self.plural.is_some() => {
                let rest = self.number(rest)?;
                self.translations.push(Vec::new());
                (Part::Translation, rest)
            }
            keyword => {
                let keyword = String::from_utf8_lossy(keyword);
                return Err(format!("`{keyword}` does not belong here"));
            }
        };
        let text = match part {
            Part::Nothing => return Err("a string belongs to nothing".into()),
            Part::Context => self.context.as_mut(),
            Part::Id => self.id.as_mut(),
            Part::Plural => self.plural.as_mut(),
            Part::Translation => self.translations.last_mut(),
        };
        if let Some(text) = text {
            read_strings(rest, text)?;
        }
        if self.last == Part::Nothing {
            self.line = number;
        }
        self.last = part;
        Ok(full)
    }

    /// Reads `[2]`, which has to be the number of the next form.
    fn number<'a>(&self, rest: &'a [u8]) -> Result<&'a [u8], String> {
        let next = self.translations.len();
        let is_next = rest.strip_prefix(b"[").and_then(|rest| {
            let end = rest.iter().position(|byte| *byte == b']')?;
            let (digits, rest) = rest.split_at(end);
            let number: usize = std::str::from_utf8(digits).ok()?.trim().parse().ok()?;
            (number == next && next < MAX_PLURAL_FORMS).then_some(rest.get(1..)?)
        });
        is_next.ok_or_else(|| format!("`msgstr[{next}]` was expected"))
    }

    fn is_header(&self) -> bool {
        self.context.is_none() && self.id.as_ref().is_some_and(Vec::is_empty)
    }
}

/// Reads strings in double quotes, as in C, up to the end of a line.
fn read_strings(line: &[u8], text: &mut Vec<u8>) -> Result<(), String> {
    let mut rest = line.trim_ascii_start();
    if rest.is_empty() {
        return Err("a string in double quotes is missing".into());
    }
    while let Some((first, after)) = rest.split_first() {
        if *first != b'"' {
            return Err("text outside of double quotes".into());
        }
        rest = read_string(after, text)?.trim_ascii_start();
    }
    Ok(())
}

/// Reads up to the closing quote, and gives what follows it.
fn read_string<'a>(mut rest: &'a [u8], text: &mut Vec<u8>) -> Result<&'a [u8], String> {
    loop {
        match rest {
            [] => return Err("a string does not end".into()),
            [b'"', after @ ..] => return Ok(after),
            [b'\\', b'x', after @ ..] => {
                let digits = after
                    .iter()
                    .take(2)
                    .take_while(|digit| digit.is_ascii_hexdigit());
                let count = digits.count();
                text.push(number(after, count, 16).ok_or("`\\x` without a number")?);
                rest = after.get(count..).unwrap_or_default();
            }
            [b'\\', b'0'..=b'7', ..] => {
                let after = rest.get(1..).unwrap_or_default();
                let digits = after
                    .iter()
                    .take(3)
                    .take_while(|digit| matches!(digit, b'0'..=b'7'));
                let count = digits.count();
                text.push(number(after, count, 8).ok_or("an escape is no byte")?);
                rest = after.get(count..).unwrap_or_default();
            }
            [b'\\', escape, after @ ..] => {
                text.push(match escape {
                    b'n' => b'\n',
                    b't' => b'\t',
                    b'r' => b'\r',
                    b'a' => 7,
                    b'b' => 8,
                    b'f' => 12,
                    b'v' => 11,
                    b'"' | b'\\' => *escape,
                    _ => return Err("an escape is not known".into()),
                });
                rest = after;
            }
            [b'\\'] => return Err("a string does not end".into()),
            [byte, after @ ..] => {
                text.push(*byte);
                rest = after;
            }
        }
    }
}

fn number(digits: &[u8], count: usize, radix: u32) -> Option<u8> {
    let digits = std::str::from_utf8(digits.get(..count)?).ok()?;
    u8::from_str_radix(digits, radix).ok()
}

fn compile(entries: Vec<Entry>) -> Result<Catalog, LocaleError> {
    let header = match entries.iter().find(|entry| entry.is_header()) {
        Some(entry) => {
            let text = entry.translations.first().map_or(&[][..], Vec::as_slice);
            let parsed = Header::parse(text);
            parsed.map_err(|error| LocaleError::at_line(entry.line, error.to_string()))?
        }
        None => Header::none(),
    };
    let mut seen = HashSet::new();
    let mut messages = Vec::new();
    for entry in entries {
        if entry.is_header() || entry.is_fuzzy {
            continue;
        }
        let line = entry.line;
        let is_empty = entry.translations.first().is_none_or(Vec::is_empty);
        let decoded = decode(entry, header.charset);
        let message = decoded.ok_or_else(|| {
            LocaleError::at_line(line, "the entry is not in the character set of the file")
        })?;
        if !seen.insert((message.context.clone(), message.id.clone())) {
            let text = format!("message {:?} is defined a second time", message.id);
            return Err(LocaleError::at_line(line, text));
        }
        if !is_empty {
            messages.push(message);
        }
    }
    Ok(Catalog::gettext_of(header.rule, messages.into_iter()))
}

fn decode(entry: Entry, charset: Charset) -> Option<Message> {
    let context = match entry.context {
        Some(context) => Some(charset.decode(&context)?),
        None => None,
    };
    let translations = entry.translations.iter();
    Some(Message {
        context,
        id: charset.decode(&entry.id?)?,
        has_plural: entry.plural.is_some(),
        translations: translations
            .map(|translation| charset.decode(translation))
            .collect::<Option<_>>()?,
    })
}
