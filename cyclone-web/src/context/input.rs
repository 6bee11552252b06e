//! Reading the request: arguments, cookies, body.

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use serde::de::DeserializeOwned;

use super::RequestContext;
use crate::arguments::{Arguments, ArgumentsError};
use crate::body::{Body, BodyError};
use crate::cookies::Cookies;
use crate::error::{Error, Result};
use crate::media_type::MediaType;

/// Bytes that a body buffer starts with at most, whatever length the client declares.
const FIRST_BUFFER: usize = 64 * 1024;

impl RequestContext {
    /// The last argument called `name`, of the form in the body or else of the query string, stripped of
    /// white space around it.
    ///
    /// The form is looked at when the body is `application/x-www-form-urlencoded` and was read: before the
    /// handler, unless it streams its body.
    ///
    /// # Errors
    /// A 400 that names the argument when there is none, or when the query string cannot be decoded.
    pub fn argument(&self, name: &str) -> Result<String> {
        self.optional_argument(name)?.ok_or_else(|| {
            refuse(&ArgumentsError::Missing {
                name: name.to_owned(),
            })
        })
    }

    /// Like [`argument`](Self::argument); `None` when there is none.
    ///
    /// # Errors
    /// A 400 when the query string cannot be decoded.
    pub fn optional_argument(&self, name: &str) -> Result<Option<String>> {
        let in_form = self.form_arguments.as_ref().and_then(|form| form.get(name));
        Ok(match in_form {
            Some(value) => Some(value.to_owned()),
            None => self.query_arguments()?.get(name).map(str::to_owned),
        })
    }

    /// Every argument called `name`: those of the query string, then those of the form.
    ///
    /// # Errors
    /// As [`optional_argument`](Self::optional_argument).
    pub fn arguments(&self, name: &str) -> Result<Vec<String>> {
        let query = self.query_arguments()?.get_all(name);
        let form = self
            .form_arguments
            .iter()
            .flat_map(|form| form.get_all(name));
        Ok(query.chain(form).map(str::to_owned).collect())
    }

    /// The arguments of the query string.
    ///
    /// # Errors
    /// A 400 when it cannot be decoded or has too many arguments.
    pub fn query_arguments(&self) -> Result<&Arguments> {
        if let Some(arguments) = self.query_arguments.get() {
            return Ok(arguments);
        }
        let query = self.head.query_bytes().unwrap_or_default();
        let parsed = Arguments::parse(query).map_err(|error| refuse(&error))?;
        Ok(self.query_arguments.get_or_init(|| Box::new(parsed)))
    }

    /// The arguments of the form in the body; `None` when the body is none or was not read.
    #[must_use]
    pub fn form_arguments(&self) -> Option<&Arguments> {
        self.form_arguments.as_deref()
    }

    /// The query string as a type.
    ///
    /// # Errors
    /// A 400 that names the field which is missing or does not fit.
    pub fn query<T: DeserializeOwned>(&self) -> Result<T> {
        self.query_arguments()?
            .deserialize()
            .map_err(|error| Error::new(error.status()).message(error.to_string()))
    }

    /// The form in the body as a type: an urlencoded one, or with the feature `multipart` the fields of a
    /// multipart one.
    ///
    /// # Errors
    /// 415 when the body is no such form, 400 or 422 when a field is missing or does not fit, and what
    /// [`body`](Self::body) fails with.
    ///
    /// # Cancel safety
    /// As [`body`](Self::body).
    pub async fn form<T: DeserializeOwned>(&mut self) -> Result<T> {
        #[cfg(feature = "multipart")]
        Box::pin(self.read_multipart()).await?;
        self.read_form().await?;
        let Some(form) = &self.form_arguments else {
            return Err(unsupported("application/x-www-form-urlencoded"));
        };
        form.deserialize()
            .map_err(|error| Error::new(error.status()).message(error.to_string()))
    }

    /// The JSON in the body as a type.
    ///
    /// # Errors
    /// 415 when the `content-type` is not JSON, 400 when the text is not, 422 when it does not fit the type,
    /// and what [`body`](Self::body) fails with.
    ///
    /// # Cancel safety
    /// As [`body`](Self::body).
    pub async fn json_body<T: DeserializeOwned>(&mut self) -> Result<T> {
        if !self.media_type()?.is_some_and(|media| media.is_json()) {
            return Err(unsupported("application/json"));
        }
        let bytes = self.body().await?;
        serde_json::from_slice(&bytes).map_err(|error| {
            let status = match error.classify() {
                serde_json::error::Category::Data => http::StatusCode::UNPROCESSABLE_ENTITY,
                _ => http::StatusCode::BAD_REQUEST,
            };
            Error::new(status).message(error.to_string())
        })
    }

    /// The media type of the body.
    ///
    /// # Errors
    /// A 400 when `content-type` is malformed.
    pub fn media_type(&self) -> Result<Option<MediaType>> {
        MediaType::from_headers(self.head.headers())
            .map_err(|error| Error::new(error.status()).message(error.to_string()))
    }

