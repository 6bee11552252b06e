//! The header of a part.

use super::config::MAX_PART_FIELDS;
use super::disposition::Disposition;
use super::error::MultipartErrorKind;
use crate::media_type::MediaType;
use crate::parameters::token_end;

/// The header of a part of a form: its name, and what is said of its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartHeader {
    disposition: Disposition,
    content_type: Option<String>,
    fields: Vec<(String, String)>,
    /// Bytes of all of it as it was sent.
    size: usize,
}

impl PartHeader {
    /// Parses the lines of a header, the last one without its CRLF.
    pub(super) fn parse(section: &[u8]) -> Result<Self, MultipartErrorKind> {
        let section = std::str::from_utf8(section).map_err(|_| MultipartErrorKind::Header)?;
        let mut disposition = None;
        let mut content_type = None;
        let mut fields = Vec::new();
        for line in section.split("\r\n") {
            if fields.len() == MAX_PART_FIELDS {
                return Err(MultipartErrorKind::TooManyFields);
            }
            let (name, value) = field(line).ok_or(MultipartErrorKind::Header)?;
            match name.as_str() {
                "content-disposition" if disposition.is_some() => {
                    return Err(MultipartErrorKind::Disposition);
                }
                "content-disposition" => disposition = Some(Disposition::parse(value)?),
                "content-type" if content_type.is_some() => return Err(MultipartErrorKind::Header),
                "content-type" => content_type = Some(value.to_owned()),
                "content-transfer-encoding" if !is_identity(value) => {
                    return Err(MultipartErrorKind::Header);
                }
                _ => {}
            }
            fields.push((name, value.to_owned()));
        }
        Ok(Self {
            disposition: disposition.ok_or(MultipartErrorKind::Disposition)?,
            content_type,
            fields,
            size: section.len(),
        })
    }

    /// The name of the field.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.disposition.name
    }

    /// The name of the file as the client sent it; `None` when the part is no file. A form in which no file was chosen
    /// has an empty one.
    ///
    /// It is whatever the client likes: see [`safe_file_name`](Self::safe_file_name).
    #[must_use]
    pub fn file_name(&self) -> Option<&str> {
        self.disposition.file_name.as_deref()
    }

    /// The last component of the file name, if it can be one: without directories before it (of Unix or Windows), not
    /// empty, `.` or `..`, nor with control characters or those that Windows gives a meaning (`< > : " | ? *`).
    ///
    /// Two uploads may have the same, and it may hide a file that is there: to store files, make a name of your own, and
    /// keep this one for people to read.
    #[must_use]
    pub fn safe_file_name(&self) -> Option<&str> {
        let whole = self.file_name()?;
        let last = whole.rsplit(['/', '\\']).next().unwrap_or_default();
        let is_unsafe = |character: char| character.is_control() || "<>:\"|?*".contains(character);
        // Windows ignores dots and spaces at the end.
        let has_text = !last.trim_end_matches(['.', ' ']).is_empty();
        (has_text && !last.contains(is_unsafe)).then_some(last)
    }

    /// The `Content-Type` of the part as it was sent.
    #[must_use]
    pub fn content_type(&self) -> Option<&str> {
        self.content_type.as_deref()
    }

    /// The media type of the part; `None` when it says none, or none that can be read.
    #[must_use]
    pub fn media_type(&self) -> Option<MediaType> {
        self.content_type()?.parse().ok()
    }

    /// Whether text in the part is to be read as UTF-8.
    pub(super) fn is_utf8(&self) -> bool {
        self.media_type().is_none_or(|media| media.is_utf8())
    }

    pub(super) fn size(&self) -> u64 {
        self.size as u64
    }

    /// Every field in the order sent, names in lower case.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// Takes a line apart into the name, in lower case, and the value. Lines that go on in the next one (`obs-fold`) are not
/// understood, and neither is a CR, LF, NUL or other control character (Tornado 6.5.5).
fn field(line: &str) -> Option<(String, &str)> {
    let end = token_end(line.as_bytes(), 0);
    let value = line[end..].strip_prefix(':').filter(|_| end > 0)?;
    let value = value.trim_matches([' ', '\t']);
    let is_bad = |byte: u8| byte.is_ascii_control() && byte != b'\t';
    (!value.bytes().any(is_bad)).then(|| (line[..end].to_ascii_lowercase(), value))
}

/// Whether the data is what it says (RFC 7578 4.7: the field is deprecated, and nobody encodes).
fn is_identity(encoding: &str) -> bool {
    ["7bit", "8bit", "binary"]
        .iter()
        .any(|identity| encoding.eq_ignore_ascii_case(identity))
}
