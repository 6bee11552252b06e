//! What each of our manifests must say.

use super::{Finding, Tree};
use crate::metadata::Package;

/// Packages that never leave this repository.
const PRIVATE: &[&str] = &["cyclone-examples", "xtask"];

/// Default features, where there are any. Everything else has none: a default is minimal.
const DEFAULTS: &[(&str, &[&str])] = &[
    // A program that links the system's SQLite says so; the others just work.
    ("cyclone-sqlite", &["bundled"]),
];

/// crates.io shows what the manifest says, and refuses a crate without description or licence.
pub(super) fn publish(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in tree.metadata.ours() {
        let private = PRIVATE.contains(&package.name.as_str());
        if private == package.published {
            let wanted = if private {
                "must have"
            } else {
                "must not have"
            };
            let message = format!("{wanted} `publish = false`");
            findings.push(Finding::error(&package.name, message));
        }
        let missing = if private { vec![] } else { missing(package) };
        if !missing.is_empty() {
            let message = format!("its manifest has no {}", missing.join(", "));
            findings.push(Finding::error(&package.name, message));
        }
    }
    findings
}

fn missing(package: &Package) -> Vec<&'static str> {
    let fields = [
        ("description", package.description.is_some()),
        ("license", package.license.is_some()),
        ("readme", package.readme.is_some()),
        ("repository", package.repository.is_some()),
        ("rust-version", package.rust_version.is_some()),
        ("keywords", package.keywords > 0),
        ("categories", package.categories > 0),
    ];
    let missing = fields.into_iter().filter(|(_, there)| !there);
    missing.map(|(name, _)| name).collect()
}

/// The defaults are the ones listed here; a new one is a decision, not an accident.
pub(super) fn default_features(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in tree.metadata.published() {
        let listed = DEFAULTS.iter().find(|(name, _)| *name == package.name);
        let wanted = listed.map_or(&[][..], |(_, features)| features);
        let actual = package.features.get("default");
        let actual = actual.map_or(&[][..], Vec::as_slice);
        if actual != wanted {
            let message = format!("default features are {actual:?}, should be {wanted:?}");
            findings.push(Finding::error(&package.name, message));
        }
    }
    findings
}

/// Every crate takes the lints of the workspace, and those forbid `unsafe`.
pub(super) fn lints(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.ending("Cargo.toml") {
        let lines: Vec<&str> = file.text.lines().map(str::trim).collect();
        let has = |pair: [&str; 2]| lines.windows(2).any(|window| window == pair);
        let is_root = lines.contains(&"[workspace.lints.rust]");
        if is_root && !has(["[workspace.lints.rust]", "unsafe_code = \"forbid\""]) {
            let message = "the lints of the workspace must begin with `unsafe_code = \"forbid\"`";
            findings.push(Finding::error(&file.path, message));
        }
        if !is_root && !has(["[lints]", "workspace = true"]) {
            let message = "must take the lints of its workspace";
            findings.push(Finding::error(&file.path, message));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::fixture::ours;

    #[test]
    fn private_package_may_not_be_published_and_a_crate_must() {
        let mut core = ours("cyclone-core", &[]);
        core.published = false;
        let tree = Tree::of_packages(vec![ours("xtask", &[]), core]);
        let findings = publish(&tree);
        assert_eq!(findings[0].message, "must have `publish = false`");
        assert_eq!(findings[1].message, "must not have `publish = false`");
    }

    #[test]
    fn each_missing_field_is_named() {
        let mut core = ours("cyclone-core", &[]);
        core.readme = None;
        core.keywords = 0;
        let findings = publish(&Tree::of_packages(vec![core]));
        assert_eq!(findings[0].message, "its manifest has no readme, keywords");
    }

    #[test]
    fn new_default_feature_is_found() {
        let mut web = ours("cyclone-web", &[]);
        let default = vec!["templates".to_owned()];
        web.features.insert("default".to_owned(), default);
        assert_eq!(default_features(&Tree::of_packages(vec![web])).len(), 1);
        let lost = ours("cyclone-sqlite", &[]);
        assert_eq!(default_features(&Tree::of_packages(vec![lost])).len(), 1);
        let core = ours("cyclone-core", &[]);
        assert_eq!(default_features(&Tree::of_packages(vec![core])), []);
    }

    #[test]
    fn crate_with_lints_of_its_own_is_found() {
        let tree = Tree::of_files(&[
            (
                "Cargo.toml",
                "[workspace.lints.rust]\nunsafe_code = \"warn\"\n",
            ),
            ("a/Cargo.toml", "[lints]\nworkspace = true\n"),
            ("b/Cargo.toml", "[lints.rust]\nunsafe_code = \"allow\"\n"),
        ]);
        let places: Vec<_> = lints(&tree).into_iter().map(|f| f.place).collect();
        assert_eq!(places, ["Cargo.toml", "b/Cargo.toml"]);
    }
}
