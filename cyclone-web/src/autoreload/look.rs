//! What files look like.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Most files that [`Autoreload`](super::Autoreload) looks at; those beyond are not watched, and a warning says so.
pub const AUTORELOAD_MAX_FILES: usize = 10_000;

/// Time and size of every file; what is not there is not listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Look {
    files: BTreeMap<PathBuf, (Option<SystemTime>, u64)>,
}

impl Look {
    /// Looks at files, and at all below directories. Blocks.
    pub(super) fn at(paths: &[PathBuf]) -> Self {
        Self::at_most(paths, AUTORELOAD_MAX_FILES)
    }

    pub(super) fn at_most(paths: &[PathBuf], limit: usize) -> Self {
        let mut this = Self::default();
        let mut ahead: Vec<PathBuf> = paths.iter().rev().cloned().collect();
        while let Some(path) = ahead.pop() {
            // A link is what it leads to, but for those inside of directories: they may lead in circles.
            let metadata = match paths.contains(&path) {
                true => fs::metadata(&path),
                false => fs::symlink_metadata(&path),
            };
            let Ok(metadata) = metadata else {
                continue;
            };
            if metadata.is_dir() {
                ahead.extend(children(&path));
            } else if this.files.len() < limit {
                this.files.insert(path, seen(&metadata));
            } else {
                tracing::warn!(limit, "too many files to watch");
                break;
            }
        }
        this
    }

    pub(super) fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.files.hash(&mut hasher);
        hasher.finish()
    }
}

fn children(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort_unstable();
    paths.reverse();
    paths
}

fn seen(metadata: &Metadata) -> (Option<SystemTime>, u64) {
    (metadata.modified().ok(), metadata.len())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::Look;

    #[test]
    fn number_of_files_just_under_at_and_over_the_limit() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["a", "b", "c"] {
            fs::write(directory.path().join(name), "").unwrap();
        }
        let paths = [directory.path().to_owned()];
        for (limit, seen) in [(4, 3), (3, 3), (2, 2)] {
            assert_eq!(Look::at_most(&paths, limit).files.len(), seen, "{limit}");
        }
    }

    #[test]
    fn what_is_below_a_directory_counts_and_circles_do_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let paths = [directory.path().to_owned(), path("later")];
        fs::create_dir(path("sub")).unwrap();
        std::os::unix::fs::symlink("..", path("sub/up")).unwrap();
        let before = Look::at(&paths);
        fs::write(path("sub/x"), "1").unwrap();
        let after = Look::at(&paths);
        assert_ne!(before, after);
        assert_ne!(before.fingerprint(), after.fingerprint());
        fs::write(path("sub/x"), "12").unwrap();
        assert_ne!(after, Look::at(&paths));
        fs::remove_file(path("sub/x")).unwrap();
        assert_eq!(before, Look::at(&paths));
    }
}
