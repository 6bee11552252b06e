//! Tornado's tables of translations: the dialect that Python's `csv` module calls `excel`.

use super::LocaleError;
use super::catalog::Csv;

pub(super) fn parse(file: &[u8]) -> Result<Csv, LocaleError> {
    let text = decode(file).ok_or_else(|| LocaleError::new("the file is not UTF-8 or UTF-16"))?;
    let mut tables = Csv::default();
    for Row { line, cells } in rows(&text) {
        let mut cells = cells.iter().map(|cell| cell.trim());
        let (Some(message), Some(translation)) = (cells.next(), cells.next()) else {
            continue;
        };
        let table = match cells.next().unwrap_or_default() {
            "plural" => &mut tables.plural,
            "singular" => &mut tables.singular,
            "unknown" | "" => &mut tables.unknown,
            other => {
                let message = format!("`{other}` is neither `plural` nor `singular`");
                return Err(LocaleError::at_line(line, message));
            }
        };
        table.insert(message.into(), translation.into());
    }
    Ok(tables)
}

/// By the byte order mark; UTF-8 without one.
fn decode(file: &[u8]) -> Option<String> {
    let wide = |bytes: &[u8], word: fn([u8; 2]) -> u16| {
        let (pairs, rest) = bytes.as_chunks::<2>();
        if !rest.is_empty() {
            return None;
        }
        let words: Vec<u16> = pairs.iter().map(|pair| word(*pair)).collect();
        String::from_utf16(&words).ok()
    };
    match file {
        [0xff, 0xfe, rest @ ..] => wide(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => wide(rest, u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8(rest.to_vec()).ok(),
        _ => String::from_utf8(file.to_vec()).ok(),
    }
}

struct Row {
    /// The line on which it ends, from 1.
    line: usize,
    cells: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Start,
    Bare,
    Quoted,
    /// After a quote that ends the cell, unless another follows.
    Quote,
}

/// Takes the rows apart. As Python's, it forgives: a quote inside a bare cell is data, and what follows a closing
/// quote belongs to the cell.
fn rows(text: &str) -> Vec<Row> {
    let mut rows = Vec::new();
    let (mut cells, mut cell, mut state) = (Vec::new(), String::new(), State::Start);
    let mut line = 1;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let is_break = matches!(character, '\n' | '\r');
        match (state, character) {
            (State::Quoted, '"') => state = State::Quote,
            (State::Quoted, character) => cell.push(character),
            (State::Quote, '"') => {
                cell.push('"');
                state = State::Quoted;
            }
            (State::Start, '"') => state = State::Quoted,
            (_, ',') => {
                cells.push(std::mem::take(&mut cell));
                state = State::Start;
            }
            (_, '\n' | '\r') => {
                if state != State::Start || !cells.is_empty() {
                    cells.push(std::mem::take(&mut cell));
                    let cells = std::mem::take(&mut cells);
                    rows.push(Row { line, cells });
                }
                state = State::Start;
            }
            (_, character) => {
                cell.push(character);
                state = State::Bare;
            }
        }
        if is_break && (character == '\n' || characters.peek() != Some(&'\n')) {
            line += 1;
        }
    }
    if state != State::Start || !cells.is_empty() {
        cells.push(cell);
        rows.push(Row { line, cells });
    }
    rows
}
