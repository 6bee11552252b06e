//! The tables in the document.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::workspace;

/// Where the tables go.
const DOCUMENT: &str = "docs/benchmarks.md";

/// The table with what is needed to read it.
pub(super) fn describe(method: &str, table: &str) -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu = cpu.lines().find(|line| line.starts_with("model name"));
    let cpu = cpu.and_then(|line| line.split_once(": "));
    let cpu = cpu.map_or("unknown CPU", |(_, name)| name);
    let rustc = workspace::output(Command::new("rustc").arg("--version")).unwrap_or_default();
    let rustc = rustc.split(" (").next().unwrap_or_default();
    format!("{rustc}, {cpu}, {method}.\n\n{table}")
}

/// Replaces what is between the marks of one benchmark.
pub(super) fn write(name: &str, text: &str) -> Result<()> {
    let changed = between_marks(&read()?, name, text)?;
    std::fs::write(path(), changed)?;
    println!("written to {DOCUMENT}");
    Ok(())
}

pub(super) fn read() -> Result<String> {
    std::fs::read_to_string(path()).with_context(|| format!("cannot read {DOCUMENT}"))
}

fn path() -> PathBuf {
    workspace::root().join(DOCUMENT)
}

pub(super) fn between_marks(document: &str, name: &str, text: &str) -> Result<String> {
    let begin = format!("<!-- bench:{name}:begin -->\n");
    let end = format!("<!-- bench:{name}:end -->");
    let parts = document
        .split_once(&begin)
        .and_then(|(before, rest)| Some((before, rest.split_once(&end)?.1)));
    let (before, after) = parts.with_context(|| format!("{DOCUMENT} has no marks of {name}"))?;
    Ok(format!("{before}{begin}{text}{end}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_part_between_the_marks_changes() {
        let document = "a\n<!-- bench:http:begin -->\nold\n<!-- bench:http:end -->\nb\n\
                        <!-- bench:idle:begin -->\nother\n<!-- bench:idle:end -->\n";
        let new = between_marks(document, "http", "new\n").unwrap();
        assert_eq!(new, document.replace("old", "new"));
        assert!(between_marks("a\n", "http", "new").is_err());
    }
}
