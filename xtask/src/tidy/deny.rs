//! The rules of `deny.toml` that tidy applies itself, so that they hold where cargo-deny is missing.
//!
//! Reads the few lines it needs and no more of TOML: the list `allow` of `[licenses]`, and the tables
//! of the list `deny` of `[bans]`, one to a line.

use anyhow::{Result, bail};

/// Licences we may ship with, crates we may not, crates of which there is only one.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Deny {
    pub(super) licences: Vec<String>,
    pub(super) banned: Vec<String>,
    pub(super) single: Vec<String>,
}

impl Deny {
    pub(super) fn parse(text: &str) -> Result<Self> {
        let mut rules = Self::default();
        let mut section = "";
        let mut list = "";
        for line in text.lines().map(str::trim) {
            if line.starts_with('#') {
                continue;
            }
            if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
                section = name;
            }
            if let Some(key) = line.strip_suffix("= [") {
                list = key.trim();
            } else if line.starts_with(']') {
                list = "";
            } else if (section, list) == ("licenses", "allow") {
                rules.licences.extend(quoted(line).map(str::to_owned));
            } else if (section, list) == ("bans", "deny")
                && let Some(name) = line
                    .split_once("crate = ")
                    .and_then(|(_, l)| quoted(l).next())
            {
                let single = line.contains("deny-multiple-versions = true");
                let target = if single {
                    &mut rules.single
                } else {
                    &mut rules.banned
                };
                target.push(name.to_owned());
            }
        }
        if rules.licences.is_empty() || rules.banned.is_empty() || rules.single.is_empty() {
            bail!("deny.toml lacks [licenses] allow or [bans] deny, one entry to a line");
        }
        Ok(rules)
    }
}

/// The strings of a line, in order.
fn quoted(line: &str) -> impl Iterator<Item = &str> {
    line.split('"').skip(1).step_by(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_lists_and_nothing_else() {
        let text = r#"
[licenses]
# "Not-This" is a comment.
allow = [
    "MIT",
    "Apache-2.0", # fine
]
[bans]
multiple-versions = "warn"
deny = [
    { crate = "openssl", reason = "one TLS" },
    { crate = "http", deny-multiple-versions = true, reason = "one http" },
]
[sources]
allow-registry = ["somewhere"]
"#;
        let rules = Deny::parse(text).unwrap();
        assert_eq!(rules.licences, ["MIT", "Apache-2.0"]);
        assert_eq!(rules.banned, ["openssl"]);
        assert_eq!(rules.single, ["http"]);
    }

    #[test]
    fn file_without_rules_is_an_error() {
        assert!(Deny::parse("[licenses]\nallow = [\n]\n").is_err());
    }
}
