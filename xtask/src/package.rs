//! `cargo xtask package`: each crate as crates.io would get it, compiled from its own archive.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use anyhow::{Context as _, Result, bail};

use crate::metadata::{Metadata, Package};
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
    // Nothing of an earlier run may take part: cargo would use what it unpacked and compiled then.
    let target = metadata.target_directory.join("packages");
    remove(&target)?;
    if let Some(home) = cargo_home() {
        forget_unpacked(&home, &metadata.published().collect::<Vec<_>>())?;
    }
    // All at once: cargo resolves those that are not on crates.io yet among the archives themselves.
    let mut command = workspace::cargo(["package", "--workspace", "--allow-dirty"]);
    for package in metadata.ours().filter(|package| !package.published) {
        command.args(["--exclude", &package.name]);
    }
    command.arg("--target-dir").arg(&target);
    workspace::run(&mut command)?;
    remove(&target)
}

/// Where cargo keeps what it downloaded.
fn cargo_home() -> Option<PathBuf> {
    env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cargo")))
}

/// Removes what an earlier `cargo package` unpacked of these packages.
///
/// Cargo compiles the archives against one another through a registry of its own in the target folder.
/// What it unpacks from there stays in its home, by that folder's path and the package's version, and is
/// taken again next time without a look at the archive: the same path with newer sources would be
/// compiled against the old ones. Registries without a host, folders named `-` and a hash, are such ones.
fn forget_unpacked(home: &Path, packages: &[&Package]) -> Result<()> {
    let sources = home.join("registry").join("src");
    let entries = match fs::read_dir(&sources) {
        Ok(entries) => entries.collect::<io::Result<Vec<_>>>()?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).context(sources.display().to_string()),
    };
    let packages: Vec<_> = packages
        .iter()
        .map(|package| format!("{}-{}", package.name, package.version))
        .collect();
    let local = |name: &OsStr| name.as_encoded_bytes().starts_with(b"-");
    for registry in entries.iter().filter(|entry| local(&entry.file_name())) {
        for package in &packages {
            remove(&registry.path().join(package))?;
        }
    }
    Ok(())
}

/// Removes a folder that may not be there.
fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).context(folder.display().to_string())
        }
        _ => Ok(()),
    }
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
    #[test]
    fn earlier_archives_are_forgotten_and_downloads_kept() -> Result<()> {
        let home = tempfile::tempdir()?;
        let ours = Package {
            name: "cyclone-core".into(),
            version: "0.1.0".into(),
            ..Package::default()
        };
        let sources = home.path().join("registry/src");
        forget_unpacked(home.path(), &[&ours])?;
        let folder = |path: &str| sources.join(path);
        for path in [
            "-22c3805da5a543b4/cyclone-core-0.1.0/src",
            "-22c3805da5a543b4/cyclone-core-0.2.0",
            "index-1949cf8c6b5b557f/cyclone-core-0.1.0",
        ] {
            fs::create_dir_all(folder(path))?;
        }
        forget_unpacked(home.path(), &[&ours])?;
        assert!(!folder("-22c3805da5a543b4/cyclone-core-0.1.0").exists());
        assert!(folder("-22c3805da5a543b4/cyclone-core-0.2.0").exists());
        assert!(folder("index-1949cf8c6b5b557f/cyclone-core-0.1.0").exists());
        Ok(())
    }
}
