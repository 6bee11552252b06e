//! `cargo xtask tidy`: the invariants of the architecture, read off the manifests and the sources.
//!
//! A check is a function from the [`Tree`] to findings, listed in [`CHECKS`]; each has a test that
//! shows it can fail. Warnings are shown and do not fail the command.

mod crates;
mod deny;
mod documents;
mod layers;
mod lexer;
mod limits;
mod links;
mod locked;
mod sources;
mod spdx;
mod traces;
mod tree;

use anyhow::{Result, bail};

use tree::Tree;

/// Something that is not as it should be.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    /// A package, or a file with its line.
    place: String,
    message: String,
    warning: bool,
}

impl Finding {
    fn error(place: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            place: place.into(),
            message: message.into(),
            warning: false,
        }
    }

    fn warning(place: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            warning: true,
            ..Self::error(place, message)
        }
    }
}

struct Check {
    name: &'static str,
    run: fn(&Tree) -> Vec<Finding>,
}

const CHECKS: &[Check] = &[
    Check {
        name: "layers",
        run: layers::dependencies_point_one_way,
    },
    Check {
        name: "core",
        run: layers::core_knows_no_http,
    },
    Check {
        name: "publish",
        run: crates::publish,
    },
    Check {
        name: "features",
        run: crates::default_features,
    },
    Check {
        name: "lints",
        run: crates::lints,
    },
    Check {
        name: "versions",
        run: locked::one_version,
    },
    Check {
        name: "bans",
        run: locked::bans,
    },
    Check {
        name: "licences",
        run: locked::licences,
    },
    Check {
        name: "rust-version",
        run: locked::rust_version,
    },
    Check {
        name: "registry",
        run: locked::registry,
    },
    Check {
        name: "size",
        run: sources::size,
    },
    Check {
        name: "words",
        run: sources::words,
    },
    Check {
        name: "exports",
        run: sources::exports,
    },
    Check {
        name: "modules",
        run: sources::modules,
    },
    Check {
        name: "doctests",
        run: documents::doctests,
    },
    Check {
        name: "links",
        run: links::resolve,
    },
    Check {
        name: "limits",
        run: limits::documented,
    },
    Check {
        name: "commands",
        run: documents::commands,
    },
    Check {
        name: "examples",
        run: documents::examples,
    },
    Check {
        name: "traces",
        run: traces::machine,
    },
];

pub(crate) fn run(_: &[String]) -> Result<()> {
    let tree = Tree::load()?;
    let mut errors = 0;
    for check in CHECKS {
        for finding in (check.run)(&tree) {
            let kind = if finding.warning { "warning" } else { "error" };
            println!(
                "{kind}[{}] {}: {}",
                check.name, finding.place, finding.message
            );
            errors += usize::from(!finding.warning);
        }
    }
    if errors > 0 {
        bail!("tidy: {errors} errors");
    }
    println!(
        "tidy: {} checks of {} files and {} packages",
        CHECKS.len(),
        tree.files.len(),
        tree.metadata.packages.len()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_checks_are_unique() {
        let mut names: Vec<_> = CHECKS.iter().map(|check| check.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), CHECKS.len());
    }
}
