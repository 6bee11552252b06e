//! Multipart forms.

use bytes::Bytes;
use cyclone_web::{
    MAX_PART_NAME, MultipartConfig, MultipartErrorKind, MultipartEvent, MultipartParser,
};

/// Name, name of the file, content.
type Part = (String, Option<String>, Vec<u8>);

/// The first byte says how the rest is cut, which makes no difference. What was understood is written as a form again,
/// and understood as the same.
pub(crate) fn multipart(data: &[u8]) {
    let Some((cut, form)) = data.split_first() else {
        return;
    };
    let whole = parse(&[form]);
    let size = usize::from(*cut).max(1);
    let pieces: Vec<&[u8]> = form.chunks(size).collect();
    assert_eq!(parse(&pieces), whole);
    if let Ok(parts) = whole {
        assert!(parts.len() <= 100);
        if let Some(again) = write(&parts) {
            assert_eq!(parse(&[&again]), Ok(parts));
        }
    }
}

/// One header after the other: they need no boundaries to be found.
pub(crate) fn header(data: &[u8]) {
    let form = [&b"--b\r\n"[..], data, b"\r\n\r\n\r\n--b--"].concat();
    let Ok(parts) = parse(&[&form]) else {
        return;
    };
    for (name, file_name, _) in &parts {
        assert!(!name.is_empty() && name.len() <= MAX_PART_NAME);
        assert!(
            file_name
                .as_ref()
                .is_none_or(|name| name.len() <= MAX_PART_NAME)
        );
    }
}

fn parse(pieces: &[&[u8]]) -> Result<Vec<Part>, MultipartErrorKind> {
    let mut parser = MultipartParser::new("b", &MultipartConfig::new()).expect("a boundary");
    let mut parts: Vec<Part> = Vec::new();
    let mut is_open = false;
    let mut pieces = pieces.iter();
    loop {
        match parser.next_event() {
            Ok(Some(MultipartEvent::Part(header))) => {
                assert!(!is_open);
                is_open = true;
                if let Some(safe) = header.safe_file_name() {
                    assert!(!safe.is_empty() && !safe.contains(['/', '\\', '\0']));
                    assert!(safe != "." && safe != "..");
                }
                let file_name = header.file_name().map(str::to_owned);
                parts.push((header.name().to_owned(), file_name, Vec::new()));
            }
            Ok(Some(MultipartEvent::Data(bytes))) => {
                assert!(is_open && !bytes.is_empty());
                let part = parts.last_mut().expect("a part is open");
                part.2.extend_from_slice(&bytes);
            }
            Ok(Some(MultipartEvent::PartEnd)) => {
                assert!(is_open);
                is_open = false;
            }
            Ok(Some(_)) => unreachable!("there are no other events"),
            Ok(None) => match pieces.next() {
                Some(piece) => parser.feed(Bytes::copy_from_slice(piece)),
                None if parser.is_complete() => return Ok(parts),
                None => parser.end(),
            },
            Err(error) => {
                assert!(error.status().is_client_error());
                return Err(error.kind());
            }
        }
    }
}

/// As a browser writes it; none when a name has what browsers cannot write, or the content what is no content.
fn write(parts: &[Part]) -> Option<Vec<u8>> {
    let escape = |name: &str| {
        let name = name.replace('\r', "%0D").replace('\n', "%0A");
        name.replace('\\', "\\\\").replace('"', "%22")
    };
    // A name may have the text of an escape.
    let is_writable = |name: &str| {
        !name.contains('%')
            && !name
                .chars()
                .any(|c| c.is_ascii_control() && !"\r\n\t".contains(c))
    };
    let mut form = Vec::new();
    for (name, file_name, content) in parts {
        if !is_writable(name) || !file_name.as_deref().is_none_or(is_writable) {
            return None;
        }
        form.extend_from_slice(b"--b\r\ncontent-disposition: form-data; name=\"");
        form.extend_from_slice(escape(name).as_bytes());
        if let Some(file_name) = file_name {
            form.extend_from_slice(b"\"; filename=\"");
            form.extend_from_slice(escape(file_name).as_bytes());
        }
        form.extend_from_slice(b"\"\r\n\r\n");
        form.extend_from_slice(content);
        form.extend_from_slice(b"\r\n");
    }
    form.extend_from_slice(b"--b--");
    Some(form)
}
