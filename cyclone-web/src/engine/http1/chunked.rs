//! The chunked transfer coding of request bodies (RFC 9112 section 7.1).

use std::ops::Range;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::limits::Limits;

/// The most bytes of chunk extensions in one body. Nobody uses them but to make a server work (CVE-2023-39326).
pub(crate) const EXTENSION_BYTES: u32 = 16 * 1024;

/// The most digits of a chunk size: those of a 64-bit number.
const SIZE_DIGITS: u8 = 16;

/// The body is not what its coding has to be. Nothing behind it can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// A step of decoding.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Step {
    /// Bytes of the input that are done with.
    pub(crate) used: usize,
    /// Where in these the data stands.
    pub(crate) data: Range<usize>,
    /// The body is over.
    pub(crate) ended: bool,
}

/// Decodes a chunked body as its bytes come.
#[derive(Debug)]
pub(crate) struct Chunked {
    state: State,
    /// The size of the chunk so far; of its data, what is missing.
    left: u64,
    digits: u8,
    extension_bytes: u32,
    trailers: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// In the digits of a size.
    Size,
    /// White space between the size and `;`.
    Space,
    Extension,
    /// After the CR of the line of a size.
    SizeEnd,
    Data,
    /// After the data.
    DataCr,
    DataLf,
    /// At the beginning of a line of the trailer section, and elsewhere in it.
    TrailerStart,
    Trailer,
    TrailerLf,
    /// After the CR of the empty line at the end.
    End,
    Over,
    /// After something that is not chunked.
    Malformed,
}

impl Chunked {
    pub(crate) fn new() -> Self {
        Self {
            state: State::Size,
            left: 0,
            digits: 0,
            extension_bytes: 0,
            trailers: Vec::new(),
        }
    }

    /// Takes bytes up to the end of a piece of data, of the body, or of the input.
    ///
    /// # Errors
    /// [`Malformed`], then and ever after.
    pub(crate) fn step(&mut self, input: &[u8], limits: &Limits) -> Result<Step, Malformed> {
        let mut at = 0;
        while let Some(&byte) = input.get(at) {
            match self.state {
                State::Data => {
                    let rest = (input.len() - at) as u64;
                    let count = self.left.min(rest);
                    self.left -= count;
                    if self.left == 0 {
                        self.state = State::DataCr;
                    }
                    // It is no more than the rest of the input.
                    let end = at + usize::try_from(count).unwrap_or(usize::MAX);
                    return Ok(Step {
                        used: end,
                        data: at..end,
                        ended: false,
                    });
                }
                State::Over => break,
                _ => {
                    let next = self.take(byte, limits);
                    self.state = next.as_ref().copied().unwrap_or(State::Malformed);
                    next?;
                }
            }
            at += 1;
        }
        Ok(Step {
            used: at,
            data: at..at,
            ended: self.state == State::Over,
        })
    }

