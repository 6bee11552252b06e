//! `cargo xtask package`: each crate as crates.io would get it, compiled from its own archive.

use anyhow::{Result, bail};

use crate::metadata::Metadata;
use crate::workspace;

/// Files every archive must hold.
const MUST_HOLD: &[&str] = &["README.md", "LICENSE-MIT", "LICENSE-APACHE", "src/lib.rs"];

pub(crate) fn run(_: &[String]) -> Result<()> {
    let metadata = Metadata::load()?;
    for package in metadata.published() {
        let list = workspace::output(&mut workspace::cargo([
            "package",
            "--list",
            "--allow-dirty",
            "--package",
            &package.name,
        ]))?;
        let missing = missing(&list);
        if !missing.is_empty() {
            bail!(
                "the archive of {} has no {}",
                package.name,
                missing.join(", ")
            );
        }
    }
    // All at once: cargo resolves those that are not on crates.io yet among the archives themselves.
    let mut command = workspace::cargo(["package", "--workspace", "--allow-dirty"]);
    for package in metadata.ours().filter(|package| !package.published) {
        command.args(["--exclude", &package.name]);
    }
    workspace::run(&mut command)
}

/// What the list of an archive lacks.
fn missing(list: &str) -> Vec<&'static str> {
    let lacks = |file: &&&str| !list.lines().any(|line| line == **file);
    MUST_HOLD.iter().filter(lacks).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archive_without_its_licence_is_refused() {
        let list = "Cargo.toml\nLICENSE-APACHE\nREADME.md\nsrc/lib.rs\n";
        assert_eq!(missing(list), ["LICENSE-MIT"]);
        assert_eq!(missing(&format!("{list}LICENSE-MIT\n")), [""; 0]);
    }
}
