//! What a balancer shows of its groups and backends beside the console: in snapshots, and so in metrics and on pages.

use std::sync::Arc;

use cyclone_core::{Health, Inspect, Inspection, Metric};

use super::group::{Group, Mode};

/// One backend.
pub(super) struct InspectedBackend {
    pub(super) group: Arc<Group>,
    pub(super) index: usize,
}

impl Inspect for InspectedBackend {
    fn kind(&self) -> &'static str {
        "backend"
    }

    fn inspect(&self) -> Inspection {
        let Some(backend) = self.group.info().into_iter().nth(self.index) else {
            return Inspection::new();
        };
        let health = match (backend.down, backend.mode) {
            (Some(reason), _) => Health::Down(reason),
            (None, Mode::Enabled) => Health::Up,
            (None, mode) => Health::Degraded(mode.to_string()),
        };
        let open = Metric::gauge("connections", "Open connections", backend.open);
        let open = match backend.max_connections {
            Some(limit) => open.limit(limit as u64),
            None => open,
        };
        let did = backend.statistics;
        let counters = [
            ("connections_total", "Connections made", did.connections),
            ("connect_failures_total", "Failed attempts", did.failed),
            ("moved_total", "Clients that went on to another", did.moved),
            ("broken_total", "Connections that broke", did.broken),
            ("received_bytes_total", "Bytes from clients", did.bytes_up),
            ("sent_bytes_total", "Bytes to clients", did.bytes_down),
            ("falls_total", "Times it was taken out", did.falls),
            ("failed_checks_total", "Failed checks", did.failed_checks),
        ];
        let counters = counters.map(|(name, help, value)| Metric::counter(name, help, value));
        let inspection = Inspection::new().health(health).metric(open);
        counters.into_iter().fold(inspection, Inspection::metric)
    }
}

/// One group.
pub(super) struct InspectedGroup(pub(super) Arc<Group>);

impl Inspect for InspectedGroup {
    fn kind(&self) -> &'static str {
        "backend_group"
    }

    fn inspect(&self) -> Inspection {
        let queued = Metric::gauge("queued", "Clients that wait", self.0.queued());
        Inspection::new().metric(queued.limit(self.0.config.max_queued as u64))
    }
}
