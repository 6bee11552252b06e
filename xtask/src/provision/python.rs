//! A Python environment of its own, with packages from PyPI.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};

use super::{once, system};
use crate::workspace::{run, which};

/// The interpreter of an environment in `folder` that has the packages.
pub(super) fn environment(folder: &Path, packages: &[&str]) -> Result<PathBuf> {
    let python = folder.join("bin/python");
    once(folder, packages, || {
        let system_python = which("python3").context("no python3")?;
        if !can_make_environments(&system_python) {
            system::install(&["python3-venv"])?;
        }
        run(Command::new(&system_python)
            .args(["-m", "venv"])
            .arg(folder))?;
        run(Command::new(&python)
            .args(["-m", "pip", "install", "--quiet", "--no-input"])
            .arg("--disable-pip-version-check")
            .args(packages))
    })?;
    Ok(python)
}

/// Debian ships `venv` without what it needs; the module comes with a package of its own.
fn can_make_environments(python: &Path) -> bool {
    let status = Command::new(python)
        .args(["-c", "import ensurepip, venv"])
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}
