//! A form with files, as a browser sends it.

use bytes::Bytes;

/// A form with files: `multipart/form-data` (RFC 7578), put together in memory.
///
/// ```
/// use cyclone_web::test::TestForm;
///
/// let form = TestForm::new()
///     .field("title", "Holidays")
///     .file("photo", "beach.png", "image/png", &b"\x89PNG"[..]);
/// # let _ = form;
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "it does nothing until a request has it"]
pub struct TestForm {
    parts: Vec<(String, Bytes)>,
}

impl TestForm {
    /// A form without fields.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a field.
    pub fn field(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let head = format!(
            "Content-Disposition: form-data; name=\"{}\"\r\n\r\n",
            quoted(name)
        );
        let value = Bytes::copy_from_slice(value.as_ref());
        self.parts.push((head, value));
        self
    }

    /// Adds a file.
    pub fn file(
        mut self,
        name: &str,
        file_name: &str,
        content_type: &str,
        content: impl Into<Bytes>,
    ) -> Self {
        let head = format!(
            "Content-Disposition: form-data; name=\"{}\"; filename=\"{}\"\r\nContent-Type: {content_type}\r\n\r\n",
            quoted(name),
            quoted(file_name)
        );
        self.parts.push((head, content.into()));
        self
    }

    /// The content type and the body.
    pub(super) fn encode(&self) -> (String, Bytes) {
        let mut number = 0_u32;
        let boundary = loop {
            let boundary = format!("----cyclone-test-form-{number}");
            let is_in = |content: &Bytes| memchr::memmem::find(content, boundary.as_bytes());
            if self
                .parts
                .iter()
                .all(|(_, content)| is_in(content).is_none())
            {
                break boundary;
            }
            number += 1;
        };
        let mut body = Vec::new();
        for (head, content) in &self.parts {
            body.extend_from_slice(format!("--{boundary}\r\n{head}").as_bytes());
            body.extend_from_slice(content);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
        let content_type = format!("multipart/form-data; boundary={boundary}");
        (content_type, body.into())
    }
}

/// A name between quotes, as browsers write it (WHATWG HTML, multipart/form-data encoding).
fn quoted(name: &str) -> String {
    name.replace('"', "%22")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}
