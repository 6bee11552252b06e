//! The page of the limits names every one of them.

use super::{Finding, Tree};

/// Where they are listed.
const PAGE: &str = "docs/facing-the-internet.md";

/// Where the limits of HTTP connections are declared, each in one line of the macro `limits!`.
const HTTP: &str = "cyclone-web/src/limits.rs";

/// The types of limits.
const TYPES: &[&str] = &["Duration", "f64", "u32", "u64", "usize"];

pub(super) fn documented(tree: &Tree) -> Vec<Finding> {
    let page = tree.file(PAGE).map_or("", |file| file.text.as_str());
    let mut findings = Vec::new();
    for file in tree.ending(".rs") {
        let (folder, inside) = file.path.split_once('/').unwrap_or_default();
        if !folder.starts_with("cyclone-") || !inside.starts_with("src/") {
            continue;
        }
        let of_http = if file.path == HTTP {
            fields(&file.text)
        } else {
            Vec::new()
        };
        for (line, name) in constants(&file.text).into_iter().chain(of_http) {
            if !page.contains(&format!("`{name}`")) {
                let place = format!("{}:{line}", file.path);
                let message = format!("`{name}` is not in {PAGE}");
                findings.push(Finding::error(place, message));
            }
        }
    }
    findings
}

/// Public constants that are numbers or times, with their lines.
fn constants(text: &str) -> Vec<(usize, &str)> {
    let numbered = text.lines().enumerate();
    let found = numbered.filter_map(|(number, line)| {
        let (name, rest) = line.strip_prefix("pub const ")?.split_once(": ")?;
        let (kind, _value) = rest.split_once(" = ")?;
        TYPES.contains(&kind).then_some((number + 1, name))
    });
    found.collect()
}

/// What is declared in `limits! { .. }`.
fn fields(text: &str) -> Vec<(usize, &str)> {
    let lines = text.lines().enumerate();
    let block = lines
        .skip_while(|(_, line)| *line != "limits! {")
        .take_while(|(_, line)| *line != "}");
    let found = block.filter_map(|(number, line)| {
        let (name, rest) = line.trim_start().split_once(": ")?;
        (!name.starts_with('/') && rest.contains(" = ")).then_some((number + 1, name))
    });
    found.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limit_that_is_not_on_the_page_is_found() {
        let core = "pub const MAX_A: usize = 1;\npub const MAX_B: u64 = 2;\n\
                    pub const ZERO: Self = Self(0);\npub(crate) const MAX_C: usize = 3;\n";
        let http = "macro_rules! limits {\n    x: y = z\n}\nlimits! {\n    /// Bytes: all = b.\n    \
                    body: u64 = 10, \" bytes\";\n    head: u64 = 1, \"\";\n}\nimpl A { b: c = d }\n";
        let tree = Tree::of_files(&[
            (PAGE, "| `MAX_A` | `body` | MAX_B | ahead |"),
            ("cyclone-core/src/a.rs", core),
            (HTTP, http),
            ("xtask/src/a.rs", core),
            ("cyclone-core/tests/it/a.rs", core),
        ]);
        let places: Vec<_> = documented(&tree).into_iter().map(|f| f.place).collect();
        assert_eq!(
            places,
            ["cyclone-core/src/a.rs:2", "cyclone-web/src/limits.rs:7"]
        );
    }

    #[test]
    fn the_limits_of_http_are_found_where_they_are() {
        let text = include_str!("../../../cyclone-web/src/limits.rs");
        let names: Vec<_> = fields(text).into_iter().map(|(_, name)| name).collect();
        assert_eq!(names.first(), Some(&"header_section"));
        assert_eq!(names.last(), Some(&"h2_ping_timeout"));
    }
}
