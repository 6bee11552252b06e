//! The messages of one language.

use std::collections::HashMap;
use std::fmt;

use super::{LocaleError, PluralRule, csv, mo, po};

/// Largest catalogue, in bytes; 16 MiB, which is some 100,000 messages.
pub const MAX_CATALOG: usize = 16 << 20;

/// The messages of one language, from a `.mo`, a `.po` or a `.csv` file.
///
/// A message that it does not have is given back as it is.
///
/// ```
/// use cyclone_web::locale::Catalog;
///
/// let catalog = Catalog::from_po(br#"
/// msgid ""
/// msgstr "Content-Type: text/plain; charset=UTF-8\nPlural-Forms: nplurals=2; plural=n>1;\n"
///
/// msgid "sheep"
/// msgid_plural "sheep"
/// msgstr[0] "mouton"
/// msgstr[1] "moutons"
///
/// msgctxt "law"
/// msgid "right"
/// msgstr "droit"
/// "#)?;
/// assert_eq!(catalog.ngettext("sheep", "sheep", 0), "mouton");
/// assert_eq!(catalog.ngettext("sheep", "sheep", 2), "moutons");
/// assert_eq!(catalog.pgettext("law", "right"), "droit");
/// assert_eq!(catalog.gettext("right"), "right");
/// # Ok::<(), cyclone_web::locale::LocaleError>(())
/// ```
pub struct Catalog {
    kind: Kind,
}

enum Kind {
    Gettext(Box<Gettext>),
    Csv(Box<Csv>),
}

/// What a `.mo` or a `.po` file has.
struct Gettext {
    rule: PluralRule,
    plain: Messages,
    contexts: HashMap<Box<str>, Messages>,
}

/// What a file of Tornado's has: three tables.
#[derive(Default)]
pub(super) struct Csv {
    pub(super) plural: HashMap<Box<str>, Box<str>>,
    pub(super) singular: HashMap<Box<str>, Box<str>>,
    pub(super) unknown: HashMap<Box<str>, Box<str>>,
}

type Messages = HashMap<Box<str>, Forms>;

enum Forms {
    /// Of a message without a plural.
    One(Box<str>),
    Many(Box<[Box<str>]>),
}

/// One message, as the readers of files find it.
pub(super) struct Message {
    pub(super) context: Option<Box<str>>,
    pub(super) id: Box<str>,
    pub(super) has_plural: bool,
    pub(super) translations: Vec<Box<str>>,
}

impl Catalog {
    /// Reads what `msgfmt` writes, in either byte order.
    ///
    /// # Errors
    /// [`LocaleError`] when the file is damaged, has more than [`MAX_CATALOG`] bytes, a malformed plural rule, or a
    /// character set other than UTF-8, ASCII and Latin-1.
    pub fn from_mo(file: &[u8]) -> Result<Self, LocaleError> {
        check_size(file)?;
        mo::parse(file)
    }

    /// Reads the text that translators edit, as `msgfmt` would compile it: fuzzy, obsolete and empty translations do
    /// not count.
    ///
    /// # Errors
    /// [`LocaleError`] with the line of a mistake, or as [`from_mo`](Self::from_mo).
    pub fn from_po(file: &[u8]) -> Result<Self, LocaleError> {
        check_size(file)?;
        po::parse(file)
    }

    /// Reads a table of Tornado's: lines of message, translation and, perhaps, `plural` or `singular`.
    ///
    /// UTF-8, or UTF-16 with a byte order mark; the quoting is that of Excel.
    ///
    /// # Errors
    /// [`LocaleError`] with the line of a third column that is neither, or as [`from_mo`](Self::from_mo).
    pub fn from_csv(file: &[u8]) -> Result<Self, LocaleError> {
        check_size(file)?;
        let csv = csv::parse(file)?;
        Ok(Self {
            kind: Kind::Csv(Box::new(csv)),
        })
    }

    pub(super) fn empty() -> Self {
        Self {
            kind: Kind::Csv(Box::default()),
        }
    }

    pub(super) fn gettext_of(rule: PluralRule, messages: impl Iterator<Item = Message>) -> Self {
        let mut plain = Messages::new();
        let mut contexts: HashMap<Box<str>, Messages> = HashMap::new();
        for message in messages {
            let mut translations = message.translations;
            let forms = if message.has_plural {
                Forms::Many(translations.into_boxed_slice())
            } else {
                Forms::One(translations.pop().unwrap_or_default())
            };
            let table = match message.context {
                Some(context) => contexts.entry(context).or_default(),
                None => &mut plain,
            };
            table.insert(message.id, forms);
        }
        Self {
            kind: Kind::Gettext(Box::new(Gettext {
                rule,
                plain,
                contexts,
            })),
        }
    }

    /// The translation of a message.
    #[must_use]
    pub fn gettext<'a>(&'a self, message: &'a str) -> &'a str {
        let found = match &self.kind {
            Kind::Gettext(gettext) => gettext.one(&gettext.plain, message),
            Kind::Csv(csv) => csv.unknown.get(message).map(AsRef::as_ref),
        };
        found.unwrap_or(message)
    }

