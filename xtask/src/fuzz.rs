//! `cargo xtask fuzz`: libFuzzer on the targets of the `fuzz` workspace; and their corpora, without it.
//!
//! Stable Rust is enough: the instrumentation is a pass of LLVM, asked for by flags. The sanitizers would need
//! nightly, and find little in code without `unsafe`.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};

use crate::metadata::Metadata;
use crate::workspace::{self, cargo};

/// How long each target runs unless said otherwise, in seconds.
const DEFAULT_SECONDS: u64 = 60;

/// How long one input may take before that is a finding, in seconds.
const INPUT_SECONDS: u64 = 10;

const MANIFEST: &str = "fuzz/Cargo.toml";

/// What gives libFuzzer its counters.
const FLAGS: &[&str] = &[
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Ccodegen-units=1",
];

#[derive(Debug, PartialEq, Eq)]
struct Options {
    target: Option<String>,
    seconds: u64,
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Self> {
        let mut options = Self {
            target: None,
            seconds: DEFAULT_SECONDS,
        };
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            if argument == "--seconds" {
                let seconds = rest.next().and_then(|value| value.parse().ok());
                options.seconds = seconds.context("`--seconds` needs a number")?;
            } else if argument.starts_with('-') || options.target.is_some() {
                bail!("usage: cargo xtask fuzz [TARGET] [--seconds N]");
            } else {
                options.target = Some(argument.clone());
            }
        }
        Ok(options)
    }
}

/// Fuzzes one target, or each in turn. What is found is kept in `target/fuzz`, and is an error.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let options = Options::parse(arguments)?;
    let known = targets(&workspace::root().join("fuzz/corpus"))?;
    let chosen: Vec<String> = match options.target {
        Some(target) if known.contains(&target) => vec![target],
        Some(target) => bail!("no target `{target}`; there are: {}", known.join(" ")),
        None => known,
    };
    let folder = Metadata::load()?.target_directory.join("fuzz");
    let triple = host()?;
    let mut build = cargo(["build", "--release", "--features=libfuzzer", "--bin"]);
    build
        .args(["cyclone-fuzz", "--manifest-path", MANIFEST])
        // With a target named, what runs while building is not instrumented.
        .args(["--target", &triple])
        .env("CARGO_TARGET_DIR", &folder)
        .env("RUSTFLAGS", FLAGS.join(" "));
    workspace::run(&mut build)?;
    let program = folder.join(&triple).join("release/cyclone-fuzz");

    let mut failed = Vec::new();
    for target in chosen {
        let start = Instant::now();
        match fuzz(&program, &folder, &target, options.seconds) {
            Ok(()) => println!("fuzz {target}: nothing in {:.0?}", start.elapsed()),
            Err(error) => {
                println!("fuzz {target} FAILED: {error:#}");
                failed.push(target);
            }
        }
    }
    if !failed.is_empty() {
        bail!(
            "found something in: {}; the inputs are in {}",
            failed.join(" "),
            folder.join("findings").display()
        );
    }
    Ok(())
}

fn fuzz(program: &Path, folder: &Path, target: &str, seconds: u64) -> Result<()> {
    // The first corpus grows, the second is ours.
    let grown = folder.join("corpus").join(target);
    let findings = folder.join("findings").join(target);
    std::fs::create_dir_all(&grown)?;
    std::fs::create_dir_all(&findings)?;
    let mut command = Command::new(program);
    command
        .current_dir(workspace::root())
        .env("CYCLONE_FUZZ_TARGET", target)
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-timeout={INPUT_SECONDS}"))
        .arg(format!("-artifact_prefix={}/", findings.display()))
        .args(["-print_final_stats=1", "-verbosity=0", "-max_len=2048"])
        .arg(&grown)
        .arg(format!("fuzz/corpus/{target}"));
    workspace::run(&mut command)
}

/// Replays the committed corpora on the compiler in use.
pub(crate) fn corpora(filter: Option<&str>) -> Result<()> {
    let mut tests = cargo(["test", "--manifest-path", MANIFEST]);
    tests.env("CARGO_TARGET_DIR", Metadata::load()?.target_directory);
    if let Some(filter) = filter {
        tests.args(["--", filter]);
    }
    workspace::run(&mut tests)
}

/// The names of the targets: each has a folder of its own.
fn targets(corpora: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(corpora).context("no corpora")? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort_unstable();
    Ok(names)
}

/// What this machine is called.
fn host() -> Result<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let told = workspace::output(Command::new(rustc).arg("-vV"))?;
    let host = told.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("rustc names no host")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(words: &[&str]) -> Result<Options> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        Options::parse(&words)
    }

    #[test]
    fn options_are_read() {
        let given = options(&["sse", "--seconds", "5"]).unwrap();
        assert_eq!((given.target.as_deref(), given.seconds), (Some("sse"), 5));
        assert_eq!(options(&[]).unwrap().seconds, DEFAULT_SECONDS);
        assert!(options(&["--seconds"]).is_err());
        assert!(options(&["sse", "http1"]).is_err());
        assert!(options(&["-x"]).is_err());
    }

    #[test]
    fn unknown_target_is_an_error_that_shows_the_known_ones() {
        let error = run(&["sses".to_owned()]).unwrap_err().to_string();
        assert!(error.contains("no target `sses`"), "{error}");
        assert!(error.contains("http1"), "{error}");
    }
}
