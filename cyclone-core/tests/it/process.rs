//! Whole programs under the runner: daemons, pid files, privileges, workers, upgrades, the service manager.

mod check;
mod daemon;
mod harness;
mod notify;
mod pid_file;
mod privileges;
mod program;
mod signals;
mod spread;
mod upgrade;
mod worker_processes;
