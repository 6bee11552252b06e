//! `Accept-Encoding` (RFC 9110 12.5.3) for files that were compressed before.

use http::{HeaderMap, header::ACCEPT_ENCODING};

/// How the bytes of a representation are coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Identity,
    Brotli,
    Gzip,
}

impl Encoding {
    /// The value of `Content-Encoding`; none for the bytes as they are.
    pub(super) fn name(self) -> Option<&'static str> {
        match self {
            Self::Identity => None,
            Self::Brotli => Some("br"),
            Self::Gzip => Some("gzip"),
        }
    }
}

/// Chooses what the client likes best; brotli before gzip before identity where it does not care.
///
/// When the client refuses everything there is, it gets the bytes as they are.
pub(super) fn negotiate(headers: &HeaderMap, brotli: bool, gzip: bool) -> Encoding {
    if !brotli && !gzip {
        return Encoding::Identity;
    }
    let mut wanted = Wanted::default();
    for value in headers.get_all(ACCEPT_ENCODING) {
        for element in value.as_bytes().split(|byte| *byte == b',') {
            wanted.note(element);
        }
    }
    let any = wanted.any.unwrap_or(0);
    let identity = wanted.identity.or(wanted.any).unwrap_or(1);
    let brotli = if brotli {
        wanted.brotli.unwrap_or(any)
    } else {
        0
    };
    let gzip = if gzip { wanted.gzip.unwrap_or(any) } else { 0 };
    if brotli > 0 && brotli >= gzip && brotli >= identity {
        Encoding::Brotli
    } else if gzip > 0 && gzip >= identity {
        Encoding::Gzip
    } else {
        Encoding::Identity
    }
}

/// Weights in thousandths; `identity` unnamed is the least wanted of what is allowed.
#[derive(Default)]
struct Wanted {
    brotli: Option<u16>,
    gzip: Option<u16>,
    identity: Option<u16>,
    any: Option<u16>,
}

impl Wanted {
    fn note(&mut self, element: &[u8]) {
        let mut parts = element.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
        let name = parts.next().unwrap_or_default();
        let weight = match parts.next() {
            None => Some(1000),
            Some(weight) => parse_weight(weight),
        };
        // An element that is malformed says nothing.
        let (Some(weight), None) = (weight, parts.next()) else {
            return;
        };
        let slot = if name.eq_ignore_ascii_case(b"br") {
            &mut self.brotli
        } else if name.eq_ignore_ascii_case(b"gzip") || name.eq_ignore_ascii_case(b"x-gzip") {
            &mut self.gzip
        } else if name.eq_ignore_ascii_case(b"identity") {
            &mut self.identity
        } else if name == b"*" {
            &mut self.any
        } else {
            return;
        };
        *slot = Some(weight);
    }
}

/// Parses `q=0.123` into thousandths.
fn parse_weight(text: &[u8]) -> Option<u16> {
    let [b'q' | b'Q', b'=', whole @ (b'0' | b'1'), fraction @ ..] = text else {
        return None;
    };
    let digits = match fraction {
        [] => fraction,
        [b'.', digits @ ..] if digits.len() <= 3 => digits,
        _ => return None,
    };
    let mut weight = u16::from(whole - b'0') * 1000;
    for (digit, unit) in digits.iter().zip([100, 10, 1]) {
        if !digit.is_ascii_digit() {
            return None;
        }
        weight += u16::from(digit - b'0') * unit;
    }
    (weight <= 1000).then_some(weight)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use Encoding::{Brotli, Gzip, Identity};

    #[test]
    fn rfc_9110_12_5_3_weights() {
        for (header, expected) in [
            ("br, gzip", Brotli),
            ("gzip, deflate, br, zstd", Brotli),
            ("gzip", Gzip),
            ("x-gzip", Gzip),
            ("GZIP;q=0.001", Gzip),
            ("br;q=0.5, gzip", Gzip),
            ("br;q=0, gzip;q=0", Identity),
            ("br;q=0.000", Identity),
            ("*", Brotli),
            ("*;q=0", Identity),
            ("br;q=0, *", Gzip),
            ("gzip;q=0.5, identity", Identity),
            ("identity", Identity),
            ("identity;q=0, gzip", Gzip),
            ("", Identity),
            (" br ; q=1.000 ", Brotli),
            // Malformed elements say nothing.
            ("br;q=1.001, gzip", Gzip),
            (
                "br;q=2, br;q=, br;q=0.1234, br;x=1, br;q=1;q=1, br x",
                Identity,
            ),
            ("brotli, gzipped", Identity),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(header));
            assert_eq!(negotiate(&headers, true, true), expected, "{header:?}");
            assert_eq!(negotiate(&headers, false, false), Identity, "{header:?}");
        }
        assert_eq!(negotiate(&HeaderMap::new(), true, true), Identity);
        let mut headers = HeaderMap::new();
        headers.append(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        headers.append(ACCEPT_ENCODING, HeaderValue::from_static("br"));
        assert_eq!(negotiate(&headers, true, true), Brotli);
        assert_eq!(negotiate(&headers, false, true), Gzip);
    }
}