    /// The translation of a message in the form for `n`. Without a translation it is `message` for one, else
    /// `plural`.
    #[must_use]
    pub fn ngettext<'a>(&'a self, message: &'a str, plural: &'a str, n: i64) -> &'a str {
        let given = if n == 1 { message } else { plural };
        let found = match &self.kind {
            Kind::Gettext(gettext) => gettext.many(&gettext.plain, message, n),
            Kind::Csv(csv) => {
                let table = if n == 1 { &csv.singular } else { &csv.plural };
                table.get(given).map(AsRef::as_ref)
            }
        };
        found.unwrap_or(given)
    }

    /// The translation of a message in a context, which tells messages apart that are the same in the source.
    ///
    /// Tables in CSV have no contexts: it is as [`gettext`](Self::gettext) there.
    #[must_use]
    pub fn pgettext<'a>(&'a self, context: &str, message: &'a str) -> &'a str {
        match &self.kind {
            Kind::Gettext(gettext) => {
                let table = gettext.contexts.get(context);
                let found = table.and_then(|table| gettext.one(table, message));
                found.unwrap_or(message)
            }
            Kind::Csv(_) => self.gettext(message),
        }
    }

    /// The translation of a message in a context, in the form for `n`. Without one it is that of
    /// [`ngettext`](Self::ngettext), as with Tornado.
    #[must_use]
    pub fn npgettext<'a>(
        &'a self,
        context: &str,
        message: &'a str,
        plural: &'a str,
        n: i64,
    ) -> &'a str {
        let found = match &self.kind {
            Kind::Gettext(gettext) => {
                let table = gettext.contexts.get(context);
                table.and_then(|table| gettext.many(table, message, n))
            }
            Kind::Csv(_) => None,
        };
        found.unwrap_or_else(|| self.ngettext(message, plural, n))
    }

    /// The rule by which it chooses plural forms.
    #[must_use]
    pub fn plural_rule(&self) -> PluralRule {
        match &self.kind {
            Kind::Gettext(gettext) => gettext.rule.clone(),
            Kind::Csv(_) => PluralRule::germanic(),
        }
    }

    /// The number of messages that it translates.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.kind {
            Kind::Gettext(gettext) => {
                let contexts = gettext.contexts.values().map(HashMap::len);
                gettext.plain.len() + contexts.sum::<usize>()
            }
            Kind::Csv(csv) => csv.plural.len() + csv.singular.len() + csv.unknown.len(),
        }
    }

    /// Whether it translates nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Gettext {
    fn one<'a>(&self, table: &'a Messages, message: &str) -> Option<&'a str> {
        match table.get(message)? {
            Forms::One(translation) => Some(translation),
            Forms::Many(forms) => forms.get(self.rule.form(1)).map(AsRef::as_ref),
        }
    }

    fn many<'a>(&self, table: &'a Messages, message: &str, n: i64) -> Option<&'a str> {
        match table.get(message)? {
            // As Python's: a message that was translated without a plural has none.
            Forms::One(_) => None,
            Forms::Many(forms) => forms.get(self.rule.form(n)).map(AsRef::as_ref),
        }
    }
}

impl fmt::Debug for Catalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Catalog")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

fn check_size(file: &[u8]) -> Result<(), LocaleError> {
    if file.len() > MAX_CATALOG {
        let message = format!("a catalogue has more than {MAX_CATALOG} bytes");
        return Err(LocaleError::new(message));
    }
    Ok(())
}

/// The fields of the entry with the empty message: what a catalogue says of itself.
pub(super) struct Header {
    pub(super) charset: Charset,
    pub(super) rule: PluralRule,
}

/// How the bytes of a catalogue make characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Charset {
    Utf8,
    Latin1,
}

impl Header {
    pub(super) fn none() -> Self {
        Self {
            charset: Charset::Utf8,
            rule: PluralRule::germanic(),
        }
    }

    pub(super) fn parse(text: &[u8]) -> Result<Self, LocaleError> {
        // Its own text is read before the character set is known: what matters is ASCII.
        let text = String::from_utf8_lossy(text);
        let mut header = Self::none();
        for line in text.lines() {
            let Some((name, value)) = line.split_once(':') else {
                continue;
            };
            let (name, value) = (name.trim(), value.trim());
            if name.eq_ignore_ascii_case("content-type") {
                if let Some((_, charset)) = value.split_once("charset=") {
                    header.charset = Charset::named(charset.trim())?;
                }
            } else if name.eq_ignore_ascii_case("plural-forms") && !is_template(value) {
                let rule = value.parse();
                header.rule =
                    rule.map_err(|error| LocaleError::new("malformed header").because(error))?;
            }
        }
        Ok(header)
    }
}

/// Whether a field is still what `xgettext` wrote for the translator to fill in.
fn is_template(value: &str) -> bool {
    value.contains("INTEGER") || value.contains("EXPRESSION")
}

impl Charset {
    fn named(name: &str) -> Result<Self, LocaleError> {
        let is = |names: &[&str]| names.iter().any(|known| name.eq_ignore_ascii_case(known));
        // `CHARSET` is what `xgettext` leaves to be filled in.
        if is(&["utf-8", "utf8", "us-ascii", "ascii", "charset", ""]) {
            Ok(Self::Utf8)
        } else if is(&["iso-8859-1", "iso8859-1", "latin1", "latin-1"]) {
            Ok(Self::Latin1)
        } else {
            let name: String = name.chars().take(40).collect();
            Err(LocaleError::new(format!(
                "character set `{name}` is not supported; `msgconv --to-code=UTF-8` converts the file"
            )))
        }
    }

    pub(super) fn decode(self, bytes: &[u8]) -> Option<Box<str>> {
        match self {
            Self::Utf8 => std::str::from_utf8(bytes).ok().map(Into::into),
            Self::Latin1 => {
                let text: String = bytes.iter().map(|byte| char::from(*byte)).collect();
                Some(text.into())
            }
        }
    }
}
