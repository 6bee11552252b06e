//! The whole balancer: its listeners and its groups.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

use cyclone_core::{Endpoint, Server};

use super::checks::HealthChecks;
use super::config::{Config, ConfigError};
use super::group::{BackendInfo, Group, Mode};
use super::inspected::{InspectedBackend, InspectedGroup};
use super::listener::BalancerListener;
use super::schedule::Scheduler;

/// A balancer: its listeners and its groups of backends. Clones are handles of the same one.
///
/// ```no_run
/// use cyclone_core::Server;
/// use cyclone_examples::balancer::{Balancer, Config};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let config = Config::parse(&std::fs::read_to_string("balancer.toml")?)?;
/// let balancer = Balancer::new(&config)?;
/// balancer.attach(Server::new()).run().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Balancer {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    listeners: BTreeMap<String, (Vec<Endpoint>, BalancerListener)>,
    groups: BTreeMap<String, Arc<Group>>,
}

impl Balancer {
    /// A balancer of this configuration; it does nothing until it is [attached](Self::attach) to a server.
    ///
    /// # Errors
    /// [`ConfigError`] when a listener has a group that is not there.
    pub fn new(config: &Config) -> Result<Self, ConfigError> {
        let groups: BTreeMap<_, _> = config
            .groups
            .iter()
            .map(|(name, group)| (name.clone(), Group::new(name, group)))
            .collect();
        let mut listeners = BTreeMap::new();
        for (name, listener) in &config.listeners {
            let Some(group) = groups.get(&listener.group) else {
                return Err(ConfigError::no_group(name, &listener.group));
            };
            let factory = BalancerListener::new(name, Arc::clone(group), &config.limits);
            listeners.insert(name.clone(), (listener.endpoints.clone(), factory));
        }
        Ok(Self {
            inner: Arc::new(Inner { listeners, groups }),
        })
    }

    /// Adds the listeners, in the order of their names, and the health checks to a server, which
    /// [inspects](Server::inspect) groups and backends then.
    pub fn attach(&self, mut server: Server) -> Server {
        for (endpoints, listener) in self.inner.listeners.values() {
            server = server.listen_all(endpoints.iter().cloned(), listener.clone());
        }
        for group in self.inner.groups.values() {
            server = server.inspect(&group.name, InspectedGroup(Arc::clone(group)));
            for index in 0..group.backends.len() {
                let group = Arc::clone(group);
                let name = group.full_name(index);
                server = server.inspect(name, InspectedBackend { group, index });
            }
        }
        server.service(HealthChecks::new(self.clone()))
    }

    /// The name of the listener of each endpoint, in the order in which [`attach`](Self::attach) adds them.
    pub fn endpoints(&self) -> impl Iterator<Item = (&str, &Endpoint)> {
        let listeners = self.inner.listeners.values();
        listeners.flat_map(|(endpoints, listener)| {
            endpoints.iter().map(|endpoint| (listener.name(), endpoint))
        })
    }

    /// Every backend, by group and name.
    #[must_use]
    pub fn backends(&self) -> Vec<BackendInfo> {
        let groups = self.inner.groups.values();
        groups.flat_map(|group| group.info()).collect()
    }

    /// Every group, by name.
    #[must_use]
    pub fn groups(&self) -> Vec<GroupInfo> {
        let groups = self.inner.groups.values();
        groups
            .map(|group| GroupInfo {
                name: group.name.clone(),
                scheduler: group.config.scheduler,
                backends: group.backends.len(),
                queued: group.queued(),
                listeners: self.listeners_of(group),
            })
            .collect()
    }

    pub(super) fn all_groups(&self) -> impl Iterator<Item = &Arc<Group>> {
        self.inner.groups.values()
    }

    /// Whether clients come to a group.
    pub(super) fn has_listener(&self, group: &Arc<Group>) -> bool {
        !self.listeners_of(group).is_empty()
    }

    fn listeners_of(&self, group: &Arc<Group>) -> Vec<String> {
        let listeners = self.inner.listeners.values();
        let of_group = listeners.filter(|(_, listener)| Arc::ptr_eq(&listener.group(), group));
        of_group
            .map(|(_, listener)| listener.name().to_owned())
            .collect()
    }

    /// Says what is wanted of a backend, by its group and name: `blue/one`.
    ///
    /// # Errors
    /// [`NoSuchName`].
    pub fn set_mode(&self, backend: &str, mode: Mode) -> Result<(), NoSuchName> {
        let found = backend.split_once('/').and_then(|(group, name)| {
            let group = self.inner.groups.get(group)?;
            let mut backends = group.backends.iter();
            let index = backends.position(|backend| backend.config.name == name)?;
            Some((group, index))
        });
        let (group, index) = found.ok_or_else(|| NoSuchName::new("backend", backend))?;
        group.set_mode(index, mode);
        Ok(())
    }

    /// Has another group serve those who come to a listener from now on; who is there stays where he is.
    ///
    /// # Errors
    /// [`NoSuchName`].
    pub fn switch(&self, listener: &str, group: &str) -> Result<(), NoSuchName> {
        let found = self.inner.listeners.get(listener);
        let (_, place) = found.ok_or_else(|| NoSuchName::new("listener", listener))?;
        let found = self.inner.groups.get(group);
        place.switch(Arc::clone(
            found.ok_or_else(|| NoSuchName::new("group", group))?,
        ));
        Ok(())
    }
}

/// What is known of a group.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct GroupInfo {
    /// Its name.
    pub name: String,
    /// How a backend is chosen.
    pub scheduler: Scheduler,
    /// How many backends it has.
    pub backends: usize,
    /// How many clients wait for one.
    pub queued: usize,
    /// The listeners that it serves.
    pub listeners: Vec<String>,
}

/// There is nothing of that name; nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoSuchName {
    what: &'static str,
    name: String,
}

impl NoSuchName {
    fn new(what: &'static str, name: &str) -> Self {
        Self {
            what,
            name: name.to_owned(),
        }
    }
}

impl fmt::Display for NoSuchName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no {} `{}`", self.what, self.name)
    }
}

impl Error for NoSuchName {}
