//! Collecting the messages of a program for its translators.

mod calls;
mod jinja;
mod rust;

use std::collections::HashMap;
use std::fmt::{self, Write as _};

use self::calls::Call;
use super::format;

/// Largest source file that messages are collected from, in bytes; 8 MiB.
pub const MAX_SOURCE: usize = 8 << 20;

/// Widest line of references in the template, in characters, as with `xgettext`.
const WIDTH: usize = 79;

/// Collects the messages of Rust sources and templates into a `.pot` file, from which `msginit` and `msgmerge` make
/// the catalogues.
///
/// Found are calls, or methods, with literal strings: `translate`, `gettext` and `_` (message, and perhaps plural),
/// `ngettext` (message, plural), `pgettext` (context, message, and perhaps plural), `npgettext` (context, message,
/// plural). A comment that begins with `Translators:`, on the line of the call or those before, goes along.
///
/// The program `cyclone-gettext` of this crate does it for folders.
///
/// ```
/// use cyclone_web::locale::Extractor;
///
/// let mut extractor = Extractor::new();
/// extractor.rust("src/main.rs", r#"cx.text(locale.translate("Hello"))"#)?;
/// extractor.template("home.html", "{{ ngettext('one file', '%(num)d files', n) }}")?;
/// let pot = extractor.to_pot();
/// assert!(pot.contains("#: src/main.rs:1\nmsgid \"Hello\"\nmsgstr \"\"\n"));
/// assert!(pot.contains("msgid_plural \"%(num)d files\"\nmsgstr[0] \"\"\nmsgstr[1] \"\"\n"));
/// # Ok::<(), cyclone_web::locale::ExtractError>(())
/// ```
#[derive(Debug, Default)]
pub struct Extractor {
    messages: Vec<Found>,
    /// Where each is among them.
    places: HashMap<(Option<String>, String), usize>,
}

#[derive(Debug)]
struct Found {
    context: Option<String>,
    id: String,
    plural: Option<String>,
    comments: Vec<String>,
    references: Vec<String>,
}

impl Extractor {
    /// One without messages.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the messages of a Rust source. It does not have to compile.
    ///
    /// # Errors
    /// [`ExtractError`] when it has more than [`MAX_SOURCE`] bytes, or a message that was found before with another
    /// plural.
    pub fn rust(&mut self, name: &str, source: &str) -> Result<(), ExtractError> {
        check_size(name, source)?;
        self.add(name, calls::find(&rust::tokens(source)))
    }

    /// Adds the messages of a template.
    ///
    /// # Errors
    /// As [`rust`](Self::rust).
    pub fn template(&mut self, name: &str, source: &str) -> Result<(), ExtractError> {
        check_size(name, source)?;
        self.add(name, calls::find(&jinja::tokens(source)))
    }

    /// Adds the words of [`Locale::format_date`](super::Locale::format_date) and its like: months, days of the week,
    /// `%(minutes)d minutes ago`.
    pub fn formats(&mut self) {
        for (message, plural) in format::messages() {
            let call = Call {
                line: 0,
                context: None,
                id: message.to_owned(),
                plural: plural.map(str::to_owned),
                comment: None,
            };
            // A message of the program with another plural stays as it is.
            let _ = self.add_call(None, call);
        }
    }

    /// The number of messages so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    fn add(&mut self, name: &str, calls: Vec<Call>) -> Result<(), ExtractError> {
        calls
            .into_iter()
            .try_for_each(|call| self.add_call(Some(name), call))
    }

    fn add_call(&mut self, name: Option<&str>, call: Call) -> Result<(), ExtractError> {
        // The empty message is the header of every catalogue.
        if call.id.is_empty() {
            return Ok(());
        }
        let reference = name.map(|name| format!("{name}:{}", call.line));
        let key = (call.context.clone(), call.id.clone());
        let at = *self.places.entry(key).or_insert_with(|| {
            self.messages.push(Found {
                context: call.context,
                id: call.id,
                plural: None,
                comments: Vec::new(),
                references: Vec::new(),
            });
            self.messages.len() - 1
        });
        let Some(found) = self.messages.get_mut(at) else {
            return Ok(());
        };
        if let Some(plural) = call.plural {
            let first = found.plural.get_or_insert_with(|| plural.clone());
            if *first != plural {
                let first = first.clone();
                return Err(ExtractError {
                    place: reference.unwrap_or_default(),
                    problem: format!(
                        "message {:?} has the plurals {first:?} and {plural:?}",
                        found.id
                    ),
                });
            }
        }
        if let Some(comment) = call.comment
            && !found.comments.contains(&comment)
        {
            found.comments.push(comment);
        }
        if let Some(reference) = reference
            && found.references.last() != Some(&reference)
        {
            found.references.push(reference);
        }
        Ok(())
    }

    /// The template of a catalogue, in the order in which the messages were found. It has no date: the same sources
    /// make the same file.
    #[must_use]
    pub fn to_pot(&self) -> String {
        let mut pot = String::from(HEADER);
        for found in &self.messages {
            // Writing to a String cannot fail.
            let _ = found.write(&mut pot);
        }
        pot
    }
}

