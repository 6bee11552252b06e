//! Which of the languages that there are suits those that are wanted best.

use std::cmp::Reverse;

/// Most languages of an `Accept-Language` field that are looked at, in the order sent.
pub const MAX_LANGUAGES: usize = 64;

/// The languages of an `Accept-Language` field, the most wanted first (RFC 9110, 12.5.4).
///
/// Those of weight 0 or with a malformed weight are left out, as Tornado does, and `*`; languages of the same weight
/// stay in their order. At most [`MAX_LANGUAGES`] are looked at.
///
/// ```
/// use cyclone_web::locale::accepted_languages;
///
/// let field = "da, en-GB;q=0.8, en;q=0.7, fr;q=0, *;q=0.1";
/// assert_eq!(accepted_languages(field), ["da", "en-GB", "en"]);
/// ```
#[must_use]
pub fn accepted_languages(field: &str) -> Vec<&str> {
    let mut languages: Vec<(Reverse<u16>, &str)> = field
        .split(',')
        .take(MAX_LANGUAGES)
        .filter_map(|language| {
            let mut parts = language.split(';');
            let name = parts.next()?.trim();
            let weight = match parts.find_map(|part| weight_of(part.trim())) {
                Some(weight) => parse_weight(weight)?,
                None => 1_000,
            };
            let is_wanted = weight > 0 && !name.is_empty() && name != "*";
            is_wanted.then_some((Reverse(weight), name))
        })
        .collect();
    languages.sort_by_key(|(weight, _)| *weight);
    languages.into_iter().map(|(_, name)| name).collect()
}

fn weight_of(part: &str) -> Option<&str> {
    let (name, value) = part.split_once('=')?;
    name.trim_end()
        .eq_ignore_ascii_case("q")
        .then(|| value.trim())
}

/// Reads a weight as thousandths: `0` to `1`, with three digits at most behind the point (RFC 9110, 12.4.2).
fn parse_weight(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let whole: u16 = match whole {
        "0" => 0,
        "1" => 1_000,
        _ => return None,
    };
    if fraction.len() > 3 || !fraction.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let fraction: u16 = format!("{fraction:0<3}").parse().ok()?;
    (whole + fraction <= 1_000).then_some(whole + fraction)
}

/// The codes by which a language is looked for, the closest first, all in lower case with underscores:
/// `zh-Hant-TW` as `zh_hant_tw`, `zh_tw`, `zh_hant`, `zh`.
pub(super) fn candidates(code: &str) -> impl Iterator<Item = String> {
    let code = normal(code);
    let parts: Vec<&str> = code.split('_').collect();
    let mut found = vec![code.clone()];
    if let [language, script, region, ..] = parts[..] {
        found.push(format!("{language}_{region}"));
        found.push(format!("{language}_{script}"));
    }
    if let [language, _, ..] = parts[..] {
        found.push(language.to_owned());
    }
    found.into_iter().filter(|code| !code.is_empty())
}

/// A code for comparison.
pub(super) fn normal(code: &str) -> String {
    code.trim().replace('-', "_").to_ascii_lowercase()
}

/// Whether a name of a file can be the code of a locale: `pt_BR`, `zh_Hans`, `sr@latin`.
pub(super) fn is_code(name: &str) -> bool {
    let starts = name
        .bytes()
        .next()
        .is_some_and(|byte| byte.is_ascii_alphabetic());
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'@');
    starts && name.len() <= MAX_CODE && name.bytes().all(allowed)
}

/// Longest code of a locale, in bytes.
const MAX_CODE: usize = 35;
