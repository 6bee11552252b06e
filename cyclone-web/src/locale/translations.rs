//! The catalogues of an application.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use super::catalog::MAX_CATALOG;
use super::languages::{candidates, is_code, normal};
use super::{Catalog, Locale, LocaleError};

/// Most languages of an application.
pub const MAX_LOCALES: usize = 1_000;

/// The language that messages are written in unless it is [set](Translations::default_locale).
pub const DEFAULT_LOCALE: &str = "en_US";

/// The catalogues of an application, by language; what Tornado keeps in the globals of its `locale` module.
///
/// Clones share the catalogues: keep one to [`reload`](Self::reload) them while the application runs.
///
/// ```
/// use cyclone_web::locale::{Catalog, Translations};
///
/// let spanish = Catalog::from_csv("Sign out,Cerrar sesión".as_bytes())?;
/// let translations = Translations::from_catalogs([("es", spanish)]);
/// assert_eq!(translations.closest(["es-MX"]).translate("Sign out"), "Cerrar sesión");
/// assert_eq!(translations.closest(["de"]).code(), "en_US");
/// # Ok::<(), cyclone_web::locale::LocaleError>(())
/// ```
#[derive(Clone)]
pub struct Translations {
    source: Source,
    default: Arc<str>,
    cookie: Option<Arc<str>>,
    loaded: Arc<RwLock<Arc<Loaded>>>,
}

#[derive(Clone, Debug)]
enum Source {
    Memory,
    Gettext {
        directory: PathBuf,
        domain: Arc<str>,
    },
    Csv {
        directory: PathBuf,
    },
}

/// What is loaded at a time.
struct Loaded {
    /// By normal code.
    locales: BTreeMap<String, Locale>,
    default: Locale,
    files: Vec<File>,
}

/// A file of a catalogue, and what tells a changed one.
#[derive(Clone, Debug, PartialEq, Eq)]
struct File {
    code: String,
    path: PathBuf,
    size: u64,
    modified: Option<SystemTime>,
}

impl Translations {
    /// Reads `DIRECTORY/LANGUAGE/LC_MESSAGES/DOMAIN.mo` for every language; where there is none, `DOMAIN.po`.
    ///
    /// Blocks the thread.
    ///
    /// # Errors
    /// [`LocaleError`] when the directory or a file cannot be read, or a catalogue is malformed. Tornado logs such a
    /// file and goes on without it.
    pub fn from_gettext(directory: impl AsRef<Path>, domain: &str) -> Result<Self, LocaleError> {
        if domain.is_empty() || domain.contains(['/', '\\', '\0']) {
            return Err(LocaleError::new(
                "a domain is the name of a file, without its end",
            ));
        }
        Self::open(Source::Gettext {
            directory: absolute(directory.as_ref())?,
            domain: domain.into(),
        })
    }

    /// Reads `DIRECTORY/LANGUAGE.csv`, tables as Tornado has them, for every language.
    ///
    /// Blocks the thread.
    ///
    /// # Errors
    /// As [`from_gettext`](Self::from_gettext).
    pub fn from_csv(directory: impl AsRef<Path>) -> Result<Self, LocaleError> {
        Self::open(Source::Csv {
            directory: absolute(directory.as_ref())?,
        })
    }

    /// Takes catalogues by the codes of their languages.
    #[must_use]
    pub fn from_catalogs<C>(catalogs: impl IntoIterator<Item = (C, Catalog)>) -> Self
    where
        C: Into<String>,
    {
        let locales = catalogs.into_iter().map(|(code, catalog)| {
            let code = code.into();
            (normal(&code), Locale::new(code, Arc::new(catalog)))
        });
        let loaded = Loaded {
            locales: locales.collect(),
            default: Locale::default(),
            files: Vec::new(),
        };
        Self::with(Source::Memory, loaded)
    }

    fn open(source: Source) -> Result<Self, LocaleError> {
        let loaded = source.load(DEFAULT_LOCALE)?;
        Ok(Self::with(source, loaded))
    }

