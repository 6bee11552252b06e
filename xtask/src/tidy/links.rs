//! Links of the documents.

use super::{Finding, Tree};

/// Every relative link of a Markdown file leads to a file, and its `#part` to a heading there.
pub(super) fn resolve(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.ending(".md") {
        for (line, target) in targets(&file.text) {
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let (path, part) = target.split_once('#').unwrap_or((&target, ""));
            let path = if path.is_empty() {
                Some(file.path.clone())
            } else {
                join(&file.path, path)
            };
            let place = format!("{}:{line}", file.path);
            let found = path.as_deref().is_some_and(|path| exists(tree, path));
            if !found {
                findings.push(Finding::error(place, format!("`{target}` leads nowhere")));
            } else if !part.is_empty()
                && let Some(other) = path.as_deref().and_then(|path| tree.file(path))
                && !headings(&other.text).any(|heading| heading == part)
            {
                findings.push(Finding::error(
                    place,
                    format!("`{target}`: no such heading"),
                ));
            }
        }
    }
    findings
}

/// A file, or a folder that has one.
fn exists(tree: &Tree, path: &str) -> bool {
    let folder = format!("{}/", path.trim_end_matches('/'));
    tree.files
        .iter()
        .any(|file| file.path == path || file.path.starts_with(&folder))
}

/// The targets of `[text](target)` and `[name]: target`, with their lines. Code is skipped.
fn targets(text: &str) -> Vec<(usize, String)> {
    let mut targets = Vec::new();
    let mut in_code = false;
    for (number, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
            continue;
        }
        if in_code {
            continue;
        }
        // The even parts are outside of `code`.
        let prose: String = line.split('`').step_by(2).collect::<Vec<_>>().join("x");
        let mut rest = prose.as_str();
        while let Some((_, after)) = rest.split_once("](") {
            let (target, after) = after.split_once(')').unwrap_or((after, ""));
            let target = target.split_whitespace().next().unwrap_or_default();
            targets.push((number + 1, target.to_owned()));
            rest = after;
        }
        if prose.starts_with('[')
            && let Some((_, target)) = prose.split_once("]: ")
        {
            targets.push((number + 1, target.trim().to_owned()));
        }
    }
    targets
}

/// The anchors of the headings, as forges make them.
fn headings(text: &str) -> impl Iterator<Item = String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings.map(|line| {
        let words = line.trim_start_matches('#').trim().to_lowercase();
        let kept = words.chars().filter_map(|c| match c {
            ' ' => Some('-'),
            c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c),
            _ => None,
        });
        kept.collect()
    })
}

/// The path of a link, seen from the file that has it; `None` when it leaves the repository.
fn join(from: &str, link: &str) -> Option<String> {
    let folder = from.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in link.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dead_links_are_found() {
        let text = "\
[good](docs/a.md) [good](docs) [good](docs/a.md#the-end-1) [top](#top)
# Top
[out](https://example.com/x) [bad](docs/b.md)
`[code](nowhere)` [bad](../x.md)
```text
[code](nowhere)
```
[bad](docs/a.md#the-beginning)
[named]: docs/c.md
";
        let tree = Tree::of_files(&[("README.md", text), ("docs/a.md", "## The end (1)\n")]);
        let places: Vec<_> = resolve(&tree).into_iter().map(|f| f.place).collect();
        assert_eq!(
            places,
            ["README.md:3", "README.md:4", "README.md:8", "README.md:9"]
        );
    }

    #[test]
    fn links_are_seen_from_their_file() {
        assert_eq!(join("docs/a.md", "b.md").unwrap(), "docs/b.md");
        assert_eq!(join("docs/a.md", "../README.md").unwrap(), "README.md");
        assert_eq!(join("docs/a.md", "../../x"), None);
    }
}
