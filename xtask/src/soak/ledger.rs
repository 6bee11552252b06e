//! What was said in the chat, to be compared with its history at the end.

use std::collections::{BTreeSet, HashMap};

use anyhow::{Context as _, Result};
use serde_json::Value;

/// Findings that are shown; more are only counted.
const SHOWN_FINDINGS: usize = 10;

/// Everything that was said, and what the server has promised to keep.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    said: HashMap<Name, Said>,
    /// What the console said: the server names it, the text is unique.
    by_text: HashMap<String, i64>,
    /// Texts of the console of which no answer came.
    unsure: BTreeSet<String>,
}

/// A message: its room, its author, and what its author calls it.
type Name = (String, String, String);

#[derive(Debug)]
struct Said {
    text: String,
    /// Its place in the history, once the server has acknowledged it.
    acknowledged: Option<i64>,
}

/// A message of the history, or of a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) seq: i64,
    pub(super) previous: i64,
    pub(super) room: String,
    pub(super) author: String,
    pub(super) id: String,
    pub(super) text: String,
}

impl Message {
    pub(super) fn parse(json: &Value) -> Result<Self> {
        let text = |key: &str| {
            let value = json[key].as_str().map(str::to_owned);
            value.with_context(|| format!("a message without `{key}`: {json}"))
        };
        let number = |key: &str| {
            let value = json[key].as_i64();
            value.with_context(|| format!("a message without `{key}`: {json}"))
        };
        Ok(Self {
            seq: number("seq")?,
            previous: number("previous")?,
            room: text("room")?,
            author: text("author")?,
            id: text("id")?,
            text: text("text")?,
        })
    }
}

/// What the comparison found.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    pub(super) acknowledged: usize,
    pub(super) stored: usize,
    /// Said, never acknowledged, and in the history all the same: allowed.
    pub(super) unacknowledged: usize,
    pub(super) wrong: Vec<String>,
}

impl Ledger {
    /// To be called before it is sent.
    pub(super) fn say(&mut self, room: &str, author: &str, id: &str, text: &str) {
        let name = (room.to_owned(), author.to_owned(), id.to_owned());
        let said = Said {
            text: text.to_owned(),
            acknowledged: None,
        };
        self.said.insert(name, said);
    }

    /// The server says that it is stored.
    pub(super) fn acknowledge(&mut self, room: &str, author: &str, id: &str, seq: i64) {
        let name = (room.to_owned(), author.to_owned(), id.to_owned());
        if let Some(said) = self.said.get_mut(&name) {
            said.acknowledged = Some(seq);
        }
    }

    /// To be called before the console says it.
    pub(super) fn console_says(&mut self, text: &str) {
        self.unsure.insert(text.to_owned());
    }

    /// The console was told that it is stored.
    pub(super) fn console_acknowledges(&mut self, text: &str, seq: i64) {
        self.unsure.remove(text);
        self.by_text.insert(text.to_owned(), seq);
    }

