//! Forms with files: `multipart/form-data`.
//!
//! The [parser](parser::MultipartParser) does no I/O. [`Multipart`] reads a body through it part by part, and
//! [`form`] all of it, files beyond a size into [temporary files](temporary).

mod config;
mod disposition;
mod error;
pub(crate) mod form;
mod header;
mod parser;
mod spool;
mod temporary;
#[cfg(test)]
mod tests;
mod upload;

use std::fmt;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;

pub use self::config::{
    MAX_AROUND_PARTS, MAX_FIELD, MAX_FILE_IN_MEMORY, MAX_FORM_MEMORY, MAX_PART_FIELDS,
    MAX_PART_HEADER, MAX_PART_NAME, MAX_PARTS, MultipartConfig, UPLOAD_CHUNK,
};
pub use self::error::{MultipartError, MultipartErrorKind};
pub use self::header::PartHeader;
pub use self::parser::{MultipartEvent, MultipartParser};
use self::spool::Spool;
pub use self::upload::UploadedFile;
use crate::body::Body;

/// A form that is read part by part as it comes; most often made by
/// [`RequestContext::multipart`](crate::RequestContext::multipart).
///
/// No more of it is in memory than the piece at hand, so a part may be of any size that the limits let pass. A client
/// waits while nobody reads.
///
/// ```
/// use cyclone_web::{Application, RequestContext, RequestHandler, Result, url};
///
/// struct Upload;
/// impl RequestHandler for Upload {
///     const STREAM_BODY: bool = true;
///
///     async fn post(&self, cx: &mut RequestContext) -> Result {
///         let mut form = cx.multipart()?;
///         let mut bytes = 0;
///         while let Some(mut part) = form.next_part().await? {
///             while let Some(piece) = part.chunk().await? {
///                 bytes += piece.len();
///             }
///         }
///         cx.text(format!("{bytes} bytes"))
///     }
/// }
/// let app = Application::new().route(url("/upload").body_limit(4 << 30), Upload);
/// # let _ = app;
/// ```
pub struct Multipart {
    body: Body,
    parser: MultipartParser,
    config: MultipartConfig,
    /// The body has no more bytes.
    ended: bool,
    failed: Option<MultipartErrorKind>,
}

impl Multipart {
    /// Reads a form out of a body; `boundary` is that of its [media type](crate::MediaType::boundary).
    ///
    /// # Errors
    /// [`MultipartErrorKind::Boundary`] when it is not allowed.
    pub fn new(
        body: Body,
        boundary: &str,
        config: &MultipartConfig,
    ) -> Result<Self, MultipartError> {
        Ok(Self {
            body,
            parser: MultipartParser::new(boundary, config)?,
            config: config.clone(),
            ended: false,
            failed: None,
        })
    }

    /// The next part; `None` behind the last one, when the body was read to its end. What is left of the part before is
    /// read and thrown away.
    ///
    /// # Errors
    /// What is wrong with the form or with its body.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped, but what it has thrown away.
    pub async fn next_part(&mut self) -> Result<Option<Part<'_>>, MultipartError> {
        loop {
            match self.event().await? {
                None => return Ok(None),
                Some(MultipartEvent::Part(header)) => {
                    return Ok(Some(Part {
                        form: self,
                        header,
                        passed: 0,
                        ended: false,
                    }));
                }
                Some(MultipartEvent::Data(_) | MultipartEvent::PartEnd) => {}
            }
        }
    }

    /// The next event of the parser, given all bytes that it takes.
    async fn event(&mut self) -> Result<Option<MultipartEvent>, MultipartError> {
        if let Some(kind) = self.failed {
            return Err(MultipartError::new(kind));
        }
        loop {
            match self.parser.next_event() {
                Ok(None) if !self.ended => {}
                Ok(event) => return Ok(event),
                Err(error) => return Err(self.fail(error)),
            }
            match self.body.frame().await {
                Some(Ok(frame)) => {
                    if let Ok(bytes) = frame.into_data() {
                        self.parser.feed(bytes);
                    }
                }
                Some(Err(error)) => return Err(self.fail(error.into())),
                None => {
                    self.ended = true;
                    self.parser.end();
                }
            }
        }
    }

    fn fail(&mut self, error: MultipartError) -> MultipartError {
        self.failed = Some(error.kind());
        self.body = Body::empty();
        error
    }
}

