//! Foreign programs the tests are run against, and where each comes from.
//!
//! Everything is fetched from the registries of Debian, PyPI and npm at pinned versions. Python and
//! Node packages go under `target/xtask/`; only programs are installed on the system. A test learns
//! the place of each from an environment variable; a variable that is set already is kept, and its
//! need is skipped, which is the way on a system without `apt-get`.

mod node;
mod python;
mod system;

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

/// A program of the system.
pub(crate) struct Program {
    /// Names it may have, the first found wins.
    pub(crate) names: &'static [&'static str],
    /// The Debian package that has it.
    pub(crate) package: &'static str,
    /// The variable that tells the tests where it is.
    pub(crate) variable: Option<&'static str>,
}

/// Programs of the test run.
const PROGRAMS: &[Program] = &[
    Program {
        names: &["curl"],
        package: "curl",
        variable: Some("CYCLONE_TEST_CURL"),
    },
    Program {
        names: &[
            "chromium",
            "chromium-browser",
            "google-chrome-stable",
            "google-chrome",
        ],
        package: "chromium",
        variable: Some("CYCLONE_TEST_CHROMIUM"),
    },
    Program {
        names: &["ssh"],
        package: "openssh-client",
        variable: Some("CYCLONE_TEST_SSH"),
    },
    Program {
        names: &["node", "nodejs"],
        package: "nodejs",
        variable: Some("CYCLONE_TEST_NODE"),
    },
    Program {
        names: &["openssl"],
        package: "openssl",
        variable: Some("CYCLONE_TEST_OPENSSL"),
    },
    Program {
        names: &["msgfmt"],
        package: "gettext",
        variable: Some("CYCLONE_TEST_MSGFMT"),
    },
    Program {
        names: &["zsh"],
        package: "zsh",
        variable: Some("CYCLONE_TEST_ZSH"),
    },
    Program {
        names: &["fish"],
        package: "fish",
        variable: Some("CYCLONE_TEST_FISH"),
    },
    Program {
        names: &["groff"],
        package: "groff-base",
        variable: Some("CYCLONE_TEST_GROFF"),
    },
    Program {
        names: &["mandoc"],
        package: "mandoc",
        variable: Some("CYCLONE_TEST_MANDOC"),
    },
    Program {
        names: &["haproxy", "/usr/sbin/haproxy"],
        package: "haproxy",
        variable: Some("CYCLONE_TEST_HAPROXY"),
    },
    Program {
        names: &["nc.openbsd"],
        package: "netcat-openbsd",
        variable: Some("CYCLONE_TEST_NC"),
    },
    Program {
        names: &["systemd-socket-activate"],
        package: "systemd",
        variable: Some("CYCLONE_TEST_SYSTEMD_SOCKET_ACTIVATE"),
    },
    Program {
        names: &["pebble"],
        package: "pebble",
        variable: Some("CYCLONE_TEST_PEBBLE"),
    },
    Program {
        names: &["h2load"],
        package: "nghttp2-client",
        variable: Some("CYCLONE_TEST_H2LOAD"),
    },
    Program {
        names: &["npm"],
        package: "npm",
        variable: None,
    },
    Program {
        names: &["python3"],
        package: "python3",
        variable: None,
    },
];

/// Packages of the Python environment: clients of SSH, S3, HTTP and SSE, reader of metrics, event socket client and
/// server, WebSocket client and server, Tornado.
const PYTHON_PACKAGES: &[&str] = &[
    "asyncssh==2.24.1",
    "boto3==1.44.5",
    "genesis==2026.10.18",
    "httpx==0.28.1",
    "httpx-sse==0.4.3",
    "prometheus-client==0.26.0",
    "requests==2.34.2",
    "tornado==6.6.1",
    "websockets==17.4",
    "WTForms==3.3.2",
];
const PYTHON_VARIABLE: &str = "CYCLONE_TEST_PYTHON";

/// Packages of the Node environment: event socket client and server, provider of OpenID Connect, driver of the browser,
/// WebSocket client.
const NODE_PACKAGES: &[&str] = &[
    "modesl@1.2.1",
    "oidc-provider@9.13.3",
    "playwright-core@1.65.1",
    "ws@8.23.0",
];
const NODE_VARIABLE: &str = "CYCLONE_TEST_NODE_MODULES";

