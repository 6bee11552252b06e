//! The `Content-Disposition` of a part: names as browsers and mail programs write them.

use std::borrow::Cow;

use super::config::MAX_PART_NAME;
use super::error::MultipartErrorKind;
use crate::parameters::{MAX_PARAMETERS, skip_ows, token_end};

/// What a `Content-Disposition` of the type `form-data` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Disposition {
    pub(super) name: String,
    pub(super) file_name: Option<String>,
}

/// A parameter whose value is no longer quoted.
struct Parameter<'a> {
    /// In lower case, with the `*` of RFC 2231.
    name: String,
    value: Cow<'a, str>,
}

impl Disposition {
    /// Parses the value of the field in one pass over its bytes and one over its parameters, of which there are 16 at
    /// most (CVE-2025-67726).
    pub(super) fn parse(text: &str) -> Result<Self, MultipartErrorKind> {
        let end = token_end(text.as_bytes(), 0);
        if !text[..end].eq_ignore_ascii_case("form-data") {
            return Err(MultipartErrorKind::Disposition);
        }
        let parameters = parameters(text, end).ok_or(MultipartErrorKind::Disposition)?;
        let mut name = None;
        let mut plain = None;
        let mut extended = None;
        let mut pieces: Vec<(usize, bool, &str)> = Vec::new();
        for Parameter {
            name: parameter,
            value,
        } in &parameters
        {
            let place = match parameter.as_str() {
                "name" => &mut name,
                "filename" => &mut plain,
                "filename*" => &mut extended,
                other => {
                    if let Some(section) = other.strip_prefix("filename*") {
                        let (number, is_encoded) =
                            section_of(section).ok_or(MultipartErrorKind::Disposition)?;
                        pieces.push((number, is_encoded, value));
                    }
                    continue;
                }
            };
            if place.replace(&**value).is_some() {
                return Err(MultipartErrorKind::Disposition);
            }
        }
        let name = name.ok_or(MultipartErrorKind::Disposition)?;
        // The extended form wins (RFC 6266 4.3), whatever the order.
        let file_name = match (extended, pieces.is_empty(), plain) {
            (Some(extended), true, _) => Some(decode_extended(extended)),
            (None, false, _) => Some(join(pieces)),
            (None, true, Some(plain)) => Some(Some(unescape(plain))),
            (None, true, None) => None,
            // Two ways at once.
            (Some(_), false, _) => Some(None),
        };
        let file_name = match file_name {
            Some(decoded) => Some(decoded.ok_or(MultipartErrorKind::Disposition)?),
            None => None,
        };
        let name = unescape(name);
        if name.is_empty() {
            return Err(MultipartErrorKind::Disposition);
        }
        let longest = file_name.as_ref().map_or(0, String::len).max(name.len());
        if longest > MAX_PART_NAME {
            return Err(MultipartErrorKind::NameTooLong);
        }
        Ok(Self { name, file_name })
    }
}

/// Reads `; name=value` up to the end.
fn parameters(text: &str, start: usize) -> Option<Vec<Parameter<'_>>> {
    let bytes = text.as_bytes();
    let mut parameters = Vec::new();
    let mut at = skip_ows(bytes, start);
    while at < bytes.len() {
        if bytes[at] != b';' {
            return None;
        }
        at = skip_ows(bytes, at + 1);
        if matches!(bytes.get(at), None | Some(b';')) {
            continue;
        }
        let end = token_end(bytes, at);
        if end == at || bytes.get(end) != Some(&b'=') || parameters.len() == MAX_PARAMETERS {
            return None;
        }
        let name = text[at..end].to_ascii_lowercase();
        let value;
        (value, at) = parameter_value(text, end + 1)?;
        parameters.push(Parameter { name, value });
        at = skip_ows(bytes, at);
    }
    Some(parameters)
}