impl fmt::Debug for Multipart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Multipart")
            .field("parser", &self.parser)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

/// A part of a form that is read as it comes.
///
/// Its length is limited to that of a [field](MultipartConfig::field), or of a [file](MultipartConfig::file) when it has a
/// file name.
pub struct Part<'a> {
    form: &'a mut Multipart,
    header: PartHeader,
    /// Bytes that came out.
    passed: u64,
    ended: bool,
}

impl Part<'_> {
    /// The header of the part.
    #[must_use]
    pub fn header(&self) -> &PartHeader {
        &self.header
    }

    /// The name of the field.
    #[must_use]
    pub fn name(&self) -> &str {
        self.header.name()
    }

    /// The name of the file as the client sent it; see [`PartHeader::file_name`].
    #[must_use]
    pub fn file_name(&self) -> Option<&str> {
        self.header.file_name()
    }

    /// The next bytes of the part, never none of them; `None` at its end.
    ///
    /// # Errors
    /// What is wrong with the form or with its body; a 413 beyond the limit.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, MultipartError> {
        if self.ended {
            return Ok(None);
        }
        let Some(MultipartEvent::Data(bytes)) = self.form.event().await? else {
            self.ended = true;
            return Ok(None);
        };
        self.passed = self.passed.saturating_add(bytes.len() as u64);
        let config = &self.form.config;
        let too_large = if self.header.file_name().is_some() {
            let limit = config.file;
            (self.passed > limit).then_some(MultipartErrorKind::FileTooLarge { limit })
        } else {
            let limit = config.field;
            (self.passed > limit).then_some(MultipartErrorKind::FieldTooLarge { limit })
        };
        match too_large {
            Some(kind) => Err(self.form.fail(MultipartError::new(kind))),
            None => Ok(Some(bytes)),
        }
    }

    /// All of the part, in memory.
    ///
    /// # Errors
    /// As [`chunk`](Self::chunk).
    ///
    /// # Cancel safety
    /// What was read is lost when the future is dropped.
    pub async fn bytes(mut self) -> Result<Bytes, MultipartError> {
        let Some(first) = self.chunk().await? else {
            return Ok(Bytes::new());
        };
        let Some(second) = self.chunk().await? else {
            return Ok(first);
        };
        let mut all = BytesMut::from(&first[..]);
        all.extend_from_slice(&second);
        while let Some(more) = self.chunk().await? {
            all.extend_from_slice(&more);
        }
        Ok(all.freeze())
    }

    /// All of the part as text.
    ///
    /// # Errors
    /// As [`chunk`](Self::chunk), and [`MultipartErrorKind::NotUtf8`].
    ///
    /// # Cancel safety
    /// As [`bytes`](Self::bytes).
    pub async fn text(self) -> Result<String, MultipartError> {
        let is_utf8 = self.header.is_utf8();
        let bytes = self.bytes().await?;
        let text = String::from_utf8(bytes.into());
        let text = text.ok().filter(|_| is_utf8);
        text.ok_or_else(|| MultipartError::new(MultipartErrorKind::NotUtf8))
    }

    /// Reads all of the part: small ones into memory, others into a temporary file that goes away with the last handle
    /// of it.
    ///
    /// # Errors
    /// As [`chunk`](Self::chunk), and [`MultipartErrorKind::Disk`].
    ///
    /// # Cancel safety
    /// When the future is dropped the temporary file is gone, and so is what was read.
    pub async fn save(self) -> Result<UploadedFile, MultipartError> {
        let in_memory = self.form.config.file_in_memory;
        self.save_beyond(in_memory).await
    }

    /// [`save`](Self::save) with another number of bytes that stay in memory.
    async fn save_beyond(mut self, in_memory: u64) -> Result<UploadedFile, MultipartError> {
        let mut spool = Spool::new(self.form.config.directory.clone(), in_memory);
        while let Some(bytes) = self.chunk().await? {
            if let Err(error) = spool.write(&bytes).await {
                return Err(self.form.fail(MultipartError::disk(error)));
            }
        }
        match spool.finish().await {
            Ok(content) => Ok(UploadedFile::new(self.header, self.passed, content)),
            Err(error) => Err(self.form.fail(MultipartError::disk(error))),
        }
    }
}

impl fmt::Debug for Part<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Part")
            .field("header", &self.header)
            .field("passed", &self.passed)
            .finish_non_exhaustive()
    }
}
