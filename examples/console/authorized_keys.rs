//! Files of keys that may come in, in the format of OpenSSH (sshd(8), "AUTHORIZED_KEYS FILE FORMAT").

use russh::keys::PublicKey;

/// A key of the file and what its options say.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct AuthorizedKey {
    pub(super) key: PublicKey,
    /// The one command that this key is good for (`command="status"`).
    pub(super) command: Option<String>,
    /// Whether it gets a terminal (`no-pty`, `restrict`).
    pub(super) pty: bool,
}

/// Finds a key in the text of a file.
///
/// Lines that are no keys are passed over, as are keys with an option that restricts them in a way that is not known
/// here: they do not get in with more than they were given.
pub(super) fn find(text: &str, wanted: &PublicKey) -> Option<AuthorizedKey> {
    let keys = lines(text).filter_map(|(_, parsed)| parsed.ok());
    let mut found = keys.filter(|found| found.key.key_data() == wanted.key_data());
    found.next()
}

/// The lines that [`find`] passes over, and why.
pub(super) fn mistakes(text: &str) -> impl Iterator<Item = (usize, &'static str)> {
    lines(text).filter_map(|(number, parsed)| Some((number, parsed.err()?)))
}

/// What the lines say, but for the blank ones and comments, with their numbers.
fn lines(text: &str) -> impl Iterator<Item = (usize, Result<AuthorizedKey, &'static str>)> {
    let numbered = text.lines().map(str::trim).zip(1..);
    numbered
        .filter(|(line, _)| !line.is_empty() && !line.starts_with('#'))
        .map(|(line, number)| (number, parse(line)))
}

/// One line: a key, or options and a key.
fn parse(line: &str) -> Result<AuthorizedKey, &'static str> {
    if let Ok(key) = PublicKey::from_openssh(line) {
        return Ok(AuthorizedKey {
            key,
            command: None,
            pty: true,
        });
    }
    let (options, rest) = split_outside_quotes(line, |c| matches!(c, ' ' | '\t'));
    let key = PublicKey::from_openssh(rest.trim()).map_err(|_| "it is no public key")?;
    let mut found = AuthorizedKey {
        key,
        command: None,
        pty: true,
    };
    let mut options = options;
    while !options.is_empty() {
        let (option, rest) = split_outside_quotes(options, |c| c == ',');
        options = rest;
        found.restrict(option)?;
    }
    Ok(found)
}

impl AuthorizedKey {
    fn restrict(&mut self, option: &str) -> Result<(), &'static str> {
        let (name, value) = match option.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (option, None),
        };
        match (name.to_ascii_lowercase().as_str(), value) {
            ("command", Some(value)) => {
                self.command = Some(unquote(value).ok_or("its command is not in quotes")?);
            }
            ("no-pty" | "restrict", None) => self.pty = false,
            ("pty", None) => self.pty = true,
            // There is nothing of this kind here, allowed or not.
            (
                "no-agent-forwarding"
                | "agent-forwarding"
                | "no-port-forwarding"
                | "port-forwarding"
                | "no-x11-forwarding"
                | "x11-forwarding"
                | "no-user-rc"
                | "user-rc"
                | "no-touch-required",
                None,
            )
            | ("environment" | "permitopen" | "permitlisten" | "tunnel", Some(_)) => {}
            ("from" | "principals" | "expiry-time", _) => {
                return Err("it has an option that is not supported here");
            }
            ("cert-authority", _) => return Err("certificates are not supported here"),
            ("verify-required", _) => return Err("it has an option that is not supported here"),
            _ => return Err("it has an unknown option"),
        }
        Ok(())
    }
}

/// The text before the first such character outside of quotes, and the text after it; `\"` is no quote.
fn split_outside_quotes(text: &str, at: impl Fn(char) -> bool) -> (&str, &str) {
    let (mut quoted, mut escaped) = (false, false);
    for (index, c) in text.char_indices() {
        if !quoted && at(c) {
            return (&text[..index], &text[index + c.len_utf8()..]);
        }
        if c == '"' && !escaped {
            quoted = !quoted;
        }
        escaped = c == '\\' && !escaped;
    }
    (text, "")
}

/// The text between quotes, with `\"` as a quote.
fn unquote(text: &str) -> Option<String> {
    let inner = text.strip_prefix('"')?.strip_suffix('"')?;
    Some(inner.replace("\\\"", "\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ED25519: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBmfzYmUrIUyWHj0KxEFe6EhKfE1ZxY0Fzs6sUZCYrM4";
    const OTHER: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIN6oVpdmmF1hJpwN1SsDhoRAoFEGiBcIxw0YeTwmPqVV";

    fn key(text: &str) -> PublicKey {
        PublicKey::from_openssh(text).unwrap()
    }

    fn found(text: &str) -> Option<(Option<String>, bool)> {
        find(text, &key(ED25519)).map(|found| (found.command, found.pty))
    }

    #[test]
    fn keys_are_found_among_comments_and_others() {
        let file = format!(
            "# the team\n\n  # indented\n{OTHER} bob\n{ED25519} alice # of accounting\r\nnonsense\n"
        );
        assert_eq!(found(&file), Some((None, true)));
        assert_eq!(found(&format!("{OTHER}\n")), None);
        assert_eq!(found(&format!("#{ED25519}\n")), None);
        assert_eq!(found(""), None);
    }

    #[test]
    fn options_restrict() {
        let with = |options: &str| found(&format!("{options} {ED25519} alice"));
        assert_eq!(with("no-pty"), Some((None, false)));
        assert_eq!(with("restrict,pty"), Some((None, true)));
        assert_eq!(with("RESTRICT"), Some((None, false)));
        assert_eq!(
            with("no-port-forwarding,no-X11-forwarding,no-agent-forwarding,no-user-rc"),
            Some((None, true))
        );
        assert_eq!(
            with(r#"command="log \"debug\", now",restrict"#),
            Some((Some("log \"debug\", now".to_owned()), false))
        );
    }

    /// What a restriction means must be known, or the key does not get in.
    #[test]
    fn restrictions_that_are_not_known_keep_the_key_out() {
        for options in [
            "from=\"10.0.0.0/8\"",
            "expiry-time=\"20300101\"",
            "cert-authority",
            "principals=\"a\"",
            "verify-required",
            "no-such-option",
            "command=status",
            "no-pty=1",
            "command",
            "restrict,,pty",
            "command=\"a",
        ] {
            let line = format!("{options} {ED25519} alice");
            assert_eq!(found(&line), None, "{options}");
        }
    }

    #[test]
    fn mistakes_are_told_with_their_lines() {
        let file = format!("# keys\n{ED25519}\nnonsense\nfrom=\"x\" {OTHER}\n");
        let lines: Vec<_> = mistakes(&file).map(|(number, _)| number).collect();
        assert_eq!(lines, [3, 4]);
    }

    #[test]
    fn every_cut_of_a_line_is_refused_or_the_same_key() {
        let line = format!(r#"command="a b",restrict {ED25519} alice"#);
        for cut in 0..=line.len() {
            if let Some((command, pty)) = found(&line[..cut]) {
                assert_eq!((command.as_deref(), pty), (Some("a b"), false), "{cut}");
            }
        }
    }
}
