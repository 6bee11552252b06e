//! Header lines: what a frame, an event and a command begin with.

use std::fmt;

/// Headers in the order they came in. Names are compared without regard to case, as FreeSWITCH does.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers {
    lines: Vec<(String, String)>,
}

impl Headers {
    /// The first value of a header.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self
            .lines
            .iter()
            .find(|(other, _)| other.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// Adds a header behind the others, whether or not there is one of this name.
    pub fn push(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.lines.push((name.into(), value.into()));
    }

    /// Gives every header of this name a new value, or adds one.
    pub fn set(&mut self, name: &str, value: &str) {
        let mut found = false;
        for (other, old) in &mut self.lines {
            if other.eq_ignore_ascii_case(name) {
                value.clone_into(old);
                found = true;
            }
        }
        if !found {
            self.push(name, value);
        }
    }

    /// All headers in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let lines = self.lines.iter();
        lines.map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The same headers with every value URL-decoded.
    #[must_use]
    pub fn decoded(&self) -> Self {
        let lines = self.iter();
        let lines = lines.map(|(name, value)| (name.to_owned(), url_decode(value)));
        Self {
            lines: lines.collect(),
        }
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl FromIterator<(String, String)> for Headers {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(lines: I) -> Self {
        Self {
            lines: lines.into_iter().collect(),
        }
    }
}

/// Turns each `%` with two hexadecimal digits into the byte it stands for; any other `%` stays. Bytes that are no
/// UTF-8 become the replacement character.
///
/// FreeSWITCH does not encode a value twice: a `%20` that was in a value comes out as a space.
#[must_use]
pub fn url_decode(value: &str) -> String {
    if !value.contains('%') {
        return value.to_owned();
    }
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let code = after.split_at_checked(2).filter(|_| *byte == b'%');
        let code = code.and_then(|(digits, after)| Some((hex(digits)?, after)));
        let (byte, after) = code.unwrap_or((*byte, after));
        bytes.push(byte);
        rest = after;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hex(digits: &[u8]) -> Option<u8> {
    let mut digits = digits.iter().map(|digit| char::from(*digit).to_digit(16));
    digits.try_fold(0, |code: u8, digit| {
        Some((code << 4) | u8::try_from(digit?).ok()?)
    })
}

/// The reverse of [`url_decode`], of the bytes that FreeSWITCH encodes: those that are neither printable ASCII nor
/// harmless in a URL.
#[must_use]
pub fn url_encode(value: &str) -> String {
    use std::fmt::Write as _;

    let mut text = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_graphic() && !b"\"#%&+:;<=>?@[\\]^`{|}".contains(&byte) {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}