    /// Takes a byte that is not data, and says what comes next.
    fn take(&mut self, byte: u8, limits: &Limits) -> Result<State, Malformed> {
        Ok(match (self.state, byte) {
            (State::Size, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => self.digit(byte)?,
            (State::Size, b'\r') if self.digits > 0 => State::SizeEnd,
            (State::Size, b' ' | b'\t') if self.digits > 0 => self.extend(State::Space)?,
            (State::Space, b' ' | b'\t') => self.extend(State::Space)?,
            (State::Size, b';') if self.digits > 0 => self.extend(State::Extension)?,
            (State::Space, b';') => self.extend(State::Extension)?,
            (State::Extension, b'\r') => State::SizeEnd,
            (State::Extension, b'\t' | b' '..=b'~' | 0x80..) => self.extend(State::Extension)?,
            (State::SizeEnd, b'\n') if self.left > 0 => State::Data,
            (State::SizeEnd, b'\n') => State::TrailerStart,
            (State::DataCr, b'\r') => State::DataLf,
            (State::DataLf, b'\n') => {
                self.digits = 0;
                State::Size
            }
            (State::TrailerStart, b'\r') => State::End,
            (State::End, b'\n') => State::Over,
            (State::Trailer, b'\r') => self.keep(byte, State::TrailerLf, limits)?,
            (State::TrailerLf, b'\n') => self.keep(byte, State::TrailerStart, limits)?,
            // Neither white space, which would be obsolete folding, nor an empty line.
            (State::TrailerStart, b'!'..=b'~') | (State::Trailer, b'\t' | b' '..=b'~' | 0x80..) => {
                self.keep(byte, State::Trailer, limits)?
            }
            _ => return Err(Malformed),
        })
    }

    fn digit(&mut self, byte: u8) -> Result<State, Malformed> {
        self.digits += 1;
        if self.digits > SIZE_DIGITS {
            return Err(Malformed);
        }
        let value = match byte {
            b'0'..=b'9' => byte - b'0',
            _ => (byte | 0x20) - b'a' + 10,
        };
        self.left = (self.left << 4) | u64::from(value);
        Ok(State::Size)
    }

    fn extend(&mut self, next: State) -> Result<State, Malformed> {
        self.extension_bytes += 1;
        if self.extension_bytes > EXTENSION_BYTES {
            return Err(Malformed);
        }
        Ok(next)
    }

    fn keep(&mut self, byte: u8, next: State, limits: &Limits) -> Result<State, Malformed> {
        if self.trailers.len() >= limits.header_section {
            return Err(Malformed);
        }
        self.trailers.push(byte);
        Ok(next)
    }

    pub(crate) fn is_over(&self) -> bool {
        self.state == State::Over
    }

    /// Bytes that will come now and are nothing but data.
    pub(crate) fn expects(&self) -> u64 {
        match self.state {
            State::Data => self.left,
            _ => 0,
        }
    }

    /// The trailer section, when the body is over and has one.
    ///
    /// # Errors
    /// [`Malformed`]
    pub(crate) fn trailers(&mut self, limits: &Limits) -> Result<Option<HeaderMap>, Malformed> {
        if self.trailers.is_empty() {
            return Ok(None);
        }
        let mut section = std::mem::take(&mut self.trailers);
        section.extend_from_slice(b"\r\n");
        let lines = memchr::memchr_iter(b'\n', &section).count();
        let mut fields = vec![httparse::EMPTY_HEADER; lines.min(limits.fields())];
        let Ok(httparse::Status::Complete((_, fields))) =
            httparse::parse_headers(&section, &mut fields)
        else {
            return Err(Malformed);
        };
        let mut trailers = HeaderMap::with_capacity(fields.len());
        for field in fields {
            if field.name.len() + field.value.len() > limits.header_line {
                return Err(Malformed);
            }
            let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| Malformed)?;
            let value = HeaderValue::from_bytes(field.value).map_err(|_| Malformed)?;
            trailers.try_append(name, value).map_err(|_| Malformed)?;
        }
        Ok(Some(trailers))
    }
}

#[cfg(test)]
mod tests {
    use super::{Chunked, EXTENSION_BYTES, Malformed, Step};
    use crate::limits::Limits;

    /// The data of a body, what was used of `input`, and whether the body is over.
    fn decode(input: &[u8], split: usize) -> Result<(Vec<u8>, usize, bool), Malformed> {
        let limits = Limits::default();
        let mut decoder = Chunked::new();
        let (mut data, mut used, mut end) = (Vec::new(), 0, split);
        loop {
            let step = decoder.step(&input[used..end], &limits)?;
            data.extend_from_slice(&input[used..end][step.data.clone()]);
            used += step.used;
            if step.ended || (used == end && end == input.len()) {
                return Ok((data, used, step.ended));
            }
            if used == end {
                end = input.len();
            }
        }
    }

    #[test]
    fn bodies_are_the_same_at_every_split() {
        for (input, data, rest) in [
            ("0\r\n\r\n", "", ""),
            ("3\r\nabc\r\n0\r\n\r\nGET", "abc", "GET"),
            (
                "3;a=b\r\nabc\r\nA ; c\r\n0123456789\r\n000\r\nx: y\r\n\r\n",
                "abc0123456789",
                "",
            ),
        ] {
            for split in 0..=input.len() {
                let (got, used, ended) = decode(input.as_bytes(), split).unwrap();
                assert_eq!(got, data.as_bytes(), "{input:?} at {split}");
                assert_eq!(&input[used..], rest, "{input:?} at {split}");
                assert!(ended);
            }
        }
    }

