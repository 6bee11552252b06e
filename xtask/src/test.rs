//! `cargo xtask test [filter]`: every test and every example, with the foreign programs they need.

use std::time::Instant;

use anyhow::{Result, bail};

use crate::blackbox;
use crate::fuzz;
use crate::metadata::Metadata;
use crate::provision::Peers;
use crate::workspace;

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let filter = match arguments {
        [] => None,
        [filter] => Some(filter.as_str()),
        _ => bail!("one filter at most: `cargo xtask test [filter]`"),
    };
    let metadata = Metadata::load()?;
    let peers = Peers::provide(&metadata.target_directory)?;

    let mut failures = Vec::new();
    let start = Instant::now();
    let mut tests = workspace::cargo(["test", "--workspace", "--all-features", "--no-fail-fast"]);
    peers.tell(&mut tests);
    if let Some(filter) = filter {
        tests.args(["--", filter]);
    }
    if let Err(error) = workspace::run(&mut tests) {
        failures.push(format!("{error:#}"));
    }
    if let Err(error) = fuzz::corpora(filter) {
        failures.push(format!("{error:#}"));
    }
    println!("tests took {:.0?}", start.elapsed());

    failures.extend(blackbox::run(&metadata, &peers, filter)?);
    if failures.is_empty() {
        return Ok(());
    }
    bail!("{} failed:\n  {}", failures.len(), failures.join("\n  "));
}
