//! What becomes of the white space between the tags of a template.

use std::borrow::Cow;

use minijinja::{Error, ErrorKind};

use crate::jinja::{Kind, Piece, pieces};

/// What becomes of the white space in the text of templates, as Tornado's `template_whitespace`.
///
/// `{% whitespace all %}`, `single` or `oneline` changes it for the rest of a template. Text with `<pre>` in it stays
/// as it is, and so does what `{% raw %}` encloses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Whitespace {
    /// It stays as it is.
    #[default]
    All,
    /// One space or one line break is left of each run.
    Single,
    /// One space is left of each run.
    OneLine,
}

impl Whitespace {
    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "all" => Self::All,
            "single" => Self::Single,
            "oneline" => Self::OneLine,
            _ => return None,
        })
    }
}

/// Does what the mode and the directives of a template say. Every line keeps its number, for the sake of errors.
pub(super) fn filter(mode: Whitespace, source: &str) -> Result<Cow<'_, str>, Error> {
    if mode == Whitespace::All && !source.contains("whitespace") {
        return Ok(Cow::Borrowed(source));
    }
    let mut mode = mode;
    let mut filtered = String::with_capacity(source.len());
    let mut before: Option<Piece<'_>> = None;
    let mut pieces = pieces(source).peekable();
    while let Some(piece) = pieces.next() {
        let after = pieces.peek();
        match piece.kind {
            Kind::Text
                if mode != Whitespace::All
                    && !is_raw(before)
                    && !piece.source.contains("<pre>") =>
            {
                squeeze(mode, &piece, before, after.copied(), &mut filtered);
            }
            Kind::Block => match directive(&piece) {
                Some(name) => {
                    mode = Whitespace::parse(name).ok_or_else(|| {
                        let line = piece.line;
                        let problem = format!("line {line}: whitespace is all, single or oneline");
                        Error::new(ErrorKind::SyntaxError, problem)
                    })?;
                    keep_lines(piece.source, &mut filtered);
                }
                None => filtered.push_str(piece.source),
            },
            _ => filtered.push_str(piece.source),
        }
        before = Some(piece);
    }
    Ok(Cow::Owned(filtered))
}

fn directive<'a>(piece: &Piece<'a>) -> Option<&'a str> {
    let name = piece.inner().trim().strip_prefix("whitespace")?;
    let is_word = name.is_empty() || name.starts_with(char::is_whitespace);
    is_word.then(|| name.trim())
}

fn is_raw(before: Option<Piece<'_>>) -> bool {
    before.is_some_and(|piece| piece.kind == Kind::Block && piece.inner().trim() == "raw")
}

fn squeeze(
    mode: Whitespace,
    piece: &Piece<'_>,
    before: Option<Piece<'_>>,
    after: Option<Piece<'_>>,
    filtered: &mut String,
) {
    let mut text = piece.source;
    // The comment that keeps the lines would stand between the mark and what it strips.
    if before.is_some_and(|tag| tag.source.trim_end_matches(['}', '%', '#']).ends_with('-')) {
        text = text.trim_start();
    }
    if after.is_some_and(|tag| tag.source.get(2..).is_some_and(|tag| tag.starts_with('-'))) {
        text = text.trim_end();
    }
    let mut squeezed = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let is_space = first.is_whitespace();
        let end = rest.find(|c: char| c.is_whitespace() != is_space);
        let (run, others) = rest.split_at(end.unwrap_or(rest.len()));
        rest = others;
        if !is_space {
            squeezed.push_str(run);
        } else if mode == Whitespace::OneLine {
            squeezed.push(' ');
        } else if run.contains('\n') {
            squeezed.push('\n');
        } else {
            single(run, &mut squeezed);
        }
    }
    let lines = |text: &str| text.bytes().filter(|byte| *byte == b'\n').count();
    // First, so that the last line break of a template is the last of it still.
    comment(
        lines(piece.source).saturating_sub(lines(&squeezed)),
        filtered,
    );
    filtered.push_str(&squeezed);
}

/// One space of each run of spaces and tabs; what else is white space stays.
fn single(run: &str, filtered: &mut String) {
    let mut last = None;
    for character in run.chars() {
        match character {
            ' ' | '\t' if matches!(last, Some(' ' | '\t')) => {}
            ' ' | '\t' => filtered.push(' '),
            other => filtered.push(other),
        }
        last = Some(character);
    }
}

fn keep_lines(source: &str, filtered: &mut String) {
    comment(
        source.bytes().filter(|byte| *byte == b'\n').count(),
        filtered,
    );
}

/// Adds lines that nobody sees.
fn comment(lines: usize, filtered: &mut String) {
    if lines > 0 {
        filtered.push_str("{#");
        filtered.push_str(&"\n".repeat(lines));
        filtered.push_str("#}");
    }
}
