//! Placeholders of Python's `%` in messages.

use std::borrow::Cow;
use std::fmt::{Display, Write as _};

/// Puts values in the place of `%(name)s` and `%(name)d`, as Python's `%` does; `%%` is a percent sign.
///
/// A placeholder without a value stays as it is written.
///
/// ```
/// use cyclone_web::locale::interpolate;
///
/// let text = interpolate("%(name)s: %(share)d%%", &[("name", &"Ada"), ("share", &7)]);
/// assert_eq!(text, "Ada: 7%");
/// ```
#[must_use]
pub fn interpolate(message: &str, values: &[(&str, &dyn Display)]) -> String {
    replace(message, |name, text| {
        let value = values.iter().find(|(key, _)| *key == name);
        // Writing to a String fails only when the value does.
        value.is_some_and(|(_, value)| write!(text, "{value}").is_ok())
    })
    .into_owned()
}

/// Lets `put` write the value of a name, and say whether there is one.
pub(crate) fn replace<'a>(
    message: &'a str,
    mut put: impl FnMut(&str, &mut String) -> bool,
) -> Cow<'a, str> {
    if !message.contains('%') {
        return Cow::Borrowed(message);
    }
    let mut text = String::with_capacity(message.len() + 16);
    let mut rest = message;
    while let Some((before, after)) = rest.split_once('%') {
        text.push_str(before);
        rest = after;
        if let Some(after) = after.strip_prefix('%') {
            text.push('%');
            rest = after;
        } else if let Some((name, after)) = placeholder(after) {
            if put(name, &mut text) {
                rest = after;
            } else {
                text.push('%');
            }
        } else {
            text.push('%');
        }
    }
    text.push_str(rest);
    Cow::Owned(text)
}

/// Longest name of a placeholder, in bytes; the text of a longer one is left alone.
const MAX_NAME: usize = 100;

/// Reads `(name)s`.
fn placeholder(text: &str) -> Option<(&str, &str)> {
    let text = text.strip_prefix('(')?;
    let end = text
        .bytes()
        .take(MAX_NAME + 1)
        .position(|byte| byte == b')')?;
    let (name, rest) = text.split_at_checked(end)?;
    let rest = rest.strip_prefix(')')?.strip_prefix(['s', 'd', 'i'])?;
    Some((name, rest))
}
