//! A folder of Node packages from npm.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use super::once;
use crate::workspace::{run, which};

/// The `node_modules` of a package in `folder` that has the packages.
pub(super) fn modules(folder: &Path, packages: &[&str]) -> Result<PathBuf> {
    once(folder, packages, || {
        std::fs::write(folder.join("package.json"), "{\"private\": true}\n")?;
        // No scripts: a package may not run anything while it is installed.
        run(Command::new(which("npm").context("no npm")?)
            .args(["install", "--ignore-scripts", "--no-audit", "--no-fund"])
            .args(["--save-exact", "--loglevel=error"])
            .args(packages)
            .current_dir(folder))
    })?;
    Ok(folder.join("node_modules"))
}
