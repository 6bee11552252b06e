//! Decoding of one name or one value.

use smallvec::SmallVec;

use super::ArgumentsError;

/// Bytes of a name or a value that are decoded without an allocation.
const INLINE_BYTES: usize = 128;

/// Tells whether Tornado replaces this byte of a value by a space.
pub(super) fn is_cleaned(byte: u8) -> bool {
    matches!(byte, 0x00..=0x08 | 0x0e..=0x1f)
}

/// Decodes `+` and `%XX` of a component and appends it to the text.
///
/// `offset` is the place of the component in the whole input, for errors; `clean` turns control
/// characters into spaces.
pub(super) fn decode_component(
    encoded: &[u8],
    offset: usize,
    clean: bool,
    text: &mut String,
) -> Result<(), ArgumentsError> {
    let not_utf8 = |_| ArgumentsError::NotUtf8 { position: offset };
    let plain = |byte: &u8| !(matches!(byte, b'%' | b'+') || clean && is_cleaned(*byte));
    let Some(first) = encoded.iter().position(|byte| !plain(byte)) else {
        text.push_str(std::str::from_utf8(encoded).map_err(not_utf8)?);
        return Ok(());
    };

    let mut decoded = SmallVec::<[u8; INLINE_BYTES]>::with_capacity(encoded.len());
    decoded.extend_from_slice(&encoded[..first]);
    let mut at = first;
    while let Some(&byte) = encoded.get(at) {
        let (mut value, length) = match byte {
            b'+' => (b' ', 1),
            b'%' => {
                let value = encoded.get(at + 1..at + 3).and_then(hex_pair);
                let position = offset + at;
                (value.ok_or(ArgumentsError::InvalidEscape { position })?, 3)
            }
            other => (other, 1),
        };
        if clean && is_cleaned(value) {
            value = b' ';
        }
        decoded.push(value);
        at += length;
    }
    text.push_str(std::str::from_utf8(&decoded).map_err(not_utf8)?);
    Ok(())
}

fn hex_pair(digits: &[u8]) -> Option<u8> {
    let &[high, low] = digits else { return None };
    let high = char::from(high).to_digit(16)?;
    let low = char::from(low).to_digit(16)?;
    u8::try_from(high * 16 + low).ok()
}