    #[test]
    fn what_is_not_chunked_is_malformed_at_every_split() {
        for input in [
            "\r\n",
            "g\r\n",
            "+3\r\n",
            "-1\r\n",
            "0x3\r\n",
            "3_0\r\n",
            "3 \r\n",
            "3 x\r\n",
            " 3\r\n",
            "3\n",
            "3\r\r\n",
            "3;\n",
            "3;a\r\r\n",
            "3;\0\r\n",
            "3;\u{7f}\r\n",
            "3\r\nabcd",
            "3\r\nabc\n",
            "3\r\nabc\r\r",
            "3\r\nabc\r\n\r\n",
            "0\r\n\n",
            "0\r\n x: y\r\n\r\n",
            "0\r\nx: y\n\r\n",
            "0\r\nx: y\r\n z\r\n\r\n",
            "0\r\nx\0: y\r\n\r\n",
            "10000000000000000\r\n",
            "0\r\n\r\r",
            ";a\r\n",
        ] {
            for split in 0..=input.len() {
                assert!(
                    decode(input.as_bytes(), split).is_err(),
                    "{input:?} at {split}"
                );
            }
        }
    }

    #[test]
    fn sizes_reach_to_64_bits() {
        let mut decoder = Chunked::new();
        let step = decoder.step(b"FfFfFfFfFfFfFfFf\r\nab", &Limits::default());
        assert_eq!(step.unwrap().data, 18..20);
        assert_eq!(decoder.left, u64::MAX - 2);
    }

    #[test]
    fn extensions_are_bounded_over_the_whole_body() {
        for (bytes, fine) in [
            (EXTENSION_BYTES - 1, true),
            (EXTENSION_BYTES, true),
            (EXTENSION_BYTES + 1, false),
        ] {
            let mut body = b"1;23456789\r\na\r\n".to_vec();
            body.extend_from_slice(b"0;");
            body.resize(body.len() + bytes as usize - 10, b'x');
            body.extend_from_slice(b"\r\n\r\n");
            assert_eq!(decode(&body, body.len()).is_ok(), fine, "{bytes}");
        }
    }

    /// Nothing is read again, so the work grows with the size of a body, whatever the pieces are.
    #[test]
    fn every_step_gets_on() {
        let body = format!(
            "{}0;{}\r\n{}\r\n",
            "1;a=b\r\nx\r\n".repeat(1000),
            "c".repeat(1000),
            "x: y\r\n".repeat(50)
        );
        for size in [1, 2, 3, 7, body.len()] {
            let mut decoder = Chunked::new();
            let mut data = 0;
            for mut piece in body.as_bytes().chunks(size) {
                while !piece.is_empty() {
                    let step = decoder.step(piece, &Limits::default()).unwrap();
                    assert!(step.used == piece.len() || !step.data.is_empty());
                    data += step.data.len();
                    piece = &piece[step.used..];
                }
            }
            assert_eq!(data, 1000);
        }
    }

    #[test]
    fn trailers_are_bounded() {
        let decode = |section: &str, limits: &Limits| {
            let mut decoder = Chunked::new();
            let body = format!("0\r\n{section}\r\n");
            let step = decoder.step(body.as_bytes(), limits)?;
            assert_eq!(
                step,
                Step {
                    used: body.len(),
                    data: body.len()..body.len(),
                    ended: true
                }
            );
            decoder.trailers(limits)
        };
        let none = decode("", &Limits::default()).unwrap();
        assert!(none.is_none());
        let two = decode("a: b\r\na: c\r\n", &Limits::default())
            .unwrap()
            .unwrap();
        assert_eq!(two.get_all("a").iter().count(), 2);
        for (limits, fine) in [
            (Limits::new().header_section(11), false),
            (Limits::new().header_section(12), true),
            (Limits::new().header_count(1), false),
            (Limits::new().header_count(2), true),
            (Limits::new().header_line(1), false),
            (Limits::new().header_line(2), true),
        ] {
            assert_eq!(
                decode("a: b\r\na: c\r\n", &limits).is_ok(),
                fine,
                "{limits}"
            );
        }
        assert!(decode("a b: c\r\n", &Limits::default()).is_err());
        assert!(decode("a\r\n", &Limits::default()).is_err());
    }
}
