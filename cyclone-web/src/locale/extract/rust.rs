//! The tokens of a Rust source, as far as they matter here. What is no Rust gives other tokens, never a failure.

use super::calls::{Placed, Token};

pub(super) fn tokens(source: &str) -> Vec<Placed> {
    let mut tokens = Vec::new();
    let (mut rest, mut line) = (source, 1);
    while !rest.is_empty() {
        let (token, length) = token(rest);
        if let Some(token) = token {
            tokens.push((line, token));
        }
        let (passed, after) = rest.split_at_checked(length.max(1)).unwrap_or((rest, ""));
        line += passed.bytes().filter(|byte| *byte == b'\n').count();
        rest = after;
    }
    tokens
}

/// The token at the start, and its length.
fn token(rest: &str) -> (Option<Token>, usize) {
    let Some(first) = rest.chars().next() else {
        return (None, 0);
    };
    let second = rest.as_bytes().get(1);
    match first {
        '/' if second == Some(&b'/') => {
            let length = rest.find('\n').unwrap_or(rest.len());
            let text = rest.get(..length).unwrap_or_default();
            let text = text.trim_start_matches(['/', '!']).to_owned();
            (Some(Token::Comment(text)), length)
        }
        '/' if second == Some(&b'*') => {
            let length = block_comment(rest);
            let text = rest.get(2..length.saturating_sub(2)).unwrap_or_default();
            (Some(Token::Comment(text.to_owned())), length)
        }
        '"' => {
            let (text, length) = string(rest);
            (Some(Token::Text(text)), length)
        }
        '\'' => (None, character(rest)),
        first if first == '_' || first.is_alphabetic() => {
            let end = rest.find(|c: char| !(c == '_' || c.is_alphanumeric()));
            let name = rest.get(..end.unwrap_or(rest.len())).unwrap_or(rest);
            let after = rest.get(name.len()..).unwrap_or_default();
            literal(name, after).unwrap_or_else(|| (Some(Token::Name(name.to_owned())), name.len()))
        }
        // `1_000` is no name.
        first if first.is_ascii_digit() => {
            let end = rest.find(|c: char| !(c == '_' || c.is_alphanumeric()));
            (Some(Token::Other('0')), end.unwrap_or(rest.len()))
        }
        first if first.is_whitespace() => (None, first.len_utf8()),
        first => (Some(Token::Other(first)), first.len_utf8()),
    }
}

/// A string with letters before it: `r#""#` and its like.
fn literal(prefix: &str, after: &str) -> Option<(Option<Token>, usize)> {
    let other = Some(Token::Other('"'));
    match (prefix, after.as_bytes().first()?) {
        ("b" | "c", b'"') => {
            let (_, length) = string(after);
            Some((other, prefix.len() + length))
        }
        ("b", b'\'') => Some((other, prefix.len() + character(after))),
        ("r" | "br" | "cr", b'"' | b'#') => {
            let (text, length) = raw_string(after)?;
            let token = if prefix == "r" {
                Some(Token::Text(text.to_owned()))
            } else {
                other
            };
            Some((token, prefix.len() + length))
        }
        _ => None,
    }
}

/// Reads `#"…"#`; `None` for a raw name.
fn raw_string(source: &str) -> Option<(&str, usize)> {
    let hashes = source.bytes().take_while(|byte| *byte == b'#').count();
    let inner = source.get(hashes..)?.strip_prefix('"')?;
    let close = format!("\"{}", "#".repeat(hashes));
    let end = inner.find(&close).unwrap_or(inner.len());
    let length = hashes + 1 + end + close.len();
    Some((inner.get(..end)?, length.min(source.len())))
}

/// The length of a comment that may have others in it.
fn block_comment(source: &str) -> usize {
    let bytes = source.as_bytes();
    let (mut at, mut depth) = (0, 0_usize);
    while let Some(pair) = bytes.get(at..at + 2) {
        match pair {
            b"/*" => {
                depth += 1;
                at += 2;
            }
            b"*/" => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    source.len()
}

/// The length of a character in quotes, or of the quote of a lifetime.
fn character(source: &str) -> usize {
    let mut characters = source.char_indices().skip(1);
    match characters.next() {
        Some((_, '\\')) => {
            characters.next();
            // `'\u{10ffff}'` is the longest.
            let close = characters
                .take(12)
                .find(|(_, character)| *character == '\'');
            close.map_or(1, |(at, _)| at + 1)
        }
        Some(_) => match characters.next() {
            Some((at, '\'')) => at + 1,
            _ => 1,
        },
        None => 1,
    }
}

/// Reads a string with its quotes, and says how long it is.
fn string(source: &str) -> (String, usize) {
    let mut text = String::new();
    let mut characters = source.char_indices().skip(1).peekable();
    while let Some((at, character)) = characters.next() {
        if character == '"' {
            return (text, at + 1);
        }
        if character != '\\' {
            text.push(character);
            continue;
        }
        match characters.next().map(|(_, escape)| escape) {
            Some('n') => text.push('\n'),
            Some('t') => text.push('\t'),
            Some('r') => text.push('\r'),
            Some('0') => text.push('\0'),
            Some('x') => {
                let digits: String = characters
                    .by_ref()
                    .take(2)
                    .map(|(_, digit)| digit)
                    .collect();
                text.push(code(&digits));
            }
            Some('u') => {
                characters.next_if(|(_, brace)| *brace == '{');
                let mut digits = String::new();
                while let Some((_, digit)) =
                    characters.next_if(|(_, digit)| digit.is_ascii_hexdigit() || *digit == '_')
                {
                    digits.push(digit);
                }
                characters.next_if(|(_, brace)| *brace == '}');
                text.push(code(&digits.replace('_', "")));
            }
            // The line goes on where the next has text.
            Some('\n') => while characters.next_if(|(_, c)| c.is_whitespace()).is_some() {},
            Some(other) => text.push(other),
            None => {}
        }
    }
    (text, source.len())
}

fn code(digits: &str) -> char {
    let code = u32::from_str_radix(digits, 16).ok();
    code.and_then(char::from_u32).unwrap_or('\u{fffd}')
}
