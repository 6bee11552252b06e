//! What the lock file may hold.

use std::collections::BTreeMap;

use super::{Finding, Tree, spdx};

/// The one source of foreign crates.
const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Types of these crates meet in public interfaces, so two versions would not fit together.
pub(super) fn one_version(tree: &Tree) -> Vec<Finding> {
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for package in &tree.metadata.packages {
        versions
            .entry(&package.name)
            .or_default()
            .push(&package.version);
    }
    let single = tree.deny.single.iter();
    single
        .filter_map(|name| {
            let found = versions.get(name.as_str())?;
            let message = format!("there are {} versions: {}", found.len(), found.join(", "));
            (found.len() > 1).then(|| Finding::error(name, message))
        })
        .collect()
}

/// Crates `deny.toml` refuses.
pub(super) fn bans(tree: &Tree) -> Vec<Finding> {
    let packages = tree.metadata.packages.iter();
    packages
        .filter(|package| tree.deny.banned.contains(&package.name))
        .map(|package| Finding::error(&package.name, "is banned by deny.toml"))
        .collect()
}

/// Licences of everything that is compiled into a user's program.
pub(super) fn licences(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in tree.metadata.closure(tree.metadata.ours()) {
        let Some(licence) = &package.license else {
            findings.push(Finding::error(&package.name, "names no licence"));
            continue;
        };
        if !spdx::allowed(licence, &tree.deny.licences) {
            let message = format!("`{licence}` is not met by the licences deny.toml allows");
            findings.push(Finding::error(&package.name, message));
        }
    }
    findings
}

/// We promise a compiler; nothing we need may ask for a newer one.
pub(super) fn rust_version(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for ours in tree.metadata.published() {
        let Some(promised) = ours.rust_version.as_deref().and_then(parse_version) else {
            continue; // `publish` reports it.
        };
        for package in tree.metadata.closure([ours]) {
            let wanted = package.rust_version.as_deref().and_then(parse_version);
            if wanted.is_some_and(|wanted| wanted > promised) {
                let message = format!(
                    "promises Rust {}.{} but {} {} needs {}.{}",
                    promised.0,
                    promised.1,
                    package.name,
                    package.version,
                    wanted.unwrap_or_default().0,
                    wanted.unwrap_or_default().1,
                );
                findings.push(Finding::error(&ours.name, message));
            }
        }
    }
    findings
}

/// Major and minor; a patch level never matters here.
fn parse_version(text: &str) -> Option<(u32, u32)> {
    let (major, rest) = text.split_once('.')?;
    let minor = rest.split('.').next()?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// Every foreign crate comes from crates.io, whatever mirror fetched it.
pub(super) fn registry(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in &tree.metadata.packages {
        if let Some(source) = &package.source
            && source != CRATES_IO
        {
            let message = "comes from somewhere else than crates.io";
            findings.push(Finding::error(&package.name, message));
        }
    }
    for file in tree.ending("Cargo.lock") {
        for line in file.text.lines() {
            if let Some(source) = line.strip_prefix("source = ")
                && source.trim_matches('"') != CRATES_IO
            {
                findings.push(Finding::error(&file.path, format!("foreign {line}")));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::Package;
    use crate::metadata::fixture::{foreign, ours};
    use crate::tidy::deny::Deny;

    fn tree(packages: Vec<Package>) -> Tree {
        let mut tree = Tree::of_packages(packages);
        tree.deny = Deny {
            licences: vec!["MIT".to_owned()],
            banned: vec!["openssl".to_owned()],
            single: vec!["http".to_owned()],
        };
        tree
    }

    #[test]
    fn second_http_is_found() {
        let two = vec![
            foreign("http", "0.2.0"),
            foreign("http", "1.0.0"),
            foreign("a", "1.0.0"),
        ];
        let findings = one_version(&tree(two));
        assert_eq!(findings[0].message, "there are 2 versions: 0.2.0, 1.0.0");
        assert_eq!(one_version(&tree(vec![foreign("http", "1.0.0")])), []);
    }

    #[test]
    fn banned_crate_is_found() {
        assert_eq!(bans(&tree(vec![foreign("openssl", "0.10.0")])).len(), 1);
        assert_eq!(bans(&tree(vec![foreign("rustls", "0.23.0")])), []);
    }

    #[test]
    fn licence_that_is_not_allowed_is_found() {
        let mut copyleft = foreign("copyleft", "1.0.0");
        copyleft.license = Some("AGPL-3.0".to_owned());
        let mut silent = foreign("silent", "1.0.0");
        silent.license = None;
        let mut app = ours("app", &["copyleft", "silent", "good"]);
        app.license = Some("MIT".to_owned());
        let all = vec![app, copyleft, silent, foreign("good", "1.0.0")];
        let places: Vec<_> = licences(&tree(all)).into_iter().map(|f| f.place).collect();
        assert_eq!(places, ["copyleft", "silent"]);
    }

    #[test]
    fn dependency_that_needs_a_newer_compiler_is_found() {
        let with = |needed: &str, dependency: &str| {
            let mut package = foreign("new", "1.0.0");
            package.rust_version = Some(needed.to_owned());
            rust_version(&tree(vec![ours("app", &[dependency]), package]))
        };
        assert_eq!(with("1.88.1", "new"), []);
        assert_eq!(with("1.89", "new"), []);
        assert_eq!(
            with("1.90", "new")[0].message,
            "promises Rust 1.89 but new 1.0.0 needs 1.90"
        );
        assert_eq!(with("1.90", "dev:new"), []);
    }

    #[test]
    fn crate_of_another_registry_is_found() {
        let mut odd = foreign("odd", "1.0.0");
        odd.source = Some("git+https://example.com/odd".to_owned());
        assert_eq!(registry(&tree(vec![odd])).len(), 1);
        let lock = format!("source = \"{CRATES_IO}\"\nsource = \"git+https://example.com/\"\n");
        let tree = Tree::of_files(&[("bench/Cargo.lock", &lock)]);
        assert_eq!(registry(&tree).len(), 1);
    }
}
