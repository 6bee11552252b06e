//! Programs of the system, installed with `apt-get` where that is allowed.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use super::Program;
use crate::workspace::{run, which};

/// The paths of the programs, in order; installs the packages of those that are not there.
///
/// # Errors
/// When a program is missing and may not be installed: the message has the command to type.
pub(crate) fn require(programs: &[&Program]) -> Result<Vec<PathBuf>> {
    let missing: Vec<&str> = programs
        .iter()
        .filter(|program| find(program).is_none())
        .map(|program| program.package)
        .collect();
    install(&missing)?;
    let found = programs.iter().map(|program| {
        find(program).with_context(|| {
            let names = program.names.join("`, `");
            format!("`{names}` not found, even with package {}", program.package)
        })
    });
    found.collect()
}

/// Installs Debian packages; nothing to do for an empty list.
pub(super) fn install(packages: &[&str]) -> Result<()> {
    if packages.is_empty() {
        return Ok(());
    }
    let Some(mut update) = apt_get() else {
        bail!(
            "missing packages, and this user may not install them; as root, type\n  \
             apt-get update && apt-get install -y --no-install-recommends {}\n\
             or set the CYCLONE_TEST_ variables of CONTRIBUTING.md",
            packages.join(" ")
        );
    };
    run(update.args(["-q", "update"]))?;
    let mut install = apt_get().context("apt-get has gone")?;
    install.args(["-q", "install", "-y", "--no-install-recommends"]);
    run(install.args(packages))
}

fn find(program: &Program) -> Option<PathBuf> {
    program.names.iter().find_map(|name| which(name))
}

/// `apt-get` that asks nothing, through `sudo` when that asks nothing either.
fn apt_get() -> Option<Command> {
    let apt = which("apt-get")?;
    let mut command = if rustix::process::geteuid().is_root() {
        Command::new(apt)
    } else {
        let sudo = which("sudo")?;
        let allowed = Command::new(&sudo)
            .args(["-n", "true"])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if !allowed.is_ok_and(|status| status.success()) {
            return None;
        }
        let mut command = Command::new(sudo);
        command.args(["-n", "env", "DEBIAN_FRONTEND=noninteractive"]);
        command.arg(apt);
        command
    };
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command.stdin(Stdio::null());
    Some(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_second_name() {
        let shell = Program {
            names: &["no-such-program-anywhere", "sh"],
            package: "dash",
            variable: None,
        };
        let paths = require(&[&shell]).unwrap();
        assert!(paths[0].ends_with("sh"));
    }
}
