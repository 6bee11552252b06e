//! What can be wrong with certificates, keys and settings.

use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why TLS could not be set up: a mistake in a file or in the configuration.
///
/// The text names the file, the line where that is known, and what to do about it. Nothing was changed: a
/// [reload](super::ServerTls::reload) that fails leaves the certificates that were there. Trying again helps once the
/// file is mended.
#[derive(Clone)]
pub struct TlsError {
    inner: Box<Inner>,
}

#[derive(Clone, Debug)]
struct Inner {
    kind: TlsErrorKind,
    place: Option<Place>,
    message: String,
    fix: Option<String>,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

/// The sort of a [`TlsError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TlsErrorKind {
    /// A file could not be read or written.
    File,
    /// A file is no PEM, or its PEM is broken.
    Pem,
    /// A certificate is missing or cannot be used.
    Certificate,
    /// A private key is missing or cannot be used.
    Key,
    /// Certificate and private key do not belong together.
    Mismatch,
    /// The authorities of client or server certificates, or their revocation lists, cannot be used.
    Authority,
    /// The settings contradict each other, or need a feature that is off.
    Settings,
}

/// Where in which file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// `None` for bytes that the program gave.
    pub(crate) path: Option<PathBuf>,
    /// Counted from 1.
    pub(crate) line: Option<usize>,
}

impl Place {
    pub(crate) fn file(path: &Path) -> Self {
        Self {
            path: Some(path.to_owned()),
            line: None,
        }
    }

    pub(crate) fn at(mut self, line: usize) -> Self {
        self.line = Some(line);
        self
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.path {
            Some(path) => write!(f, "`{}`", path.display())?,
            None => f.write_str("the given PEM")?,
        }
        match self.line {
            Some(line) => write!(f, " line {line}"),
            None => Ok(()),
        }
    }
}

impl TlsError {
    pub(crate) fn new(kind: TlsErrorKind, message: impl Into<String>) -> Self {
        Self {
            inner: Box::new(Inner {
                kind,
                place: None,
                message: message.into(),
                fix: None,
                source: None,
            }),
        }
    }

    pub(crate) fn settings(message: impl Into<String>) -> Self {
        Self::new(TlsErrorKind::Settings, message)
    }

    pub(crate) fn at(mut self, place: Place) -> Self {
        self.inner.place = Some(place);
        self
    }

    pub(crate) fn fix(mut self, fix: impl Into<String>) -> Self {
        self.inner.fix = Some(fix.into());
        self
    }

    pub(crate) fn because(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.inner.source = Some(source.into().into());
        self
    }

    /// The sort of error.
    #[must_use]
    pub fn kind(&self) -> TlsErrorKind {
        self.inner.kind
    }

    /// The file that is at fault; `None` when the PEM came from the program, or no single file is.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.inner.place.as_ref()?.path.as_deref()
    }

    /// The line of the file, counted from 1, where it is known.
    #[must_use]
    pub fn line(&self) -> Option<usize> {
        self.inner.place.as_ref()?.line
    }

    /// What to do about it, where that can be said.
    #[must_use]
    pub fn fix_hint(&self) -> Option<&str> {
        self.inner.fix.as_deref()
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.inner;
        if let Some(place) = &inner.place {
            write!(f, "{place}: ")?;
        }
        f.write_str(&inner.message)?;
        if let Some(source) = &inner.source {
            write!(f, ": {source}")?;
        }
        match &inner.fix {
            Some(fix) => write!(f, "; {fix}"),
            None => Ok(()),
        }
    }
}

impl Error for TlsError {
    /// The source is part of the text already; it is here for who wants its type.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        let source = self.inner.source.as_deref();
        source.map(|source| source as &(dyn Error + 'static))
    }
}

impl fmt::Debug for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}
