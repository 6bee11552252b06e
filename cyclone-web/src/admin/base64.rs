//! Base64 of credentials, RFC 4648 section 4.

/// Decodes text with its padding; `None` when it is not of that form.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    let bytes = text.as_bytes();
    if !bytes.len().is_multiple_of(4) {
        return None;
    }
    let padding = bytes.iter().rev().take_while(|byte| **byte == b'=').count();
    if padding > 2 {
        return None;
    }
    let digits = bytes.get(..bytes.len() - padding)?;
    let mut decoded = Vec::with_capacity(bytes.len() / 4 * 3);
    let (mut bits, mut held) = (0_u32, 0_u32);
    for digit in digits {
        bits = bits << 6 | value(*digit)?;
        held += 6;
        if held >= 8 {
            held -= 8;
            decoded.push(u8::try_from(bits >> held & 0xff).ok()?);
        }
    }
    // What is left over has to be nothing, or two texts would stand for one.
    (bits & ((1 << held) - 1) == 0).then_some(decoded)
}

fn value(digit: u8) -> Option<u32> {
    Some(u32::from(match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    }))
}

#[cfg(test)]
mod tests {
    use super::decode;

    /// RFC 4648 section 10.
    #[test]
    fn the_test_vectors_are_decoded() {
        for (text, expected) in [
            ("", ""),
            ("Zg==", "f"),
            ("Zm8=", "fo"),
            ("Zm9v", "foo"),
            ("Zm9vYg==", "foob"),
            ("Zm9vYmE=", "fooba"),
            ("Zm9vYmFy", "foobar"),
        ] {
            assert_eq!(decode(text).as_deref(), Some(expected.as_bytes()), "{text}");
        }
        assert_eq!(decode("+/+/"), Some(vec![0xfb, 0xff, 0xbf]));
    }

    #[test]
    fn what_is_malformed_is_nothing() {
        for text in [
            "Z", "Zg", "Zg=", "Zm9", "====", "Z===", "Zg==Zg==", "Zh==", "Zm9=", "Zm 9", "Zm-v",
            "Zmé=",
        ] {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
