//! Decoding of one name or one value.

use super::ArgumentsError;

/// Tells whether Tornado replaces this byte of a value by a space.
pub(super) fn is_cleaned(byte: u8) -> bool {
    matches!(byte, 0x00..=0x08 | 0x0e..=0x1f)
}

/// Decodes `+` and `%XX` of a component and appends the bytes, which nobody has checked yet.
///
/// `offset` is the place of the component in the whole input, for errors; `clean` turns control
/// characters into spaces.
pub(super) fn decode_component(
    encoded: &[u8],
    offset: usize,
    clean: bool,
    text: &mut Vec<u8>,
) -> Result<(), ArgumentsError> {
    let mut at = 0;
    while let Some(&byte) = encoded.get(at) {
        let (value, length) = match byte {
            b'+' => (b' ', 1),
            b'%' => {
                let value = encoded.get(at + 1..at + 3).and_then(hex_pair);
                let position = offset + at;
                (value.ok_or(ArgumentsError::InvalidEscape { position })?, 3)
            }
            other => (other, 1),
        };
        let cleaned = clean && is_cleaned(value);
        text.push(if cleaned { b' ' } else { value });
        at += length;
    }
    Ok(())
}

fn hex_pair(digits: &[u8]) -> Option<u8> {
    let &[high, low] = digits else { return None };
    Some(hex_digit(high)? << 4 | hex_digit(low)?)
}

fn hex_digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}
