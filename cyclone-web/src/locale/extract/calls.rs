//! From the tokens of a source to the messages in it.

/// A token: what matters of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Name(String),
    /// A literal string, its escapes undone.
    Text(String),
    Comment(String),
    Other(char),
}

/// A token and the line on which it begins.
pub(super) type Placed = (usize, Token);

/// A call with a message in it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) line: usize,
    pub(super) context: Option<String>,
    pub(super) id: String,
    pub(super) plural: Option<String>,
    pub(super) comment: Option<String>,
}

/// With what a comment for translators begins.
const MARK: &str = "Translators:";

/// Whether the call of a name has a context first.
fn has_context(name: &str) -> Option<bool> {
    match name {
        "_" | "translate" | "gettext" | "ngettext" => Some(false),
        "pgettext" | "npgettext" => Some(true),
        _ => None,
    }
}

pub(super) fn find(tokens: &[Placed]) -> Vec<Call> {
    let mut calls = Vec::new();
    let mut comment: Option<(usize, String)> = None;
    for (at, (line, token)) in tokens.iter().enumerate() {
        match token {
            Token::Comment(text) => match (text.trim().strip_prefix(MARK), &mut comment) {
                (Some(_), _) => comment = Some((*line, text.trim().to_owned())),
                // It goes on on the next line.
                (None, Some((last, whole))) if *last + 1 == *line => {
                    *last = *line;
                    whole.push('\n');
                    whole.push_str(text.trim());
                }
                _ => {}
            },
            Token::Name(name) => {
                let after = tokens.get(at + 1..).unwrap_or_default();
                if let Some(mut call) = has_context(name).and_then(|has| call(has, after)) {
                    call.line = *line;
                    let near = comment.take().filter(|(last, _)| last + 1 >= *line);
                    call.comment = near.map(|(_, text)| text);
                    calls.push(call);
                }
            }
            Token::Text(_) | Token::Other(_) => {}
        }
    }
    calls
}

/// Reads `("a", "b"`, as many strings as there are.
fn call(has_context: bool, tokens: &[Placed]) -> Option<Call> {
    let mut tokens = tokens.iter().map(|(_, token)| token);
    let mut tokens = tokens
        .by_ref()
        .filter(|token| !matches!(token, Token::Comment(_)));
    if tokens.next() != Some(&Token::Other('(')) {
        return None;
    }
    let mut texts = Vec::new();
    while texts.len() < 3 {
        let Some(Token::Text(text)) = tokens.next() else {
            break;
        };
        // Else it is the beginning of an expression.
        let separator = tokens.next();
        if !matches!(separator, Some(Token::Other(',' | ')'))) {
            break;
        }
        texts.push(text.clone());
        if separator == Some(&Token::Other(')')) {
            break;
        }
    }
    let mut texts = texts.into_iter();
    let context = if has_context {
        Some(texts.next()?)
    } else {
        None
    };
    Some(Call {
        line: 0,
        context,
        id: texts.next()?,
        plural: texts.next(),
        comment: None,
    })
}
