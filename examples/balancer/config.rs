//! The configuration of a balancer, in TOML.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use cyclone_core::Endpoint;
use serde::{Deserialize, Deserializer, de};

use super::schedule::Scheduler;
use super::upstream::UpstreamAddress;

/// How long connecting to a backend may take, with the header of the PROXY protocol.
pub const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// How long a connection may be silent in both directions.
pub const DEFAULT_IDLE_LIMIT: Duration = Duration::from_secs(600);

/// How long connections may go on at the end of the program.
pub const DEFAULT_DRAIN_DEADLINE: Duration = Duration::from_secs(30);

/// How many clients of a group may wait for a backend.
pub const DEFAULT_MAX_QUEUED: usize = 1024;

/// How long a client may wait for a backend.
pub const DEFAULT_QUEUE_TIMEOUT: Duration = Duration::from_secs(5);

/// How often a backend is checked.
pub const DEFAULT_CHECK_INTERVAL: Duration = Duration::from_secs(2);

/// How long a check may take.
pub const DEFAULT_CHECK_TIMEOUT: Duration = Duration::from_secs(1);

/// Checks in a row that must pass before a backend is given clients again.
pub const DEFAULT_RISE: u32 = 2;

/// Checks in a row that must fail before a backend is taken out.
pub const DEFAULT_FALL: u32 = 3;

/// The largest weight of a backend.
pub const MAX_WEIGHT: u32 = 1000;

/// How much of an answer is looked through for what a check expects, in bytes.
pub const MAX_EXPECT_BYTES: usize = 4096;

/// The longest time that can be configured: a year.
const LONGEST: Duration = Duration::from_secs(365 * 86_400);

/// What a balancer is to do.
///
/// ```
/// # use cyclone_examples::balancer::Config;
/// let config = Config::parse(
///     r#"
///     [listeners.web]
///     endpoints = ["tcp:8080"]
///     group = "blue"
///
///     [groups.blue]
///     scheduler = "least-connections"
///     backends = [
///         { name = "one", address = "10.0.0.1:8080" },
///         { name = "two", address = "10.0.0.2:8080", weight = 2 },
///     ]
///     "#,
/// )?;
/// # Ok::<(), cyclone_examples::balancer::ConfigError>(())
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Config {
    /// Where clients come in, by name.
    pub listeners: BTreeMap<String, ListenerConfig>,
    /// The groups of backends, by name.
    pub groups: BTreeMap<String, GroupConfig>,
    /// What is allowed at most.
    #[serde(default)]
    pub limits: LimitsConfig,
    /// The operator's console, if there is to be one.
    pub console: Option<ConsoleConfig>,
}

/// Where clients come in.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ListenerConfig {
    /// The endpoints, as `tcp:8080` or `unix:/run/web.sock`, each with the options that endpoints have.
    #[serde(deserialize_with = "endpoints")]
    pub endpoints: Vec<Endpoint>,
    /// The group that serves them at first.
    pub group: String,
}

/// Backends that do the same.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct GroupConfig {
    /// How a backend is chosen.
    #[serde(default)]
    pub scheduler: Scheduler,
    /// What backends are told of the client.
    #[serde(default)]
    pub proxy: ProxyHeaders,
    /// [`DEFAULT_MAX_QUEUED`].
    #[serde(default = "default_max_queued")]
    pub max_queued: usize,
    /// [`DEFAULT_QUEUE_TIMEOUT`], in seconds.
    #[serde(default = "default_queue_timeout", deserialize_with = "seconds")]
    pub queue_timeout_s: Duration,
    /// How the backends are checked.
    #[serde(default)]
    pub check: CheckConfig,
    /// The backends.
    pub backends: Vec<BackendConfig>,
}

/// What backends are told of the client, before its first byte.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ProxyHeaders {
    /// Nothing.
    #[default]
    Off,
    /// A header of the PROXY protocol, version 1.
    V1,
    /// A header of the PROXY protocol, version 2.
    V2,
}

