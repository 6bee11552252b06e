//! What the documents promise is there.

use super::{Finding, Tree};
use crate::{COMMANDS, blackbox, provision};

/// The attribute that takes an example out of the test run.
const SKIPPED: &str = "ignore";

/// An example that is never compiled is wrong sooner or later.
pub(super) fn doctests(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.ending(".rs").chain(tree.ending(".md")) {
        for (number, line) in file.text.lines().enumerate() {
            let line = line.trim_start();
            let line = line
                .strip_prefix("///")
                .or_else(|| line.strip_prefix("//!"))
                .unwrap_or(line);
            let Some(info) = line.trim_start().strip_prefix("```") else {
                continue;
            };
            if info.split([',', ' ', '{', '}']).any(|word| word == SKIPPED) {
                let place = format!("{}:{}", file.path, number + 1);
                let message = "an example must compile; `no_run` at most";
                findings.push(Finding::error(place, message));
            }
        }
    }
    findings
}

/// The README says how to see it and how to test it; CONTRIBUTING has every command and variable.
pub(super) fn commands(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut must_name = |path: &str, name: String| {
        let text = tree.file(path).map_or("", |file| file.text.as_str());
        if !text.contains(&name) {
            findings.push(Finding::error(path, format!("does not name `{name}`")));
        }
    };
    for command in ["demo", "test"] {
        must_name("README.md", format!("cargo xtask {command}"));
    }
    for command in COMMANDS {
        must_name("CONTRIBUTING.md", format!("cargo xtask {}", command.name));
    }
    for variable in provision::variables() {
        must_name("CONTRIBUTING.md", variable.to_owned());
    }
    for package in tree.metadata.published() {
        must_name("README.md", package.name.clone());
        must_name("ARCHITECTURE.md", package.name.clone());
    }
    findings
}

/// Each example is a binary that the test run starts, by its table or by integration tests of the example's name,
/// and the table has no others.
pub(super) fn examples(tree: &Tree) -> Vec<Finding> {
    let package = tree.metadata.our("cyclone-examples");
    let binaries = package.map_or(&[][..], |package| &package.binaries);
    let run: Vec<&str> = blackbox::EXAMPLES.iter().map(|e| e.binary).collect();
    let is_tested = |binary: &str| {
        let (module, started) = (
            format!("examples/tests/it/{binary}"),
            format!("CARGO_BIN_EXE_{binary}\""),
        );
        let mut files = tree.files.iter();
        files.any(|file| file.path.starts_with(&module) && file.text.contains(&started))
    };
    compare(binaries, &run, is_tested)
}

fn compare(binaries: &[String], run: &[&str], is_tested: impl Fn(&str) -> bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    for binary in binaries {
        if !run.contains(&binary.as_str()) && !is_tested(binary) {
            let message = "is run neither by xtask/src/blackbox.rs nor by tests of its name in examples/tests/it";
            findings.push(Finding::error(format!("example {binary}"), message));
        }
    }
    for name in run {
        if !binaries.iter().any(|binary| binary == name) {
            let message = "is in xtask/src/blackbox.rs and is no binary of cyclone-examples";
            findings.push(Finding::error(format!("example {name}"), message));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::fixture::ours;

    #[test]
    fn skipped_example_is_found() {
        let fence = "`".repeat(3);
        let text = format!(
            "/// {fence}no_run\n/// {fence}\n/// {fence}rust,{SKIPPED}\n//! {fence}{SKIPPED}\n// {SKIPPED}"
        );
        let markdown = format!("{fence}{SKIPPED}\n{fence}\nignore this\n");
        let tree = Tree::of_files(&[("a.rs", &text), ("b.md", &markdown)]);
        let places: Vec<_> = doctests(&tree).into_iter().map(|f| f.place).collect();
        assert_eq!(places, ["a.rs:3", "a.rs:4", "b.md:1"]);
    }

    #[test]
    fn each_promise_of_the_documents_can_be_missed() {
        let mut tree = Tree::of_packages(vec![ours("cyclone-core", &[])]);
        let all = commands(&tree).len();
        assert_eq!(all, 2 + COMMANDS.len() + provision::variables().len() + 2);
        tree.files = Tree::of_files(&[
            ("README.md", "cargo xtask demo"),
            ("ARCHITECTURE.md", "cyclone-core"),
            ("CONTRIBUTING.md", "cargo xtask test CYCLONE_TEST_CURL"),
        ])
        .files;
        assert_eq!(commands(&tree).len(), all - 4);
    }

    #[test]
    fn example_that_nobody_runs_is_found() {
        let binaries = ["tour".to_owned(), "hello".to_owned()];
        let none = |_: &str| false;
        assert_eq!(compare(&binaries, &["hello", "tour"], none), []);
        assert_eq!(
            compare(&binaries, &["tour"], none)[0].place,
            "example hello"
        );
        assert_eq!(compare(&binaries, &["tour"], |name| name == "hello"), []);
        assert_eq!(compare(&[], &["tour"], none)[0].place, "example tour");
    }
}
