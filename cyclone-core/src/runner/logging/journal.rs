//! The journal of systemd.

use std::path::Path;

use tracing_journald::{Layer, Priority, PriorityMappings};
use tracing_subscriber::Layer as _;

use super::LogError;
use super::start::Lines;

/// The layer that sends each event, its fields as fields of the journal with `F_` before their names.
pub(super) fn lines(identifier: &str) -> Result<Lines, LogError> {
    let priorities = PriorityMappings {
        error: Priority::Error,
        warn: Priority::Warning,
        info: Priority::Informational,
        debug: Priority::Debug,
        trace: Priority::Debug,
    };
    let socket = Path::new("/run/systemd/journal/socket");
    let layer = Layer::new();
    let layer =
        layer.map_err(|error| LogError::io("cannot reach the journal at", socket, error))?;
    Ok(layer
        .with_priority_mappings(priorities)
        .with_syslog_identifier(identifier.to_owned())
        .boxed())
}