/// How backends are checked: a connection is made, something is sent if there is something to send, and an answer is
/// awaited if one is expected.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct CheckConfig {
    /// [`DEFAULT_CHECK_INTERVAL`], in seconds.
    #[serde(deserialize_with = "seconds")]
    pub interval_s: Duration,
    /// [`DEFAULT_CHECK_TIMEOUT`], in seconds.
    #[serde(deserialize_with = "seconds")]
    pub timeout_s: Duration,
    /// [`DEFAULT_RISE`].
    pub rise: u32,
    /// [`DEFAULT_FALL`].
    pub fall: u32,
    /// What is sent, if anything.
    pub send: Option<String>,
    /// What must be among the first [`MAX_EXPECT_BYTES`] of the answer.
    pub expect: Option<String>,
}

impl Default for CheckConfig {
    fn default() -> Self {
        Self {
            interval_s: DEFAULT_CHECK_INTERVAL,
            timeout_s: DEFAULT_CHECK_TIMEOUT,
            rise: DEFAULT_RISE,
            fall: DEFAULT_FALL,
            send: None,
            expect: None,
        }
    }
}

/// One backend.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct BackendConfig {
    /// Its name, once in each group.
    pub name: String,
    /// `HOST:PORT`, or `unix:` and a path. A name is resolved for each connection.
    pub address: UpstreamAddress,
    /// Its share of the clients, 1 unless set; 0 gives it none.
    #[serde(default = "default_weight")]
    pub weight: u32,
    /// How many connections it may have at once; any number unless set.
    pub max_connections: Option<usize>,
}

/// What is allowed at most.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct LimitsConfig {
    /// Connections at once; two of five file descriptors that the process may have, unless set.
    pub max_connections: Option<usize>,
    /// [`DEFAULT_CONNECT_TIMEOUT`], in seconds.
    #[serde(deserialize_with = "seconds")]
    pub connect_timeout_s: Duration,
    /// [`DEFAULT_IDLE_LIMIT`], in seconds.
    #[serde(deserialize_with = "seconds")]
    pub idle_limit_s: Duration,
    /// [`DEFAULT_DRAIN_DEADLINE`], in seconds.
    #[serde(deserialize_with = "seconds")]
    pub drain_deadline_s: Duration,
    /// How long a connection may be silent while the program ends, in seconds; `idle_limit_s` unless set.
    ///
    /// A balancer cannot know whether a silent client waits for an answer or has kept its connection for later. With a
    /// few seconds here the program does not wait for the latter until the deadline, but slow answers are lost.
    #[serde(deserialize_with = "some_seconds")]
    pub drain_idle_limit_s: Option<Duration>,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            max_connections: None,
            connect_timeout_s: DEFAULT_CONNECT_TIMEOUT,
            idle_limit_s: DEFAULT_IDLE_LIMIT,
            drain_deadline_s: DEFAULT_DRAIN_DEADLINE,
            drain_idle_limit_s: None,
        }
    }
}

/// The operator's console: over SSH, at a socket, or both.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ConsoleConfig {
    /// Where SSH listens.
    #[serde(default, deserialize_with = "some_endpoint")]
    pub ssh: Option<Endpoint>,
    /// The file of the host key, made if it is not there.
    #[serde(default = "default_host_key")]
    pub host_key: PathBuf,
    /// The keys that may come in.
    pub authorized_keys: Option<PathBuf>,
    /// The names and passwords that may come in.
    pub passwords: Option<PathBuf>,
    /// Where the console without SSH listens: a Unix domain socket that the owner alone can use.
    pub socket: Option<PathBuf>,
}

