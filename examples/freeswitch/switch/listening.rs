//! What one listener of the stand-in wants to hear.

use crate::freeswitch::event::{Event, EventFormat};

/// Subscriptions and filters that a listener may have.
const MAX_WISHES: usize = 1024;

#[derive(Debug, Default)]
pub(super) struct Listening {
    pub(super) format: EventFormat,
    all: bool,
    names: Vec<String>,
    custom: Vec<String>,
    filters: Vec<(String, String)>,
    /// Only events of this channel.
    channel: Option<String>,
}

impl Listening {
    /// `event plain A B CUSTOM c d`, without the first word. What is answered.
    pub(super) fn event(&mut self, arguments: &str) -> String {
        let (format, names) = arguments.split_once(' ').unwrap_or((arguments, ""));
        self.format = match format {
            "plain" => EventFormat::Plain,
            "json" => EventFormat::Json,
            _ => return "-ERR this stand-in does not play that".to_owned(),
        };
        let (names, custom) = words(names);
        if self.names.len() + self.custom.len() + names.len() + custom.len() > MAX_WISHES {
            return "-ERR too many".to_owned();
        }
        self.all |= names.iter().any(|name| name == "ALL");
        self.names.extend(names);
        self.custom.extend(custom);
        format!("+OK event listener enabled {format}")
    }

    /// `nixevent A B CUSTOM c d`.
    pub(super) fn nixevent(&mut self, arguments: &str) -> String {
        let (names, custom) = words(arguments);
        if names.iter().any(|name| name == "ALL") {
            self.silence();
        }
        self.names.retain(|name| !names.contains(name));
        self.custom.retain(|name| !custom.contains(name));
        "+OK events nixed".to_owned()
    }

    /// `noevents`.
    pub(super) fn silence(&mut self) {
        self.all = false;
        self.names.clear();
        self.custom.clear();
    }

    /// `myevents`, or `myevents json`.
    pub(super) fn myevents(&mut self, format: &str, channel: &str) -> String {
        if format == "json" {
            self.format = EventFormat::Json;
        }
        self.all = true;
        self.channel = Some(channel.to_owned());
        "+OK Events Enabled".to_owned()
    }

    /// `filter HEADER VALUE`, or `filter delete HEADER VALUE`.
    pub(super) fn filter(&mut self, arguments: &str) -> String {
        if let Some(rest) = arguments.strip_prefix("delete ") {
            let (header, value) = rest.split_once(' ').unwrap_or((rest, ""));
            self.filters
                .retain(|filter| filter.0 != header || !value.is_empty() && filter.1 != value);
            return format!("+OK filter deleted. [{header}][{value}]");
        }
        let Some((header, value)) = arguments.split_once(' ') else {
            return "-ERR invalid syntax".to_owned();
        };
        if self.filters.len() >= MAX_WISHES {
            return "-ERR too many".to_owned();
        }
        self.filters.push((header.to_owned(), value.to_owned()));
        format!("+OK filter added. [{header}]=[{value}]")
    }

    pub(super) fn wants(&self, event: &Event) -> bool {
        let name = event.name();
        let subclass = event.get("Event-Subclass").unwrap_or_default();
        let named = self.all
            || self.names.iter().any(|wanted| wanted == name)
            || name == "CUSTOM" && self.custom.iter().any(|wanted| wanted == subclass);
        let passes = self.filters.is_empty()
            || self
                .filters
                .iter()
                .any(|(header, value)| event.get(header) == Some(value));
        let own = self.channel.is_none() || event.channel_uuid() == self.channel.as_deref();
        named && passes && own
    }
}

/// Names in capitals, and the subclasses after `CUSTOM`.
fn words(names: &str) -> (Vec<String>, Vec<String>) {
    let mut words = names.split_ascii_whitespace();
    let mut named = Vec::new();
    for word in &mut words {
        let word = word.to_ascii_uppercase();
        if word == "CUSTOM" {
            break;
        }
        named.push(word);
    }
    (named, words.map(ToOwned::to_owned).collect())
}