    fn with(source: Source, loaded: Loaded) -> Self {
        let this = Self {
            source,
            default: DEFAULT_LOCALE.into(),
            cookie: None,
            loaded: Arc::new(RwLock::new(Arc::new(loaded))),
        };
        this.default_locale(DEFAULT_LOCALE)
    }

    /// Sets the language that messages in the program are written in; [`DEFAULT_LOCALE`] unless set.
    ///
    /// It needs no catalogue, and is what a client gets that wants none of the others. Clones made before keep
    /// theirs.
    #[must_use]
    pub fn default_locale(mut self, code: &str) -> Self {
        self.default = code.into();
        let loaded = self.now().with_default(code);
        self.loaded = Arc::new(RwLock::new(Arc::new(loaded)));
        self
    }

    /// Names the cookie in which a client keeps its choice of a language; none unless set.
    ///
    /// [`RequestContext::set_locale_cookie`](crate::RequestContext::set_locale_cookie) sets it.
    #[must_use]
    pub fn cookie(mut self, name: &str) -> Self {
        self.cookie = Some(name.into());
        self
    }

    pub(crate) fn cookie_name(&self) -> Option<&str> {
        self.cookie.as_deref()
    }

    /// The locale of a code, `pt_BR` or `pt-br`, if there is a catalogue of just that or it is the default.
    #[must_use]
    pub fn get(&self, code: &str) -> Option<Locale> {
        self.now().exact(&normal(code))
    }

    /// The locale that is closest to the first of these codes for which there is one; the default when there is
    /// none.
    ///
    /// `pt-BR` is close to `pt_BR`, else to `pt`; `zh-Hant-TW` also to `zh_TW` and `zh_Hant`, which Tornado passes
    /// over.
    #[must_use]
    pub fn closest<C: AsRef<str>>(&self, codes: impl IntoIterator<Item = C>) -> Locale {
        let loaded = self.now();
        let found = codes
            .into_iter()
            .find_map(|code| candidates(code.as_ref()).find_map(|code| loaded.exact(&code)));
        found.unwrap_or_else(|| loaded.default.clone())
    }

    /// As [`closest`](Self::closest), for a client that wants nothing in particular when none of them is there.
    pub(crate) fn closest_of<C: AsRef<str>>(
        &self,
        codes: impl IntoIterator<Item = C>,
    ) -> Option<Locale> {
        let loaded = self.now();
        codes
            .into_iter()
            .find_map(|code| candidates(code.as_ref()).find_map(|code| loaded.exact(&code)))
    }

    /// The codes of all languages, the default one among them, in their order.
    #[must_use]
    pub fn supported(&self) -> Vec<String> {
        let loaded = self.now();
        let codes = loaded
            .locales
            .values()
            .map(|locale| locale.code().to_owned());
        let mut codes: Vec<String> = codes.collect();
        let default = loaded.default.code();
        if !codes.iter().any(|code| code == default) {
            codes.push(default.to_owned());
        }
        codes.sort();
        codes
    }

    /// Reads all files anew, for this and all its clones; requests that have begun keep what they have.
    ///
    /// Blocks the thread.
    ///
    /// # Errors
    /// As [`from_gettext`](Self::from_gettext); then all stays as it was.
    pub fn reload(&self) -> Result<(), LocaleError> {
        if matches!(self.source, Source::Memory) {
            return Ok(());
        }
        let loaded = self.source.load(&self.default)?;
        *self.loaded.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(loaded);
        Ok(())
    }

    /// Reads all files anew if one of them changed, came or went, and says whether it did so. In debug mode every
    /// request does it.
    ///
    /// Blocks the thread.
    ///
    /// # Errors
    /// As [`reload`](Self::reload).
    pub fn reload_changed(&self) -> Result<bool, LocaleError> {
        if matches!(self.source, Source::Memory) || self.source.find()? == self.now().files {
            return Ok(false);
        }
        self.reload()?;
        Ok(true)
    }

    fn now(&self) -> Arc<Loaded> {
        let loaded = self.loaded.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&loaded)
    }
}

impl Loaded {
    fn exact(&self, code: &str) -> Option<Locale> {
        let found = self.locales.get(code).cloned();
        found.or_else(|| (normal(self.default.code()) == code).then(|| self.default.clone()))
    }

