//! The functions that Tornado's templates have, as functions and as filters.

use std::borrow::Cow;

use minijinja::value::Kwargs;
use minijinja::{Environment, Error, ErrorKind, State, Value};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What Python's `quote_plus` encodes.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'_')
    .remove(b'.')
    .remove(b'-')
    .remove(b'~');

/// What Python's `quote` encodes: a slash stays.
const PATH: &AsciiSet = &QUERY.remove(b'/');

pub(super) fn install(environment: &mut Environment<'_>) {
    environment.add_function("escape", escape);
    environment.add_function("xhtml_escape", escape);
    environment.add_filter("xhtml_escape", escape);
    environment.add_function("url_escape", url_escape);
    environment.add_filter("url_escape", url_escape);
    environment.add_function("json_encode", json_encode);
    environment.add_filter("json_encode", json_encode);
    environment.add_function("squeeze", squeeze);
    environment.add_filter("squeeze", squeeze);
    environment.add_function("linkify", linkify);
    environment.add_filter("linkify", linkify);
    environment.add_function("attempt", attempt);
}

/// Escapes for HTML; what is safe already stays as it is.
fn escape(value: &Value) -> Value {
    if value.is_safe() {
        return value.clone();
    }
    let text = match value.as_str() {
        Some(text) => Cow::Borrowed(text),
        None => Cow::Owned(value.to_string()),
    };
    Value::from_safe_string(xhtml(&text))
}

/// Escapes the five characters that Tornado's `xhtml_escape` does, in its way.
pub(super) fn xhtml(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#x27;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// Encodes for a URL; a space becomes `+` unless `plus=false`, which also leaves `/` alone.
#[expect(
    clippy::needless_pass_by_value,
    reason = "arguments of template functions are taken by value"
)]
fn url_escape(value: &Value, plus: Option<bool>, options: Kwargs) -> Result<String, Error> {
    let plus = match plus {
        Some(plus) => plus,
        None => options.get::<Option<bool>>("plus")?.unwrap_or(true),
    };
    options.assert_all_used()?;
    let text = match value.as_str() {
        Some(text) => Cow::Borrowed(text),
        None => Cow::Owned(value.to_string()),
    };
    if plus {
        Ok(query(&text))
    } else {
        Ok(utf8_percent_encode(&text, PATH).to_string())
    }
}

/// Encodes a part of a query, as Python's `quote_plus`.
pub(super) fn query(text: &str) -> String {
    utf8_percent_encode(text, QUERY)
        .to_string()
        .replace("%20", "+")
}

/// Writes JSON that can stand in a `<script>` once it is marked `|safe`.
///
/// As Tornado's, it escapes `</`, and also `<!--`, which opens a comment there. Without `|safe` it is
/// escaped for HTML like any text, which is right in an attribute.
fn json_encode(value: &Value) -> Result<String, Error> {
    let json = serde_json::to_string(value).map_err(|error| {
        Error::new(ErrorKind::BadSerialization, "cannot write json").with_source(error)
    })?;
    Ok(json.replace("</", "<\\/").replace("<!--", "\\u003c!--"))
}

/// Makes links of the URLs in a text, as Tornado's, with its options as named arguments.
#[expect(
    clippy::needless_pass_by_value,
    reason = "arguments of template functions are taken by value"
)]
fn linkify(text: &Value, shorten: Option<bool>, options: Kwargs) -> Result<Value, Error> {
    super::linkify::function(text, shorten, &options)
}

/// `{% call attempt(otherwise) %}…{% endcall %}`: what is called, or when that fails `otherwise`, a text or a macro that
/// gets the message; what Tornado's `{% try %}` is for. Nothing is printed when it is absent.
#[expect(
    clippy::needless_pass_by_value,
    reason = "arguments of template functions are taken by value"
)]
fn attempt(
    state: &mut State<'_, '_>,
    otherwise: Option<Value>,
    options: Kwargs,
) -> Result<Value, Error> {
    let caller: Value = options.get("caller")?;
    options.assert_all_used()?;
    let error = match caller.call(state, &[]) {
        Ok(value) => return Ok(value),
        // Neither may be undone: the work of a rendering is bounded, and a page waits for values that come later.
        Err(error) if error.kind() == ErrorKind::OutOfFuel => return Err(error),
        Err(error) => error,
    };
    if state
        .lookup(super::names::STOPPING)
        .is_some_and(|stopping| stopping.is_true())
    {
        return Err(error);
    }
    match otherwise {
        None => Ok(Value::from("")),
        Some(otherwise) if otherwise.as_str().is_some() => Ok(otherwise),
        Some(otherwise) => otherwise.call(state, &[Value::from(error.to_string())]),
    }
}

/// Makes one space of every run of white space and control characters, and strips both ends.
fn squeeze(text: &str) -> String {
    let words = text
        .split(|character: char| character <= ' ')
        .filter(|word| !word.is_empty());
    let mut squeezed = String::with_capacity(text.len());
    for word in words {
        if !squeezed.is_empty() {
            squeezed.push(' ');
        }
        squeezed.push_str(word);
    }
    squeezed
}
