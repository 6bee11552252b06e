//! `cargo xtask demo`: the tour, built for speed, until Ctrl-C.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::metadata::Metadata;
use crate::workspace;

/// Where the tour listens unless a flag says otherwise. 8888 is the port of Tornado's examples.
const HTTP: &str = "127.0.0.1:8888";
const CONSOLE: &str = "127.0.0.1:8889";

/// Builds and becomes the tour: signals reach it directly, and its exit code is ours.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let target = Metadata::load()?.target_directory;
    workspace::run(&mut workspace::cargo([
        "build",
        "--release",
        "--package=cyclone-examples",
        "--bin=tour",
    ]))?;
    let mut tour = Command::new(target.join("release/tour"));
    let given = |flag: &str| arguments.iter().any(|argument| argument == flag);
    if !given("--http") {
        tour.args(["--http", HTTP]);
    }
    if !given("--console") {
        tour.args(["--console", CONSOLE]);
    }
    if !given("--data") {
        let data = target.join("xtask/demo");
        std::fs::create_dir_all(&data)?;
        tour.arg("--data").arg(data);
    }
    tour.args(arguments);
    if arguments.is_empty() {
        println!("the tour:    http://{HTTP}/");
        let (host, port) = CONSOLE.split_once(':').unwrap_or_default();
        println!("its console: nc {host} {port}");
        println!("Ctrl-C ends both");
    }
    Err(tour.exec()).context("cannot start the tour")
}
