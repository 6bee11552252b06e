//! What is subscribed to, so that a new connection can be told again.

use std::collections::HashSet;
use std::sync::Arc;

use tokio::sync::{Mutex, mpsc};

use super::command::Command;
use super::error::EslError;
use super::esl::{Shared, order};
use super::event::EventFormat;
use super::exchange::Request;

/// Names and filters that a client may want at once.
pub const MAX_SUBSCRIPTIONS: usize = 1024;

/// Everything that a connection has to be told before it is of use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) format: EventFormat,
    /// Event names in the order they were asked for.
    names: Vec<String>,
    /// Subclasses of `CUSTOM`.
    custom: Vec<String>,
    /// Names that we need ourselves.
    internal: Vec<&'static str>,
    filters: Vec<(String, String)>,
    log_level: Option<u8>,
}

impl Wanted {
    pub(super) fn new(format: EventFormat) -> Self {
        Self {
            format,
            ..Self::default()
        }
    }

    /// Adds event names as they stand in an `event` command: what follows `CUSTOM` are subclasses.
    pub(super) fn add(&mut self, names: &[impl AsRef<str>]) {
        for name in names {
            let mut words = name.as_ref().split_ascii_whitespace();
            for word in &mut words {
                if word.eq_ignore_ascii_case("CUSTOM") {
                    break;
                }
                push(&mut self.names, word);
            }
            for subclass in words {
                push(&mut self.custom, subclass);
            }
        }
    }

    pub(super) fn remove(&mut self, names: &[impl AsRef<str>]) {
        let mut gone = Self::default();
        gone.add(names);
        self.names.retain(|name| !gone.names.contains(name));
        self.custom.retain(|name| !gone.custom.contains(name));
    }

    fn need(&mut self, names: &[&'static str]) {
        for name in names {
            if !self.internal.contains(name) {
                self.internal.push(name);
            }
        }
    }

    /// Names that we need and nobody else wants to see.
    fn hidden(&self) -> Vec<&'static str> {
        let internal = self.internal.iter().copied();
        internal.filter(|name| !self.wants(name)).collect()
    }

    fn len(&self) -> usize {
        self.names.len() + self.custom.len() + self.filters.len()
    }

    /// Whether somebody besides ourselves wants events of this name.
    fn wants(&self, name: &str) -> bool {
        let mut names = self.names.iter();
        names.any(|other| other.eq_ignore_ascii_case(name) || is_all(other))
    }

    /// The commands that turn a connection on which `before` holds into one on which this holds.
    fn commands_after(&self, before: &Self) -> Vec<Command> {
        let mut commands = Vec::new();
        let removed = before.names_without(self);
        if !removed.is_empty() {
            commands.push(Command::new(format!("nixevent {}", removed.join(" "))));
        }
        // Without `ALL` nothing at all is left.
        let nothing = Self::default();
        let left = match removed.iter().any(|name| is_all(name)) {
            true => &nothing,
            false => before,
        };
        let added = self.names_without(left);
        if !added.is_empty() {
            commands.push(Command::event(self.format, &added));
        }
        let (new, old) = (self.all_filters(), before.all_filters());
        for (header, value) in new.iter().filter(|filter| !old.contains(filter)) {
            commands.push(Command::filter(header, value));
        }
        for (header, value) in old.iter().filter(|filter| !new.contains(filter)) {
            commands.push(Command::new(format!("filter delete {header} {value}")));
        }
        match (self.log_level, before.log_level) {
            (new, old) if new == old => {}
            (Some(level), _) => commands.push(Command::new(format!("log {level}"))),
            (None, _) => commands.push(Command::new("nolog")),
        }
        commands
    }

    fn all_names(&self) -> Vec<&str> {
        let internal = self.internal.iter().copied();
        let internal = internal.filter(|name| !self.names.iter().any(|other| other == name));
        let names = self.names.iter().map(String::as_str);
        names.chain(internal).collect()
    }

    /// Names and subclasses, as one command has them, without those of another.
    fn names_without(&self, other: &Self) -> Vec<&str> {
        let there: HashSet<&str> = other.all_names().into_iter().collect();
        let mut names = self.all_names();
        names.retain(|name| !there.contains(*name));
        let there: HashSet<&String> = other.custom.iter().collect();
        let custom = self.custom.iter().filter(|name| !there.contains(name));
        let custom: Vec<&str> = custom.map(String::as_str).collect();
        if !custom.is_empty() {
            names.push("CUSTOM");
            names.extend(custom);
        }
        names
    }

    /// With those that let our own events through, where there are any: one filter keeps everything else back.
    fn all_filters(&self) -> Vec<(String, String)> {
        let mut filters = self.filters.clone();
        if !filters.is_empty() {
            for name in &self.internal {
                let filter = ("Event-Name".to_owned(), (*name).to_owned());
                if !filters.contains(&filter) {
                    filters.push(filter);
                }
            }
        }
        filters
    }