    /// Compares with the whole history: what was acknowledged is there exactly once, at its place and as it was
    /// said; what was not is there once at most; nothing else is there.
    pub(super) fn compare(&self, history: &[Message]) -> Verdict {
        let mut verdict = Verdict {
            stored: history.len(),
            ..Verdict::default()
        };
        let mut findings = Vec::new();
        let mut places: HashMap<Name, i64> = HashMap::new();
        let mut texts: HashMap<&str, i64> = HashMap::new();
        let mut taken = BTreeSet::new();
        for message in history {
            let Message { seq, text, .. } = message;
            if !taken.insert(*seq) {
                findings.push(format!("two messages at place {seq}"));
            }
            let (room, author, id) = (&message.room, &message.author, &message.id);
            let name = (room.clone(), author.clone(), id.clone());
            if author == "console" {
                if texts.insert(text, *seq).is_some() {
                    findings.push(format!("the console's `{text}` is there twice"));
                }
                if !self.by_text.contains_key(text) && !self.unsure.contains(text) {
                    findings.push(format!("the console never said `{text}`"));
                }
                continue;
            }
            match self.said.get(&name) {
                None => findings.push(format!("nobody said {name:?}")),
                Some(said) if said.text != *text => {
                    findings.push(format!("{name:?} was said otherwise"));
                }
                Some(said) if said.acknowledged.is_none() => verdict.unacknowledged += 1,
                Some(_) => {}
            }
            if let Some(first) = places.insert(name, *seq) {
                let name = (room, author, id);
                findings.push(format!("{name:?} is there twice, at {first} and {seq}"));
            }
        }
        let acknowledged = self.said.iter().filter_map(|(name, said)| {
            let found = places.get(name).copied();
            said.acknowledged
                .map(|seq| (format!("{name:?}"), seq, found))
        });
        let console = self.by_text.iter().map(|(text, seq)| {
            let found = texts.get(text.as_str()).copied();
            (format!("the console's `{text}`"), *seq, found)
        });
        for (name, seq, found) in acknowledged.chain(console) {
            verdict.acknowledged += 1;
            if found != Some(seq) {
                findings.push(format!(
                    "{name} was acknowledged at {seq}, found at {found:?}"
                ));
            }
        }
        let more = findings.len().saturating_sub(SHOWN_FINDINGS);
        findings.truncate(SHOWN_FINDINGS);
        if more > 0 {
            findings.push(format!("and {more} more"));
        }
        verdict.wrong = findings;
        verdict
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(seq: i64, author: &str, id: &str, text: &str) -> Message {
        Message {
            seq,
            previous: 0,
            room: "lobby".to_owned(),
            author: author.to_owned(),
            id: id.to_owned(),
            text: text.to_owned(),
        }
    }

    fn ledger() -> Ledger {
        let mut ledger = Ledger::default();
        ledger.say("lobby", "ann", "1", "kept");
        ledger.acknowledge("lobby", "ann", "1", 7);
        ledger.say("lobby", "ann", "2", "perhaps");
        ledger.console_says("by the console");
        ledger.console_acknowledges("by the console", 9);
        ledger.console_says("cut off");
        ledger
    }

    fn good() -> Vec<Message> {
        vec![
            message(7, "ann", "1", "kept"),
            message(9, "console", "x", "by the console"),
        ]
    }

    #[test]
    fn a_full_history_is_right_with_and_without_what_was_not_acknowledged() {
        let mut history = good();
        let verdict = ledger().compare(&history);
        assert_eq!((verdict.acknowledged, verdict.unacknowledged), (2, 0));
        assert_eq!(verdict.wrong, [""; 0]);
        history.push(message(10, "ann", "2", "perhaps"));
        history.push(message(11, "console", "y", "cut off"));
        let verdict = ledger().compare(&history);
        assert_eq!((verdict.stored, verdict.unacknowledged), (4, 1));
        assert_eq!(verdict.wrong, [""; 0]);
    }

    #[test]
    fn each_way_to_be_wrong_is_found() {
        let wrong = |history: &[Message]| ledger().compare(history).wrong;
        assert_eq!(wrong(&good()[1..]).len(), 1);
        assert_eq!(wrong(&good()[..1]).len(), 1);
        for more in [
            message(10, "ann", "1", "kept"),
            message(10, "ann", "2", "otherwise"),
            message(10, "bob", "1", "nobody said this"),
            message(9, "ann", "2", "perhaps"),
            message(10, "console", "z", "nobody said this"),
            message(10, "console", "z", "by the console"),
        ] {
            let mut history = good();
            history.push(more.clone());
            assert!(!wrong(&history).is_empty(), "{more:?}");
        }
        let moved = [message(8, "ann", "1", "kept"), good()[1].clone()];
        assert!(wrong(&moved)[0].contains("acknowledged at 7, found at Some(8)"));
    }

    #[test]
    fn messages_are_parsed_and_what_lacks_is_named() {
        let json = serde_json::json!({
            "seq": 3, "previous": 1, "room": "lobby", "author": "ann", "id": "1", "text": "hi"
        });
        assert_eq!(Message::parse(&json).unwrap().seq, 3);
        let error = Message::parse(&serde_json::json!({"seq": 3})).unwrap_err();
        assert!(error.to_string().contains("without `previous`"), "{error}");
    }
}
