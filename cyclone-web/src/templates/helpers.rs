//! The functions that Tornado's templates have, as functions and as filters.

use std::borrow::Cow;

use minijinja::value::Kwargs;
use minijinja::{Environment, Error, ErrorKind, HtmlEscape, Value};
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
    Value::from_safe_string(HtmlEscape(&text).to_string())
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
        let encoded = utf8_percent_encode(&text, QUERY).to_string();
        Ok(encoded.replace("%20", "+"))
    } else {
        Ok(utf8_percent_encode(&text, PATH).to_string())
    }
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
