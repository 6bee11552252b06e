//! Whole programs under the runner: daemons, pid files, privileges, workers, upgrades, the service manager.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

mod check;
mod daemon;
mod notify;
mod pid_file;
mod privileges;
mod program;
mod signals;
mod spread;
mod upgrade;
mod worker_processes;
