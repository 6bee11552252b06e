//! The commands of a balancer's operator.

use std::fmt::Write as _;

use super::director::{Balancer, NoSuchName};
use super::group::{BackendInfo, Mode};
use crate::console::{Answer, Call, Command, CommandError, Commands};

impl Balancer {
    /// Adds `backends`, `groups`, `enable`, `drain`, `disable` and `switch` to the commands of a console.
    #[must_use]
    pub fn commands(&self, commands: Commands) -> Commands {
        let about = [
            ("enable", Mode::Enabled, "gives a backend clients again"),
            ("drain", Mode::Draining, "gives a backend no more clients"),
            ("disable", Mode::Disabled, "as drain, and cuts those it has"),
        ];
        let modes = about.map(|(name, mode, about)| {
            self.command(name, "GROUP/NAME", about, move |balancer, call| {
                let [backend] = call.exactly()?;
                balancer.set_mode(backend, mode)?;
                Ok(format!("{backend} is {mode}\n"))
            })
        });
        let list = self.command("backends", "[GROUP]", "backends and what they do", backends);
        let groups = self.command("groups", "", "groups and whom they serve", groups);
        let about = "has another group serve new clients";
        let switch = self.command("switch", "LISTENER GROUP", about, |balancer, call| {
            let [listener, group] = call.exactly()?;
            balancer.switch(listener, group)?;
            Ok(format!("{listener} is served by {group}\n"))
        });
        let all = modes.into_iter().chain([list, groups, switch]);
        all.fold(commands, Commands::with)
    }

    fn command(
        &self,
        name: &str,
        arguments: &str,
        about: &str,
        run: impl Fn(&Self, &Call) -> Result<String, CommandError> + Send + Sync + 'static,
    ) -> Command {
        let balancer = self.clone();
        Command::new(name, arguments, about, move |call| {
            let answer = run(&balancer, &call).map(Answer::from);
            async { answer }
        })
    }
}

impl From<NoSuchName> for CommandError {
    fn from(error: NoSuchName) -> Self {
        Self::failed(error.to_string())
    }
}

fn backends(balancer: &Balancer, call: &Call) -> Result<String, CommandError> {
    let group = call.at_most_one()?;
    if let Some(group) = group
        && !balancer.groups().iter().any(|one| one.name == group)
    {
        return Err(CommandError::failed(format!("there is no group `{group}`")));
    }
    let mut text = String::new();
    for backend in balancer.backends() {
        let (of, _) = backend.name.split_once('/').unwrap_or_default();
        if group.is_none_or(|group| group == of) {
            describe(&backend, &mut text);
        }
    }
    Ok(text)
}

fn describe(backend: &BackendInfo, text: &mut String) {
    let health = match &backend.down {
        None => "up".to_owned(),
        Some(reason) => format!("down ({reason})"),
    };
    let most = backend.max_connections.map(|most| format!(" of {most}"));
    let did = &backend.statistics;
    // Writing to a string does not fail.
    let _ = writeln!(
        text,
        "{} {} {} {health}, weight {}, {} open{}; {} served, {} failed, {} moved on, {} broken, \
         {} bytes up, {} down, {} falls, {} failed checks",
        backend.name,
        backend.address,
        backend.mode,
        backend.weight,
        backend.open,
        most.unwrap_or_default(),
        did.connections,
        did.failed,
        did.moved,
        did.broken,
        did.bytes_up,
        did.bytes_down,
        did.falls,
        did.failed_checks,
    );
}

fn groups(balancer: &Balancer, call: &Call) -> Result<String, CommandError> {
    let [] = call.exactly()?;
    let mut text = String::new();
    for group in balancer.groups() {
        let serves = if group.listeners.is_empty() {
            "nobody".to_owned()
        } else {
            group.listeners.join(", ")
        };
        let _ = writeln!(
            text,
            "{} {}, {} backends, {} clients wait; serves {serves}",
            group.name,
            group.scheduler.name(),
            group.backends,
            group.queued,
        );
    }
    Ok(text)
}
