//! What the Rust sources may hold.

use super::lexer::code_only;
use super::tree::File;
use super::{Finding, Tree};

/// Lines after which a file should be split, and after which it must be.
const SHOULD_SPLIT: usize = 400;
const MUST_SPLIT: usize = 500;

/// Words and pairs that are refused, with the reason.
const REFUSED: &[(&[&str], &str)] = &[
    (&["unsafe"], "`unsafe` is forbidden"),
    (&["todo", "!"], "finish it or leave it out"),
    (&["unimplemented", "!"], "finish it or leave it out"),
    (&["dbg", "!"], "left from debugging"),
    (
        &["#", "[", "allow"],
        "use `expect` with a reason: it fails once it is not needed",
    ),
    (
        &["#", "!", "[", "allow"],
        "use `expect` with a reason: it fails once it is not needed",
    ),
    (
        &["install_default"],
        "TLS never relies on a process-wide crypto provider",
    ),
];

/// One concept a file.
pub(super) fn size(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.ending(".rs") {
        let lines = file.text.lines().count();
        if lines > MUST_SPLIT {
            let message = format!("{lines} lines, the most is {MUST_SPLIT}");
            findings.push(Finding::error(&file.path, message));
        } else if lines > SHOULD_SPLIT {
            let message = format!("{lines} lines, better split it at {SHOULD_SPLIT}");
            findings.push(Finding::warning(&file.path, message));
        }
    }
    findings
}

/// Refused words in code; prose may use them.
pub(super) fn words(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.ending(".rs") {
        let tokens = tokens(file);
        for (pattern, reason) in REFUSED {
            for window in tokens.windows(pattern.len()) {
                if window
                    .iter()
                    .map(|token| token.text.as_str())
                    .eq(pattern.iter().copied())
                {
                    let place = format!("{}:{}", file.path, window[0].line);
                    let message = format!("`{}`: {reason}", pattern.concat());
                    findings.push(Finding::error(place, message));
                }
            }
        }
    }
    findings
}

/// A reader must see where a public name comes from.
pub(super) fn exports(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.ending(".rs") {
        let tokens = tokens(file);
        let mut after_pub = false;
        let mut in_export = false;
        for token in &tokens {
            match token.text.as_str() {
                "pub" => after_pub = true,
                // `pub(crate)` and the like.
                "(" | ")" | "crate" | "super" | "self" | "in" | ":" if after_pub => {}
                "use" if after_pub => in_export = true,
                ";" => in_export = false,
                "*" if in_export => {
                    let place = format!("{}:{}", file.path, token.line);
                    let message = "re-exports everything; name what is exported";
                    findings.push(Finding::error(place, message));
                }
                _ => after_pub = false,
            }
        }
    }
    findings
}

/// `foo.rs` beside `foo/`: every tab of the editor has a name of its own.
pub(super) fn modules(tree: &Tree) -> Vec<Finding> {
    tree.ending("/mod.rs")
        .map(|file| Finding::error(&file.path, "must be named after its module, one folder up"))
        .collect()
}

struct Token {
    text: String,
    line: usize,
}

/// Words and single marks of the code.
fn tokens(file: &File) -> Vec<Token> {
    let mut tokens: Vec<Token> = Vec::new();
    for (number, line) in code_only(&file.text).lines().enumerate() {
        let mut word = String::new();
        for c in line.chars().chain([' ']) {
            if c.is_alphanumeric() || c == '_' {
                word.push(c);
                continue;
            }
            let mark = (!c.is_whitespace()).then(|| c.to_string());
            let word = Some(std::mem::take(&mut word)).filter(|word| !word.is_empty());
            tokens.extend(word.into_iter().chain(mark).map(|text| Token {
                text,
                line: number + 1,
            }));
        }
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(check: fn(&Tree) -> Vec<Finding>, text: &str) -> Vec<String> {
        let tree = Tree::of_files(&[("a/src/lib.rs", text)]);
        check(&tree).into_iter().map(|f| f.place).collect()
    }

    #[test]
    fn long_file_is_found_just_over_the_limit() {
        let of = |lines: usize| size(&Tree::of_files(&[("a.rs", &"x\n".repeat(lines))]));
        assert_eq!(of(400), []);
        assert!(of(401)[0].warning);
        assert!(of(500)[0].warning);
        assert!(!of(501)[0].warning);
    }

    #[test]
    fn refused_words_are_found_in_code_only() {
        let text = "fn f() {\n    unsafe { g() }\n    todo!()\n}\n#[allow(dead_code)]\nfn h() {}\n";
        let found = places(words, text);
        assert_eq!(
            found,
            ["a/src/lib.rs:2", "a/src/lib.rs:3", "a/src/lib.rs:5"]
        );
        let prose = "// unsafe todo!()\nlet unsafe_code = \"unsafe\"; #[expect(dead_code)]";
        assert_eq!(places(words, prose), [""; 0]);
        assert_eq!(places(words, "#![allow(dead_code)]"), ["a/src/lib.rs:1"]);
        assert_eq!(places(words, "provider.install_default();").len(), 1);
    }

    #[test]
    fn glob_export_is_found_and_a_private_glob_is_not() {
        assert_eq!(places(exports, "pub use a::*;"), ["a/src/lib.rs:1"]);
        assert_eq!(
            places(exports, "pub(crate) use a::{\n b,\n c::*};"),
            ["a/src/lib.rs:3"]
        );
        assert_eq!(
            places(exports, "use a::*; pub fn f(a: *const u8) {}"),
            [""; 0]
        );
        assert_eq!(places(exports, "pub mod a { use super::*; }"), [""; 0]);
        assert_eq!(
            places(exports, "pub fn f<'a>(&'a self) -> impl X + use<'a> { *a }"),
            [""; 0]
        );
        assert_eq!(places(exports, "pub use a::b; fn f() { c * d; }"), [""; 0]);
    }

    #[test]
    fn mod_rs_is_found() {
        let tree = Tree::of_files(&[("a/src/b/mod.rs", ""), ("a/src/b.rs", "")]);
        assert_eq!(modules(&tree).len(), 1);
    }
}
