//! Rust source without its comments and literals, so that a word in prose is not taken for code.

/// The source with every comment, string and character blanked out. Line breaks stay where they are.
pub(super) fn code_only(source: &str) -> String {
    let mut code = String::with_capacity(source.len());
    let mut rest = source;
    let mut previous = ' ';
    while let Some(first) = rest.chars().next() {
        let in_word = previous.is_alphanumeric() || previous == '_';
        let length = blank_length(rest, in_word);
        if length == 0 {
            code.push(first);
            previous = first;
            rest = &rest[first.len_utf8()..];
        } else {
            let (blank, after) = rest.split_at(length);
            code.extend(blank.chars().map(|c| if c == '\n' { c } else { ' ' }));
            previous = ' ';
            rest = after;
        }
    }
    code
}

/// How many bytes at the start of the text are a comment or a literal; 0 when it is code.
fn blank_length(text: &str, in_word: bool) -> usize {
    if text.starts_with("//") {
        return text.find('\n').unwrap_or(text.len());
    }
    if text.starts_with("/*") {
        return block_comment(text);
    }
    if text.starts_with('"') {
        return quoted(text, 1);
    }
    if text.starts_with('\'') {
        return character(text);
    }
    if !in_word {
        let unprefixed = text.trim_start_matches(['b', 'c']);
        let prefix = text.len() - unprefixed.len();
        if prefix <= 1 {
            if prefix == 1 && unprefixed.starts_with('"') {
                return quoted(text, 2);
            }
            if let Some(length) = raw_string(unprefixed) {
                return prefix + length;
            }
        }
    }
    0
}

/// Block comments nest.
fn block_comment(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        if rest.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// A string whose opening quote ends at `start`.
fn quoted(text: &str, start: usize) -> usize {
    let mut escaped = false;
    for (at, c) in text[start..].char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return start + at + 1,
            _ => {}
        }
    }
    text.len()
}

/// `'x'` and `'\n'` are characters; `'a` of a lifetime is code.
fn character(text: &str) -> usize {
    let mut chars = text.char_indices().skip(1);
    match chars.next() {
        Some((_, '\\')) => {
            let end = text[3..].find('\'');
            end.map_or(0, |end| 3 + end + 1)
        }
        Some(_) => match chars.next() {
            Some((at, '\'')) => at + 1,
            _ => 0,
        },
        None => 0,
    }
}

/// `r"…"`, `r#"…"#` and so on.
fn raw_string(text: &str) -> Option<usize> {
    let after = text.strip_prefix('r')?;
    let body = after.trim_start_matches('#');
    let hashes = after.len() - body.len();
    let body = body.strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let start = text.len() - body.len();
    let length = body.find(&end).map_or(body.len(), |at| at + end.len());
    Some(start + length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn squeezed(source: &str) -> String {
        let code = code_only(source);
        code.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn comments_and_literals_are_gone() {
        for (source, code) in [
            ("a // unsafe\nb", "a b"),
            ("a /* x /* y */ unsafe */ b", "a b"),
            (r#"f("unsafe \" unsafe") g"#, "f( ) g"),
            ("f(r#\"un\"safe\"#) g", "f( ) g"),
            ("f(br\"unsafe\") g", "f( ) g"),
            ("f(b\"unsafe\", c\"x\") g", "f( , ) g"),
            ("f('\"', '\\'', 'x', '\\u{41}') g", "f( , , , ) g"),
            ("fn f<'a>(x: &'a str) {}", "fn f<'a>(x: &'a str) {}"),
            ("let bar\"x\" ;", "let bar ;"),
            ("\"never ends", ""),
            ("/* never ends", ""),
            ("r#\"never ends\"", ""),
            ("'", "'"),
        ] {
            assert_eq!(squeezed(source), code, "{source}");
        }
    }

    #[test]
    fn lines_keep_their_numbers() {
        let code = code_only("/* a\nb */ c\n\"d\ne\" f");
        let lines: Vec<_> = code.lines().map(str::trim).collect();
        assert_eq!(lines, ["", "c", "", "f"]);
    }
}