impl Config {
    /// Reads and checks a configuration.
    ///
    /// # Errors
    /// [`ConfigError`] says which key is wrong and why.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let config: Self = toml::from_str(text).map_err(|error| ConfigError(error.to_string()))?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), ConfigError> {
        if self.listeners.is_empty() {
            return Err(ConfigError("there are no listeners".into()));
        }
        for (name, listener) in &self.listeners {
            let place = format!("listeners.{name}");
            check(
                !listener.endpoints.is_empty(),
                &place,
                "it has no endpoints",
            )?;
            if !self.groups.contains_key(&listener.group) {
                return Err(ConfigError::no_group(name, &listener.group));
            }
        }
        for (name, group) in &self.groups {
            group.check(&format!("groups.{name}"))?;
        }
        if let Some(console) = &self.console {
            let somewhere = console.ssh.is_some() || console.socket.is_some();
            check(somewhere, "console", "it has neither `ssh` nor `socket`")?;
        }
        let some = self.limits.max_connections != Some(0);
        check(some, "limits.max_connections", "it must be 1 at least")
    }
}

impl GroupConfig {
    fn check(&self, place: &str) -> Result<(), ConfigError> {
        check(!self.backends.is_empty(), place, "it has no backends")?;
        let mut names = BTreeSet::new();
        for backend in &self.backends {
            let name = &backend.name;
            let place = format!("{place}.backends.{name}");
            // An operator types `GROUP/NAME`.
            let plain = !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c == '/');
            check(
                plain,
                &place,
                "a name is no empty word, without blanks and slashes",
            )?;
            check(names.insert(name), &place, "the name is there twice")?;
            let weight = backend.weight <= MAX_WEIGHT;
            check(weight, &place, &format!("a weight is {MAX_WEIGHT} at most"))?;
            let some = backend.max_connections != Some(0);
            check(some, &place, "max_connections must be 1 at least")?;
        }
        let place = format!("{place}.check");
        let some = self.check.rise > 0 && self.check.fall > 0;
        check(some, &place, "rise and fall must be 1 at least")?;
        let expect = self.check.expect.as_ref().map_or(1, String::len);
        let fits = (1..=MAX_EXPECT_BYTES).contains(&expect);
        check(
            fits,
            &place,
            &format!("expect has 1 to {MAX_EXPECT_BYTES} bytes"),
        )
    }
}

fn check(holds: bool, place: &str, otherwise: &str) -> Result<(), ConfigError> {
    if holds {
        return Ok(());
    }
    Err(ConfigError(format!("{place}: {otherwise}")))
}

fn default_max_queued() -> usize {
    DEFAULT_MAX_QUEUED
}

fn default_queue_timeout() -> Duration {
    DEFAULT_QUEUE_TIMEOUT
}

fn default_weight() -> u32 {
    1
}

fn default_host_key() -> PathBuf {
    "host_key".into()
}

/// More than no seconds, and not more than a year.
fn seconds<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let seconds = f64::deserialize(from)?;
    let time = Duration::try_from_secs_f64(seconds).ok();
    time.filter(|time| !time.is_zero() && *time <= LONGEST)
        .ok_or_else(|| de::Error::custom("seconds are more than 0, and a year at most"))
}

fn some_seconds<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    seconds(from).map(Some)
}

fn endpoint(text: &str) -> Result<Endpoint, String> {
    text.parse().map_err(|error| format!("`{text}`: {error}"))
}

fn endpoints<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Endpoint>, D::Error> {
    let texts = Vec::<String>::deserialize(from)?;
    let parsed: Result<_, String> = texts.iter().map(|text| endpoint(text)).collect();
    parsed.map_err(de::Error::custom)
}

fn some_endpoint<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Endpoint>, D::Error> {
    let text = String::deserialize(from)?;
    endpoint(&text).map(Some).map_err(de::Error::custom)
}

/// Why a configuration cannot be used; its text names the place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError(String);

impl ConfigError {
    pub(super) fn no_group(listener: &str, group: &str) -> Self {
        Self(format!("listeners.{listener}: there is no group `{group}`"))
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for ConfigError {}

#[cfg(test)]
mod tests;
