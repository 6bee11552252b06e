mod clients;
mod disposition;
mod header;
mod limits;
mod parser;
mod temporary;

use bytes::Bytes;

use super::{MultipartConfig, MultipartErrorKind, MultipartEvent, MultipartParser};

/// A part as a test compares it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Found {
    name: String,
    file_name: Option<String>,
    content_type: Option<String>,
    content: Vec<u8>,
}

fn found(name: &str, content: impl AsRef<[u8]>) -> Found {
    Found {
        name: name.to_owned(),
        file_name: None,
        content_type: None,
        content: content.as_ref().to_vec(),
    }
}

impl Found {
    fn file(mut self, name: &str, content_type: &str) -> Self {
        self.file_name = Some(name.to_owned());
        self.content_type = Some(content_type.to_owned());
        self
    }
}

type Outcome = Result<Vec<Found>, MultipartErrorKind>;

/// Parses the pieces of a form; checks the order of the events.
fn parse_pieces(boundary: &str, pieces: &[&[u8]], config: &MultipartConfig) -> Outcome {
    let mut parser = MultipartParser::new(boundary, config).map_err(|error| error.kind())?;
    let mut parts: Vec<Found> = Vec::new();
    let mut is_open = false;
    let mut pieces = pieces.iter();
    loop {
        match parser.next_event() {
            Ok(Some(MultipartEvent::Part(header))) => {
                assert!(!std::mem::replace(&mut is_open, true));
                parts.push(Found {
                    name: header.name().to_owned(),
                    file_name: header.file_name().map(str::to_owned),
                    content_type: header.content_type().map(str::to_owned),
                    content: Vec::new(),
                });
            }
            Ok(Some(MultipartEvent::Data(bytes))) => {
                assert!(is_open && !bytes.is_empty());
                parts.last_mut().unwrap().content.extend_from_slice(&bytes);
            }
            Ok(Some(MultipartEvent::PartEnd)) => {
                assert!(std::mem::replace(&mut is_open, false));
            }
            Ok(None) => match pieces.next() {
                Some(piece) => parser.feed(Bytes::copy_from_slice(piece)),
                None if parser.is_complete() => return Ok(parts),
                None => parser.end(),
            },
            Err(error) => {
                let again = parser.next_event().unwrap_err();
                assert_eq!(again.kind(), error.kind());
                return Err(error.kind());
            }
        }
    }
}

/// Parses a form whole, cut in two at every place, and byte by byte: the outcome is the same.
fn parse_with(boundary: &str, form: &[u8], config: &MultipartConfig) -> Outcome {
    let whole = parse_pieces(boundary, &[form], config);
    for at in 0..=form.len() {
        let (one, other) = form.split_at(at);
        let cut = parse_pieces(boundary, &[one, other], config);
        assert_eq!(cut, whole, "cut at {at}");
    }
    let bytes: Vec<&[u8]> = form.chunks(1).collect();
    assert_eq!(parse_pieces(boundary, &bytes, config), whole, "in bytes");
    let pairs: Vec<&[u8]> = form.chunks(3).collect();
    assert_eq!(parse_pieces(boundary, &pairs, config), whole, "in threes");
    whole
}

fn parse(boundary: &str, form: impl AsRef<[u8]>) -> Outcome {
    parse_with(boundary, form.as_ref(), &MultipartConfig::new())
}

/// A form with one part: its header, its content.
fn one(header: &str, content: &str) -> String {
    format!("--b\r\n{header}\r\n\r\n{content}\r\n--b--\r\n")
}

const NAMED: &str = "Content-Disposition: form-data; name=\"a\"";