const HEADER: &str = r#"#, fuzzy
msgid ""
msgstr ""
"Project-Id-Version: PACKAGE VERSION\n"
"PO-Revision-Date: YEAR-MO-DA HO:MI+ZONE\n"
"Last-Translator: FULL NAME <EMAIL@ADDRESS>\n"
"Language-Team: LANGUAGE <LL@li.org>\n"
"Language: \n"
"MIME-Version: 1.0\n"
"Content-Type: text/plain; charset=UTF-8\n"
"Content-Transfer-Encoding: 8bit\n"
"Plural-Forms: nplurals=INTEGER; plural=EXPRESSION;\n"
"#;

impl Found {
    fn write(&self, pot: &mut String) -> fmt::Result {
        pot.push('\n');
        for comment in &self.comments {
            for line in comment.lines() {
                writeln!(pot, "#. {}", line.trim())?;
            }
        }
        let mut width = 0;
        for reference in &self.references {
            let length = reference.chars().count() + 1;
            if width == 0 || width + length > WIDTH {
                pot.push_str(if width == 0 { "#:" } else { "\n#:" });
                width = 2;
            }
            write!(pot, " {reference}")?;
            width += length;
        }
        if width > 0 {
            pot.push('\n');
        }
        let texts = [Some(&self.id), self.plural.as_ref()];
        if texts.iter().flatten().any(|text| text.contains("%(")) {
            pot.push_str("#, python-format\n");
        }
        if let Some(context) = &self.context {
            write_text(pot, "msgctxt", context)?;
        }
        write_text(pot, "msgid", &self.id)?;
        match &self.plural {
            Some(plural) => {
                write_text(pot, "msgid_plural", plural)?;
                pot.push_str("msgstr[0] \"\"\nmsgstr[1] \"\"\n");
            }
            None => pot.push_str("msgstr \"\"\n"),
        }
        Ok(())
    }
}

/// Writes a string: on a line, or a line for each that it has.
fn write_text(pot: &mut String, keyword: &str, text: &str) -> fmt::Result {
    write!(pot, "{keyword} ")?;
    if text.trim_end_matches('\n').contains('\n') {
        pot.push_str("\"\"\n");
    }
    for line in text.split_inclusive('\n') {
        pot.push('"');
        for character in line.chars() {
            match character {
                '"' => pot.push_str("\\\""),
                '\\' => pot.push_str("\\\\"),
                '\n' => pot.push_str("\\n"),
                '\t' => pot.push_str("\\t"),
                '\r' => pot.push_str("\\r"),
                control if control.is_ascii_control() => {
                    write!(pot, "\\{:03o}", u32::from(control))?;
                }
                other => pot.push(other),
            }
        }
        pot.push_str("\"\n");
    }
    if text.is_empty() {
        pot.push_str("\"\"\n");
    }
    Ok(())
}

fn check_size(name: &str, source: &str) -> Result<(), ExtractError> {
    if source.len() > MAX_SOURCE {
        return Err(ExtractError {
            place: name.to_owned(),
            problem: format!("a source file has more than {MAX_SOURCE} bytes"),
        });
    }
    Ok(())
}

/// Why messages could not be collected; the mistake of whoever wrote the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtractError {
    place: String,
    problem: String,
}

impl fmt::Display for ExtractError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.problem)
    }
}

impl std::error::Error for ExtractError {}
