//! The compiled catalogues of `msgfmt` (GNU gettext manual, "The Format of GNU MO Files").

use super::LocaleError;
use super::catalog::{Catalog, Charset, Header, Message};

const MAGIC: u32 = 0x9504_12de;

/// Separates the context of a message from it.
const CONTEXT: u8 = 4;

struct File<'a> {
    bytes: &'a [u8],
    is_big_endian: bool,
}

impl<'a> File<'a> {
    fn word(&self, at: usize) -> Option<u32> {
        let bytes = self.bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(if self.is_big_endian {
            u32::from_be_bytes(bytes)
        } else {
            u32::from_le_bytes(bytes)
        })
    }

    fn index(&self, at: usize) -> Option<usize> {
        usize::try_from(self.word(at)?).ok()
    }

    /// A string by its entry in a table: its length, and where it begins.
    fn string(&self, table: usize, number: usize) -> Option<&'a [u8]> {
        let entry = table.checked_add(number.checked_mul(8)?)?;
        let (length, start) = (self.index(entry)?, self.index(entry.checked_add(4)?)?);
        self.bytes.get(start..start.checked_add(length)?)
    }
}

pub(super) fn parse(bytes: &[u8]) -> Result<Catalog, LocaleError> {
    let damaged = || LocaleError::new("the catalogue is cut off or damaged");
    let mut file = File {
        bytes,
        is_big_endian: false,
    };
    match file.word(0) {
        Some(MAGIC) => {}
        Some(word) if word.swap_bytes() == MAGIC => file.is_big_endian = true,
        _ => return Err(LocaleError::new("this is no catalogue of msgfmt")),
    }
    let version = file.word(4).ok_or_else(damaged)?;
    if version >> 16 > 1 {
        let message = format!("version {version:#x} of the format is not known");
        return Err(LocaleError::new(message));
    }
    let count = file.index(8).ok_or_else(damaged)?;
    let originals = file.index(12).ok_or_else(damaged)?;
    let translations = file.index(16).ok_or_else(damaged)?;
    // Each takes eight bytes in both tables: a false count does not reserve memory.
    if count > bytes.len() / 8 {
        return Err(damaged());
    }

    // Originals are sorted, so the header comes first; nothing depends on it.
    let mut header = Header::none();
    for number in 0..count {
        if file.string(originals, number).is_some_and(<[u8]>::is_empty) {
            let text = file.string(translations, number).ok_or_else(damaged)?;
            header = Header::parse(text)?;
            break;
        }
    }

    let mut messages = Vec::new();
    // Strings may overlap in a file that was made for it, and become far more than the file.
    let mut budget = bytes.len().saturating_mul(4);
    for number in 0..count {
        let original = file.string(originals, number).ok_or_else(damaged)?;
        let translation = file.string(translations, number).ok_or_else(damaged)?;
        let size = original.len().saturating_add(translation.len());
        budget = budget.checked_sub(size).ok_or_else(damaged)?;
        if !original.is_empty() {
            let message = message(original, translation, header.charset);
            messages.push(message.ok_or_else(|| {
                let original = String::from_utf8_lossy(original);
                LocaleError::new(format!("message {original:?} is not in the character set"))
            })?);
        }
    }
    Ok(Catalog::gettext_of(header.rule, messages.into_iter()))
}

fn message(original: &[u8], translation: &[u8], charset: Charset) -> Option<Message> {
    let mut parts = original.splitn(2, |byte| *byte == CONTEXT);
    let (context, original) = match (parts.next(), parts.next()) {
        (Some(context), Some(rest)) => (Some(charset.decode(context)?), rest),
        _ => (None, original),
    };
    let mut ids = original.split(|byte| *byte == 0);
    let id = charset.decode(ids.next().unwrap_or_default())?;
    let has_plural = ids.next().is_some();
    let translations = if has_plural {
        let forms = translation.split(|byte| *byte == 0);
        forms
            .map(|form| charset.decode(form))
            .collect::<Option<_>>()?
    } else {
        vec![charset.decode(translation)?]
    };
    Some(Message {
        context,
        id,
        has_plural,
        translations,
    })
}