/// A token, or a quoted string in which a backslash escapes a quote and a backslash, and otherwise is one: browsers of
/// old sent `C:\path\file`, and those of today do not escape it either.
fn parameter_value(text: &str, start: usize) -> Option<(Cow<'_, str>, usize)> {
    let bytes = text.as_bytes();
    if bytes.get(start) != Some(&b'"') {
        let rest = bytes.get(start..).unwrap_or_default();
        // Python's requests sends names that are not ASCII without quotes.
        let is_value = |byte: &&u8| !matches!(**byte, b';' | b' ' | b'\t' | b'"');
        let end = start + rest.iter().take_while(is_value).count();
        return (end > start).then(|| (Cow::Borrowed(&text[start..end]), end));
    }
    let mut value = Cow::Borrowed("");
    let mut copied = start + 1;
    let mut at = copied;
    loop {
        match (bytes.get(at)?, bytes.get(at + 1)) {
            (b'"', _) => {
                value += &text[copied..at];
                return Some((value, at + 1));
            }
            (b'\\', Some(b'"' | b'\\')) => {
                value += &text[copied..at];
                copied = at + 1;
                at += 2;
            }
            _ => at += 1,
        }
    }
}

/// Undoes what browsers do to quotes and line breaks in names (HTML, "multipart/form-data encoding algorithm"), and
/// nothing else.
fn unescape(name: &str) -> String {
    let mut decoded = String::with_capacity(name.len());
    let mut rest = name;
    while let Some(at) = rest.find('%') {
        decoded.push_str(&rest[..at]);
        let escape = rest.get(at..at + 3).map(str::to_ascii_uppercase);
        let (character, length) = match escape.as_deref() {
            Some("%22") => ('"', 3),
            Some("%0D") => ('\r', 3),
            Some("%0A") => ('\n', 3),
            _ => ('%', 1),
        };
        decoded.push(character);
        rest = &rest[at + length..];
    }
    decoded.push_str(rest);
    decoded
}

/// Decodes `charset'language'percent-encoded` (RFC 8187 3.2).
fn decode_extended(text: &str) -> Option<String> {
    let (charset, rest) = text.split_once('\'')?;
    let (_language, encoded) = rest.split_once('\'')?;
    decode(charset, percent_decode(encoded)?)
}

/// The number of a section, and whether it is percent-encoded: `0`, `12*` (RFC 2231 3, 4.1).
fn section_of(text: &str) -> Option<(usize, bool)> {
    let (digits, is_encoded) = match text.strip_suffix('*') {
        Some(digits) => (digits, true),
        None => (text, false),
    };
    let is_number = (1..=2).contains(&digits.len())
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && (digits.len() == 1 || !digits.starts_with('0'));
    Some((digits.parse().ok().filter(|_| is_number)?, is_encoded))
}

/// Puts the sections of a long value together, in the order of their numbers (RFC 2231 4.1).
fn join(mut sections: Vec<(usize, bool, &str)>) -> Option<String> {
    sections.sort_unstable_by_key(|(number, ..)| *number);
    let mut charset = None;
    let mut bytes = Vec::new();
    for (expected, (number, is_encoded, text)) in sections.into_iter().enumerate() {
        if number != expected {
            return None;
        }
        let encoded = match (number, is_encoded) {
            (_, false) => {
                bytes.extend_from_slice(text.as_bytes());
                continue;
            }
            (0, true) => {
                let (named, rest) = text.split_once('\'')?;
                charset = Some(named);
                rest.split_once('\'')?.1
            }
            // What it is encoded in has to be said at the beginning.
            (_, true) => {
                charset?;
                text
            }
        };
        bytes.extend(percent_decode(encoded)?);
    }
    decode(charset.unwrap_or("utf-8"), bytes)
}

fn percent_decode(text: &str) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => hex(bytes.next()?)? << 4 | hex(bytes.next()?)?,
            byte => byte,
        });
    }
    Some(decoded)
}

fn hex(digit: u8) -> Option<u8> {
    let value = char::from(digit).to_digit(16)?;
    u8::try_from(value).ok()
}

/// The two charsets that every reader of such names knows (RFC 5987 3.2).
fn decode(charset: &str, bytes: Vec<u8>) -> Option<String> {
    if charset.eq_ignore_ascii_case("utf-8") {
        String::from_utf8(bytes).ok()
    } else if charset.eq_ignore_ascii_case("iso-8859-1") {
        Some(bytes.into_iter().map(char::from).collect())
    } else {
        None
    }
}