    /// The whole request body, read at the first call. The limit is the route's or the application's.
    ///
    /// # Errors
    /// 413 when it is larger than the limit, 408 when it comes too slowly, 400 when its framing is broken.
    ///
    /// # Cancel safety
    /// When the future is dropped before the end, what was read is lost and the next call fails.
    pub async fn body(&mut self) -> Result<Bytes> {
        if let Some(bytes) = &self.body_bytes {
            return Ok(bytes.clone());
        }
        if let Some(kind) = self.body_failed {
            return Err(BodyError::new(kind).into());
        }
        if std::mem::replace(&mut self.body_begun, true) {
            return Err(Error::internal("the body was given up before its end"));
        }
        let collected = match self.body_mut().check_declared() {
            Ok(()) => collect(self.body_mut()).await,
            Err(error) => Err(error),
        };
        self.body_begun = false;
        let bytes = collected.inspect_err(|error| self.body_failed = Some(error.kind()))?;
        self.body_bytes = Some(bytes.clone());
        Ok(bytes)
    }

    /// Takes the body out as a stream. After [`body`](Self::body) that is the whole body once more; after a
    /// first call it is empty.
    pub fn take_body(&mut self) -> Body {
        match self.body_bytes.take() {
            Some(bytes) => bytes.into(),
            None => std::mem::take(self.body_mut()),
        }
    }

    /// Sets the most bytes that the request body may have; the route's limit unless called.
    ///
    /// It comes too late to raise the limit of what is read or checked before: urlencoded forms always (unless
    /// the handler streams its body), and every body of a function handler. For those set
    /// [`UrlSpec::body_limit`](crate::UrlSpec::body_limit).
    pub fn set_body_limit(&mut self, bytes: u64) {
        self.body_mut().set_limit(bytes);
    }

    /// The cookie called `name`; the first when there are several.
    #[must_use]
    pub fn cookie(&self, name: &str) -> Option<String> {
        self.cookies().get(name).map(std::borrow::Cow::into_owned)
    }

    /// The cookies of the request.
    #[must_use]
    pub fn cookies(&self) -> Cookies<'_> {
        Cookies::new(self.head.headers())
    }

    /// Refuses a body that declares more than the limit before any of it is read.
    pub(crate) fn check_declared_body(&mut self) -> Result<()> {
        Ok(self.body_mut().check_declared()?)
    }

    /// Has the body expanded if it comes compressed and the application wants that. Called once, before anybody reads.
    #[cfg(feature = "decompression")]
    pub(crate) fn open_body(&mut self) -> Result<()> {
        use crate::decompression::{Coding, tell_consumed};
        if self.app.decompress
            && let Some(coding) = Coding::of(self.head.headers())?
        {
            let body = self.body_mut();
            *body = std::mem::take(body).expanded(coding);
            if let Some(headers) = self.head.headers_mut() {
                tell_consumed(headers);
            }
        }
        Ok(())
    }

    /// Nothing: bodies are what they are.
    #[cfg(not(feature = "decompression"))]
    pub(crate) fn open_body(&mut self) -> Result<()> {
        Ok(())
    }

    /// Whether a body came with the request, read already or not.
    pub(crate) fn has_body(&mut self) -> bool {
        self.body_bytes.is_some() || !http_body::Body::is_end_stream(self.body_mut())
    }

    /// Drops what has not been read of the body. What becomes of that decides whether the connection is kept, which
    /// the answer says.
    pub(crate) fn leave_body(&mut self) {
        let body = self.body_mut();
        if !http_body::Body::is_end_stream(body) {
            *body = Body::empty();
        }
    }

    /// Reads the body if it is an urlencoded form. The future is boxed when there is something to read: most
    /// requests have no body, and need not carry the room for it.
    pub(crate) async fn read_form(&mut self) -> Result<()> {
        if self.form_arguments.is_some() || !self.is_form() {
            return Ok(());
        }
        Box::pin(self.read_form_body()).await
    }

    async fn read_form_body(&mut self) -> Result<()> {
        #[cfg(feature = "multipart")]
        if self.has_multipart() {
            return self.read_multipart().await;
        }
        let bytes = self.body().await?;
        let parsed = Arguments::parse(&bytes).map_err(|error| refuse(&error))?;
        self.form_arguments = Some(Box::new(parsed));
        Ok(())
    }

    /// Whether the body claims to be a form that is read before the handler; without one nothing is parsed.
    fn is_form(&self) -> bool {
        self.head.headers().contains_key(http::header::CONTENT_TYPE)
            && self
                .media_type()
                .is_ok_and(|media| media.is_some_and(|media| self.reads(&media)))
    }

    fn reads(&self, media: &MediaType) -> bool {
        #[cfg(feature = "multipart")]
        if media.is_multipart_form() {
            return self.reads_multipart();
        }
        media.is_form()
    }
}

async fn collect(body: &mut Body) -> std::result::Result<Bytes, BodyError> {
    let declared = http_body::Body::size_hint(body).lower();
    let mut first: Option<Bytes> = None;
    let mut all = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else {
            continue;
        };
        match first.take() {
            // A body in one piece is not copied.
            None if all.is_empty() => first = Some(data),
            None => all.extend_from_slice(&data),
            Some(before) => {
                let wanted = usize::try_from(declared).unwrap_or(usize::MAX);
                all.reserve(wanted.clamp(
                    before.len() + data.len(),
                    FIRST_BUFFER.max(before.len() + data.len()),
                ));
                all.extend_from_slice(&before);
                all.extend_from_slice(&data);
            }
        }
    }
    Ok(first.unwrap_or_else(|| all.freeze()))
}

fn refuse(error: &ArgumentsError) -> Error {
    Error::new(error.status()).message(error.to_string())
}

fn unsupported(expected: &str) -> Error {
    Error::new(http::StatusCode::UNSUPPORTED_MEDIA_TYPE).message(format!("expected {expected}"))
}
