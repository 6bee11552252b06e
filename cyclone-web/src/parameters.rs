//! The `; name=value` list of Content-Type, Content-Disposition and their like (RFC 9110 5.6.6).

use smallvec::SmallVec;

/// Most parameters one header value may have; more is an error.
pub(crate) const MAX_PARAMETERS: usize = 16;

/// Parameters in the order sent; names in lower case, values unquoted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Parameters(SmallVec<[(String, String); 2]>);

/// Why a list was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ParametersError {
    TooMany,
    /// At this byte of the list.
    Malformed(usize),
    /// The same name twice, so that two readers may differ about what was meant.
    Repeated,
}

impl Parameters {
    /// Parses a list that begins with `;` or is empty, in one pass.
    pub(crate) fn parse(text: &str) -> Result<Self, ParametersError> {
        let bytes = text.as_bytes();
        let mut parameters = Self::default();
        let mut at = skip_ows(bytes, 0);
        while at < bytes.len() {
            if bytes[at] != b';' {
                return Err(ParametersError::Malformed(at));
            }
            at = skip_ows(bytes, at + 1);
            if matches!(bytes.get(at), None | Some(b';')) {
                continue;
            }
            let name = token_end(bytes, at);
            if name == at || bytes.get(name) != Some(&b'=') {
                return Err(ParametersError::Malformed(name));
            }
            let (value, end) = parse_value(text, name + 1)?;
            parameters.push(text[at..name].to_ascii_lowercase(), value)?;
            at = skip_ows(bytes, end);
        }
        Ok(parameters)
    }

    fn push(&mut self, name: String, value: String) -> Result<(), ParametersError> {
        if self.0.len() == MAX_PARAMETERS {
            return Err(ParametersError::TooMany);
        }
        if self.get(&name).is_some() {
            return Err(ParametersError::Repeated);
        }
        self.0.push((name, value));
        Ok(())
    }

    /// Returns the value of a name given in lower case.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// Tells whether a byte may be part of a token (RFC 9110 5.6.2).
pub(crate) fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Returns where the token that starts at `at` ends; `at` itself when there is none.
pub(crate) fn token_end(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest.iter().take_while(|byte| is_token_byte(**byte)).count()
}

/// Skips optional white space: SP and HTAB, nothing else.
pub(crate) fn skip_ows(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest
        .iter()
        .take_while(|byte| matches!(byte, b' ' | b'\t'))
        .count()
}

/// Parses a token or a quoted string; returns it and where it ends.
fn parse_value(text: &str, start: usize) -> Result<(String, usize), ParametersError> {
    let bytes = text.as_bytes();
    if bytes.get(start) != Some(&b'"') {
        let end = token_end(bytes, start);
        if end == start {
            return Err(ParametersError::Malformed(start));
        }
        return Ok((text[start..end].to_owned(), end));
    }
    let mut value = String::new();
    // Everything before `copied` is in the value; copying runs keeps code points whole.
    let mut copied = start + 1;
    let mut at = copied;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => {
                value.push_str(&text[copied..at]);
                return Ok((value, at + 1));
            }
            b'\\' => {
                value.push_str(&text[copied..at]);
                copied = at + 1;
                // The escaped character is copied with the next run, whatever it is.
                if matches!(bytes.get(copied), Some(b'"' | b'\\')) {
                    at += 1;
                }
            }
            b'\t' | b' '..=b'~' | 0x80.. => {}
            _ => return Err(ParametersError::Malformed(at)),
        }
        at += 1;
    }
    Err(ParametersError::Malformed(start))
}
