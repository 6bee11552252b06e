//! Hexadecimal digits.

/// Writes bytes as lower-case digits.
pub(crate) fn encode(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(value.into(), 16).unwrap_or('0');
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}

/// Reads pairs of digits of either case; `None` when there is anything else.
#[cfg(any(test, feature = "aws-auth", feature = "security"))]
pub(crate) fn decode(digits: &[u8]) -> Option<Vec<u8>> {
    let (pairs, []) = digits.as_chunks::<2>() else {
        return None;
    };
    let pairs = pairs.iter();
    pairs
        .map(|&[high, low]| Some(value(high)? << 4 | value(low)?))
        .collect()
}

#[cfg(any(test, feature = "aws-auth", feature = "security"))]
fn value(digit: u8) -> Option<u8> {
    let value = char::from(digit).to_digit(16)?;
    u8::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use super::{decode, encode};

    #[test]
    fn bytes_come_back() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(decode(encode(&all).as_bytes()), Some(all));
        assert_eq!(encode(b"\x00\x0f\xf0"), "000ff0");
        assert_eq!(decode(b"Ff"), Some(vec![255]));
        for wrong in ["0", "0g", "+1", " 1", "00 ", "0x00"] {
            assert_eq!(decode(wrong.as_bytes()), None, "{wrong}");
        }
    }
}
