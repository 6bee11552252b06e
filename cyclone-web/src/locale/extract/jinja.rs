//! The tokens of what stands in the delimiters of a template.

use super::calls::{Placed, Token};
use crate::jinja::{Kind, pieces};

pub(super) fn tokens(source: &str) -> Vec<Placed> {
    let mut tokens = Vec::new();
    for piece in pieces(source) {
        match piece.kind {
            Kind::Text => {}
            Kind::Comment => tokens.push((piece.line, Token::Comment(piece.inner().to_owned()))),
            Kind::Expression | Kind::Block => {
                read(piece.inner(), piece.line, &mut tokens);
                // A call does not go on in the next piece.
                tokens.push((piece.line, Token::Other(';')));
            }
        }
    }
    tokens
}

fn read(code: &str, mut line: usize, tokens: &mut Vec<Placed>) {
    let mut rest = code;
    while let Some(first) = rest.chars().next() {
        let begins = line;
        let length = match first {
            '"' | '\'' => {
                let (text, length) = string(rest, first);
                tokens.push((begins, Token::Text(text)));
                length
            }
            first if first == '_' || first.is_alphabetic() => {
                let end = rest.find(|c: char| !(c == '_' || c.is_alphanumeric()));
                let name = rest.get(..end.unwrap_or(rest.len())).unwrap_or(rest);
                tokens.push((begins, Token::Name(name.to_owned())));
                name.len()
            }
            first => {
                if !first.is_whitespace() {
                    tokens.push((begins, Token::Other(first)));
                }
                first.len_utf8()
            }
        };
        let (passed, after) = rest.split_at_checked(length).unwrap_or((rest, ""));
        line += passed.bytes().filter(|byte| *byte == b'\n').count();
        rest = after;
    }
}

/// Reads a string with its quotes, and says how long it is.
fn string(source: &str, quote: char) -> (String, usize) {
    let mut text = String::new();
    let mut characters = source.char_indices().skip(1);
    while let Some((at, character)) = characters.next() {
        if character == quote {
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
            Some('b') => text.push('\u{8}'),
            Some('f') => text.push('\u{c}'),
            Some('u') => {
                let digits: String = characters
                    .by_ref()
                    .take(4)
                    .map(|(_, digit)| digit)
                    .collect();
                let code = u32::from_str_radix(&digits, 16).ok();
                text.push(code.and_then(char::from_u32).unwrap_or('\u{fffd}'));
            }
            Some(other) => text.push(other),
            None => {}
        }
    }
    (text, source.len())
}
