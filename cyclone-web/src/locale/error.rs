//! Errors of catalogues.

use std::fmt;
use std::path::{Path, PathBuf};

/// Why catalogues could not be loaded; the mistake of whoever wrote them, or of the file system.
///
/// What was loaded before is untouched. Trying again without changing the files fails again.
#[derive(Debug)]
pub struct LocaleError {
    inner: Box<Inner>,
}

#[derive(Debug)]
struct Inner {
    message: String,
    path: Option<PathBuf>,
    line: Option<usize>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl LocaleError {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self {
            inner: Box::new(Inner {
                message: message.into(),
                path: None,
                line: None,
                source: None,
            }),
        }
    }

    pub(super) fn at_line(line: usize, message: impl Into<String>) -> Self {
        let mut this = Self::new(message);
        this.inner.line = Some(line);
        this
    }

    pub(super) fn because(
        mut self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        self.inner.source = Some(source.into());
        self
    }

    pub(super) fn in_file(mut self, path: &Path) -> Self {
        self.inner.path.get_or_insert_with(|| path.to_owned());
        self
    }

    /// The file that is at fault.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.inner.path.as_deref()
    }

    /// The line of it, from 1, where it is a text.
    #[must_use]
    pub fn line(&self) -> Option<usize> {
        self.inner.line
    }
}

impl fmt::Display for LocaleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner {
            message,
            path,
            line,
            source,
        } = &*self.inner;
        if let Some(path) = path {
            write!(f, "{}:", path.display())?;
        }
        if let Some(line) = line {
            write!(f, "{line}:")?;
        }
        if path.is_some() || line.is_some() {
            f.write_str(" ")?;
        }
        f.write_str(message)?;
        match source {
            Some(source) => write!(f, ": {source}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for LocaleError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        let source = self.inner.source.as_deref()?;
        Some(source)
    }
}
