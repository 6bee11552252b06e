//! Traces of the machine something was written on.

use super::{Finding, Tree};

/// Refused anywhere in the repository. Written in halves, so that this file is not found itself.
const REFUSED: &[(&[&str], &str)] = &[
    (&["/ro", "ot/"], "a folder of one machine"),
    (&["/ho", "me/"], "a folder of one machine"),
    (&["/wo", "rk/"], "a folder of one machine"),
    (&["/Us", "ers/"], "a folder of one machine"),
    (&["C:\\", "Users"], "a folder of one machine"),
    (&["index", "-url"], "the address of a registry"),
    (&["extra-", "index"], "the address of a registry"),
    (&["find-", "links"], "the address of a registry"),
    (&["replace", "-with"], "the address of a registry"),
    (&["\"regi", "stry\": "], "the address of a registry"),
    (&["--regi", "stry"], "the address of a registry"),
    (&["sparse", "+http"], "the address of a registry"),
    (&["BEGIN ", "PRIVATE KEY"], "a key; make one in the test"),
    (
        &["BEGIN RSA ", "PRIVATE KEY"],
        "a key; make one in the test",
    ),
    (&["BEGIN EC ", "PRIVATE KEY"], "a key; make one in the test"),
];

pub(super) fn machine(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in &tree.files {
        for (halves, what) in REFUSED {
            let pattern = halves.concat();
            for (number, line) in file.text.lines().enumerate() {
                if line.contains(&pattern) {
                    let place = format!("{}:{}", file.path, number + 1);
                    findings.push(Finding::error(place, format!("has {what}: `{pattern}`")));
                }
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_trace_is_found() {
        for (halves, _) in REFUSED {
            let text = format!("x\ny {} z\n", halves.concat());
            let tree = Tree::of_files(&[("docs/a.md", &text)]);
            assert_eq!(machine(&tree)[0].place, "docs/a.md:2", "{halves:?}");
        }
        let tree = Tree::of_files(&[("docs/a.md", "~/.cargo target/ 127.0.0.1 /run/app.sock")]);
        assert_eq!(machine(&tree), []);
    }

    #[test]
    fn this_file_has_none() {
        let tree = Tree::of_files(&[("traces.rs", include_str!("traces.rs"))]);
        assert_eq!(machine(&tree), []);
    }
}
