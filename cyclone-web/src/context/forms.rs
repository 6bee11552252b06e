//! Multipart forms: part by part, or whole.

use std::sync::Arc;

use super::RequestContext;
use crate::error::{Error, Result};
use crate::media_type::MediaType;
use crate::multipart::form::{self, MultipartForm};
use crate::multipart::{Multipart, MultipartError, UploadedFile};

/// The files of a form that was read, where the request keeps them.
#[derive(Clone)]
struct Uploads(Arc<[UploadedFile]>);

impl RequestContext {
    /// The multipart form in the body, to be read part by part as it comes. It takes the body: call it once.
    ///
    /// For handlers that [stream their body](crate::RequestHandler::STREAM_BODY), and for all where the application does
    /// not [read forms by itself](crate::Application::multipart).
    ///
    /// # Errors
    /// 415 when the body is no such form, 400 when its boundary is none, 500 when the form was read or taken before.
    pub fn multipart(&mut self) -> Result<Multipart> {
        let boundary = match self.multipart_type() {
            Some(media) => media.boundary().map(str::to_owned),
            None => {
                let expected = "expected multipart/form-data";
                let status = http::StatusCode::UNSUPPORTED_MEDIA_TYPE;
                return Err(Error::new(status).message(expected));
            }
        };
        let boundary =
            boundary.map_err(|error| Error::new(error.status()).message(error.to_string()))?;
        if std::mem::replace(&mut self.body_begun, true) {
            return Err(Error::internal(
                "the body of the form was read or taken before",
            ));
        }
        // Whole if somebody has read it so.
        let body = self.take_body();
        let config = self.app.multipart.clone();
        let config = config.as_deref().cloned();
        Multipart::new(body, &boundary, &config.unwrap_or_default())
            .map_err(MultipartError::into_error)
    }

    /// Reads the multipart form in the body, if there is one and it was not read: its fields are
    /// [arguments](Self::argument) then, its files are [files](Self::file).
    ///
    /// It has happened already when the application [reads forms](crate::Application::multipart). The body is read up by
    /// it: [`body`](Self::body) fails afterwards.
    ///
    /// # Errors
    /// 400 when the form is malformed, 413 when it or a part of it is too large, and what [`body`](Self::body) fails
    /// with; 500 when a temporary file cannot be written. Nothing is kept of the form then.
    ///
    /// # Cancel safety
    /// When the future is dropped before the end, what was read is lost, temporary files are gone, and the next call
    /// fails.
    pub async fn read_multipart(&mut self) -> Result<()> {
        if self.uploads().is_some() || self.multipart_type().is_none() {
            return Ok(());
        }
        let multipart = self.multipart()?;
        let read = form::read(multipart).await;
        let MultipartForm { fields, files } = read.map_err(MultipartError::into_error)?;
        self.form_arguments = Some(Box::new(fields));
        self.head.extensions_mut().insert(Uploads(files.into()));
        Ok(())
    }

    /// The first file of the form in the field called `name`.
    ///
    /// # Errors
    /// A 400 that names the field when there is none.
    pub fn file(&self, name: &str) -> Result<&UploadedFile> {
        let missing = || Error::bad_request(format!("Missing file {name}"));
        self.optional_file(name).ok_or_else(missing)
    }

    /// Like [`file`](Self::file); `None` when there is none.
    #[must_use]
    pub fn optional_file(&self, name: &str) -> Option<&UploadedFile> {
        self.files().iter().find(|file| file.name() == name)
    }

    /// Every file of the form, in the order sent; none when the body is no multipart form or was not read.
    #[must_use]
    pub fn files(&self) -> &[UploadedFile] {
        self.uploads().unwrap_or_default()
    }

    fn uploads(&self) -> Option<&[UploadedFile]> {
        let uploads = self.head.extensions().get::<Uploads>()?;
        Some(&uploads.0)
    }

    /// Whether multipart forms are read before the handler.
    pub(super) fn reads_multipart(&self) -> bool {
        self.app.multipart.is_some()
    }

    pub(super) fn has_multipart(&self) -> bool {
        self.multipart_type().is_some()
    }

    fn multipart_type(&self) -> Option<MediaType> {
        let media = MediaType::from_headers(self.head.headers()).ok()?;
        media.filter(MediaType::is_multipart_form)
    }
}
