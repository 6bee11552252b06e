//! `cargo xtask ci`: what CI runs, on your machine.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::metadata::Metadata;
use crate::workspace::{self, cargo};
use crate::{api, package, test, tidy};

/// One step. Cheap ones come first, so that a slip is seen early.
struct Step {
    name: &'static str,
    run: fn() -> Result<()>,
}

const STEPS: &[Step] = &[
    Step {
        name: "fmt",
        run: fmt,
    },
    Step {
        name: "tidy",
        run: || tidy::run(&[]),
    },
    Step {
        name: "deny",
        run: deny,
    },
    Step {
        name: "clippy",
        run: clippy,
    },
    Step {
        name: "docs",
        run: docs,
    },
    Step {
        name: "api",
        run: || api::run(&[]),
    },
    Step {
        name: "features",
        run: features,
    },
    Step {
        name: "test",
        run: || test::run(&[]),
    },
    Step {
        name: "package",
        run: || package::run(&[]),
    },
];

/// Runs the named steps, or all; every step runs even when one before it failed.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let steps = chosen(arguments)?;
    let mut report: Vec<(&str, Duration, Result<()>)> = Vec::new();
    for step in steps {
        println!("== {}", step.name);
        let start = Instant::now();
        let result = (step.run)();
        if let Err(error) = &result {
            println!("== {} FAILED: {error:#}", step.name);
        }
        report.push((step.name, start.elapsed(), result));
    }
    println!();
    for (name, took, result) in &report {
        let verdict = if result.is_ok() { "ok" } else { "FAILED" };
        println!("{name:<10} {verdict:<7} {:>6.1} s", took.as_secs_f64());
    }
    let failed: Vec<&str> = report
        .iter()
        .filter(|(_, _, result)| result.is_err())
        .map(|(name, _, _)| *name)
        .collect();
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    Ok(())
}

fn chosen(names: &[String]) -> Result<Vec<&'static Step>> {
    if names.is_empty() {
        return Ok(STEPS.iter().collect());
    }
    let mut steps = Vec::new();
    for name in names {
        match STEPS.iter().find(|step| step.name == name) {
            Some(step) => steps.push(step),
            None => {
                let known: Vec<_> = STEPS.iter().map(|step| step.name).collect();
                bail!("no step `{name}`; there are: {}", known.join(" "));
            }
        }
    }
    Ok(steps)
}

fn fmt() -> Result<()> {
    workspace::run(&mut cargo(["fmt", "--all", "--check"]))?;
    workspace::run(&mut cargo([
        "fmt",
        "--manifest-path=fuzz/Cargo.toml",
        "--check",
    ]))
}

fn clippy() -> Result<()> {
    workspace::run(&mut cargo([
        "clippy",
        "--workspace",
        "--all-targets",
        "--all-features",
        "--",
        "--deny=warnings",
    ]))?;
    workspace::run(&mut cargo([
        "clippy",
        "--manifest-path=fuzz/Cargo.toml",
        "--all-targets",
        "--",
        "--deny=warnings",
    ]))
}

fn docs() -> Result<()> {
    let mut command = cargo(["doc", "--workspace", "--no-deps", "--all-features"]);
    workspace::run(command.env("RUSTDOCFLAGS", "--deny=warnings"))
}

/// The bans and licences of `deny.toml`. Tidy has checked the essential ones already; the whole file
/// needs cargo-deny, which takes minutes to build, so it is used only where it is installed.
fn deny() -> Result<()> {
    if workspace::which("cargo-deny").is_none() {
        println!("cargo-deny is not installed: only the checks of `cargo xtask tidy` were made");
        println!("(cargo install --locked cargo-deny)");
        return Ok(());
    }
    workspace::run(&mut cargo([
        "deny",
        "--offline",
        "--all-features",
        "check",
        "bans",
        "licenses",
        "sources",
    ]))
}

/// Every published crate without features and with each one alone. Only the library: what tests
/// depend on would switch features on behind our back.
fn features() -> Result<()> {
    let metadata = Metadata::load()?;
    for package in metadata.published() {
        let alone = package
            .features
            .keys()
            .map(|feature| Some(feature.as_str()));
        for feature in [None].into_iter().chain(alone) {
            let mut lint = cargo(["clippy", "--lib", "--no-default-features"]);
            lint.args(["--package", &package.name]);
            if let Some(feature) = feature {
                lint.args(["--features", feature]);
            }
            // Code that only a feature uses must go with the feature.
            workspace::run(lint.args(["--", "--deny=warnings"]))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_run_in_the_order_asked_for() {
        let names = ["docs".to_owned(), "fmt".to_owned()];
        let steps = chosen(&names).unwrap();
        let names: Vec<_> = steps.iter().map(|step| step.name).collect();
        assert_eq!(names, ["docs", "fmt"]);
        assert_eq!(chosen(&[]).unwrap().len(), STEPS.len());
    }

    #[test]
    fn unknown_step_is_an_error_that_shows_the_known_ones() {
        let error = chosen(&["lint".to_owned()]).err().unwrap().to_string();
        assert!(error.contains("no step `lint`"), "{error}");
        assert!(error.contains("clippy"), "{error}");
    }
}
