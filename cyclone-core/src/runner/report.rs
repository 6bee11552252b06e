//! How a whole process ended: the reports of all its servers as one.

use std::fmt;
use std::time::Duration;

use crate::shutdown::ShutdownReport;

/// The sum of the reports of several servers, which may have been in other processes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    /// Connections that ended by themselves between the beginning of the shutdown and the deadline.
    pub(crate) drained: usize,
    /// What was cut, one text for each connection.
    pub(crate) cut: Vec<String>,
    /// What did not stop well, with the reason.
    pub(crate) failed: Vec<String>,
    /// The longest of the shutdowns, in whole milliseconds when it was in another process.
    pub(crate) elapsed: Duration,
}

impl Report {
    /// The report of a worker that ended without one.
    pub(crate) fn lost(reason: String) -> Self {
        Self {
            failed: vec![reason],
            ..Self::default()
        }
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.drained += other.drained;
        self.cut.extend(other.cut);
        self.failed.extend(other.failed);
        self.elapsed = self.elapsed.max(other.elapsed);
    }
}

impl From<ShutdownReport> for Report {
    fn from(report: ShutdownReport) -> Self {
        let failed = report.failed_services.into_iter();
        Self {
            drained: report.drained,
            cut: report.cut.iter().map(ToString::to_string).collect(),
            failed: failed
                .map(|(name, reason)| format!("service {name} did not stop: {reason}"))
                .collect(),
            elapsed: report.elapsed,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "shutdown took {:.3} s: {} connections drained, {} cut",
            self.elapsed.as_secs_f64(),
            self.drained,
            self.cut.len()
        )?;
        for connection in &self.cut {
            write!(f, "\ncut {connection}")?;
        }
        for failed in &self.failed {
            write!(f, "\n{failed}")?;
        }
        Ok(())
    }
}