/// Every variable a test may read. CONTRIBUTING.md must explain each; `cargo xtask tidy` checks it.
pub(crate) fn variables() -> Vec<&'static str> {
    let programs = PROGRAMS.iter().filter_map(|program| program.variable);
    programs.chain([PYTHON_VARIABLE, NODE_VARIABLE]).collect()
}

/// Where everything is: environment variables for the tests.
#[derive(Debug, Default)]
pub(crate) struct Peers {
    variables: Vec<(&'static str, OsString)>,
}

impl Peers {
    /// Installs what is missing. The second run takes no time and no network.
    pub(crate) fn provide(target: &Path) -> Result<Self> {
        let mut peers = Self::default();
        let missing = PROGRAMS
            .iter()
            .filter(|program| program.variable.is_none_or(|name| !peers.inherit(name)));
        let missing: Vec<&Program> = missing.collect();
        let paths = system::require(&missing)?;
        for (program, path) in missing.iter().zip(paths) {
            if let Some(variable) = program.variable {
                peers.set(variable, path.into());
            }
        }
        if !peers.inherit(PYTHON_VARIABLE) {
            let python = python::environment(&target.join("xtask/venv"), PYTHON_PACKAGES)?;
            peers.set(PYTHON_VARIABLE, python.into());
        }
        if !peers.inherit(NODE_VARIABLE) {
            let modules = node::modules(&target.join("xtask/node"), NODE_PACKAGES)?;
            peers.set(NODE_VARIABLE, modules.into());
        }
        Ok(peers)
    }

    /// Hands every place to a program that is about to start.
    pub(crate) fn tell(&self, command: &mut Command) {
        for (name, value) in &self.variables {
            command.env(name, value);
        }
    }

    /// The place of a program, by the name of its variable.
    pub(crate) fn get(&self, variable: &str) -> Option<&OsString> {
        let found = self.variables.iter().find(|(name, _)| *name == variable);
        found.map(|(_, value)| value)
    }

    /// The folder of the Node packages.
    pub(crate) fn node_modules(&self) -> Option<&OsString> {
        self.get(NODE_VARIABLE)
    }

    /// The interpreter that has the Python packages.
    pub(crate) fn python(&self) -> Option<&OsString> {
        self.get(PYTHON_VARIABLE)
    }

    fn inherit(&mut self, variable: &'static str) -> bool {
        let value = std::env::var_os(variable).filter(|value| !value.is_empty());
        value.map(|value| self.set(variable, value)).is_some()
    }

    fn set(&mut self, variable: &'static str, value: OsString) {
        self.variables.push((variable, value));
    }
}

/// Runs `install` unless the folder already holds exactly these packages, and remembers that it does.
fn once(folder: &Path, packages: &[&str], install: impl FnOnce() -> Result<()>) -> Result<()> {
    let stamp = folder.join("installed.txt");
    let wanted = packages.join("\n");
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    if folder.exists() {
        std::fs::remove_dir_all(folder)?;
    }
    std::fs::create_dir_all(folder)?;
    install()?;
    std::fs::write(&stamp, wanted)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn installs_again_only_when_the_list_changes() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("env");
        let runs = std::cell::Cell::new(0);
        let install = || {
            runs.set(runs.get() + 1);
            Ok(())
        };
        once(&folder, &["a==1"], install).unwrap();
        once(&folder, &["a==1"], install).unwrap();
        assert_eq!(runs.get(), 1);
        once(&folder, &["a==2"], install).unwrap();
        assert_eq!(runs.get(), 2);
    }

    #[test]
    fn failed_installation_is_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("env");
        assert!(once(&folder, &["a==1"], || anyhow::bail!("no network")).is_err());
        let mut ran = false;
        once(&folder, &["a==1"], || {
            ran = true;
            Ok(())
        })
        .unwrap();
        assert!(ran);
    }

    #[test]
    fn every_package_is_pinned() {
        for package in PYTHON_PACKAGES {
            assert!(package.contains("=="), "{package}");
        }
        for package in NODE_PACKAGES {
            assert!(package.rfind('@').is_some_and(|at| at > 0), "{package}");
        }
    }
}
