//! Tornado's `linkify`: links in plain text.

use std::sync::LazyLock;

use minijinja::value::Kwargs;
use minijinja::{Error, Value};
use regex::{Captures, Regex};

/// About how long the text of a shortened link may be, in characters.
const SHORT: usize = 30;

/// Tornado's expression, word for word. It is matched in linear time.
static URL: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let expression = r##"\b((?:([\w-]+):(/{1,3})|www[.])(?:(?:(?:[^\s&()]|&amp;|&quot;)*(?:[^!"#$%&'()*+,.:;<=>?@\[\]^`{|}~\s]))|(?:\((?:[^\s&()]|&amp;|&quot;)*\)))+)"##;
    Regex::new(expression).ok()
});

/// How links are made.
struct Options {
    shorten: bool,
    extra_params: String,
    require_protocol: bool,
    permitted_protocols: Vec<String>,
}

/// `linkify(text, shorten=false, extra_params="", require_protocol=false, permitted_protocols=["http", "https"])`.
pub(super) fn function(
    text: &Value,
    shorten: Option<bool>,
    named: &Kwargs,
) -> Result<Value, Error> {
    let extra_params: Option<String> = named.get("extra_params")?;
    let protocols: Option<Vec<String>> = named.get("permitted_protocols")?;
    let options = Options {
        shorten: match shorten {
            Some(shorten) => shorten,
            None => named.get::<Option<bool>>("shorten")?.unwrap_or(false),
        },
        extra_params: match extra_params.as_deref().map(str::trim) {
            None | Some("") => String::new(),
            Some(more) => format!(" {more}"),
        },
        require_protocol: named
            .get::<Option<bool>>("require_protocol")?
            .unwrap_or(false),
        permitted_protocols: protocols.unwrap_or_else(|| vec!["http".into(), "https".into()]),
    };
    named.assert_all_used()?;
    let html = linkify(&text.to_string(), &options);
    Ok(Value::from_safe_string(html))
}

fn linkify(text: &str, options: &Options) -> String {
    let escaped = super::helpers::xhtml(text);
    match &*URL {
        Some(url) => url
            .replace_all(&escaped, |found: &Captures<'_>| link(found, options))
            .into_owned(),
        None => escaped,
    }
}

fn link(found: &Captures<'_>, options: &Options) -> String {
    let part = |number| found.get(number).map(|part| part.as_str());
    let (Some(whole), protocol) = (part(1), part(2)) else {
        return String::new();
    };
    match protocol {
        None if options.require_protocol => return whole.to_owned(),
        Some(protocol) if !options.permitted_protocols.iter().any(|it| it == protocol) => {
            return whole.to_owned();
        }
        _ => {}
    }
    let href = match protocol {
        Some(_) => whole.to_owned(),
        None => format!("http://{whole}"),
    };
    let mut params = options.extra_params.clone();
    let mut shown = whole.to_owned();
    if options.shorten && characters(whole) > SHORT {
        let slashes = part(3).map_or(0, str::len);
        let start = protocol.map_or(0, |protocol| protocol.len() + 1 + slashes);
        shown = shortened(whole, start);
        if shown != whole {
            params = format!("{params} title=\"{href}\"");
        }
    }
    format!("<a href=\"{href}\"{params}>{shown}</a>")
}

fn characters(text: &str) -> usize {
    text.chars().count()
}

/// The first so many characters.
fn first(text: &str, count: usize) -> &str {
    let end = text.char_indices().nth(count);
    end.and_then(|(end, _)| text.get(..end)).unwrap_or(text)
}

/// The host and the beginning of the path, where that is shorter.
fn shortened(url: &str, start: usize) -> String {
    let (protocol, rest) = url.split_at_checked(start).unwrap_or(("", url));
    let mut parts = rest.split('/');
    let host = parts.next().unwrap_or_default();
    let mut shown = match parts.next() {
        Some(path) => {
            let path = first(path, 8);
            let path = path.split('?').next().unwrap_or_default();
            let path = path.split('.').next().unwrap_or_default();
            format!("{protocol}{host}/{path}")
        }
        None => url.to_owned(),
    };
    if characters(&shown) > SHORT * 3 / 2 {
        shown = first(&shown, SHORT).to_owned();
    }
    if shown == url {
        return shown;
    }
    // Not in the middle of a character reference.
    if let Some(at) = shown.rfind('&')
        && characters(shown.get(..at).unwrap_or_default()) > SHORT - 5
    {
        shown.truncate(at);
    }
    shown.push_str("...");
    if characters(&shown) >= characters(url) {
        return url.to_owned();
    }
    shown
}
