//! A TCP balancer made of the parts of `cyclone-core`, as PyDirector was of Twisted's.
//!
//! [`Balancer`] has listeners, and groups of backends behind them. A client is given a backend by the [`Scheduler`] of
//! its group; one that refuses is taken out and the client goes to the next, as long as nothing of what it said was
//! sent. [`HealthChecks`] is the service that brings it back. [`Balancer::commands`] adds the operator's commands to a
//! [console](crate::console).
//!
//! It moves bytes and knows of no protocol: what a backend was sent is never sent to another.

pub use checks::HealthChecks;
pub use config::{
    BackendConfig, CheckConfig, Config, ConfigError, ConsoleConfig, DEFAULT_CHECK_INTERVAL,
    DEFAULT_CHECK_TIMEOUT, DEFAULT_CONNECT_TIMEOUT, DEFAULT_DRAIN_DEADLINE, DEFAULT_FALL,
    DEFAULT_IDLE_LIMIT, DEFAULT_MAX_QUEUED, DEFAULT_QUEUE_TIMEOUT, DEFAULT_RISE, GroupConfig,
    LimitsConfig, ListenerConfig, MAX_EXPECT_BYTES, MAX_WEIGHT, ProxyHeaders,
};
pub use director::{Balancer, GroupInfo, NoSuchName};
pub use group::{BackendInfo, Mode};
pub use listener::{BalancedConnection, BalancerListener};
pub use schedule::Scheduler;
pub use statistics::BackendStatistics;
pub use upstream::UpstreamAddress;

mod backend;
mod checks;
mod commands;
mod condition;
mod config;
mod director;
mod flow;
mod group;
mod inspected;
mod listener;
mod schedule;
mod statistics;
mod transfer;
mod upstream;
