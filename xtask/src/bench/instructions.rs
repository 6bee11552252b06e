//! User instructions of a plaintext request, counted by callgrind on one connection.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::Report;
use super::figures::{Verdict, median};
use super::options::Options;
use super::plan::{BASE, INSTRUCTIONS, OURS, PLAINTEXT, Peer};
use super::programs::Programs;
use crate::servers::Server;
use crate::workspace;

/// How often each server is measured, unless it is said. Counts repeat within some tenths of a per cent.
const ROUNDS: usize = 1;

/// Requests of the two runs of a server. What is the same in both, the start above all, cancels out.
const FEW: u32 = 1000;
const MANY: u32 = 11_000;

/// Looks for valgrind.
pub(super) fn ready(_options: &Options) -> Result<()> {
    valgrind().map(|_| ())
}

fn valgrind() -> Result<PathBuf> {
    workspace::which("valgrind").context("no valgrind: apt-get install valgrind")
}

pub(super) fn run(options: &Options, programs: &Programs) -> Result<Report> {
    let valgrind = valgrind()?;
    let count = options.rounds.unwrap_or(ROUNDS);
    let mut rows = Vec::new();
    for peer in &options.peers {
        let mut samples = Vec::new();
        for round in 0..count {
            let few = count_once(programs, peer, &valgrind, FEW)?;
            let many = count_once(programs, peer, &valgrind, MANY)?;
            let sample = per_request(few, many);
            println!(
                "round {} plaintext {:<8} {sample:>7.0} instructions",
                round + 1,
                peer.name
            );
            samples.push(sample);
        }
        rows.push((peer.name, median(&samples)));
    }
    Ok(Report {
        method: format!("{FEW} and {MANY} requests under callgrind, 1 connection"),
        table: markdown(&rows),
        notes: Vec::new(),
        verdicts: vec![verdict(&rows)],
    })
}

/// Instructions of a whole process that answers so many requests.
fn count_once(programs: &Programs, peer: &Peer, valgrind: &Path, requests: u32) -> Result<u64> {
    let folder = tempfile::tempdir()?;
    let file = |name: &str| folder.path().join(name);
    let (counts, log) = (file("counts"), file("log"));
    let flag = |name: &str, path: &PathBuf| format!("{name}={}", path.display());
    let wrapper = [
        valgrind.display().to_string(),
        "--tool=callgrind".to_owned(),
        flag("--callgrind-out-file", &counts),
        flag("--log-file", &log),
    ];
    let server = Server::start(peer.name, &mut programs.server(peer, &wrapper), 1)?;
    let mut load = programs.load("load", &server);
    load.args(["--path", PLAINTEXT, "--connections", "1"]);
    load.args(["--requests", &requests.to_string()]);
    workspace::output(&mut load)?;
    // The counts are written when the process ends, by whatever signal.
    server.stop()?;
    let text = std::fs::read_to_string(&counts).unwrap_or_default();
    total(&text).with_context(|| {
        let log = std::fs::read_to_string(&log).unwrap_or_default();
        format!("callgrind has written no totals of {}:\n{log}", peer.name)
    })
}

/// The sum at the end of the file of callgrind.
fn total(counts: &str) -> Option<u64> {
    let mut lines = counts.lines().rev();
    let line = lines.find_map(|line| line.strip_prefix("totals:"))?;
    line.trim().parse().ok()
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts are far below the exact range of a double"
)]
fn per_request(few: u64, many: u64) -> f64 {
    many.saturating_sub(few) as f64 / f64::from(MANY - FEW)
}

fn markdown(rows: &[(&str, f64)]) -> String {
    let mut text = String::from(
        "| server | user instructions per request | ratio to hyper |\n|---|---:|---:|\n",
    );
    for (peer, count) in rows {
        let ratio = count / of(rows, BASE);
        text += &format!("| {peer} | {count:.0} | {ratio:.3} |\n");
    }
    text
}

fn verdict(rows: &[(&str, f64)]) -> Verdict {
    let ours = of(rows, OURS);
    Verdict {
        met: ours <= INSTRUCTIONS,
        text: format!("plaintext: {ours:.0} instructions, at most {INSTRUCTIONS}"),
    }
}

/// The count of a server; not a number when it was not measured.
fn of(rows: &[(&str, f64)], peer: &str) -> f64 {
    let mut rows = rows.iter();
    rows.find(|row| row.0 == peer).map_or(f64::NAN, |row| row.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_are_read() {
        let counts = "events: Ir\nsummary: 12\nfn=(1) main\n1 12\n\ntotals: 4711\n";
        assert_eq!(total(counts), Some(4711));
        assert_eq!(total("events: Ir\nsummary: 12\n"), None);
    }

    #[test]
    fn what_is_the_same_in_both_runs_cancels_out() {
        let run = |requests: u32| 5_000_000 + u64::from(requests) * 4200;
        assert_eq!(per_request(run(FEW), run(MANY)), 4200.0);
    }

    #[test]
    fn table_and_bound() {
        let rows = |ours| [(BASE, 9000.0), (OURS, ours)];
        let table = markdown(&rows(4500.0));
        assert!(table.ends_with("| cyclone | 4500 | 0.500 |\n"), "{table}");
        assert!(verdict(&rows(4500.0)).met);
        assert!(!verdict(&rows(4500.1)).met);
        assert!(!verdict(&[(BASE, 9000.0)]).met);
    }
}
