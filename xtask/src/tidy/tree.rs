//! What the checks look at.

use anyhow::{Context as _, Result};

use super::deny::Deny;
use crate::metadata::Metadata;
use crate::workspace;

/// The packages, the text of every file git knows or would add, and the rules of `deny.toml`.
#[derive(Debug, Default)]
pub(super) struct Tree {
    pub(super) metadata: Metadata,
    pub(super) files: Vec<File>,
    pub(super) deny: Deny,
}

/// A text file.
#[derive(Debug)]
pub(super) struct File {
    /// Relative to the root, with `/`.
    pub(super) path: String,
    pub(super) text: String,
}

impl Tree {
    pub(super) fn load() -> Result<Self> {
        let root = workspace::root();
        let mut git = std::process::Command::new("git");
        // The clone of a CI machine may belong to another user.
        git.current_dir(&root)
            .args(["-c", "safe.directory=*"])
            .args(["ls-files", "--cached", "--others", "--exclude-standard"]);
        let mut tree = Self {
            metadata: Metadata::load()?,
            ..Self::default()
        };
        for path in workspace::output(&mut git)?.lines() {
            let file = root.join(path);
            // A link is checked where it points to; a file may be deleted but not yet from the index.
            if file.is_symlink() || !file.exists() {
                continue;
            }
            let bytes = std::fs::read(&file).with_context(|| format!("cannot read {path}"))?;
            if let Ok(text) = String::from_utf8(bytes) {
                let path = path.to_owned();
                tree.files.push(File { path, text });
            }
        }
        let rules = tree.file("deny.toml").context("no deny.toml")?;
        tree.deny = Deny::parse(&rules.text)?;
        Ok(tree)
    }

    pub(super) fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    pub(super) fn ending<'a>(&'a self, end: &'a str) -> impl Iterator<Item = &'a File> {
        self.files
            .iter()
            .filter(move |file| file.path.ends_with(end))
    }

    #[cfg(test)]
    pub(super) fn of_files(files: &[(&str, &str)]) -> Self {
        let files = files.iter().map(|(path, text)| File {
            path: (*path).to_owned(),
            text: (*text).to_owned(),
        });
        Self {
            files: files.collect(),
            ..Self::default()
        }
    }

    #[cfg(test)]
    pub(super) fn of_packages(packages: Vec<crate::metadata::Package>) -> Self {
        Self {
            metadata: crate::metadata::fixture::metadata(packages),
            ..Self::default()
        }
    }
}
