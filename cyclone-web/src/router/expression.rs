//! Routes that are regular expressions, and how they are reversed.

use std::sync::Arc;

use regex::Regex;
use regex_syntax::hir::{Hir, HirKind};

use super::spec::Piece;

/// A compiled pattern that matches whole paths.
#[derive(Clone, Debug)]
pub(crate) struct Expression {
    regex: Regex,
    /// What the groups are called, and their numbers.
    pub(super) names: Arc<[Box<str>]>,
    pub(super) groups: Arc<[usize]>,
}

impl Expression {
    pub(crate) fn new(pattern: &str) -> Result<Self, String> {
        let regex = compile(pattern)?;
        let mut names: Vec<Box<str>> = Vec::new();
        let mut groups = Vec::new();
        for (number, name) in regex.capture_names().enumerate() {
            if let Some(name) = name {
                names.push(name.into());
                groups.push(number);
            }
        }
        if names.is_empty() {
            groups = (1..regex.captures_len()).collect();
            names = groups
                .iter()
                .map(|number| number.to_string().into())
                .collect();
        }
        Ok(Self {
            regex,
            names: names.into(),
            groups: groups.into(),
        })
    }

    /// Whether a path matches, with these texts in its groups.
    pub(super) fn gives(&self, path: &str, texts: &[String]) -> bool {
        let Some(captures) = self.captures(path) else {
            return false;
        };
        let found = captures.iter().skip(1);
        let found = found.map(|group| group.map(|group| group.as_str()));
        found.eq(texts.iter().map(|text| Some(text.as_str())))
    }

    pub(crate) fn captures<'t>(&self, text: &'t str) -> Option<regex::Captures<'t>> {
        self.regex.captures(text)
    }

    /// The pieces of the pattern: text, and one parameter for each group.
    ///
    /// What may be absent is left out. What stands outside of groups and is not text cannot be reversed.
    pub(super) fn pieces(&self, pattern: &str) -> Result<Vec<Piece>, String> {
        let parsed = regex_syntax::parse(pattern).map_err(|error| error.to_string())?;
        let mut pieces = Vec::new();
        take_apart(&parsed, &mut pieces)?;
        let parameters = pieces
            .iter()
            .filter(|piece| matches!(piece, Piece::Parameter { .. }));
        if parameters.count() == self.regex.captures_len() - 1 {
            Ok(pieces)
        } else {
            Err("it cannot be reversed: a group stands in a group, or may be absent".to_owned())
        }
    }
}

/// Compiles a pattern that has to match the whole of a text.
pub(crate) fn compile(pattern: &str) -> Result<Regex, String> {
    // Alone first: no parenthesis may close what is put around it.
    Regex::new(pattern).map_err(|error| error.to_string())?;
    Regex::new(&format!(r"\A(?:{pattern})\z")).map_err(|error| error.to_string())
}

fn take_apart(part: &Hir, pieces: &mut Vec<Piece>) -> Result<(), String> {
    match part.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => match std::str::from_utf8(&literal.0) {
            Ok(text) => pieces.push(Piece::Literal(text.to_owned())),
            Err(_invalid) => return Err("it cannot be reversed: it is no UTF-8".to_owned()),
        },
        HirKind::Capture(group) => pieces.push(Piece::Parameter {
            name: group.name.as_deref().unwrap_or_default().to_owned(),
            rest: true,
        }),
        HirKind::Concat(parts) => {
            for part in parts {
                take_apart(part, pieces)?;
            }
        }
        HirKind::Repetition(repeated) if repeated.min == 0 => {}
        HirKind::Repetition(repeated) if repeated.max == Some(repeated.min) => {
            for _ in 0..repeated.min {
                take_apart(&repeated.sub, pieces)?;
            }
        }
        HirKind::Repetition(_) | HirKind::Class(_) | HirKind::Alternation(_) => {
            return Err("it cannot be reversed: what varies has to stand in a group".to_owned());
        }
    }
    Ok(())
}