    fn with_default(&self, code: &str) -> Self {
        let catalog = self.locales.get(&normal(code)).cloned();
        Self {
            locales: self.locales.clone(),
            default: catalog.unwrap_or_else(|| Locale::untranslated(code)),
            files: self.files.clone(),
        }
    }
}

impl Source {
    fn load(&self, default: &str) -> Result<Loaded, LocaleError> {
        let files = self.find()?;
        let mut locales = BTreeMap::new();
        for File { code, path, .. } in &files {
            let catalog = read(path).and_then(|bytes| match path.extension() {
                Some(end) if end == "mo" => Catalog::from_mo(&bytes),
                Some(end) if end == "po" => Catalog::from_po(&bytes),
                _ => Catalog::from_csv(&bytes),
            });
            let catalog = catalog.map_err(|error| error.in_file(path))?;
            let locale = Locale::new(code.clone(), Arc::new(catalog));
            if locales.insert(normal(code), locale).is_some() {
                let message = format!("there is another catalogue for `{code}`");
                return Err(LocaleError::new(message).in_file(path));
            }
        }
        let loaded = Loaded {
            locales,
            default: Locale::default(),
            files,
        };
        Ok(loaded.with_default(default))
    }

    /// The files that there are, in the order of their codes.
    fn find(&self) -> Result<Vec<File>, LocaleError> {
        let (Self::Gettext { directory, .. } | Self::Csv { directory }) = self else {
            return Ok(Vec::new());
        };
        let failed = |error: std::io::Error| {
            LocaleError::new("cannot list the directory")
                .because(error)
                .in_file(directory)
        };
        let mut files = Vec::new();
        for entry in fs::read_dir(directory).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if let Some(file) = self.file(&entry.path())? {
                files.push(file);
            }
            if files.len() > MAX_LOCALES {
                let message = format!("there are more than {MAX_LOCALES} languages");
                return Err(LocaleError::new(message).in_file(directory));
            }
        }
        files.sort_by(|one, other| one.code.cmp(&other.code));
        Ok(files)
    }

    /// The catalogue that an entry of the directory is or has.
    fn file(&self, entry: &Path) -> Result<Option<File>, LocaleError> {
        let (code, paths) = match self {
            Self::Memory => return Ok(None),
            Self::Gettext { domain, .. } => {
                let folder = entry.join("LC_MESSAGES");
                let path = |end: &str| folder.join(format!("{domain}.{end}"));
                (entry.file_name(), vec![path("mo"), path("po")])
            }
            Self::Csv { .. } => match entry.extension() {
                Some(end) if end == "csv" => (entry.file_stem(), vec![entry.to_owned()]),
                _ => return Ok(None),
            },
        };
        let code = code.and_then(|code| code.to_str()).unwrap_or_default();
        for path in paths {
            let Ok(metadata) = fs::metadata(&path) else {
                continue;
            };
            if !metadata.is_file() {
                return Err(LocaleError::new("this is not a regular file").in_file(&path));
            }
            if !is_code(code) {
                let message = format!("`{code}` is not the code of a language");
                return Err(LocaleError::new(message).in_file(&path));
            }
            return Ok(Some(File {
                code: code.to_owned(),
                path,
                size: metadata.len(),
                modified: metadata.modified().ok(),
            }));
        }
        Ok(None)
    }
}

/// Makes a path absolute, so that a later change of the working directory does no harm.
fn absolute(directory: &Path) -> Result<PathBuf, LocaleError> {
    fs::canonicalize(directory).map_err(|error| {
        LocaleError::new("cannot open the directory")
            .because(error)
            .in_file(directory)
    })
}

/// Reads no more than may be, whatever the file system says.
fn read(path: &Path) -> Result<Vec<u8>, LocaleError> {
    let read = || {
        let mut bytes = Vec::new();
        let file = fs::File::open(path)?;
        file.take(MAX_CATALOG as u64 + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    read().map_err(|error: std::io::Error| LocaleError::new("cannot read the file").because(error))
}

impl fmt::Debug for Translations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Translations")
            .field("source", &self.source)
            .field("default", &self.default)
            .field("supported", &self.supported())
            .finish_non_exhaustive()
    }
}