    pub(super) fn add_filter(&mut self, header: &str, value: &str) {
        let filter = (header.to_owned(), value.to_owned());
        if !self.filters.contains(&filter) {
            self.filters.push(filter);
        }
    }

    pub(super) fn remove_filter(&mut self, header: &str, value: &str) {
        self.filters
            .retain(|filter| (filter.0.as_str(), filter.1.as_str()) != (header, value));
    }

    pub(super) fn set_log_level(&mut self, level: Option<u8>) {
        self.log_level = level;
    }
}

fn is_all(name: &str) -> bool {
    name.eq_ignore_ascii_case("ALL")
}

fn push(names: &mut Vec<String>, name: &str) {
    if !names.iter().any(|other| other == name) {
        names.push(name.to_owned());
    }
}

/// Who keeps the subscriptions of a connection.
#[derive(Debug)]
pub(super) enum Subscriptions {
    /// The client, which tells every new connection of them. Locked while a connection is told, so that it holds what
    /// is written here whenever nobody has the lock.
    Kept(Mutex<Wanted>),
    /// The connection, which lives once; whether it was told to send the events of its channel.
    OfCall { events: bool },
}

impl Subscriptions {
    /// Changes what is wanted, on the connection too when there is one; a change that is refused is taken back.
    ///
    /// It is done by a task of its own, to its end: a connection that was told half of it would have something else
    /// than what is kept here.
    pub(super) async fn change(
        shared: &Arc<Shared>,
        change: impl FnOnce(&mut Wanted) + Send + 'static,
    ) -> Result<(), EslError> {
        let shared = Arc::clone(shared);
        let changing =
            tokio::spawn(async move { shared.subscriptions.carry_out(&shared, change).await });
        let reason = "the program ends";
        let ended = changing.await;
        ended.unwrap_or(Err(EslError::OutcomeUnknown { reason }))
    }

    async fn carry_out(
        &self,
        shared: &Shared,
        change: impl FnOnce(&mut Wanted) + Send,
    ) -> Result<(), EslError> {
        let not_sent = |reason| Err(EslError::NotSent { reason });
        let Self::Kept(wanted) = self else {
            return not_sent("a call has its own subscriptions");
        };
        let mut wanted = wanted.lock().await;
        let before = wanted.clone();
        change(&mut wanted);
        if wanted.len() > MAX_SUBSCRIPTIONS {
            *wanted = before;
            return not_sent("too many subscriptions");
        }
        let commands = wanted.commands_after(&before);
        // Before the first event can come.
        shared.hide(wanted.hidden());
        let told = match shared.door() {
            Some(door) => tell(&door, commands).await,
            // The next connection will be told; but not of what can never be sent.
            None => commands
                .iter()
                .try_for_each(|command| command.to_bytes().map(drop))
                .map_err(Into::into),
        };
        match told {
            Err(error) if error.is_refused() || matches!(error, EslError::BadCommand(_)) => {
                let undo = before.commands_after(&wanted);
                *wanted = before;
                shared.hide(wanted.hidden());
                if let Some(door) = shared.door() {
                    // What was accepted before the refusal; the rest of it is refused once more.
                    for command in undo {
                        let _ = order(&door, &command).await;
                    }
                }
                Err(error)
            }
            // The connection is lost; the next one will be told.
            _ => Ok(()),
        }
    }

    /// Sees to it that events of these names come to us.
    pub(super) async fn ensure(
        shared: &Arc<Shared>,
        names: &'static [&'static str],
    ) -> Result<(), EslError> {
        let not_sent = |reason| Err(EslError::NotSent { reason });
        match &shared.subscriptions {
            Self::OfCall { events: true } => Ok(()),
            Self::OfCall { events: false } => not_sent("the call has no events"),
            Self::Kept(wanted) => {
                let (there, format) = {
                    let wanted = wanted.lock().await;
                    let there = names.iter().all(|name| wanted.internal.contains(name));
                    (there, wanted.format)
                };
                match (there, format) {
                    (true, _) => Ok(()),
                    (false, EventFormat::Xml) => not_sent("events in XML are not looked into"),
                    (false, _) => Self::change(shared, |wanted| wanted.need(names)).await,
                }
            }
        }
    }

    /// Tells a new connection everything and lets commands in.
    pub(super) async fn restore(
        &self,
        shared: &Shared,
        door: mpsc::Sender<Request>,
    ) -> Result<(), EslError> {
        if let Self::Kept(wanted) = self {
            let wanted = wanted.lock().await;
            let nothing = Wanted::new(wanted.format);
            tell(&door, wanted.commands_after(&nothing)).await?;
            shared.open(door);
        }
        Ok(())
    }
}

async fn tell(door: &mpsc::Sender<Request>, commands: Vec<Command>) -> Result<(), EslError> {
    for command in commands {
        order(door, &command).await?;
    }
    Ok(())
}
