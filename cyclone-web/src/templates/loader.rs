//! From the name of a template to its source.

use std::borrow::Cow;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use minijinja::{Error, ErrorKind, TemplateSource};

use super::{TemplateError, Whitespace};

/// Largest template, in bytes.
pub const MAX_TEMPLATE_SIZE: u64 = 1 << 20;

/// Deepest directory below that of the templates that is searched for them.
const MAX_DEPTH: usize = 16;

/// Ends of the names that are templates when all are loaded at once.
const EXTENSIONS: [&str; 7] = ["html", "htm", "xml", "txt", "j2", "jinja", "jinja2"];

/// Makes the path absolute, so that a later change of the working directory does no harm.
pub(super) fn open_directory(path: &Path) -> Result<PathBuf, TemplateError> {
    let failed = |error: io::Error| {
        let path = path.display();
        TemplateError::of_directory(format!("cannot open template directory {path}: {error}"))
    };
    let directory = fs::canonicalize(path).map_err(failed)?;
    if !fs::metadata(&directory).map_err(failed)?.is_dir() {
        return Err(failed(io::Error::from(io::ErrorKind::NotADirectory)));
    }
    Ok(directory)
}

pub(super) fn from_directory(
    directory: PathBuf,
    whitespace: Whitespace,
) -> impl Fn(&str) -> Result<Option<TemplateSource>, Error> {
    move |name| {
        let Some(path) = path_of(&directory, name) else {
            return Ok(None);
        };
        match read(name, &path, whitespace) {
            Ok(source) => source.map(Some),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound
                        | io::ErrorKind::NotADirectory
                        | io::ErrorKind::InvalidFilename
                ) =>
            {
                Ok(None)
            }
            Err(error) => Err(invalid(name, "cannot be read").with_source(error)),
        }
    }
}

/// What tells a changed file from the one that was read.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    size: u64,
}

impl Stamp {
    fn of(metadata: &fs::Metadata) -> Self {
        Self {
            modified: metadata.modified().ok(),
            size: metadata.len(),
        }
    }
}

fn read(
    name: &str,
    path: &Path,
    whitespace: Whitespace,
) -> io::Result<Result<TemplateSource, Error>> {
    // Before reading: a change meanwhile is noticed at the next look.
    let metadata = fs::metadata(path)?;
    if !metadata.is_file() {
        return Ok(Err(invalid(name, "is not a regular file")));
    }
    if let Err(error) = check_size(name, metadata.len()) {
        return Ok(Err(error));
    }
    let stamp = Stamp::of(&metadata);
    let path = path.to_owned();
    let source = fs::read_to_string(&path)?;
    let source = match super::whitespace::filter(whitespace, &source) {
        Ok(filtered) => filtered.into_owned(),
        Err(error) => return Ok(Err(error)),
    };
    let unchanged = move || fs::metadata(&path).is_ok_and(|now| Stamp::of(&now) == stamp);
    Ok(Ok(
        TemplateSource::new(source).with_uptodate_check(unchanged)
    ))
}

pub(super) fn check_size(name: &str, size: u64) -> Result<(), Error> {
    if size > MAX_TEMPLATE_SIZE {
        let reason = format!("has more than {MAX_TEMPLATE_SIZE} bytes");
        return Err(invalid(name, &reason));
    }
    Ok(())
}

fn invalid(name: &str, reason: &str) -> Error {
    Error::new(
        ErrorKind::InvalidOperation,
        format!("template {name:?} {reason}"),
    )
}

/// Joins a name to the directory; `None` for a name that no template can have.
fn path_of(directory: &Path, name: &str) -> Option<PathBuf> {
    let mut path = directory.to_owned();
    for component in name.split('/') {
        if component.is_empty()
            || component.starts_with('.')
            || component.contains(['\\', ':', '\0'])
        {
            return None;
        }
        path.push(component);
    }
    Some(path)
}

/// Resolves `./name` and `../name` from the template they stand in; other names stay as they are.
///
/// A name that climbs over the top keeps its `..`, which no template has.
pub(super) fn join<'a>(name: &'a str, parent: &'a str) -> Cow<'a, str> {
    if !name.starts_with("./") && !name.starts_with("../") {
        return Cow::Borrowed(name);
    }
    let mut components: Vec<&str> = parent.split('/').collect();
    components.pop();
    for component in name.split('/') {
        match component {
            "." => {}
            ".." if components.last().is_some_and(|last| *last != "..") => {
                components.pop();
            }
            other => components.push(other),
        }
    }
    Cow::Owned(components.join("/"))
}

/// Lists the names of every template below the directory, in order.
pub(super) fn find(directory: &Path) -> Result<Vec<String>, TemplateError> {
    let mut names = Vec::new();
    search(directory, "", 0, &mut names).map_err(|error| {
        let path = directory.display();
        TemplateError::of_directory(format!("cannot list template directory {path}: {error}"))
    })?;
    names.sort();
    Ok(names)
}

fn search(directory: &Path, prefix: &str, depth: usize, names: &mut Vec<String>) -> io::Result<()> {
    if depth > MAX_DEPTH {
        return Err(io::Error::other("directories nested too deep"));
    }
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let Ok(file_name) = entry.file_name().into_string() else {
            continue;
        };
        if path_of(directory, &file_name).is_none() {
            continue;
        }
        let name = format!("{prefix}{file_name}");
        let metadata = fs::metadata(entry.path())?;
        if metadata.is_dir() {
            search(&entry.path(), &format!("{name}/"), depth + 1, names)?;
        } else if metadata.is_file() && has_extension(&file_name) {
            names.push(name);
        }
    }
    Ok(())
}

fn has_extension(name: &str) -> bool {
    let extension = name.rsplit_once('.').map(|(_, extension)| extension);
    extension.is_some_and(|extension| EXTENSIONS.contains(&extension))
}
