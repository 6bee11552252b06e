//! The outline of a template: what is text in it, and what stands in delimiters.

/// What a piece of a template is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Printed as it is, what `{% raw %}` encloses too.
    Text,
    /// `{{ … }}`
    Expression,
    /// `{% … %}`
    Block,
    /// `{# … #}`
    Comment,
}

/// A piece of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece<'a> {
    pub(crate) kind: Kind,
    /// All of it, with its delimiters.
    pub(crate) source: &'a str,
    /// The line on which it begins, from 1.
    pub(crate) line: usize,
}

impl<'a> Piece<'a> {
    /// What stands between the delimiters, without the marks of whitespace control.
    pub(crate) fn inner(&self) -> &'a str {
        if self.kind == Kind::Text {
            return self.source;
        }
        let inner = self.source.get(2..).unwrap_or_default();
        let inner = inner.strip_suffix(['}']).unwrap_or(inner);
        let inner = inner.strip_suffix(['}', '%', '#']).unwrap_or(inner);
        let inner = inner.strip_prefix(['-', '+']).unwrap_or(inner);
        inner.strip_suffix(['-', '+']).unwrap_or(inner)
    }
}

/// Takes a template apart, in linear time. The pieces together are the template; a delimiter that is never closed
/// makes the rest one piece.
pub(crate) fn pieces(source: &str) -> Pieces<'_> {
    Pieces {
        rest: source,
        line: 1,
        is_raw: false,
    }
}

pub(crate) struct Pieces<'a> {
    rest: &'a str,
    line: usize,
    is_raw: bool,
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        let (kind, length) = if self.is_raw {
            (Kind::Text, end_of_raw(self.rest))
        } else {
            match kind_at(self.rest) {
                Some(kind) => (kind, end_of(kind, self.rest)),
                None => (Kind::Text, start(self.rest)),
            }
        };
        // An empty text: `{% raw %}` with nothing in it.
        if length == 0 {
            self.is_raw = false;
            return self.next();
        }
        let (source, rest) = self.rest.split_at_checked(length)?;
        let piece = Piece {
            kind,
            source,
            line: self.line,
        };
        self.is_raw = kind == Kind::Block && piece.inner().trim() == "raw";
        self.line += source.bytes().filter(|byte| *byte == b'\n').count();
        self.rest = rest;
        Some(piece)
    }
}

fn kind_at(text: &str) -> Option<Kind> {
    match text.as_bytes() {
        [b'{', b'{', ..] => Some(Kind::Expression),
        [b'{', b'%', ..] => Some(Kind::Block),
        [b'{', b'#', ..] => Some(Kind::Comment),
        _ => None,
    }
}

/// Where the first delimiter opens.
fn start(text: &str) -> usize {
    let pairs = text.as_bytes().windows(2);
    let found = pairs
        .enumerate()
        .find(|(_, pair)| pair[0] == b'{' && matches!(pair[1], b'{' | b'%' | b'#'));
    found.map_or(text.len(), |(at, _)| at)
}

/// Where a piece in delimiters ends. Delimiters in strings do not count, except in comments.
fn end_of(kind: Kind, text: &str) -> usize {
    let close = match kind {
        Kind::Text => return text.len(),
        Kind::Expression => *b"}}",
        Kind::Block => *b"%}",
        Kind::Comment => *b"#}",
    };
    let bytes = text.as_bytes();
    let (mut at, mut quote, mut depth) = (2, None, 0_usize);
    while let Some(&byte) = bytes.get(at) {
        match quote {
            Some(_) if byte == b'\\' => at += 1,
            Some(open) if byte == open => quote = None,
            Some(_) => {}
            None if depth == 0 && bytes.get(at..at + 2) == Some(&close[..]) => return at + 2,
            None if kind == Kind::Comment => {}
            None => match byte {
                b'"' | b'\'' => quote = Some(byte),
                b'{' => depth += 1,
                b'}' => depth = depth.saturating_sub(1),
                _ => {}
            },
        }
        at += 1;
    }
    text.len()
}

/// Where `{% endraw %}` begins.
fn end_of_raw(text: &str) -> usize {
    let mut from = 0;
    while let Some(found) = text.get(from..).and_then(|rest| rest.find("{%")) {
        let at = from + found;
        let after = text.get(at + 2..).unwrap_or_default();
        let after = after.strip_prefix(['-', '+']).unwrap_or(after);
        if after.trim_start().starts_with("endraw") {
            return at;
        }
        from = at + 2;
    }
    text.len()
}
